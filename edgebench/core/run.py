"""What one command measured: the unit that is stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgebench.core.plan import MeasurementPlan
from edgebench.core.profile import Profile
from edgebench.core.record import Record
from edgebench.core.search import SearchRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Run(Record):
    """One command and its profiles.

    Attributes:
        name: Name of the run: time and a short random part.
        started: Start in UTC, ISO 8601.
        command: What was typed.
        edgebench: Version of edgebench.
        plan: Settings of the measurement.
        machine: The machine it ran on: processor, system, governor, virtual machine.
        seed: Seeds the random inputs.
        complete: Whether the command finished.
        profiles: One per model and device, in the order given.
        warnings: What disturbed the machine during the run.
        search: The outcome of a search; its finalists' profiles are those of the run.
    """

    name: str
    started: str
    command: tuple[str, ...]
    edgebench: str
    plan: MeasurementPlan
    machine: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    complete: bool = False
    profiles: tuple[Profile, ...] = ()
    warnings: tuple[str, ...] = ()
    search: SearchRecord | None = None
