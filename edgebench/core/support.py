"""How much of a model a device runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from edgebench.core.device import Device
from edgebench.core.model import ModelInfo
from edgebench.core.record import Record


class Verdict(StrEnum):
    """Whether a device runs a model."""

    WHOLE = "whole"
    PARTLY = "partly"
    """Some operators fall back to another processor."""
    NO = "no"
    UNAVAILABLE = "unavailable"
    """Something needed to find out is missing here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOperators(Record):
    """Operators of one kind that a device does not run.

    Attributes:
        operator: Their name.
        count: Their number.
        reason: Why, if it is known.
    """

    operator: str
    count: int = 1
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Support(Record):
    """What a target finds out about a model without measuring it.

    Attributes:
        left: Operators that the device does not run.
        runs: Whether the rest runs.
        reason: Why it does not.
        remedy: What helps.
        notes: What else a reader must know.
        at_least: Known minimum sizes, by the name of the figure.
    """

    left: tuple[LeftOperators, ...] = ()
    runs: bool = True
    reason: str | None = None
    remedy: str | None = None
    notes: tuple[str, ...] = ()
    at_least: Mapping[str, int] = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict:
        """Whether all of it runs."""
        if not self.runs:
            return Verdict.NO
        return Verdict.PARTLY if self.left else Verdict.WHOLE


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSupport(Record):
    """What a device does with a model.

    Attributes:
        device: The device.
        verdict: Whether it runs there.
        form: The form in which it would run, such as ``tflite, int8``; empty if it has none.
        support: The details.
    """

    device: Device
    verdict: Verdict
    form: str
    support: Support


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSupport(Record):
    """What devices do with a model.

    Attributes:
        source: What the user typed.
        model: What is in the file; None if it could not be read.
        devices: One for each device; none if the file could not be read.
        failure: Why it could not be read.
        remedy: What helps then.
    """

    source: str
    model: ModelInfo | None = None
    devices: tuple[DeviceSupport, ...] = ()
    failure: str | None = None
    remedy: str | None = None
