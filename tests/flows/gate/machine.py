"""A machine without processes: models are names with figures, and everything goes through the real protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgebench.core.device import Device
from edgebench.core.metric import Metric, Provenance
from edgebench.core.model import ModelFormat, ModelInfo, TensorSpec
from edgebench.core.profile import Footprint, LayerCost, Sample
from edgebench.links.base import Ending, LinkClosedError
from edgebench.models.prepare import Prepared
from edgebench.store.devices import find_device
from edgebench.targets.fake import FakeTarget
from edgebench.workers.measuring.jobs import (
    CompareOutputs,
    Finish,
    Finished,
    ListedLayers,
    ListLayers,
    Load,
    Loaded,
    OutputsCompared,
    Prepare,
    Run,
)
from edgebench.workers.protocol import FailureKind, Request, Trouble
from edgebench.workers.training.jobs import DescribeTask, Predict, Predictions, TaskFacts
from edgebench.workers.worker import Worker
from tests.canned_workers import CannedLink, WithoutBoards

DIED = LinkClosedError("the child has ended", Ending(signal="SIGSEGV"))
FAKE = find_device("fake")


@dataclass
class Model:
    """What a model would come to.

    Attributes:
        latency_s: Of an inference.
        noise: Relative standard deviation of what all inferences of one process have in common.
        shape: Of its input.
        metrics: Figures of the target, in bytes or in their own unit.
        layers: Share by name.
        on_cpu: Layers that fell back.
        energy_j: Of an inference; None without a meter.
        dies: When it is loaded.
        dies_later: In the process of that number.
        unreadable: Whether the file cannot be read.
        right: Of ten samples.
    """

    latency_s: float = 1e-3
    noise: float = 0.0
    shape: tuple[int, ...] = (1, 3)
    metrics: dict[str, float] = field(default_factory=dict)
    layers: dict[str, float] = field(default_factory=dict)
    on_cpu: tuple[str, ...] = ()
    energy_j: float | None = None
    dies: bool = False
    dies_later: int | None = None
    unreadable: bool = False
    right: int = 9
    size: int = 1000


class Machine(WithoutBoards):
    """Gives workers that know these models.

    Args:
        models: By path.
        seed: Of the noise.
        output_difference: What outputs differ by; None if they cannot be compared.
    """

    def __init__(self, models: Mapping[str, Model], *, seed: int = 0, output_difference: float | None = 0.0) -> None:
        self.models = models
        self.random = np.random.default_rng(seed)
        self.output_difference = output_difference
        self.asked: list[Request[Any]] = []
        self.loads: list[str] = []
        self.alive: list[str] = []

    def measuring(self, *, number: int = 0, memory_limit_bytes: int | None = None) -> Worker:
        state: dict[str, Any] = {"number": number}
        answers: dict[type[Request[Any]], Callable[[Any], Any]] = {
            Prepare: self._prepare,
            Load: lambda request: self._load(request, state),
            Run: lambda request: self._run(request, state),
            Finish: lambda request: self._finish(request, state),
            ListLayers: lambda _: ListedLayers(layers=self._layers(state)),
            CompareOutputs: self._compare,
        }
        return Worker(CannedLink(answers, self.asked, []), ["canned"])

    def training(self) -> Worker:
        answers: dict[type[Request[Any]], Callable[[Any], Any]] = {Predict: self._predict, DescribeTask: self._describe}
        return Worker(CannedLink(answers, self.asked, []), ["canned"])

    def _prepare(self, request: Prepare) -> Any:
        model = self.models[request.wanted.source]
        if model.unreadable:
            return Trouble(kind=FailureKind.BAD_INPUT, what="not a model")
        spec = TensorSpec(name="x", dtype="float32", shape=model.shape)
        info = ModelInfo(
            name=Path(request.wanted.source).stem,
            source=request.wanted.source,
            format=ModelFormat.ONNX,
            digest=request.wanted.source,
            size_bytes=model.size,
            inputs=(spec,),
            outputs=(TensorSpec(name="y", dtype="float32", shape=(1, 2)),),
        )
        return Prepared(info=info, path=request.wanted.source)

    def _load(self, request: Load, state: dict[str, Any]) -> Any:
        model = self.models[request.model]
        self.loads.append(request.model)
        if model.dies or model.dies_later == state["number"]:
            return DIED
        state["model"] = model
        state["factor"] = float(np.exp(self.random.normal(0, model.noise))) if model.noise else 1.0
        return Loaded(
            load_s=0.1,
            first=Sample(latencies_s=(model.latency_s,)),
            iterations=10,
            burst_s=10 * model.latency_s,
            method="canned",
            energy_scope="meter" if model.energy_j is not None else None,
        )

    def _run(self, request: Run, state: dict[str, Any]) -> Sample:
        model: Model = state["model"]
        latency = model.latency_s * state["factor"]
        total = latency * request.iterations
        energy = None if model.energy_j is None else model.energy_j * request.iterations
        return Sample(latencies_s=(latency,) * request.iterations, cpu_s=total, wall_s=total, energy_j=energy)

    def _finish(self, request: Finish, state: dict[str, Any]) -> Finished:
        model: Model = state["model"]
        return Finished(
            peak_ram_bytes=5000,
            footprint=Footprint(),
            metrics={name: _metric(name, value) for name, value in model.metrics.items()},
            layers=self._layers(state) if request.layers else (),
        )

    @staticmethod
    def _layers(state: dict[str, Any]) -> tuple[LayerCost, ...]:
        model: Model = state["model"]
        return tuple(
            LayerCost(name=name, operator="Conv", share=share, placement="CPU" if name in model.on_cpu else "NPU")
            for name, share in model.layers.items()
        )

    def _compare(self, request: CompareOutputs) -> OutputsCompared:
        if self.output_difference is None:
            return OutputsCompared(compared=0, reason="2 outputs instead of 1")
        return OutputsCompared(compared=1, difference=self.output_difference)

    def _predict(self, request: Predict) -> Predictions:
        right = self.models[request.path].right
        return Predictions(classes=(1,) * right + (0,) * (10 - right), labels=(1,) * 10)

    def _describe(self, request: DescribeTask) -> TaskFacts:
        return TaskFacts(
            name="task", classes=2, input_shape=(3, 8, 8), digest=f"digest of {request.task.text}", samples=(1, 1, 10)
        )


class ExactTarget(FakeTarget):
    """The same figures each time."""

    deterministic = True
    latency_provenance = Provenance.SIMULATED


def _metric(name: str, value: float) -> Metric:
    unit = "s" if name.endswith("_s") else "bytes" if name.endswith("_bytes") else "cycles"
    return Metric(value=value, unit=unit, provenance=Provenance.EXACT, method="canned")


def device(name: str = "fake") -> Device:
    """A device that runs nothing."""
    from dataclasses import replace

    return replace(FAKE, name=name)
