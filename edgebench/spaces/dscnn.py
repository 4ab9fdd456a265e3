"""``dscnn``: separable convolutions over a spectrogram, for keyword spotting (Zhang et al., Hello Edge, 2017)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgebench.core.options import read_settings
from edgebench.core.space import SpaceDescription
from edgebench.models.network.layers import Shape
from edgebench.spaces.blocks import Block, Head, Separable, Stem
from edgebench.spaces.features import Dimension
from edgebench.spaces.scaling import strided
from edgebench.spaces.space import SearchSpace, Slot


@dataclass(frozen=True, slots=True, kw_only=True)
class DscnnOptions:
    """Options of the family.

    Attributes:
        input: Frames, coefficients, channels.
        classes: Outputs.
        filters: Channels of all layers.
        stem_kernel: Window of the first convolution.
        stem_stride: Its stride.
        depths: Separable layers.
        kernels: Windows of the depthwise convolutions.
    """

    classes: int
    filters: tuple[int, ...]
    depths: tuple[int, ...]
    kernels: tuple[int, ...]
    input: tuple[int, ...] = (49, 10, 1)
    stem_kernel: tuple[int, ...] = (10, 4)
    stem_stride: tuple[int, ...] = (2, 2)

    def __post_init__(self) -> None:
        if (len(self.input), len(self.stem_kernel), len(self.stem_stride)) != (3, 2, 2):
            raise ValueError("input needs three sizes, stem_kernel and stem_stride two each")
        if not self.filters or not self.kernels or not self.depths or list(self.depths) != sorted(set(self.depths)):
            raise ValueError("filters, kernels and depths need values, and depths must increase")


def create(description: SpaceDescription) -> SearchSpace:
    """A space of this family.

    Raises:
        InputError: An option is wrong.
    """
    options = read_settings(
        description.options, DscnnOptions, owner="family 'dscnn'", where=f"{description.origin}, [options]"
    )
    dimensions = [Dimension(name="filters", values=options.filters), Dimension(name="depth", values=options.depths)]
    slots = [Slot(name="stem", dimensions=("filters",), block=lambda values: _stem(options, values))]
    for layer in range(1, options.depths[-1] + 1):
        least = next(index for index, depth in enumerate(options.depths) if depth >= layer)
        needs = ("depth", least) if least else None
        dimensions.append(Dimension(name=f"kernel{layer}", values=options.kernels, needs=needs))
        slots.append(_layer_slot(options, layer))
    slots.append(Slot(name="head", dimensions=("filters",), block=lambda values: _head(options, values)))
    return SearchSpace(description, dimensions, slots)


def _layer_slot(options: DscnnOptions, layer: int) -> Slot:
    def block(values: Mapping[str, Any]) -> Block | None:
        if values["depth"] < layer:
            return None
        return Separable(
            input_shape=_shape(options, values), filters=values["filters"], kernel=values[f"kernel{layer}"]
        )

    return Slot(name=f"layer{layer}", dimensions=("filters", "depth", f"kernel{layer}"), block=block)


def _stem(options: DscnnOptions, values: Mapping[str, Any]) -> Block:
    frames, coefficients, channels = options.input
    return Stem(
        input_shape=(frames, coefficients, channels),
        filters=values["filters"],
        kernel=(options.stem_kernel[0], options.stem_kernel[1]),
        stride=(options.stem_stride[0], options.stem_stride[1]),
    )


def _head(options: DscnnOptions, values: Mapping[str, Any]) -> Block:
    return Head(input_shape=_shape(options, values), classes=options.classes)


def _shape(options: DscnnOptions, values: Mapping[str, Any]) -> Shape:
    rows, columns = (strided(size, step) for size, step in zip(options.input[:2], options.stem_stride, strict=True))
    return rows, columns, values["filters"]
