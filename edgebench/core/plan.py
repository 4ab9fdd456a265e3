"""How long and how often to measure."""

from __future__ import annotations

from dataclasses import dataclass

from edgebench.core.record import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasurementPlan(Record):
    """Settings of one run, the same for every model and device in it.

    Attributes:
        goal: Sampling stops when the 95 % interval of the median is narrower than this fraction of it.
        repetitions: Minimum number of fresh processes.
        time_limit_s: Seconds that one model on one device may take in total; a child that has not answered
            by then is killed.
        memory_limit_bytes: Data a child process may allocate.
        layers: Whether per-operator rows are requested.
    """

    goal: float = 0.02
    repetitions: int = 5
    time_limit_s: float = 60.0
    memory_limit_bytes: int | None = None
    layers: bool = False

    def __post_init__(self) -> None:
        if self.repetitions < 1 or self.time_limit_s <= 0 or self.goal <= 0:
            raise ValueError("repetitions, the time limit and the goal must be above zero")
