"""From profiles to the entries of baselines, and what must be equal before two of them may be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version

from edgebench.core.baseline import BaselineEntry, BaselineFigure
from edgebench.core.board_link import reached_by
from edgebench.core.conditions import differences
from edgebench.core.device import Device
from edgebench.core.figure import ENERGY, FIGURES, FLASH, LATENCY, LATENCY_P5, MODEL_BYTES, RAM
from edgebench.core.metric import Metric, Provenance
from edgebench.core.model import TensorSpec
from edgebench.core.profile import LayerCost, Profile
from edgebench.core.summary import sample_count, summarise
from edgebench.flows.profile.preparation import Ready
from edgebench.gate.limits import P90
from edgebench.workers.measuring.trying import left_operators

_KEPT = (LATENCY, LATENCY_P5, P90, ENERGY, RAM, FLASH, MODEL_BYTES)
_LAYER_FIGURES = ("latency_s", "cycles", "instructions")
_ALL_ON_CPU = {"onnxruntime", "litert", "torch"}
"""Targets with nothing to fall back from."""
_OF_A_MACHINE = ("cpu", "board", "os", "governor")
_REACHED = "reached"
_EDGEBENCH = "edgebench"
INDEPENDENT = {MODEL_BYTES}
"""Figures of the file itself, which no version changes."""


def entry_of(profile: Profile) -> BaselineEntry:
    """What a baseline keeps of a profile."""
    figures = summarise(profile)
    own = [name for name in profile.metrics if name in FIGURES and FIGURES[name].better is not None]
    names = [name for name in dict.fromkeys((*_KEPT, *own)) if name in figures]
    sampled = sample_count(profile) > 0
    layers, unit = layer_costs(profile.layers) if not sampled else ({}, "")
    return BaselineEntry(
        model=profile.model.name,
        source=profile.model.source,
        model_digest=profile.model.digest,
        inputs=interface(profile.model.inputs),
        outputs=interface(profile.model.outputs),
        device=profile.device.name,
        target=profile.device.target,
        options=dict(profile.device.options),
        # What edgebench itself compiles and simulates changes with it.
        versions={**profile.versions, **({} if sampled else {_EDGEBENCH: version(_EDGEBENCH)})},
        sampled=sampled,
        figures={name: _kept(figures[name]) for name in names},
        fallbacks=fallbacks(profile),
        layers=layers,
        layer_unit=unit,
        machine=_board_of(profile),
    )


def kept_machine(machine: Mapping[str, str]) -> dict[str, str]:
    """What a baseline keeps of a machine."""
    return {key: machine[key] for key in _OF_A_MACHINE if key in machine}


def other_machine(entry: BaselineEntry, machine: Mapping[str, str], ready: Ready, here: Mapping[str, str]) -> str:
    """What a reader must know if a baseline's measured figures are from another machine; empty if they are not.

    Args:
        entry: Of the baseline.
        machine: The baseline's own.
        ready: What is measured now.
        here: This machine.
    """
    before: Mapping[str, str] = entry.machine
    now: Mapping[str, str] = _board(ready.machine, ready.device)
    if not now:
        before, now = ({} if entry.machine else machine), here
    names = [key for key in ("cpu", "board", _REACHED) if key in before and before[key] != now.get(key)]
    if not names:
        return ""
    what = "board" if ready.machine else "machine"
    found = differences({key: before[key] for key in names}, {key: now[key] for key in names if key in now})
    return (
        f"{entry.subject}: the baseline was recorded on another {what}: {'; '.join(found)}; its latency and energy are "
        f"not compared, both models are measured on this {what}"
    )


def _board_of(profile: Profile) -> dict[str, str]:
    return _board(profile.machine, profile.device)


def _board(machine: Mapping[str, str], device: Device) -> dict[str, str]:
    return {**kept_machine(machine), _REACHED: reached_by(device)} if machine else {}


def metric_of(figure: BaselineFigure, entry: BaselineEntry) -> Metric:
    """A figure of a baseline as every report shows it."""
    return Metric(
        value=figure.value,
        unit=figure.unit,
        provenance=figure.provenance,
        method="from the baseline",
        low=figure.low,
        high=figure.high,
        source=f"baseline of {entry.subject}" if figure.provenance is Provenance.ESTIMATED else None,
    )


def interface(specs: Sequence[TensorSpec]) -> tuple[str, ...]:
    """Inputs or outputs in one line each: ``x float32[1,3,?]``."""
    return tuple(
        f"{spec.name} {spec.dtype}[{','.join('?' if size is None else str(size) for size in spec.shape)}]"
        for spec in specs
    )


def fallbacks(profile: Profile) -> dict[str, int] | None:
    """How many operators of each kind fell back to the CPU; None if the target does not say where operators are."""
    layers = profile.layers
    if profile.device.target in _ALL_ON_CPU or not any(layer.placement for layer in layers):
        return None
    counts: dict[str, int] = {}
    for left in left_operators(layers):
        counts[left.operator] = counts.get(left.operator, 0) + left.count
    return counts


def layer_costs(layers: Sequence[LayerCost]) -> tuple[dict[str, float], str]:
    """What each layer costs in the first figure that any has, and its unit; layers of one name are added up."""
    for name in _LAYER_FIGURES:
        known = [(layer.name, layer.metrics[name]) for layer in layers if name in layer.metrics]
        if known:
            costs: dict[str, float] = {}
            for layer, metric in known:
                costs[layer] = costs.get(layer, 0.0) + metric.value
            return costs, known[0][1].unit
    return {}, ""


def other_interface(before: BaselineEntry, after: BaselineEntry) -> str | None:
    """How the inputs or outputs of two models differ, so that their figures are not comparable; None if they do not.

    Names may differ: every exporter chooses its own.
    """
    for what, first, second in (("inputs", before.inputs, after.inputs), ("outputs", before.outputs, after.outputs)):
        if first and second and _without_names(first) != _without_names(second):
            return f"other {what}: {', '.join(first)} | {', '.join(second)}"
    return None


def other_conditions(before: BaselineEntry, after: BaselineEntry) -> list[str]:
    """What was not the same when the two were made: target, options, versions."""
    return differences(_conditions(before), _conditions(after))


def _conditions(entry: BaselineEntry) -> dict[str, str]:
    options = {f"option {key}": str(value) for key, value in entry.options.items()}
    return {"target": entry.target, **options, **entry.versions}


def _without_names(specs: Sequence[str]) -> list[str]:
    return [spec.rpartition(" ")[2] for spec in specs]


def _kept(metric: Metric) -> BaselineFigure:
    return BaselineFigure(
        value=metric.value, unit=metric.unit, provenance=metric.provenance, low=metric.low, high=metric.high
    )
