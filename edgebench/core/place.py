"""What is known of the machine where a device is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgebench.core.record import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterStatus(Record):
    """One meter of this machine, or one kind that it lacks.

    Attributes:
        name: What a device file writes after ``meter =``.
        ready: Whether it can be read now.
        detail: What it measures, or what is missing.
        remedy: What to do about it, if it is not ready.
    """

    name: str
    ready: bool
    detail: str
    remedy: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen(Record):
    """What is known of the machine where a device is.

    Attributes:
        versions: Of the device's target and of what it builds on.
        edgebench: Version of edgebench there.
        build: Digest of its code.
        machine: What the machine is.
        warnings: What may disturb a measurement there now.
        meters: Its energy meters, usable or not, if they were looked for.
        clock_s: Its time, in seconds since 1970.
        host: Name of a farm's host, and of its board; empty if it is this machine or a board of it.
    """

    versions: Mapping[str, str]
    edgebench: str
    build: str
    machine: Mapping[str, str]
    warnings: tuple[str, ...]
    meters: tuple[MeterStatus, ...]
    clock_s: float
    host: str = ""
