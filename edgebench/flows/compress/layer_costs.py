"""What each layer of the original costs on a device, for passes that choose by it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from edgebench.compress.base import Pass
from edgebench.core.device import Device
from edgebench.core.dtype import DataType
from edgebench.core.model import InputSource, ModelFormat
from edgebench.core.plan import MeasurementPlan
from edgebench.core.profile import LayerCost
from edgebench.errors import StorageError
from edgebench.flows.compress.artefacts import Made
from edgebench.flows.compress.request import CompressRequest
from edgebench.flows.profile.profile import ProfileProgress, ProfileRequest, profile
from edgebench.store.artefacts import load_artefact
from edgebench.store.files import read_json, write_json
from edgebench.targets.registry import create_target
from edgebench.workers.base import Workers
from edgebench.workers.training.compress_jobs import Deploy
from edgebench.workers.training.pool import TrainingProcess

_UNITS = ("latency_s", "cycles", "instructions")
"""What a layer's cost is read from, the first that a target reports; only shares of the whole count."""
_INTEGER = {"int8", "qat"}
KIND = "layer-costs"


def layer_costs(
    request: CompressRequest,
    passes: Sequence[Pass],
    original: Made,
    process: TrainingProcess,
    plan: MeasurementPlan,
    on_progress: Callable[[ProfileProgress], None],
    workers: Workers,
) -> dict[str, dict[str, float]]:
    """Costs by device and layer, for the devices that passes name; measured once for a study.

    A device that reports no layers is left out, so that the pass says that it does not apply.

    Args:
        request: What is compressed.
        passes: Of one pipeline.
        original: What is measured, in int8 if the pipeline ends so or the device takes nothing else.
        process: Writes files.
        plan: How long it is measured.
        on_progress: Called for every step.
        workers: Starts the processes that measure.
    """
    wanted = {str(getattr(item, "by", "")) for item in passes} - {""}
    integer = any(item.name in _INTEGER for item in passes)
    found = {}
    for device in request.devices:
        if device.name not in wanted:
            continue
        int8 = integer or create_target(device).dtype == DataType.INT8
        path = request.folder / "layer-costs" / f"{device.name}-{'int8' if int8 else 'float32'}.json"
        try:
            kept = read_json(path, kind=KIND, version=1) if path.is_file() else {}
        except StorageError:
            kept = {}  # Damaged: it is measured again.
        if kept.get("original") != original.key:
            on_progress(ProfileProgress(done=0.0, text=f"measuring layers on {device.name}"))
            costs = _measured(request, device, original, process, plan, workers, int8=int8)
            kept = {"original": original.key, "costs": costs}
            if costs:
                write_json(path, {"schema": f"edgebench.{KIND}/1", **kept})
        if kept["costs"]:
            found[device.name] = {str(name): float(value) for name, value in kept["costs"].items()}
    return found


def _measured(
    request: CompressRequest,
    device: Device,
    original: Made,
    process: TrainingProcess,
    plan: MeasurementPlan,
    workers: Workers,
    *,
    int8: bool,
) -> dict[str, float]:
    folder = request.folder / "layer-costs" / "files"
    files = process.deploy(
        Deploy(artefact=str(original.folder), folder=str(folder), name="original", task=request.task, int8=int8)
    )
    file = files.onnx if ModelFormat.ONNX in create_target(device).formats else files.tflite
    if file is None:
        return {}
    results = profile(
        ProfileRequest(
            models=[file], devices=[device], plan=replace(plan, layers=True), inputs=InputSource(seed=request.seed)
        ),
        on_update=lambda _: None,
        workers=workers,
    )
    names = [layer.name for layer in load_artefact(original.folder).network.layers]
    return costs_by_layer(results[0].layers, names)


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
