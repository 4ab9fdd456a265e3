"""What a measuring process is asked in order to compare models: to run them in turn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from edgebench.core.device import Device
from edgebench.core.record import Record
from edgebench.workers.measuring.at_device import AtDevice
from edgebench.workers.measuring.jobs import Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class RaceResult(Record):
    """One model of a race.

    Attributes:
        latency_p5_s: 5th percentile of its latencies, which repeats best.
        latency_s: Median of its latencies.
        energy_j: Energy per inference, if there is a meter.
        moments: When its bursts ran, if that was asked for.
    """

    latency_p5_s: float
    latency_s: float
    energy_j: float | None = None
    moments: tuple[Moment, ...] = ()

    def __post_init__(self) -> None:
        if self.latency_p5_s <= 0 or self.latency_s <= 0:
            raise ValueError("a latency must be above zero")

    @property
    def robust(self) -> Mapping[str, float]:
        """By name, the figures that repeat best: those that tables store and predict."""
        return {"latency_s": self.latency_p5_s} | ({} if self.energy_j is None else {"energy_j": self.energy_j})


@dataclass(frozen=True, slots=True, kw_only=True)
class Raced(Record):
    """How a race ended.

    Attributes:
        results: One per model, in the order in which they entered.
    """

    results: tuple[RaceResult, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Race(AtDevice[Raced]):
    """Run models in turn for some time.

    Attributes:
        device: The device; its target must measure.
        models: Paths of files that the target takes.
        seconds: Total time, without loading.
        least_burst_s: How long bursts last at least whose moments are told, for a meter elsewhere; 0 if there is none.
    """

    models_in: ClassVar[tuple[str, ...]] = ("models",)
    verb: ClassVar[str] = "race"
    step: ClassVar[str] = "while models ran in turn"
    device: Device
    models: tuple[str, ...]
    seconds: float
    least_burst_s: float = 0.0

    def misfit(self, answer: Raced) -> str | None:
        """Each model must have a result."""
        entered, came = len(self.models), len(answer.results)
        return None if entered == came else f"{came} results of {entered} models"
