"""The outcome of a search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgebench.core.accuracy_limits import Share
from edgebench.core.budget import Budget, Limit
from edgebench.core.metric import Metric
from edgebench.core.record import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitFact(Record):
    """One limit.

    Attributes:
        limit: The limit.
        least: The lowest value of any network of the space, with the margin for prediction errors.
        needed: The lowest value it would have to be raised to while all other limits stay; None if that is not
            enough.
    """

    limit: Limit
    least: float
    needed: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Nearest(Record):
    """A network that narrowly misses the limits.

    Attributes:
        architecture: Its architecture.
        excess: For each limit by how much it is exceeded, as a share of it; negative if it is met.
    """

    architecture: str
    excess: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Infeasibility(Record):
    """Why no network of a space meets all limits, according to the tables.

    Attributes:
        looked_at: How many networks were predicted.
        complete: Whether that is all of them.
        limits: Every limit.
        nearest: Networks whose worst excess is smallest.
    """

    looked_at: int
    complete: bool
    limits: tuple[LimitFact, ...]
    nearest: tuple[Nearest, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult(Record):
    """One network that was tried.

    Attributes:
        number: Of the trial in its study.
        architecture: Which network.
        accuracy: As the search saw it, 0 to 1 (or a proxy's score), or None if its training failed.
        figures: Predicted, by column (``latency_s@host``).
    """

    number: int
    architecture: str
    accuracy: float | None
    figures: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitCheck(Record):
    """A limit checked against what was found.

    Attributes:
        limit: The limit.
        predicted: What the table said.
        found: What the profile says, or None if it failed.
        holds: Whether the limit is met; the upper end of a figure's interval or error band must meet it.
        only_predicted: Whether the device is not attached, so that the prediction with its margin decides.
    """

    limit: Limit
    predicted: float
    found: Metric | None
    holds: bool
    only_predicted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceAccuracy(Record):
    """How accurate the deployed file is.

    Attributes:
        device: Where it is deployed.
        file: What is deployed.
        runtime: What classified the test samples.
        accuracy: On test samples.
        drop: Accuracy lost against the reference network on the same samples, or None without a reference.
        samples: How many test samples there were; 0 where that is not known.
        most_frequent: Share of the class that most of them are of.
    """

    device: str
    file: str
    runtime: str
    accuracy: Share
    drop: Share | None = None
    samples: int = 0
    most_frequent: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finalist(Record):
    """A network that was fully trained, exported and profiled on every device.

    Attributes:
        architecture: Its architecture.
        trial: Number of its trial.
        validation_accuracy: After full training, or None if nothing was trained.
        checks: Every limit of cost.
        accuracies: By device.
        faults: Why it is not a solution, one sentence each; empty for a solution.
        files: What was exported.
        undecided: Whether all faults are limits of accuracy that more test samples could show to be met.
        latencies: What was found on devices that have no limit of it, by column.
    """

    architecture: str
    trial: int
    validation_accuracy: float | None
    checks: tuple[LimitCheck, ...]
    accuracies: tuple[DeviceAccuracy, ...] = ()
    faults: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    undecided: bool = False
    latencies: Mapping[str, Metric] = field(default_factory=dict)

    @property
    def solution(self) -> bool:
        """Whether it meets every limit when checked."""
        return not self.faults

    @property
    def unmeasured(self) -> tuple[str, ...]:
        """Devices with a limit on which it could not be measured, so that it is a solution as predicted only."""
        return tuple(dict.fromkeys(check.limit.device for check in self.checks if check.only_predicted))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference(Record):
    """The largest network of the space, which accuracy drops are relative to.

    Attributes:
        architecture: Its architecture.
        search_accuracy: Trained as trials are.
        test_accuracy: Fully trained, in float32.
    """

    architecture: str
    search_accuracy: float | None = None
    test_accuracy: Share | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRecord(Record):
    """A search as it stands.

    Attributes:
        study: Name of the study.
        storage: Where the study is kept.
        space: Name of the space.
        space_size: Number of its architectures.
        objectives: What was optimised.
        budget: What solutions must meet.
        margins: For each limit the factor that predictions were multiplied by.
        accuracy: What the accuracy of trials is.
        task: Name, digest and sizes of the task, in one phrase.
        sampler: What proposed architectures.
        seed: Of everything random.
        tables: By device, what its table was built with and how well it predicts.
        intervals: By column, the 95 % interval of the actual figures, as factors of the table's prediction.
        looked_at: Architectures whose cost was predicted.
        feasible: How many of them meet the limits.
        complete: Whether these are all of the space.
        trials: Trials that were finished.
        failed: Trials that failed.
        pruned: Trials that were cut short.
        front: The best networks found: none is beaten in every objective.
        reference: What accuracy drops are relative to.
        finalists: Networks that were fully trained and profiled.
        infeasibility: Why nothing meets the limits, if so.
        seconds: Wall time of this call.
        tried: Every network whose accuracy is known, in the order of its trial.
        wanted: Trials that were asked for; 0 where that is not known.
    """

    study: str
    storage: str
    space: str
    space_size: int
    objectives: tuple[str, ...]
    budget: Budget
    margins: tuple[float, ...]
    accuracy: str
    task: str
    sampler: str
    seed: int
    tables: Mapping[str, str]
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    looked_at: int = 0
    feasible: int = 0
    complete: bool = False
    trials: int = 0
    failed: int = 0
    pruned: int = 0
    front: tuple[TrialResult, ...] = ()
    reference: Reference | None = None
    finalists: tuple[Finalist, ...] = ()
    infeasibility: Infeasibility | None = None
    seconds: float = 0.0
    tried: tuple[TrialResult, ...] = ()
    wanted: int = 0
