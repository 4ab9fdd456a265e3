"""The outcome of a compression: what was done to a model, what it became, and how it was judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from edgebench.core.accuracy_limits import Share
from edgebench.core.budget import Budget, Limit
from edgebench.core.metric import Metric
from edgebench.core.record import Record
from edgebench.core.search import DeviceAccuracy


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDone(Record):
    """What one pass did.

    Attributes:
        text: The pass with its parameters, such as ``prune(0.3)``.
        done: What it did, one phrase.
        skipped: What it does not apply to, with reasons; layers are named.
        accuracy: On validation samples after it, in float, or None without a task.
        parameters: Elements of kernels and biases after it.
        macs: Multiply-accumulates of an inference after it.
        seed: That it ran with.
        seconds: Wall time in seconds.
    """

    text: str
    done: str
    skipped: tuple[str, ...] = ()
    accuracy: float | None = None
    parameters: int = 0
    macs: int = 0
    seed: int = 0
    seconds: float = 0.0


class StrategyState(StrEnum):
    """How a strategy ended."""

    MEASURED = "measured"
    NOT_APPLICABLE = "not applicable"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyCheck(Record):
    """A limit checked against what a strategy's file costs.

    Attributes:
        limit: The limit.
        found: What the profile says, or None if it failed.
        holds: Whether the upper end of its interval or error band meets the limit.
        excess: By how much that end exceeds the limit, as a share of it; at most 0 if it is met, None if unknown.
    """

    limit: Limit
    found: Metric | None
    holds: bool
    excess: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployedFile(Record):
    """What a device gets.

    Attributes:
        device: Name of the device.
        path: The file.
        form: Its data type, and what is special about it.
        file_bytes: Its size.
        update_bytes: Its size compressed with LZMA: what an update over the air sends.
        note: What a reader must know, such as that the device takes nothing else.
    """

    device: str
    path: str
    form: str
    file_bytes: int
    update_bytes: int
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyResult(Record):
    """One strategy: what was done, and what it is worth on every device.

    Attributes:
        name: Of the strategy.
        pipeline: Its passes, such as ``prune(0.3) + distil + int8``.
        state: How it ended.
        reason: Why it failed or does not apply, or empty.
        steps: What each pass did.
        files: What each device gets.
        checks: Every limit of cost.
        accuracies: By device, in the deployed runtime.
        figures: By device, figures by name (``latency_s``, ``ram_bytes``, ...).
        unfused: By device, latency without the runtime's graph optimisation, if the strategy asks for it.
        hindrances: Why devices could not be measured, one sentence each.
        faults: Why it does not meet the limits, one sentence each; empty for a solution.
        undecided: Whether all faults are limits of accuracy that more test samples could show to be met.
        artefacts: Paths of what was written: model files, weights, C projects, the manifest.
    """

    name: str
    pipeline: str
    state: StrategyState
    reason: str = ""
    steps: tuple[StepDone, ...] = ()
    files: tuple[DeployedFile, ...] = ()
    checks: tuple[StrategyCheck, ...] = ()
    accuracies: tuple[DeviceAccuracy, ...] = ()
    figures: Mapping[str, Mapping[str, Metric]] = field(default_factory=dict)
    unfused: Mapping[str, Metric] = field(default_factory=dict)
    hindrances: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    undecided: bool = False
    artefacts: tuple[str, ...] = ()

    @property
    def solution(self) -> bool:
        """Whether it meets every limit."""
        return self.state is StrategyState.MEASURED and not self.faults

    @property
    def worst_accuracy(self) -> float | None:
        """The lowest accuracy over devices, 0 to 1, or None without a task."""
        return min((item.accuracy.value for item in self.accuracies), default=None)

    @property
    def worst_drop(self) -> Share | None:
        """The largest drop of accuracy over devices, or None without a task."""
        drops = [item.drop for item in self.accuracies if item.drop is not None]
        return max(drops, key=lambda drop: drop.value, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedPipeline(Record):
    """A pipeline that a search tried.

    Attributes:
        number: Of its trial.
        pipeline: Its passes.
        accuracy: Of the deployed file on validation samples, lowest over devices; None if it was not trained.
        meets: Whether it meets every limit, as far as validation samples show.
        reason: Why not, or empty.
        figures: Figures that are limited, by column.
    """

    number: int
    pipeline: str
    accuracy: float | None = None
    meets: bool = False
    reason: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation(Record):
    """The verdict of a compression; there always is one.

    Attributes:
        strategy: Name of the strategy, or empty if none could be measured.
        meets: Whether it meets every limit; otherwise it is the nearest.
        reason: Why this one, one sentence.
        binding: The limits that it breaks, with by how much.
    """

    strategy: str
    meets: bool
    reason: str
    binding: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CompressionRecord(Record):
    """A compression as it stands.

    Attributes:
        study: Its name, and that of its folder.
        model: What the user gave.
        digest: SHA-256 of the imported network and weights.
        task: Name, digest and sizes of the task in one phrase, or empty.
        devices: Names.
        budget: What a solution must meet.
        seed: Of everything random.
        parameters: Of the original.
        macs: Multiply-accumulates of one inference of the original.
        unread: Why the original is not a network of ours, so that only passes on files apply; empty if it is one.
        reference: Accuracy of the original in float32 on test samples, or None without a task.
        strategies: Results so far, in the order they were asked for.
        wanted: How many strategies were asked for.
        tried: What a search tried, in the order of its trials.
        recommendation: The verdict, once all are judged.
        seconds: Wall time of this call.
    """

    study: str
    model: str
    digest: str
    task: str
    devices: tuple[str, ...]
    budget: Budget
    seed: int
    parameters: int = 0
    macs: int = 0
    unread: str = ""
    reference: Share | None = None
    strategies: tuple[StrategyResult, ...] = ()
    wanted: int = 0
    tried: tuple[TriedPipeline, ...] = ()
    recommendation: Recommendation | None = None
    seconds: float = 0.0
