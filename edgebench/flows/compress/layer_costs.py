"""What layers cost on a device in networks that are made from the original, for passes that choose by it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from edgebench.compress.base import Pass
from edgebench.compress.channels import find_channels
from edgebench.compress.layer_times import LayerTimes, SplitTimes
from edgebench.compress.low_rank import LowRank, split_everywhere
from edgebench.compress.prune import Prune
from edgebench.compress.widths import MULTIPLE, sampled_widths
from edgebench.core.device import Device
from edgebench.core.dtype import DataType
from edgebench.core.model import InputSource, ModelFormat
from edgebench.core.plan import MeasurementPlan
from edgebench.core.profile import LayerCost
from edgebench.errors import StorageError
from edgebench.flows.compress.artefacts import Artefacts, Findings
from edgebench.flows.profile.profile import ProfileProgress, ProfileRequest, profile
from edgebench.models.artefact import Artefact
from edgebench.models.file_artefact import FileArtefact
from edgebench.store.artefacts import load_either
from edgebench.store.codec import from_plain, to_plain
from edgebench.store.files import read_json, write_json
from edgebench.targets.registry import create_target
from edgebench.workers.base import Workers
from edgebench.workers.training.compress_jobs import Deploy
from edgebench.workers.training.pool import TrainingProcess

_UNITS = ("latency_s", "cycles", "instructions")
"""What a layer's cost is read from, the first that a target reports; only shares of the whole count."""
_INTEGER = {"int8", "qat"}
KIND = "layer-costs"
_RANKS = (0.25, 0.5)
"""Shares of their rank at which layers are factorised to find out what that costs."""
AnyTimes = TypeVar("AnyTimes", LayerTimes, SplitTimes)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerCosts:
    """Measures the layers of the original, and of networks that are made from it.

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

    def of(self, passes: Sequence[Pass]) -> Findings:
        """Costs for the passes that choose by a device's; measured once for a study.

        A device that reports no layers is left out, so that the pass says that it does not apply.

        Args:
            passes: Of one pipeline; networks are measured in int8 if it ends so or the device takes nothing else.
        """
        original = load_either(self.artefacts.original().folder)
        if isinstance(original, FileArtefact):
            return Findings()  # The pass says why it does not apply.
        integer = any(item.name in _INTEGER for item in passes)
        found = Findings()
        for device in self.artefacts.request.devices:
            int8 = integer or create_target(device).dtype == DataType.INT8
            kinds = {type(item) for item in passes if getattr(item, "by", "") == device.name}
            if Prune in kinds:
                found.widths[device.name] = self._kept(
                    LayerTimes, device, partial(self._narrow, device, original, int8), int8
                )
            if LowRank in kinds:
                found.splits[device.name] = self._kept(
                    SplitTimes, device, partial(self._split, device, original, int8), int8
                )
        return found

    def _kept(self, kind: type[AnyTimes], device: Device, measure: Callable[[], AnyTimes], int8: bool) -> AnyTimes:
        """What was measured before, or what is measured now."""
        request, original = self.artefacts.request, self.artefacts.original()
        name = f"{device.name}-{kind.__name__}-{'int8' if int8 else 'float32'}.json"
        path = request.folder / "layer-costs" / name
        try:
            kept = read_json(path, kind=KIND, version=2) if path.is_file() else {}
            if kept.get("original") == original.key:
                return from_plain(kind, kept["times"], where=str(path))
        except (StorageError, KeyError):
            pass  # Damaged: it is measured again.
        self.on_progress(ProfileProgress(done=0.0, text=f"measuring layers on {device.name}"))
        times = measure()
        if not times.shown:
            return times  # It may have been a passing fault.
        write_json(path, {"schema": f"edgebench.{KIND}/2", "original": original.key, "times": to_plain(times)})
        return times

    def _narrow(self, device: Device, original: Artefact, int8: bool) -> LayerTimes:
        """Layers of the original, and of networks with fewer channels."""
        widths = sampled_widths(find_channels(original.network).groups, MULTIPLE, self.artefacts.request.seed)
        whole = self._measured(device, original, int8)
        if not whole:
            return LayerTimes(widths=(), seconds={})
        found = [whole, *(self._measured(device, original, int8, widths=given) for given in widths[1:])]
        everywhere = [name for name in found[0] if all(name in costs for costs in found)]
        seconds = {name: tuple(costs[name] for costs in found) for name in everywhere}
        return LayerTimes(widths=tuple(widths), seconds=seconds)

    def _split(self, device: Device, original: Artefact, int8: bool) -> SplitTimes:
        """Layers of the original, and what each takes as two thin ones."""
        whole = self._measured(device, original, int8)
        if not whole:
            return SplitTimes(whole={}, split={})
        split: dict[str, tuple[tuple[int, float], ...]] = {}
        for share in _RANKS:
            thin, ranks = split_everywhere(original, share, MULTIPLE)
            costs = self._measured(device, thin, int8, split=share)
            for name, rank in ranks.items():
                if name in costs and f"{name}_low" in costs:
                    split[name] = (*split.get(name, ()), (rank, costs[name] + costs[f"{name}_low"]))
        return SplitTimes(whole=whole, split=split)

    def _measured(
        self, device: Device, shown: Artefact, int8: bool, *, widths: tuple[int, ...] = (), split: float = 0.0
    ) -> dict[str, float]:
        """What the layers of the original cost, or those of a network that is made from it.

        Args:
            device: Where.
            shown: Has the layers' names.
            int8: Whether the network is written in int8.
            widths: Of its groups of channels, if they are not the original's.
            split: At which share of their rank its layers are made two, or 0.
        """
        request = self.artefacts.request
        folder = request.folder / "layer-costs" / "files"
        job = Deploy(
            artefact=str(self.artefacts.original().folder),
            folder=str(folder),
            name="network",
            task=request.task,
            int8=int8,
            widths=widths,
            split=split,
        )
        files = self.process.deploy(job)
        file = files.onnx if ModelFormat.ONNX in create_target(device).formats else files.tflite
        if file is None:
            return {}
        plan, inputs = replace(self.plan, layers=True), InputSource(seed=request.seed)
        wanted = ProfileRequest(models=[file], devices=[device], plan=plan, inputs=inputs)
        rows = profile(wanted, on_update=lambda _: None, workers=self.workers)[0].layers
        return costs_by_layer(rows, [layer.name for layer in shown.network.layers])


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
