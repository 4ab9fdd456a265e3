"""A baseline: what models came to at one time, which later ones are held to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgebench.core.device import OptionValue
from edgebench.core.metric import Provenance
from edgebench.core.record import Record
from edgebench.core.run import Revision


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineFigure(Record):
    """One figure, without what is only of interest in a run.

    Attributes:
        value: In SI units.
        unit: As in ``core.metric.Metric``.
        provenance: How it was obtained.
        low: Lower end of its interval, if there is one.
        high: Upper end of it.
    """

    value: float
    unit: str
    provenance: Provenance
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineEntry(Record):
    """One model on one device.

    Attributes:
        model: Short name of the model.
        source: What was typed for it: a path or ``zoo:NAME``.
        model_digest: SHA-256 of its file.
        inputs: Its inputs, such as ``x float32[1,3,224,224]``.
        outputs: Its outputs.
        device: Name of the device.
        target: What ran it.
        options: Of the target.
        versions: Of the runtime and of what it builds on.
        sampled: Whether its latency was sampled, so that it is compared in pairs and not with this file.
        figures: By name.
        fallbacks: Operators that fell back to the CPU, by kind; None where the target does not tell.
        layers: What each layer costs, if the target tells and it repeats exactly.
        layer_unit: Unit of that.
        task: The task that the accuracy belongs to, or empty.
        task_digest: Digest of its data and split.
        machine: The board that its measured figures are from; empty if that is the baseline's machine.
    """

    model: str
    source: str
    model_digest: str
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    device: str
    target: str
    options: Mapping[str, OptionValue] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    sampled: bool
    figures: Mapping[str, BaselineFigure] = field(default_factory=dict)
    fallbacks: Mapping[str, int] | None = None
    layers: Mapping[str, float] = field(default_factory=dict)
    layer_unit: str = ""
    task: str = ""
    task_digest: str = ""
    machine: Mapping[str, str] = field(default_factory=dict)

    @property
    def subject(self) -> str:
        """Model and device in a sentence."""
        return f"{self.model} on {self.device}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineChange(Record):
    """Why and when a baseline was written.

    Attributes:
        date: In UTC, ISO 8601.
        reason: What the user said.
        revision: Of the repository around it, or None outside of one.
    """

    date: str
    reason: str
    revision: Revision | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline(Record):
    """Everything that later models are held to.

    Attributes:
        name: Name of its file, without ``.json``.
        edgebench: Version that wrote it.
        machine: The machine its measured figures are from, except those of boards.
        limits: How far a later figure may be off, as a user types it; may be edited by hand.
        changes: When and why it was written, the oldest first.
        entries: One for each model and device, sorted by them.
    """

    name: str
    edgebench: str
    machine: Mapping[str, str] = field(default_factory=dict)
    limits: tuple[str, ...] = ()
    changes: tuple[BaselineChange, ...] = ()
    entries: tuple[BaselineEntry, ...] = ()

    def entry(self, source: str, model: str, device: str) -> BaselineEntry | None:
        """The entry of a model on a device: that of the same path, else the only one of the same name."""
        here = [entry for entry in self.entries if entry.device == device]
        same_path = [entry for entry in here if entry.source == source]
        same_name = [entry for entry in here if entry.model == model]
        for found in (same_path, same_name):
            if len(found) == 1:
                return found[0]
        return None
