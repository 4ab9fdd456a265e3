"""What each layer of the original costs on a device, for passes that choose by it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from edgebench.compress.base import NotApplicableError, Pass
from edgebench.compress.pipeline import parse_pipeline
from edgebench.compress.widths import HALF
from edgebench.core.device import Device
from edgebench.core.dtype import DataType
from edgebench.core.model import InputSource, ModelFormat
from edgebench.core.plan import MeasurementPlan
from edgebench.core.profile import LayerCost
from edgebench.errors import StorageError
from edgebench.flows.compress.artefacts import Artefacts, Made
from edgebench.flows.profile.profile import ProfileProgress, ProfileRequest, profile
from edgebench.models.file_artefact import FileArtefact
from edgebench.store.artefacts import load_either
from edgebench.store.files import read_json, write_json
from edgebench.targets.registry import create_target
from edgebench.workers.base import Workers
from edgebench.workers.training.compress_jobs import Deploy
from edgebench.workers.training.pool import TrainingProcess

_UNITS = ("latency_s", "cycles", "instructions")
"""What a layer's cost is read from, the first that a target reports; only shares of the whole count."""
_INTEGER = {"int8", "qat"}
KIND = "layer-costs"


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerCosts:
    """Measures the layers of the original, and those of the network with half its channels.

    Attributes:
        artefacts: Makes networks.
        process: Writes files.
        plan: How long they are measured.
        on_progress: Called for every step.
        workers: Starts the processes that measure.
    """

    artefacts: Artefacts
    process: TrainingProcess
    plan: MeasurementPlan
    on_progress: Callable[[ProfileProgress], None]
    workers: Workers

    def of(self, passes: Sequence[Pass]) -> dict[str, dict[str, tuple[float, ...]]]:
        """Costs by device and layer, for the devices that passes name; measured once for a study.

        A device that reports no layers is left out, so that the pass says that it does not apply.

        Args:
            passes: Of one pipeline; networks are measured in int8 if it ends so or the device takes nothing else.
        """
        wanted = {str(getattr(item, "by", "")) for item in passes} - {""}
        integer = any(item.name in _INTEGER for item in passes)
        found = {}
        for device in self.artefacts.request.devices:
            if device.name in wanted:
                costs = self._kept(device, int8=integer or create_target(device).dtype == DataType.INT8)
                if costs:
                    found[device.name] = costs
        return found

    def _kept(self, device: Device, *, int8: bool) -> dict[str, tuple[float, ...]]:
        """What was measured before, or what is measured now."""
        request, original = self.artefacts.request, self.artefacts.original()
        whole_network = load_either(original.folder)
        if isinstance(whole_network, FileArtefact):
            return {}  # The pass says why it does not apply.
        path = request.folder / "layer-costs" / f"{device.name}-{'int8' if int8 else 'float32'}.json"
        try:
            kept = read_json(path, kind=KIND, version=1) if path.is_file() else {}
        except StorageError:
            kept = {}  # Damaged: it is measured again.
        if kept.get("original") == original.key:
            return {str(name): tuple(map(float, values)) for name, values in kept["costs"].items()}
        self.on_progress(ProfileProgress(done=0.0, text=f"measuring layers on {device.name}"))
        names = [layer.name for layer in whole_network.network.layers]
        whole = costs_by_layer(self._measured(device, original, "original", int8=int8), names)
        halved: dict[str, float] = {}
        with suppress(NotApplicableError):  # Too narrow: then times are taken for proportional.
            half = self.artefacts.made(parse_pipeline(f"prune({HALF:g})"), {}, "half the channels")
            halved = costs_by_layer(self._measured(device, half, "half", int8=int8), names)
        costs: dict[str, tuple[float, ...]] = {
            name: (value, halved[name]) if name in halved else (value,) for name, value in whole.items()
        }
        if costs:
            plain = {name: list(values) for name, values in costs.items()}
            write_json(path, {"schema": f"edgebench.{KIND}/1", "original": original.key, "costs": plain})
        return costs

    def _measured(self, device: Device, made: Made, name: str, *, int8: bool) -> Sequence[LayerCost]:
        request = self.artefacts.request
        folder = request.folder / "layer-costs" / "files"
        files = self.process.deploy(
            Deploy(artefact=str(made.folder), folder=str(folder), name=name, task=request.task, int8=int8)
        )
        file = files.onnx if ModelFormat.ONNX in create_target(device).formats else files.tflite
        if file is None:
            return ()
        plan, inputs = replace(self.plan, layers=True), InputSource(seed=request.seed)
        wanted = ProfileRequest(models=[file], devices=[device], plan=plan, inputs=inputs)
        return profile(wanted, on_update=lambda _: None, workers=self.workers)[0].layers


def costs_by_layer(rows: Sequence[LayerCost], names: Sequence[str]) -> dict[str, float]:
    """What each layer of a network costs, from what a target reports of a file's operators.

    An operator belongs to the layer whose name begins its own: ``conv_3.linear`` and ``conv_3`` are one layer.

    Args:
        rows: Of a profile.
        names: Of the network's layers.
    """
    unit = next((unit for unit in _UNITS if any(unit in row.metrics for row in rows)), None)
    found: dict[str, float] = {}
    if unit is None:
        return found
    for row in rows:
        metric = row.metrics.get(unit)
        layer = _layer_of(row.name, names)
        if metric is not None and layer is not None:
            found[layer] = found.get(layer, 0.0) + metric.value
    return found


def _layer_of(operator: str, names: Sequence[str]) -> str | None:
    fitting = [name for name in names if operator == name or operator.startswith((f"{name}.", f"{name}_"))]
    return max(fitting, key=len, default=None)
