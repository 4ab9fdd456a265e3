"""edgebench's own description of a network: what a search space builds and every writer lowers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from edgebench.errors import InputError
from edgebench.models.network.layers import (
    Activation,
    ActivationKind,
    Add,
    AveragePool2D,
    Concat,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    GlobalAveragePool,
    Layer,
    MaxPool2D,
    Padding,
    Reshape,
    Shape,
    Softmax,
    Zeros,
)

INPUT = "input"
"""Name of every network's first input."""


@dataclass(frozen=True, kw_only=True)
class Network:
    """Layers in the order of execution, with one output, the last layer's.

    Attributes:
        name: For files and tables.
        input_shape: Without the batch: rows, columns, channels, or the length of a vector.
        layers: Each reads inputs or layers before it.
        further_inputs: Names and shapes of inputs besides the first.

    Raises:
        InputError: A name is taken or unknown, or shapes do not fit.
    """

    name: str
    input_shape: Shape
    layers: tuple[Layer, ...]
    further_inputs: tuple[tuple[str, Shape], ...] = ()

    def __post_init__(self) -> None:
        if not self.layers:
            raise InputError(f"network {self.name!r} has no layers")
        if len(self.inputs) != 1 + len(self.further_inputs):
            raise InputError(f"network {self.name!r} has two inputs of the same name")
        for shape in self.inputs.values():
            if any(size < 1 for size in shape):
                raise InputError(f"network {self.name!r} has an input of the shape {shape}")
        self.shapes  # noqa: B018 - computing them is the check

    @property
    def inputs(self) -> dict[str, Shape]:
        """Shapes of all inputs by their names, the first one's first."""
        return {INPUT: self.input_shape, **dict(self.further_inputs)}

    @cached_property
    def shapes(self) -> Mapping[str, Shape]:
        """Shape of every input and of every layer's output."""
        shapes: dict[str, Shape] = self.inputs
        for layer in self.layers:
            if layer.name in shapes:
                raise InputError(f"network {self.name!r} has two layers {layer.name!r}")
            missing = [name for name in layer.inputs if name not in shapes]
            if missing:
                raise InputError(f"layer {layer.name!r} reads {missing[0]!r}, which is not before it")
            shapes[layer.name] = layer.output_shape([shapes[name] for name in layer.inputs])
        return shapes

    @property
    def output(self) -> str:
        """Name of the last layer."""
        return self.layers[-1].name

    def input_shapes(self, layer: Layer) -> list[Shape]:
        """Shapes that a layer reads."""
        return [self.shapes[name] for name in layer.inputs]

    def weight_shapes(self) -> dict[str, tuple[Shape, Shape]]:
        """Shapes of kernel and bias of every layer that has them."""
        found = {layer.name: layer.weight_shapes(self.input_shapes(layer)) for layer in self.layers}
        return {name: shapes for name, shapes in found.items() if shapes is not None}

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one inference."""
        return sum(layer.macs(self.input_shapes(layer)) for layer in self.layers)

    @property
    def parameters(self) -> int:
        """Elements of kernels and biases as deployed, with batch normalisation folded."""
        return sum(math.prod(kernel) + math.prod(bias) for kernel, bias in self.weight_shapes().values())

    @property
    def trainable_parameters(self) -> int:
        """Elements of kernels, of biases, and of the scale and shift of batch normalisation that replace them."""
        total = 0
        for layer in self.layers:
            shapes = layer.weight_shapes(self.input_shapes(layer))
            if shapes is not None:
                kernel, bias = shapes
                total += math.prod(kernel) + math.prod(bias) * (2 if getattr(layer, "batch_norm", False) else 1)
        return total

    @property
    def activation_elements(self) -> int:
        """Elements of the inputs and of all outputs of layers."""
        return sum(math.prod(shape) for shape in self.shapes.values())


def same_padding(size: tuple[int, int], kernel: tuple[int, int], stride: tuple[int, int]) -> Padding:
    """TFLite's SAME: the output is the input divided by the stride, rounded up; the odd pixel goes below and right."""
    totals = [
        max(0, (-(-length // step) - 1) * step + window - length)
        for length, window, step in zip(size, kernel, stride, strict=True)
    ]
    return Padding(
        top=totals[0] // 2, bottom=totals[0] - totals[0] // 2, left=totals[1] // 2, right=totals[1] - totals[1] // 2
    )


class NetworkBuilder:
    """Writes a network layer by layer; each method appends a layer and returns its name.

    A layer reads the one before it unless ``after`` names another. Images are padded as TFLite's SAME
    unless a padding is given.

    Args:
        name: Name of the network.
        input_shape: Without the batch.
    """

    def __init__(self, name: str, input_shape: Shape) -> None:
        self._name = name
        self._input_shape = input_shape
        self._layers: list[Layer] = []
        self._shapes: dict[str, Shape] = {INPUT: input_shape}
        self._further: list[tuple[str, Shape]] = []
        self._scope = ""
        self._in_scope = 0

    def input(self, name: str, shape: Shape) -> str:
        """A further input; layers read it by its name."""
        self._further.append((name, shape))
        self._shapes[name] = shape
        return name

    def enter(self, scope: str) -> None:
        """Name the layers that follow after a part of the network, counted from 1 again.

        Layers keep their names whatever comes before that part, which weight sharing relies on.
        """
        self._scope, self._in_scope = scope, len(self._layers)

    def name_of(self, name: str) -> str:
        """A layer's name with that of the part before it."""
        return f"{self._scope}_{name}" if self._scope else name

    @property
    def last(self) -> str:
        """Name of the layer that the next one reads."""
        return self._layers[-1].name if self._layers else INPUT

    def shape(self, name: str | None = None) -> Shape:
        """Shape of a layer's output; by default, of the last one."""
        return self._shapes[name or self.last]

    def add_layer(self, layer: Layer) -> str:
        """Append any layer.

        Raises:
            InputError: Its inputs do not fit.
        """
        self._shapes[layer.name] = layer.output_shape([self._shapes[name] for name in layer.inputs])
        self._layers.append(layer)
        return layer.name

    def conv(
        self,
        filters: int,
        kernel: int | tuple[int, int] = 1,
        stride: int | tuple[int, int] = 1,
        *,
        activation: ActivationKind = "relu",
        batch_norm: bool = True,
        padding: Padding | None = None,
        after: str | None = None,
    ) -> str:
        """A convolution."""
        source, window, step = after or self.last, _pair(kernel), _pair(stride)
        return self.add_layer(
            Conv2D(
                name=self._next("conv"),
                inputs=(source,),
                filters=filters,
                kernel=window,
                stride=step,
                padding=self._padding(source, window, step, padding),
                activation=activation,
                batch_norm=batch_norm,
            )
        )

    def depthwise(
        self,
        kernel: int | tuple[int, int] = 3,
        stride: int | tuple[int, int] = 1,
        *,
        activation: ActivationKind = "relu",
        batch_norm: bool = True,
        padding: Padding | None = None,
        after: str | None = None,
    ) -> str:
        """A depthwise convolution."""
        source, window, step = after or self.last, _pair(kernel), _pair(stride)
        return self.add_layer(
            DepthwiseConv2D(
                name=self._next("depthwise"),
                inputs=(source,),
                kernel=window,
                stride=step,
                padding=self._padding(source, window, step, padding),
                activation=activation,
                batch_norm=batch_norm,
            )
        )

    def dense(
        self,
        units: int,
        *,
        activation: ActivationKind = "none",
        batch_norm: bool = False,
        after: str | None = None,
    ) -> str:
        """A matrix product, after flattening an image."""
        source = after or self.last
        if len(self.shape(source)) != 1:
            source = self.flatten(after=source)
        name = self._next("dense")
        layer = Dense(name=name, inputs=(source,), units=units, activation=activation, batch_norm=batch_norm)
        return self.add_layer(layer)

    def add(self, first: str, second: str, *, activation: ActivationKind = "none") -> str:
        """A sum."""
        return self.add_layer(Add(name=self._next("add"), inputs=(first, second), activation=activation))

    def concat(self, *names: str) -> str:
        """A concatenation of channels."""
        return self.add_layer(Concat(name=self._next("concat"), inputs=names))

    def activation(self, kind: ActivationKind, *, after: str | None = None) -> str:
        """A function of each element."""
        return self.add_layer(Activation(name=self._next(kind), inputs=(after or self.last,), kind=kind))

    def zeros(self, *, after: str | None = None) -> str:
        """Zeros in the shape of a layer."""
        return self.add_layer(Zeros(name=self._next("zeros"), inputs=(after or self.last,)))

    def average_pool(
        self,
        kernel: int | tuple[int, int],
        stride: int | tuple[int, int] | None = None,
        *,
        same: bool = False,
        after: str | None = None,
    ) -> str:
        """Means of windows; by default windows do not overlap, and nothing is padded unless the size is to stay."""
        source, window = after or self.last, _pair(kernel)
        step = _pair(stride) if stride is not None else window
        padding = self._padding(source, window, step, None if same else Padding())
        name = self._next("average_pool")
        layer = AveragePool2D(name=name, inputs=(source,), kernel=window, stride=step, padding=padding)
        return self.add_layer(layer)

    def max_pool(self, kernel: int | tuple[int, int], stride: int | tuple[int, int] | None = None) -> str:
        """Maxima of windows without padding; by default, windows do not overlap."""
        window = _pair(kernel)
        step = _pair(stride) if stride is not None else window
        name = self._next("max_pool")
        return self.add_layer(MaxPool2D(name=name, inputs=(self.last,), kernel=window, stride=step))

    def global_average_pool(self) -> str:
        """Means of channels."""
        return self.add_layer(GlobalAveragePool(name=self._next("global_average_pool"), inputs=(self.last,)))

    def flatten(self, *, after: str | None = None) -> str:
        """A vector of all elements."""
        return self.add_layer(Reshape(name=self._next("flatten"), inputs=(after or self.last,)))

    def softmax(self) -> str:
        """Probabilities."""
        return self.add_layer(Softmax(name=self._next("softmax"), inputs=(self.last,)))

    def build(self) -> Network:
        """The network."""
        return Network(
            name=self._name,
            input_shape=self._input_shape,
            layers=tuple(self._layers),
            further_inputs=tuple(self._further),
        )

    def _next(self, kind: str) -> str:
        prefix = f"{self._scope}_" if self._scope else ""
        return f"{prefix}{kind}_{len(self._layers) - self._in_scope + 1}"

    def _padding(self, source: str, kernel: tuple[int, int], stride: tuple[int, int], given: Padding | None) -> Padding:
        if given is not None or len(self._shapes[source]) != 3:
            return given or Padding()
        height, width, _ = self._shapes[source]
        return same_padding((height, width), kernel, stride)


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value
