"""Per-operator shares from ONNX Runtime's own profiler."""

from __future__ import annotations

import json
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebench.core.metric import Metric, Provenance
from edgebench.core.profile import LayerCost

_RUNS = 50
_METHOD = "onnxruntime profiler, median of kernel times (adds 6-15 us per node: use the share)"


def profile_layers(create_session: Callable[[str], Any], feeds: Mapping[str, NDArray[np.generic]]) -> list[LayerCost]:
    """Run the model under the profiler in its own session.

    Args:
        create_session: Makes a session whose profiler writes to files of the given prefix.
        feeds: Inputs by name.

    Returns:
        One row per kernel in the order of execution; shares add up to 1 over all kernels.
    """
    with tempfile.TemporaryDirectory() as folder:
        session = create_session(str(Path(folder) / "ort"))
        for _ in range(_RUNS):
            session.run(None, feeds)
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    return _rows(events)


def _rows(events: list[dict[str, Any]]) -> list[LayerCost]:
    durations: dict[str, list[float]] = defaultdict(list)
    operators: dict[str, str] = {}
    providers: dict[str, str] = {}
    for event in events:
        if event.get("cat") != "Node" or not event["name"].endswith("_kernel_time"):
            continue
        name = event["name"].removesuffix("_kernel_time").removesuffix("_nchwc")
        durations[name].append(event["dur"] * 1e-6)
        operators[name] = event["args"].get("op_name", "?")
        providers[name] = event["args"].get("provider", "").removesuffix("ExecutionProvider")
    medians = {name: statistics.median(values) for name, values in durations.items()}
    total = sum(medians.values())
    return [
        LayerCost(
            name=name,
            operator=operators[name],
            share=seconds / total if total else None,
            metrics={"latency_s": Metric(value=seconds, unit="s", provenance=Provenance.MEASURED, method=_METHOD)},
            placement=providers[name] or None,
        )
        for name, seconds in medians.items()
    ]
