"""The result of one model on one device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from edgebench.core.device import Device
from edgebench.core.metric import Metric, Provenance
from edgebench.core.model import ModelInfo
from edgebench.core.record import Record


class Outcome(StrEnum):
    """How a profile ended."""

    OK = "ok"
    UNSUPPORTED = "unsupported"
    UNAVAILABLE = "unavailable"
    BAD_INPUT = "bad input"
    CRASHED = "crashed"
    TIMED_OUT = "timed out"
    OUT_OF_MEMORY = "out of memory"
    WRONG_RESULTS = "wrong results"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample(Record):
    """One burst of inferences.

    Attributes:
        latencies_s: One entry per inference, in seconds.
        cpu_s: Processor time of the whole burst, or None if it is meaningless (several threads).
        wall_s: Wall time of the whole burst.
        energy_j: Energy of the whole burst in joules, or None without a meter.
    """

    latencies_s: tuple[float, ...]
    cpu_s: float | None = None
    wall_s: float | None = None
    energy_j: float | None = None

    def __post_init__(self) -> None:
        times = (*self.latencies_s, self.cpu_s or 0.0, self.wall_s or 0.0)
        if not all(time >= 0 for time in times):
            raise ValueError("a time cannot be below zero")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessRun(Record):
    """Everything sampled in one fresh process.

    Attributes:
        load_s: Reading the model and preparing it, without importing the runtime.
        first_inference_s: The first inference after loading.
        peak_ram_bytes: Growth of resident memory from before loading to its highest, or None.
        bursts: The samples, in the order they were taken.
    """

    load_s: float | None = None
    first_inference_s: float | None = None
    peak_ram_bytes: int | None = None
    bursts: tuple[Sample, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerCost(Record):
    """What one operator of a model costs.

    Attributes:
        name: Name of the operator or of its output in the model file.
        operator: Kind of operator.
        share: Fraction of the whole, 0 to 1, or None if it is unknown.
        metrics: Figures of this layer by metric name (``latency_s``, ``cycles``, ``macs``, ...).
        placement: Processor it ran on, as the target names it (``CPU``, ``NPU``), if that varies.
        reason: Why it was placed there, for a fallback.
    """

    name: str
    operator: str
    share: float | None = None
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    placement: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint(Record):
    """Memory that a loaded model takes, if the target knows it.

    Attributes:
        ram_bytes: Working memory.
        flash_bytes: Stored size of code and constants.
    """

    ram_bytes: Metric | None = None
    flash_bytes: Metric | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure(Record):
    """Why a profile has no, or not all, numbers.

    Attributes:
        message: One sentence.
        remedy: What to do next, if known.
        operators: Operators that the device does not support, if that is the reason.
    """

    message: str
    remedy: str | None = None
    operators: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, weakref_slot=True)
class Profile(Record):
    """One model on one device.

    Attributes:
        model: The model as given.
        device: The device with the options that were used.
        outcome: How it ended; numbers taken before a failure are kept.
        failure: Why, unless the outcome is OK.
        processes: Raw samples. Statistics are derived on reading, see ``core.summary``.
        metrics: Figures that are not derived from samples, by name.
        layers: Per-operator rows; empty unless requested.
        versions: Versions of the runtime and of what it builds on.
        notes: What a reader of the numbers should know.
        latency_provenance: What the samples' latencies are.
        method: How the latencies were taken, in one phrase.
        deployed: The file that really ran, if the model was converted for the device.
        energy_scope: What the energy meter covers, or None if no meter was read.
    """

    model: ModelInfo
    device: Device
    outcome: Outcome
    failure: Failure | None = None
    processes: tuple[ProcessRun, ...] = ()
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    layers: tuple[LayerCost, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    latency_provenance: Provenance | None = None
    method: str = ""
    deployed: ModelInfo | None = None
    energy_scope: str | None = None

    def __post_init__(self) -> None:
        for metrics in (self.metrics, *(layer.metrics for layer in self.layers)):
            for name, metric in metrics.items():
                if metric.value < 0 or metric.least < 0:
                    raise ValueError(f"{name} cannot be below zero, as {metric.value} ({metric.method})")
