"""``nas-bench-macro``: the 6,561 networks whose CIFAR-10 accuracies are published (Su et al., 2021).

A 3x3 convolution to 32 channels; stages of 2, 3 and 3 layers, whose first layers double the channels with
stride 2; a 1x1 convolution to 1280 channels, mean and a matrix product. Each layer is one of three: nothing
(a 1x1 convolution if the shape changes), or an inverted residual with window 3 and expansion 3, or with
window 5 and expansion 6.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgebench.core.options import read_settings
from edgebench.core.space import SpaceDescription
from edgebench.models.network.layers import Shape
from edgebench.spaces.blocks import Block, Head, InvertedResidual, Projection, Stem
from edgebench.spaces.features import Dimension
from edgebench.spaces.space import SearchSpace, Slot

_STEM_CHANNELS = 32
_FEATURES = 1280
_STAGES = (2, 3, 3)
_LAYERS: Mapping[str, tuple[int, int]] = {"k3-e3": (3, 3), "k5-e6": (5, 6)}
NOTHING = "identity"


@dataclass(frozen=True, slots=True, kw_only=True)
class NasBenchMacroOptions:
    """Options of the family.

    Attributes:
        input: Rows, columns, channels.
        classes: Outputs.
    """

    input: tuple[int, ...] = (32, 32, 3)
    classes: int = 10

    def __post_init__(self) -> None:
        if len(self.input) != 3:
            raise ValueError("input needs three sizes")


def create(description: SpaceDescription) -> SearchSpace:
    """A space of this family.

    Raises:
        InputError: An option is wrong.
    """
    options = read_settings(
        description.options,
        NasBenchMacroOptions,
        owner="family 'nas-bench-macro'",
        where=f"{description.origin}, [options]",
    )
    rows, columns, channels = options.input
    image: Shape = (rows, columns, channels)
    stem = Stem(input_shape=image, filters=_STEM_CHANNELS)
    slots = [Slot(name="stem", dimensions=(), block=lambda _: stem)]
    dimensions: list[Dimension] = []
    shape: Shape = (rows, columns, _STEM_CHANNELS)
    for layers in _STAGES:
        for layer in range(layers):
            name = f"layer{len(dimensions) + 1}"
            dimensions.append(Dimension(name=name, values=(NOTHING, *_LAYERS)))
            slots.append(_layer_slot(name, shape, changes=layer == 0))
            if layer == 0:
                shape = (-(-shape[0] // 2), -(-shape[1] // 2), 2 * shape[2])
    head = Head(input_shape=shape, classes=options.classes, features=_FEATURES)
    slots.append(Slot(name="head", dimensions=(), block=lambda _: head))
    return SearchSpace(description, dimensions, slots)


def _layer_slot(name: str, shape: Shape, *, changes: bool) -> Slot:
    filters, stride = (2 * shape[2], 2) if changes else (shape[2], 1)

    def block(values: Mapping[str, Any]) -> Block | None:
        if values[name] == NOTHING:
            return Projection(input_shape=shape, filters=filters, stride=stride) if changes else None
        kernel, expansion = _LAYERS[values[name]]
        return InvertedResidual(
            input_shape=shape, filters=filters, kernel=kernel, expansion=expansion, stride=stride, activation="relu"
        )

    return Slot(name=name, dimensions=(name,), block=block)
