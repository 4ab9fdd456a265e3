"""``resnet``: stages of two-layer residual blocks for images of CIFAR's size (He et al., 2016)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgebench.core.options import read_settings
from edgebench.core.space import SpaceDescription
from edgebench.core.units import Dimension as Quantity
from edgebench.core.units import parse_quantity
from edgebench.models.network.layers import Shape
from edgebench.models.zoo import round_channels
from edgebench.spaces.blocks import Block, Head, Residual, Stem
from edgebench.spaces.features import Dimension
from edgebench.spaces.scaling import strided
from edgebench.spaces.space import SearchSpace, Slot


@dataclass(frozen=True, slots=True, kw_only=True)
class ResnetOptions:
    """Options of the family.

    Attributes:
        input: Rows, columns, channels.
        classes: Outputs.
        widths: Factors on all channels.
        channels: Channels of each stage at width 1; the first convolution has those of the first stage.
        strides: Stride of the first block of each stage.
        depths: Blocks of a stage.
        kernels: Windows of the convolutions.
        middles: Channels between the two convolutions of a block, as a share of the block's.
    """

    classes: int
    channels: tuple[int, ...]
    strides: tuple[int, ...]
    depths: tuple[int, ...]
    kernels: tuple[int, ...] = (3,)
    middles: tuple[str, ...] = ("100%",)
    widths: tuple[str, ...] = ("100%",)
    input: tuple[int, ...] = (32, 32, 3)

    def __post_init__(self) -> None:
        if len(self.input) != 3 or len(self.channels) != len(self.strides):
            raise ValueError("input needs three sizes; channels and strides need one value per stage")
        if not self.channels or not self.depths or list(self.depths) != sorted(set(self.depths)):
            raise ValueError("channels and depths need values, and depths must increase")


class _Resnet:
    """Blocks of one space."""

    def __init__(self, options: ResnetOptions) -> None:
        self._options = options
        texts = {*options.widths, *options.middles}
        self._factor = {text: parse_quantity(text, Quantity.RATIO, where="widths, middles") for text in texts}

    def dimensions(self) -> list[Dimension]:
        options = self._options
        found = [Dimension(name="width", values=options.widths)]
        for stage in range(1, len(options.channels) + 1):
            found.append(Dimension(name=f"depth{stage}", values=options.depths))
            for block in range(1, options.depths[-1] + 1):
                least = next(index for index, depth in enumerate(options.depths) if depth >= block)
                needs = (f"depth{stage}", least) if least else None
                for name, values in (("kernel", options.kernels), ("middle", options.middles)):
                    found.append(Dimension(name=f"{name}{stage}.{block}", values=tuple(values), needs=needs))
        return found

    def slots(self) -> list[Slot]:
        options = self._options
        found = [Slot(name="stem", dimensions=("width",), block=self._stem)]
        for stage in range(1, len(options.channels) + 1):
            found.extend(self._block_slot(stage, block) for block in range(1, options.depths[-1] + 1))
        return [*found, Slot(name="head", dimensions=("width",), block=self._head)]

    def _block_slot(self, stage: int, number: int) -> Slot:
        place = f"{stage}.{number}"

        def block(values: Mapping[str, Any]) -> Block | None:
            if values[f"depth{stage}"] < number:
                return None
            first = number == 1
            filters = self._channels(values, stage)
            return Residual(
                input_shape=self._shape(values, stage - 1 if first else stage),
                filters=filters,
                kernel=values[f"kernel{place}"],
                middle=round_channels(filters * self._factor[values[f"middle{place}"]]),
                stride=self._options.strides[stage - 1] if first else 1,
            )

        names = ("width", f"depth{stage}", f"kernel{place}", f"middle{place}")
        return Slot(name=f"stage{stage}_block{number}", dimensions=names, block=block)

    def _stem(self, values: Mapping[str, Any]) -> Block:
        rows, columns, channels = self._options.input
        return Stem(input_shape=(rows, columns, channels), filters=self._channels(values, 0))

    def _head(self, values: Mapping[str, Any]) -> Block:
        return Head(input_shape=self._shape(values, len(self._options.channels)), classes=self._options.classes)

    def _channels(self, values: Mapping[str, Any], stage: int) -> int:
        plain = (self._options.channels[0], *self._options.channels)[stage]
        return round_channels(plain * self._factor[values["width"]])

    def _shape(self, values: Mapping[str, Any], stage: int) -> Shape:
        rows, columns = (strided(size, *self._options.strides[:stage]) for size in self._options.input[:2])
        return rows, columns, self._channels(values, stage)


def create(description: SpaceDescription) -> SearchSpace:
    """A space of this family.

    Raises:
        InputError: An option is wrong.
    """
    options = read_settings(
        description.options, ResnetOptions, owner="family 'resnet'", where=f"{description.origin}, [options]"
    )
    family = _Resnet(options)
    return SearchSpace(description, family.dimensions(), family.slots())
