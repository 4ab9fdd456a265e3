"""A family of search spaces: a sequence of 3x3 convolutions.

A family is a function from the content of a file to a ``SearchSpace``: dimensions (what can be chosen) and slots
(which block is where, given the choices).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from edgebench.core.options import read_settings
from edgebench.core.space import SpaceDescription
from edgebench.models.network import NetworkBuilder
from edgebench.spaces.blocks import Block, Head, Stem
from edgebench.spaces.space import Dimension, SearchSpace, Slot


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainOptions:
    """The keys of ``[options]`` in a file of this family.

    Attributes:
        input: Rows, columns, channels.
        classes: Outputs.
        filters: Channels of all layers, one of these.
        depths: Convolutions after the first, one of these.
    """

    input: tuple[int, ...]
    classes: int
    filters: tuple[int, ...]
    depths: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.input) != 3 or not self.filters or not self.depths or min(self.depths) < 0:
            raise ValueError("input needs three sizes, filters and depths at least one value, depths none below 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainConvolution(Block):
    """One 3x3 convolution: what a lookup table measures. Its fields, all of them, are its key.

    Attributes:
        filters: Output channels.
    """

    kind: ClassVar[str] = "plain_convolution"
    filters: int

    def append(self, builder: NetworkBuilder) -> None:
        """One layer; ONNX, TFLite and PyTorch follow from it."""
        builder.conv(self.filters, 3, activation="relu")


def create(description: SpaceDescription) -> SearchSpace:
    """A space of this family.

    Raises:
        InputError: An option is wrong.
    """
    where = f"{description.origin}, [options]"
    options = read_settings(description.options, PlainOptions, owner="family 'plain-cnn'", where=where)
    rows, columns, channels = options.input

    def stem(values: Mapping[str, Any]) -> Block:
        return Stem(input_shape=(rows, columns, channels), filters=values["filters"])

    def layer(number: int, values: Mapping[str, Any]) -> Block | None:
        if values["depth"] < number:
            return None
        return PlainConvolution(input_shape=(rows, columns, values["filters"]), filters=values["filters"])

    def head(values: Mapping[str, Any]) -> Block:
        return Head(input_shape=(rows, columns, values["filters"]), classes=options.classes)

    # A slot names every dimension that decides which block is there.
    slots = [
        Slot(name="stem", dimensions=("filters",), block=stem),
        *(
            Slot(name=f"layer{number}", dimensions=("filters", "depth"), block=partial(layer, number))
            for number in range(1, max(options.depths) + 1)
        ),
        Slot(name="head", dimensions=("filters",), block=head),
    ]
    dimensions = [Dimension(name="filters", values=options.filters), Dimension(name="depth", values=options.depths)]
    return SearchSpace(description, dimensions, slots)
