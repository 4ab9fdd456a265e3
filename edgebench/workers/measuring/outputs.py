"""Two models on the same inputs: how far their outputs are apart."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgebench.core.device import Device
from edgebench.core.model import InputSource
from edgebench.targets.output_comparison import output_difference
from edgebench.targets.registry import create_target
from edgebench.workers.measuring.model_jobs import OutputsCompared


def compare_outputs(device: Device, before: Path, after: Path, inputs: InputSource) -> OutputsCompared:
    """Run two files once each.

    Args:
        device: Where they run.
        before: The baseline's file.
        after: The candidate's.
        inputs: Random values depend on the names, types and shapes of inputs only, so that both get the same.
    """
    expected, found = _outputs(device, before, inputs), _outputs(device, after, inputs)
    if not expected or not found:
        return OutputsCompared(compared=0, reason=f"target {device.target} does not execute models")
    if expected.keys() != found.keys():
        # What exporters call an output has no meaning; their order has.
        if len(expected) != len(found):
            return OutputsCompared(compared=0, reason=f"{len(found)} outputs instead of {len(expected)}")
        found = dict(zip(expected, found.values(), strict=True))
    difference = output_difference(expected, found)
    if math.isinf(difference):
        reason = "an output has another shape, or values that are not finite where the other has numbers"
        return OutputsCompared(compared=len(expected), reason=reason)
    return OutputsCompared(compared=len(expected), difference=difference)


def _outputs(device: Device, model: Path, inputs: InputSource) -> Mapping[str, NDArray[np.generic]]:
    target = create_target(device)
    target.check()
    target.import_runtime()
    with target.load(model, inputs) as loaded:
        loaded.run(1)
        return {name: np.array(value) for name, value in loaded.outputs().items()}
