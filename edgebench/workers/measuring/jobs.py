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
from edgebench.core.support import Support
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
class ExecutedOperators(Record):
    """What a runtime makes of models.

    Attributes:
        counts: For each model how often each operator is executed; None where the target does not tell.
    """

    counts: tuple[Mapping[str, int], ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CountOperators(AtDevice[ExecutedOperators]):
    """Ask a target which operators it executes, without running anything.

    Attributes:
        device: The device.
        models: Paths of files that its target takes.
    """

    models_in: ClassVar[tuple[str, ...]] = ("models",)
    verb: ClassVar[str] = "count operators"
    step: ClassVar[str] = "while operators were counted"
    device: Device
    models: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Try(AtDevice[Support]):
    """Find out whether a device runs a model, without measuring it.

    Attributes:
        device: The device.
        model: Path of a file that the device's target takes.
        inputs: Where inputs come from.
    """

    models_in: ClassVar[tuple[str, ...]] = ("model",)
    verb: ClassVar[str] = "try"
    step: ClassVar[str] = "while the model was tried"
    device: Device
    model: str
    inputs: InputSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Written(Record):
    """Files that were written.

    Attributes:
        files: Their paths in the requested folder.
        notes: What their user must know.
    """

    files: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteProject(Request[Written]):
    """Write what a device runs: a C project, or what a compiler makes of the model.

    Attributes:
        device: What it is for.
        model: Path of the file.
        inputs: Where the inputs of its test vector come from.
        folder: Where the files go.
    """

    verb: ClassVar[str] = "write project"
    step: ClassVar[str] = "while its files were written"
    device: Device
    model: str
    inputs: InputSource
    folder: str

    def misfit(self, answer: Written) -> str | None:
        """Its files must be in the folder: they are copied from there to where the user wants them."""
        return None if all(_is_in(self.folder, name) for name in answer.files) else "files that are not in their folder"


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
    """

    models_in: ClassVar[tuple[str, ...]] = ("model",)
    verb: ClassVar[str] = "load"
    step: ClassVar[str] = "while the model was loaded and warmed up"
    device: Device
    model: str
    inputs: InputSource
    digest: str | None = None


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
        if self.peak_ram_bytes < 0 or not all(0 <= (layer.share or 0.0) <= 1.01 for layer in self.layers):
            raise ValueError("a process without memory, or a layer that is more than its model")
        for figures in (self.metrics, *(layer.metrics for layer in self.layers)):
            if any(figure.value < 0 or figure.least < 0 for figure in figures.values()):
                raise ValueError("a figure cannot be below zero")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish(Request[Finished]):
    """Read the figures that are read only once, and release the model.

    Attributes:
        layers: Whether per-operator rows are requested.
    """

    verb: ClassVar[str] = "finish"
    step: ClassVar[str] = "while the last figures were read"
    layers: bool

    def misfit(self, answer: Finished) -> str | None:
        """Layers must have been asked for, and a report must be able to show what there is."""
        if answer.layers and not self.layers:
            return "layers that were not asked for"
        if len(answer.layers) > MOST_LAYERS or len(answer.notes) + len(answer.faults) > MOST_NOTES:
            return f"{len(answer.layers)} layers and {len(answer.notes) + len(answer.faults)} notes"
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class RaceResult(Record):
    """One model of a race.

    Attributes:
        latency_p5_s: 5th percentile of its latencies, which repeats best.
        latency_s: Median of its latencies.
        energy_j: Energy per inference, if there is a meter.
    """

    latency_p5_s: float
    latency_s: float
    energy_j: float | None = None

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
    """

    models_in: ClassVar[tuple[str, ...]] = ("models",)
    verb: ClassVar[str] = "race"
    step: ClassVar[str] = "while models ran in turn"
    device: Device
    models: tuple[str, ...]
    seconds: float

    def misfit(self, answer: Raced) -> str | None:
        """Each model must have a result."""
        entered, came = len(self.models), len(answer.results)
        return None if entered == came else f"{came} results of {entered} models"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputsCompared(Record):
    """How far the outputs of two models are apart.

    Attributes:
        compared: Number of outputs that both have; 0 where the target does not execute models.
        difference: Largest difference as a share of an output's largest value; None if they cannot be compared.
        reason: Why not.
    """

    compared: int
    difference: float | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareOutputs(AtDevice[OutputsCompared]):
    """Run two models once on the same inputs.

    Attributes:
        device: The device.
        before: Path of a file that its target takes.
        after: Path of another one.
        inputs: Where the inputs of both come from.
    """

    models_in: ClassVar[tuple[str, ...]] = ("before", "after")
    verb: ClassVar[str] = "compare outputs"
    step: ClassVar[str] = "while outputs were compared"
    device: Device
    before: str
    after: str
    inputs: InputSource


def _is_in(folder: str, name: str) -> bool:
    """Whether a name means a file in a folder, and the same name another one in any other folder."""
    path = Path(name)
    if "\0" in name or path.is_absolute() or ".." in path.parts:
        return False
    return (Path(folder) / path).resolve().is_relative_to(Path(folder).resolve())


def _is_possible(latency_s: float) -> bool:
    return _LEAST_S <= latency_s <= _MOST_S
