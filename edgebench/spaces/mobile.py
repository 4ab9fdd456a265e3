"""``mobile``: stages of inverted residuals with elastic input size, width, depth, kernels and expansions.

After MobileNetV2 (Sandler et al., 2018) and once-for-all networks (Cai et al., 2020).
"""

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
from edgebench.spaces.blocks import Block, Head, InvertedResidual, Stem
from edgebench.spaces.features import Dimension
from edgebench.spaces.scaling import strided
from edgebench.spaces.space import SearchSpace, Slot


@dataclass(frozen=True, slots=True, kw_only=True)
class MobileOptions:
    """Options of the family.

    Attributes:
        sizes: Rows and columns of the input.
        input_channels: Channels of the input.
        classes: Outputs.
        widths: Factors on all channels.
        stem_channels: Channels after the first convolution, at width 1.
        stem_stride: Its stride.
        channels: Channels of each stage, at width 1.
        strides: Stride of the first block of each stage.
        depths: Blocks of a stage.
        kernels: Windows of the depthwise convolutions.
        expansions: Factors of expansion.
        features: Channels of the last convolution at width 1, 0 for none.
    """

    sizes: tuple[int, ...]
    channels: tuple[int, ...]
    strides: tuple[int, ...]
    depths: tuple[int, ...]
    kernels: tuple[int, ...]
    expansions: tuple[int, ...]
    classes: int
    widths: tuple[str, ...] = ("100%",)
    input_channels: int = 3
    stem_channels: int = 16
    stem_stride: int = 2
    features: int = 0

    def __post_init__(self) -> None:
        if len(self.channels) != len(self.strides):
            raise ValueError("channels and strides need one value per stage")
        for name in ("sizes", "channels", "strides", "depths", "kernels", "expansions", "widths"):
            values = getattr(self, name)
            if not values or any(isinstance(value, int) and not 1 <= value <= 4096 for value in values):
                raise ValueError(f"{name} needs values from 1 to 4096")
        if list(self.depths) != sorted(set(self.depths)):
            raise ValueError("depths must increase")


class _Mobile:
    """Blocks of one space."""

    def __init__(self, options: MobileOptions) -> None:
        self._options = options
        self._factor = {text: parse_quantity(text, Quantity.RATIO, where="widths") for text in options.widths}

    def dimensions(self) -> list[Dimension]:
        options = self._options
        found = [Dimension(name="size", values=options.sizes), Dimension(name="width", values=options.widths)]
        for stage in range(1, len(options.channels) + 1):
            found.append(Dimension(name=f"depth{stage}", values=options.depths))
            for block in range(1, options.depths[-1] + 1):
                least = next(index for index, depth in enumerate(options.depths) if depth >= block)
                needs = (f"depth{stage}", least) if least else None
                found.append(Dimension(name=f"kernel{stage}.{block}", values=options.kernels, needs=needs))
                found.append(Dimension(name=f"expansion{stage}.{block}", values=options.expansions, needs=needs))
        return found

    def slots(self) -> list[Slot]:
        options = self._options
        found = [Slot(name="stem", dimensions=("size", "width"), block=self._stem)]
        for stage in range(1, len(options.channels) + 1):
            found.extend(self._block_slot(stage, block) for block in range(1, options.depths[-1] + 1))
        return [*found, Slot(name="head", dimensions=("size", "width"), block=self._head)]

    def _block_slot(self, stage: int, number: int) -> Slot:
        place = f"{stage}.{number}"

        def block(values: Mapping[str, Any]) -> Block | None:
            if values[f"depth{stage}"] < number:
                return None
            first = number == 1
            return InvertedResidual(
                input_shape=self._shape(values, stage - 1 if first else stage),
                filters=self._channels(values, stage),
                kernel=values[f"kernel{place}"],
                expansion=values[f"expansion{place}"],
                stride=self._options.strides[stage - 1] if first else 1,
            )

        names = ("size", "width", f"depth{stage}", f"kernel{place}", f"expansion{place}")
        return Slot(name=f"stage{stage}_block{number}", dimensions=names, block=block)

    def _stem(self, values: Mapping[str, Any]) -> Block:
        return Stem(
            input_shape=(values["size"], values["size"], self._options.input_channels),
            filters=self._channels(values, 0),
            stride=(self._options.stem_stride,) * 2,
            activation="relu6",
        )

    def _head(self, values: Mapping[str, Any]) -> Block:
        features = round_channels(self._options.features * self._factor[values["width"]])
        return Head(
            input_shape=self._shape(values, len(self._options.channels)),
            classes=self._options.classes,
            features=features if self._options.features else 0,
            activation="relu6",
        )

    def _channels(self, values: Mapping[str, Any], stage: int) -> int:
        plain = (self._options.stem_channels, *self._options.channels)[stage]
        return round_channels(plain * self._factor[values["width"]])

    def _shape(self, values: Mapping[str, Any], stage: int) -> Shape:
        """Shape after a stage; stage 0 is the stem."""
        size = strided(values["size"], self._options.stem_stride, *self._options.strides[:stage])
        return size, size, self._channels(values, stage)


def create(description: SpaceDescription) -> SearchSpace:
    """A space of this family.

    Raises:
        InputError: An option is wrong.
    """
    options = read_settings(
        description.options, MobileOptions, owner="family 'mobile'", where=f"{description.origin}, [options]"
    )
    family = _Mobile(options)
    return SearchSpace(description, family.dimensions(), family.slots())
