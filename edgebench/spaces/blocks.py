"""The blocks that networks of a search space are chains of.

A block is the unit that a lookup table measures: a few layers from one tensor to one tensor. Its key states everything
that its cost depends on, so that equal blocks in different places, or in different spaces, are measured once.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

from edgebench.models.network import Network, NetworkBuilder
from edgebench.models.network.layers import ActivationKind, Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A few layers from one image to one tensor.

    Attributes:
        kind: The block's name in keys.
        input_shape: Rows, columns, channels.
    """

    kind: ClassVar[str]
    input_shape: Shape

    @property
    def key(self) -> str:
        """Kind, input shape and every setting, such as ``separable 16x16x8 filters=16 kernel=3 stride=1``."""
        settings = [
            f"{field.name}={getattr(self, field.name)}"
            for field in dataclasses.fields(self)
            if field.name != "input_shape"
        ]
        return " ".join([self.kind, "x".join(map(str, self.input_shape)), *settings])

    @property
    def output_shape(self) -> Shape:
        """Shape of the block's output."""
        network = self.network()
        return network.shapes[network.output]

    def network(self) -> Network:
        """A network of this block only."""
        builder = NetworkBuilder(self.kind, self.input_shape)
        self.append(builder)
        return builder.build()

    def append(self, builder: NetworkBuilder) -> None:
        """Add the block's layers to those in the builder."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Stem(Block):
    """The first convolution.

    Attributes:
        filters: Output channels.
        kernel: Rows and columns of the window.
        stride: Rows and columns that the window moves by.
        activation: Applied at the end.
    """

    kind: ClassVar[str] = "stem"
    filters: int
    kernel: tuple[int, int] = (3, 3)
    stride: tuple[int, int] = (1, 1)
    activation: ActivationKind = "relu"

    def append(self, builder: NetworkBuilder) -> None:
        """One convolution."""
        builder.conv(self.filters, self.kernel, self.stride, activation=self.activation)


@dataclass(frozen=True, slots=True, kw_only=True)
class InvertedResidual(Block):
    """Expand by 1x1, filter each channel, project by 1x1; added to its input if shapes allow (MobileNetV2).

    Attributes:
        filters: Output channels.
        kernel: Window of the depthwise convolution.
        expansion: Channels of the depthwise convolution, as a multiple of the input channels.
        stride: Of the depthwise convolution.
        activation: After expansion and depthwise convolution.
    """

    kind: ClassVar[str] = "inverted_residual"
    filters: int
    kernel: int
    expansion: int
    stride: int = 1
    activation: ActivationKind = "relu6"

    def append(self, builder: NetworkBuilder) -> None:
        """Two or three convolutions and the sum."""
        start, channels = builder.last, builder.shape()[-1]
        if self.expansion != 1:
            builder.conv(channels * self.expansion, 1, activation=self.activation)
        builder.depthwise(self.kernel, self.stride, activation=self.activation)
        end = builder.conv(self.filters, 1, activation="none")
        if self.stride == 1 and channels == self.filters:
            builder.add(start, end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Separable(Block):
    """Filter each channel, then mix them by 1x1 (MobileNet).

    Attributes:
        filters: Output channels.
        kernel: Window of the depthwise convolution.
        stride: Of the depthwise convolution.
        activation: After both convolutions.
    """

    kind: ClassVar[str] = "separable"
    filters: int
    kernel: int
    stride: int = 1
    activation: ActivationKind = "relu"

    def append(self, builder: NetworkBuilder) -> None:
        """Two convolutions."""
        builder.depthwise(self.kernel, self.stride, activation=self.activation)
        builder.conv(self.filters, 1, activation=self.activation)


@dataclass(frozen=True, slots=True, kw_only=True)
class Residual(Block):
    """Two convolutions added to their input, which passes a 1x1 convolution if the shape changes (ResNet).

    Attributes:
        filters: Output channels.
        kernel: Window of both convolutions.
        middle: Channels between the two.
        stride: Of the first convolution.
    """

    kind: ClassVar[str] = "residual"
    filters: int
    kernel: int
    middle: int
    stride: int = 1

    def append(self, builder: NetworkBuilder) -> None:
        """Two or three convolutions and the sum."""
        start, channels = builder.last, builder.shape()[-1]
        builder.conv(self.middle, self.kernel, self.stride)
        end = builder.conv(self.filters, self.kernel, activation="none")
        if self.stride != 1 or channels != self.filters:
            start = builder.conv(self.filters, 1, self.stride, activation="none", after=start)
        builder.add(start, end, activation="relu")


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection(Block):
    """A 1x1 convolution that only changes the shape: what is left of a layer that does nothing.

    Attributes:
        filters: Output channels.
        stride: Step of the convolution.
    """

    kind: ClassVar[str] = "projection"
    filters: int
    stride: int = 1

    def append(self, builder: NetworkBuilder) -> None:
        """One convolution without activation."""
        builder.conv(self.filters, 1, self.stride, activation="none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Head(Block):
    """From the last image to one value per class.

    Attributes:
        classes: Values at the end, before softmax.
        features: Channels of a 1x1 convolution before the mean over the image; 0 for none.
        activation: After that convolution.
    """

    kind: ClassVar[str] = "head"
    classes: int
    features: int = 0
    activation: ActivationKind = "relu"

    def append(self, builder: NetworkBuilder) -> None:
        """Up to one convolution, the mean over the image, a matrix product."""
        if self.features:
            builder.conv(self.features, 1, activation=self.activation)
        builder.global_average_pool()
        builder.dense(self.classes)
