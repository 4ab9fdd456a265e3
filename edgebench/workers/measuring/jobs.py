"""Requests to a measuring process, and its answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from edgebench.core.device import Device
from edgebench.core.metric import Metric
from edgebench.core.model import InputSource
from edgebench.core.profile import Footprint, LayerCost, Sample
from edgebench.core.record import Record
from edgebench.core.support import Support
from edgebench.core.surroundings import Surroundings
from edgebench.models.prepare import Prepared, PrepareRequest
from edgebench.workers.measuring.at_device import AtDevice
from edgebench.workers.protocol import LongRequest, Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepare(Request[Prepared]):
    """Inspect a model, and bring it into a form that a target takes.

    Attributes:
        wanted: The model, and what the target takes.
    """

    verb: ClassVar[str] = "prepare"
    step: ClassVar[str] = "while the model file was read"
    wanted: PrepareRequest


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
        if self.iterations < 1 or self.burst_s < 0:
            raise ValueError("a burst needs at least one inference and a time of at least zero")


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
        """A burst must have latencies."""
        return None if answer.latencies_s else "a burst without latencies"


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
        """A burst must have latencies."""
        return None if answer.sample.latencies_s else "a burst without latencies"


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedLayers(Record):
    """Per-operator rows."""

    layers: tuple[LayerCost, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListLayers(Request[ListedLayers]):
    """Find out what each operator of the loaded model costs, and release the model.

    It is asked after all else is known: it may take long, or fail, and must not take other figures along.
    """

    verb: ClassVar[str] = "list layers"
    step: ClassVar[str] = "while single operators were measured"


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
