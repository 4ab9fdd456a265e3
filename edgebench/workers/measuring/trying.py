"""Whether a device runs a model: it is loaded, and the operators left to other processors are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from edgebench.core.device import Device
from edgebench.core.model import InputSource
from edgebench.core.profile import LayerCost
from edgebench.core.support import LeftOperators, Support
from edgebench.targets.base import Tries
from edgebench.targets.registry import create_target


def try_model(device: Device, model: Path, inputs: InputSource) -> Support:
    """Load a model without running it, unless its target can find out sooner.

    Args:
        device: The device.
        model: A file that the device's target takes.
        inputs: Where inputs come from.

    Raises:
        UnsupportedModelError: The model does not run there.
        TargetUnavailableError: Something is missing.
        InputError: The file or the inputs are wrong.
    """
    target = create_target(device)
    target.check()
    if isinstance(target, Tries):
        return target.try_model(model)
    target.import_runtime()
    with target.load(model, inputs) as loaded:
        # Targets that run a model would have to run it to say where each operator was.
        layers = loaded.layers() if target.deterministic else []
        return Support(left=left_operators(layers), notes=tuple(loaded.notes()))


def left_operators(layers: Iterable[LayerCost]) -> tuple[LeftOperators, ...]:
    """Operators that are on the CPU for a reason, by kind and reason."""
    counts = Counter((layer.operator, layer.reason) for layer in layers if layer.placement == "CPU")
    return tuple(
        LeftOperators(operator=operator, count=count, reason=reason)
        for (operator, reason), count in counts.most_common()
    )
