"""Figures of operators as custom node data of Google's Model Explorer, which paints the model's graph with them.

The format is that of ``model_explorer.node_data_builder``: by graph the values of nodes, which are found by their id or
by the name of an output tensor. https://github.com/google-ai-edge/model-explorer
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from edgebench.core.profile import LayerCost, Profile
from edgebench.core.run import Run
from edgebench.errors import InputError

_GRAPH = "main"
"""Model Explorer's name for the main graph of TFLite and ONNX files."""
_COSTS = ("latency_s", "cycles", "instructions")
_GRADIENT = [{"stop": 0, "bgColor": "#ffffff"}, {"stop": 0.5, "bgColor": "#ffd37a"}, {"stop": 1, "bgColor": "#d64545"}]


def node_data(runs: Sequence[Run], name: str | None = None) -> str:
    """The cost of each operator of the one profile that has operators.

    Args:
        runs: Where to look.
        name: ``layers:MODEL@DEVICE`` or ``MODEL@DEVICE``, where several have.

    Raises:
        InputError: No profile has operators, or several have.
    """
    wanted = None if name is None else name.removeprefix("layers:")
    found = [
        profile
        for run in runs
        for profile in run.profiles
        if profile.layers and wanted in {None, f"{profile.model.name}@{profile.device.name}"}
    ]
    if not found:
        raise InputError("no profile has operators", remedy="edgebench profile MODEL -d DEVICE --layers")
    if len(found) > 1:
        pairs = ", ".join(f"{profile.model.name} on {profile.device.name}" for profile in found)
        raise InputError(
            f"several profiles have operators: {pairs}", remedy="choose one with --chart layers:MODEL@DEVICE"
        )
    return json.dumps({_GRAPH: graph_data(found[0])}, indent=1) + "\n"


def graph_data(profile: Profile) -> dict[str, object]:
    """The cost of each operator of a profile, and the colours of cheap and costly."""
    figure = next((name for name in _COSTS if any(name in layer.metrics for layer in profile.layers)), None)
    results: dict[str, dict[str, float]] = {}
    for layer in profile.layers:
        value = _value(layer, figure)
        if value is not None and layer.name:
            # Several kernels of one operator add up.
            results[layer.name] = {"value": results.get(layer.name, {"value": 0.0})["value"] + value}
    return {"results": results, "gradient": _GRADIENT}


def _value(layer: LayerCost, figure: str | None) -> float | None:
    if figure is None:
        return layer.share
    metric = layer.metrics.get(figure)
    return None if metric is None else metric.value
