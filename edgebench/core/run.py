"""What one command measured: the unit that is stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgebench.core.compression import CompressionRecord
from edgebench.core.plan import MeasurementPlan
from edgebench.core.profile import Outcome, Profile
from edgebench.core.record import Record
from edgebench.core.search import SearchRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision(Record):
    """The state of the git repository that a run was made in.

    Attributes:
        commit: The full hash.
        dirty: Whether tracked files differed from it.
    """

    commit: str
    dirty: bool = False

    def __str__(self) -> str:
        return self.commit[:9] + ("+" if self.dirty else "")


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What a list says of a run.

    Attributes:
        name: Of the run.
        profiles: How many it has.
        label: The user's name for it, or empty.
        revision: Of the repository, as people write it, or empty.
        started: Start in UTC, ISO 8601.
        models: Names, each once.
        devices: Names, each once.
        complete: ``yes`` or ``no``.
    """

    name: str
    profiles: int
    label: str
    revision: str
    started: str
    models: str
    devices: str
    complete: str


CallValue = bool | int | str | tuple[str, ...] | None
"""What an option of a command may be, for a run to keep."""


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
        compression: The outcome of a compression; its strategies' profiles are those of the run.
        label: The user's name for it, or empty.
        revision: Of the repository in the working folder, or None outside of one.
        call: The options that it is gone on with, by name, if it can be; empty if not.
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
    compression: CompressionRecord | None = None
    label: str = ""
    revision: Revision | None = None
    call: Mapping[str, CallValue] = field(default_factory=dict)

    @property
    def summary(self) -> RunSummary:
        """What a list says of it."""
        return RunSummary(
            name=self.name,
            profiles=len(self.profiles),
            label=self.label,
            revision="" if self.revision is None else str(self.revision),
            started=self.started,
            models=", ".join(dict.fromkeys(profile.model.name for profile in self.profiles)),
            devices=", ".join(dict.fromkeys(profile.device.name for profile in self.profiles)),
            complete="yes" if self.complete else "no",
        )

    @property
    def title(self) -> str:
        """Its label if it has one, otherwise its name."""
        return self.label or self.name

    @property
    def has_figures(self) -> bool:
        """Whether it has results: a search, a compression, a profile with numbers, or samples of one that failed."""
        return (
            self.search is not None
            or self.compression is not None
            or any(
                profile.outcome is Outcome.OK or any(process.bursts for process in profile.processes)
                for profile in self.profiles
            )
        )
