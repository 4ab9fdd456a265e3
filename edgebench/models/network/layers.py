"""The layers that describe a network: only structure, channels last, no weights.

Every layer knows its output shape for given input shapes, and what it costs. Shapes leave out the batch,
which is 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from edgebench.errors import InputError

Shape = tuple[int, ...]
ActivationKind = Literal["none", "relu", "relu6", "sigmoid", "tanh", "hard_swish"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Padding:
    """Zeros around an image, in pixels."""

    top: int = 0
    bottom: int = 0
    left: int = 0
    right: int = 0

    @property
    def height(self) -> int:
        """Rows added."""
        return self.top + self.bottom

    @property
    def width(self) -> int:
        """Columns added."""
        return self.left + self.right

    def __bool__(self) -> bool:
        return bool(self.height or self.width)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One step of a network.

    Attributes:
        name: Unique in its network; also the name of its output.
        inputs: Names of the layers, or of the network's input, that it reads.
    """

    name: str
    inputs: tuple[str, ...]

    def output_shape(self, shapes: Sequence[Shape]) -> Shape:
        """Shape of the output for the inputs' shapes.

        Raises:
            InputError: The inputs do not fit.
        """
        raise NotImplementedError

    def macs(self, shapes: Sequence[Shape]) -> int:  # noqa: ARG002 - most layers multiply nothing
        """Multiply-accumulates of one inference; biases, activations and pooling are not counted."""
        return 0

    def weight_shapes(self, shapes: Sequence[Shape]) -> tuple[Shape, Shape] | None:  # noqa: ARG002
        """Shapes of kernel and bias (empty if there is none), or None for a layer without weights."""
        return None

    def _one_image(self, shapes: Sequence[Shape]) -> tuple[int, int, int]:
        if len(shapes) != 1 or len(shapes[0]) != 3:
            raise InputError(f"layer {self.name!r} takes one image, not {list(shapes)}")
        height, width, channels = shapes[0]
        return height, width, channels


@dataclass(frozen=True, slots=True, kw_only=True)
class _Window(Layer):
    """A layer that slides a window over an image."""

    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: Padding = Padding()

    def _slide(self, height: int, width: int, dilation: tuple[int, int] = (1, 1)) -> tuple[int, int]:
        sizes = []
        for size, padded, window, step, spread in zip(
            (height, width), (self.padding.height, self.padding.width), self.kernel, self.stride, dilation, strict=True
        ):
            reach = (window - 1) * spread + 1
            if min(window, step, spread) < 1 or size + padded < reach:
                raise InputError(f"layer {self.name!r}: a window of {reach} does not fit into {size} + {padded}")
            sizes.append((size + padded - reach) // step + 1)
        return sizes[0], sizes[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conv2D(_Window):
    """A convolution over all channels.

    Attributes:
        filters: Output channels.
        dilation: Distance between neighbouring taps.
        activation: Applied to the output.
        batch_norm: Trained with batch normalisation, which is folded into kernel and bias when lowered.
    """

    filters: int
    dilation: tuple[int, int] = (1, 1)
    activation: ActivationKind = "none"
    batch_norm: bool = False

    def output_shape(self, shapes: Sequence[Shape]) -> Shape:
        """Rows, columns, filters."""
        height, width, _ = self._one_image(shapes)
        return (*self._slide(height, width, self.dilation), self.filters)

    def macs(self, shapes: Sequence[Shape]) -> int:
        """Output elements x kernel elements."""
        return math.prod(self.output_shape(shapes)) * math.prod(self.kernel) * shapes[0][2]

    def weight_shapes(self, shapes: Sequence[Shape]) -> tuple[Shape, Shape]:
        """Kernel as filters, rows, columns, channels (OHWI)."""
        return (self.filters, *self.kernel, shapes[0][2]), (self.filters,)


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthwiseConv2D(_Window):
    """A separate convolution of each channel.

    Attributes:
        multiplier: Output channels of each input channel.
        activation: Applied to the output.
        batch_norm: Trained with batch normalisation, which is folded into kernel and bias when lowered.
    """

    multiplier: int = 1
    activation: ActivationKind = "none"
    batch_norm: bool = False

    def output_shape(self, shapes: Sequence[Shape]) -> Shape:
        """Rows, columns, channels x multiplier."""
        height, width, channels = self._one_image(shapes)
        return (*self._slide(height, width), channels * self.multiplier)

    def macs(self, shapes: Sequence[Shape]) -> int:
        """Output elements x kernel elements of one channel."""
        return math.prod(self.output_shape(shapes)) * math.prod(self.kernel)

    def weight_shapes(self, shapes: Sequence[Shape]) -> tuple[Shape, Shape]:
        """Kernel as 1, rows, columns, output channels."""
        channels = shapes[0][2] * self.multiplier
        return (1, *self.kernel, channels), (channels,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dense(Layer):
    """A product with a matrix.

    Attributes:
        units: Length of the output.
        activation: Applied to the output.
        batch_norm: Trained with batch normalisation, which is folded into kernel and bias when lowered.
    """

    units: int
    activation: ActivationKind = "none"
    batch_norm: bool = False

    def output_shape(self, shapes: Sequence[Shape]) -> Shape:
        """A vector."""
        if len(shapes) != 1 or len(shapes[0]) != 1:
            raise InputError(f"layer {self.name!r} takes one vector, not {list(shapes)}: flatten before it")
        return (self.units,)

    def macs(self, shapes: Sequence[Shape]) -> int:
        """Inputs x outputs."""
        return shapes[0][0] * self.units

    def weight_shapes(self, shapes: Sequence[Shape]) -> tuple[Shape, Shape]:
        """Kernel as outputs, inputs."""
        return (self.units, shapes[0][0]), (self.units,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Add(Layer):
    """The sum of two equal shapes.

    Attributes:
        activation: Applied to the sum.
    """

    activation: ActivationKind = "none"

    def output_shape(self, shapes: Sequence[Shape]) -> Shape:
        """The shape of either input."""
        if len(shapes) != 2 or shapes[0] != shapes[1]:
            raise InputError(f"layer {self.name!r} adds two equal shapes, not {list(shapes)}")
        return shapes[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Concat(Layer):
    """Concatenation of inputs along their last axis, the channels."""

    def output_shape(self, shapes: Sequence[Shape]) -> Shape:
        """The common leading sizes and the channels of all."""
        if not shapes or any(shape[:-1] != shapes[0][:-1] for shape in shapes):
            raise InputError(f"layer {self.name!r} joins shapes that differ only in channels, not {list(shapes)}")
        return (*shapes[0][:-1], sum(shape[-1] for shape in shapes))


@dataclass(frozen=True, slots=True, kw_only=True)
class AveragePool2D(_Window):
    """The mean of each window; padding does not count."""

    def output_shape(self, shapes: Sequence[Shape]) -> Shape:
        """Rows, columns, channels."""
        height, width, channels = self._one_image(shapes)
        return (*self._slide(height, width), channels)


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxPool2D(_Window):
    """The maximum of each window; padding does not count."""

    def output_shape(self, shapes: Sequence[Shape]) -> Shape:
        """Rows, columns, channels."""
        height, width, channels = self._one_image(shapes)
        return (*self._slide(height, width), channels)


@dataclass(frozen=True, slots=True, kw_only=True)
class GlobalAveragePool(Layer):
    """The mean of each channel, as a vector."""

    def output_shape(self, shapes: Sequence[Shape]) -> Shape:
        """Channels."""
        return (self._one_image(shapes)[2],)


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation(Layer):
    """A function of each element.

    Attributes:
        kind: Which function.
    """

    kind: ActivationKind

    def output_shape(self, shapes: Sequence[Shape]) -> Shape:
        """That of the input."""
        return shapes[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Zeros(Layer):
    """Zeros in the shape of the input: what a cell gives on whose output nothing reaches."""

    def output_shape(self, shapes: Sequence[Shape]) -> Shape:
        """That of the input."""
        return shapes[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pad(Layer):
    """Zeros around an image."""

    padding: Padding

    def output_shape(self, shapes: Sequence[Shape]) -> Shape:
        """Rows and columns with the padding, channels."""
        height, width, channels = self._one_image(shapes)
        return height + self.padding.height, width + self.padding.width, channels


@dataclass(frozen=True, slots=True, kw_only=True)
class Reshape(Layer):
    """The same elements, row by row with channels innermost, in another shape.

    Attributes:
        shape: The new shape; empty for a vector of all elements (flatten).
    """

    shape: Shape = ()

    def output_shape(self, shapes: Sequence[Shape]) -> Shape:
        """The new shape."""
        target = self.shape or (math.prod(shapes[0]),)
        if math.prod(target) != math.prod(shapes[0]):
            raise InputError(f"layer {self.name!r} cannot reshape {shapes[0]} to {target}")
        return target


@dataclass(frozen=True, slots=True, kw_only=True)
class Softmax(Layer):
    """Exponentials that add up to 1 over the last axis."""

    def output_shape(self, shapes: Sequence[Shape]) -> Shape:
        """That of the input."""
        return shapes[0]
