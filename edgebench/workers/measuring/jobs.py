"""Requests to a measuring process, and its answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from edgebench.core.device import Device
from edgebench.core.metric import Metric
from edgebench.core.model import InputSource
from edgebench.core.profile import Footprint, LayerCost, Sample
from edgebench.core.record import Record
from edgebench.core.surroundings import Surroundings
from edgebench.models.prepare import Prepared, PrepareRequest
from edgebench.models.source import parse_source
from edgebench.workers.measuring.at_device import AtDevice
from edgebench.workers.protocol import LongRequest, Request

MOST_LAYERS = 50_000
MOST_NOTES = 1_000
MOST_LOOPS = 10**6
MOST_ITERATIONS = 10**9
"""Inferences of a burst or loop."""
_LEAST_S, _MOST_S = 1e-12, 1e9
"""No inference is quicker or slower."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepare(Request[Prepared]):
    """Inspect a model, and bring it into a form that a target takes.

    Attributes:
        wanted: The model, and what the target takes.
    """

    verb: ClassVar[str] = "prepare"
    step: ClassVar[str] = "while the model file was read"
    wanted: PrepareRequest

    def misfit(self, answer: Prepared) -> str | None:
        """Its file must be the one that was meant, or one in the folder for it.

        What loads the file may read the folder that the file is in.
        """
        wanted, path = self.wanted, Path(answer.path)
        own = str(parse_source(wanted.source).path or Path(wanted.source))
        is_new = path.parent == Path(wanted.folder) and path.name != ".." and not path.is_symlink()
        return None if answer.path == own or is_new else "a file that was not asked for"


@dataclass(frozen=True, slots=True, kw_only=True)
class Done(Record):
    """Confirms that something was done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeReady(AtDevice[Done]):
    """Prepare a target once, before its first model.

    Attributes:
        device: Where models will run.
    """

    verb: ClassVar[str] = "make ready"
    step: ClassVar[str] = "while the device was made ready"
    device: Device


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded(Record):
    """The answer when a model is ready.

    Attributes:
        load_s: Reading and preparing the model.
        first: The first inference; for a deterministic target, the complete result.
        iterations: Inferences that a burst should have.
        burst_s: How long such a burst takes.
        method: How latencies are taken.
        energy_scope: What the meter covers, or None without one.
        loops: How many bursts are enough, if a board times itself; this process's time and memory are not the model's.
        before: What the machine was like before the model was loaded.
    """

    load_s: float
    first: Sample
    iterations: int
    burst_s: float
    method: str
    energy_scope: str | None = None
    loops: int | None = None
    before: Surroundings | None = None

    def __post_init__(self) -> None:
        if (
            not 1 <= self.iterations <= MOST_ITERATIONS
            or not 1 <= (1 if self.loops is None else self.loops) <= MOST_LOOPS
        ):
            raise ValueError("a burst needs at least one inference, and not more than there is time for")
        if self.burst_s < 0 or self.load_s < 0 or any(time > _MOST_S for time in self.first.latencies_s):
            raise ValueError("no model is that quick or that slow")


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting(Record):
    """The board is in use.

    Attributes:
        owner: Who uses it.
    """

    owner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserve(LongRequest[Done, Waiting]):
    """Keep a device's board for this process until it ends; wait while another process has it.

    Attributes:
        device: The device.
        owner: Who wants it, for those who wait then.
    """

    verb: ClassVar[str] = "reserve"
    step: ClassVar[str] = "while the board was in use"
    device: Device
    owner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Load(AtDevice[Loaded]):
    """Load a model, run it once and warm up; it stays loaded until ``Finish``.

    Attributes:
        device: The device to run it on.
        model: Path of a file that the device's target takes.
        inputs: Where inputs come from.
        digest: What the file must have when it is loaded and when sampling is over, or None for any.
        beside: Further files that the digest is of, where it is.
    """

    models_in: ClassVar[tuple[str, ...]] = ("model",)
    verb: ClassVar[str] = "load"
    step: ClassVar[str] = "while the model was loaded and warmed up"
    device: Device
    model: str
    inputs: InputSource
    digest: str | None = None
    beside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Run(Request[Sample]):
    """Run one burst of the loaded model.

    Attributes:
        iterations: Number of inferences.
    """

    verb: ClassVar[str] = "run"
    step: ClassVar[str] = "while the model ran"
    iterations: int

    def misfit(self, answer: Sample) -> str | None:
        """A burst must have latencies, of its own inferences."""
        if not 0 < len(answer.latencies_s) <= self.iterations:
            return f"a burst of {self.iterations} inferences with {len(answer.latencies_s)} latencies"
        if not all(map(_is_possible, answer.latencies_s)) or (answer.energy_j or 0.0) < 0:
            return "no model is that quick or that slow, or gives energy back"
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment(Record):
    """When a burst ran, by the monotonic clock of its machine.

    Attributes:
        begin_s: When it began, in seconds.
        end_s: When it ended.
        inferences: How many it had.
    """

    begin_s: float
    end_s: float
    inferences: int

    def __post_init__(self) -> None:
        if self.end_s <= self.begin_s or self.inferences < 1:
            raise ValueError("a burst takes time and has inferences")


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedSample(Record):
    """A burst, and when it ran."""

    sample: Sample
    moment: Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTimed(Request[TimedSample]):
    """Run one burst of the loaded model, and say when: energy is measured elsewhere.

    Attributes:
        iterations: Number of inferences.
    """

    verb: ClassVar[str] = "run timed"
    step: ClassVar[str] = "while the model ran"
    iterations: int

    def misfit(self, answer: TimedSample) -> str | None:
        """A burst must have latencies, of its own inferences."""
        return Run(iterations=self.iterations).misfit(answer.sample)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished(Record):
    """The answer when sampling is over."""

    peak_ram_bytes: int
    footprint: Footprint
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    layers: tuple[LayerCost, ...] = ()
    after: Surroundings | None = None

    def __post_init__(self) -> None:
        _require_possible(self.layers, self.metrics)
        if self.peak_ram_bytes < 0:
            raise ValueError("a process without memory")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish(Request[Finished]):
    """Read the figures that are read only once, and release the model.

    Attributes:
        layers: Whether per-operator rows are requested.
        release: Whether the model is released; ``ListLayers`` may follow if it is not.
    """

    verb: ClassVar[str] = "finish"
    step: ClassVar[str] = "while the last figures were read"
    layers: bool
    release: bool = True

    def misfit(self, answer: Finished) -> str | None:
        """Layers must have been asked for, and a report must be able to show what there is."""
        if answer.layers and not self.layers:
            return "layers that were not asked for"
        if len(answer.layers) > MOST_LAYERS or len(answer.notes) + len(answer.faults) > MOST_NOTES:
            return f"{len(answer.layers)} layers and {len(answer.notes) + len(answer.faults)} notes"
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedLayers(Record):
    """Per-operator rows."""

    layers: tuple[LayerCost, ...]

    def __post_init__(self) -> None:
        _require_possible(self.layers, {})


@dataclass(frozen=True, slots=True, kw_only=True)
class ListLayers(Request[ListedLayers]):
    """Find out what each operator of the loaded model costs, and release the model.

    It is asked after all else is known: it may take long, or fail, and must not take other figures along.
    """

    verb: ClassVar[str] = "list layers"
    step: ClassVar[str] = "while single operators were measured"

    def misfit(self, answer: ListedLayers) -> str | None:
        """No model has that many operators."""
        return f"{len(answer.layers)} layers" if len(answer.layers) > MOST_LAYERS else None


def _require_possible(layers: tuple[LayerCost, ...], metrics: Mapping[str, Metric]) -> None:
    if not all(0 <= (layer.share or 0.0) <= 1.01 for layer in layers):
        raise ValueError("a layer that is more than its model")
    for figures in (metrics, *(layer.metrics for layer in layers)):
        if any(figure.value < 0 or figure.least < 0 for figure in figures.values()):
            raise ValueError("a figure cannot be below zero")


def _is_possible(latency_s: float) -> bool:
    return _LEAST_S <= latency_s <= _MOST_S
