"""How each ONNX operator becomes a layer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebench.errors import UnsupportedModelError
from edgebench.models.network import INPUT, Network, same_padding
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
    Pad,
    Padding,
    Reshape,
    Shape,
    Softmax,
)
from edgebench.models.network.weights import LayerWeights


class Importer:
    """Layers and weights as they are collected.

    Attributes:
        names: Layer behind each ONNX tensor.
        constants: Values of constant tensors.
        uses: How many operators and outputs of the graph read each tensor.
    """

    def __init__(
        self, name: str, input_shape: Shape, constants: dict[str, NDArray[Any]], uses: Mapping[str, int]
    ) -> None:
        self.names: dict[str, str] = {}
        self.constants = constants
        self.uses = uses
        self._name = name
        self._input_shape = input_shape
        self._layers: dict[str, Layer] = {}
        self._shapes: dict[str, Shape] = {INPUT: input_shape}
        self._weights: dict[str, LayerWeights] = {}
        self._order: dict[str, Shape] = {}

    def alias(self, output: str, source: str) -> None:
        """Let an output be the layer behind a source."""
        self.names[output] = self.layer(source)

    def layer(self, tensor: str) -> str:
        """Name of the layer behind a tensor."""
        if tensor not in self.names:
            raise UnsupportedModelError(f"tensor {tensor!r} is computed in a way edgebench cannot convert")
        return self.names[tensor]

    def shape(self, tensor: str) -> Shape:
        """Shape behind a tensor, channels last."""
        return self._shapes[self.layer(tensor)]

    def append(self, layer: Layer, output: str, weights: LayerWeights | None = None) -> None:
        """Add a layer for an ONNX output."""
        shapes = [self._shapes[name] for name in layer.inputs]
        for name in layer.inputs:
            if name in self._order and not isinstance(layer, (Dense, Activation)):
                raise UnsupportedModelError(
                    f"{layer.name!r} reads a flattened image, whose order of elements differs between ONNX and TFLite"
                )
        self._shapes[layer.name] = layer.output_shape(shapes)
        self._layers[layer.name] = layer
        self.names[output] = layer.name
        if weights is not None:
            self._weights[layer.name] = weights
        if isinstance(layer, Activation) and layer.inputs[0] in self._order:
            self._order[layer.name] = self._order[layer.inputs[0]]

    def next_name(self, kind: str) -> str:
        """A name that no layer has."""
        return f"{kind}_{len(self._layers) + 1}"

    def constant(self, node: Any, index: int) -> NDArray[Any]:
        """A constant input of a node.

        Raises:
            UnsupportedModelError: It is not constant.
        """
        name = node.input[index]
        if name not in self.constants:
            raise UnsupportedModelError(f"{node.op_type} computes its input {name!r}; edgebench converts constants")
        return self.constants[name]

    def channels_first_vector(self, name: str, image: Shape) -> None:
        """Remember that a vector holds an image's elements in ONNX's order, channels outermost."""
        if math.prod(image[:2]) > 1 and image[2] > 1:
            self._order[name] = image

    def reordered(self, source: str, kernel: NDArray[np.float32]) -> NDArray[np.float32]:
        """Columns of a matrix for a vector whose elements lie channels last."""
        image = self._order.get(source)
        if image is None:
            return kernel
        height, width, channels = image
        columns = kernel.reshape(-1, channels, height, width).transpose(0, 2, 3, 1)
        return np.ascontiguousarray(columns.reshape(kernel.shape))

    def fuse_activation(self, tensor: str, output: str, kind: ActivationKind) -> None:
        """Apply an activation: inside the layer before it if only this reads it, else as a layer."""
        source = self.layer(tensor)
        layer = self._layers.get(source)
        if (
            isinstance(layer, (Conv2D, DepthwiseConv2D, Dense, Add))
            and layer.activation == "none"
            and self._only_reader(tensor, source)
        ):
            self._layers[source] = replace(layer, activation=kind)
            self.names[output] = source
            return
        self.append(Activation(name=self.next_name(kind), inputs=(source,), kind=kind), output)

    def fold_scale(self, tensor: str, output: str, scale: NDArray[Any], shift: NDArray[Any]) -> bool:
        """Multiply and shift the channels of a linear layer by changing its weights, if only this reads it."""
        source = self.layer(tensor)
        layer, weights = self._layers.get(source), self._weights.get(source)
        linear = getattr(layer, "activation", "none") == "none"
        if weights is None or not linear or not self._only_reader(tensor, source):
            return False
        axis = -1 if isinstance(layer, DepthwiseConv2D) else 0
        spread = [1] * weights.kernel.ndim
        spread[axis] = -1
        self._weights[source] = LayerWeights(
            kernel=(weights.kernel * scale.reshape(spread)).astype(np.float32),
            bias=(weights.bias * scale + shift).astype(np.float32),
        )
        self.names[output] = source
        return True

    def finish(self, output: str) -> tuple[Network, dict[str, LayerWeights]]:
        """The network up to an output.

        Raises:
            UnsupportedModelError: The output is not the last layer's.
        """
        last = self.layer(output)
        layers = tuple(self._layers.values())
        if not layers or layers[-1].name != last or last in self._order:
            raise UnsupportedModelError("the model's output is not that of its last operator")
        return Network(name=self._name, input_shape=self._input_shape, layers=layers), self._weights

    def _only_reader(self, tensor: str, source: str) -> bool:
        """Whether the operator at hand is the only one that will ever read a layer."""
        read = any(source in layer.inputs for layer in self._layers.values())
        tensors = [name for name, layer in self.names.items() if layer == source]
        # Each tensor that stands for the layer led to the next one; the last of them is read once, by us.
        return not read and all(self.uses[name] == 1 for name in [*tensors, tensor])


def _attribute(node: Any, name: str, default: Any) -> Any:
    from onnx import helper

    return next((helper.get_attribute_value(a) for a in node.attribute if a.name == name), default)


def _padding(node: Any, image: Shape, kernel: tuple[int, int], stride: tuple[int, int]) -> Padding:
    mode = _attribute(node, "auto_pad", b"NOTSET").decode()
    if mode in {"SAME_UPPER", "SAME_LOWER"}:
        same = same_padding((image[0], image[1]), kernel, stride)
        if mode == "SAME_LOWER":
            same = Padding(top=same.bottom, bottom=same.top, left=same.right, right=same.left)
        return same
    top, left, bottom, right = _attribute(node, "pads", [0, 0, 0, 0])
    return Padding(top=top, bottom=bottom, left=left, right=right)


def _conv(importer: Importer, node: Any) -> None:
    kernel = importer.constant(node, 1).astype(np.float32)
    source = importer.layer(node.input[0])
    image = importer.shape(node.input[0])
    if kernel.ndim != 4 or len(image) != 3:
        raise UnsupportedModelError("edgebench converts convolutions over images, not over sequences or volumes")
    filters = kernel.shape[0]
    has_bias = len(node.input) > 2 and node.input[2]
    bias = (importer.constant(node, 2) if has_bias else np.zeros(filters)).astype(np.float32)
    groups, window = int(_attribute(node, "group", 1)), (kernel.shape[2], kernel.shape[3])
    stride = tuple(_attribute(node, "strides", [1, 1]))
    dilation = tuple(_attribute(node, "dilations", [1, 1]))
    reach = ((window[0] - 1) * dilation[0] + 1, (window[1] - 1) * dilation[1] + 1)
    shared: dict[str, Any] = {
        "inputs": (source,),
        "kernel": window,
        "stride": stride,
        "padding": _padding(node, image, reach, (stride[0], stride[1])),
    }
    if groups == 1:
        layer: Layer = Conv2D(name=importer.next_name("conv"), filters=filters, dilation=dilation, **shared)
        weights = LayerWeights(kernel=np.ascontiguousarray(kernel.transpose(0, 2, 3, 1)), bias=bias)
    elif groups == image[2] and kernel.shape[1] == 1 and dilation == (1, 1):
        name = importer.next_name("depthwise")
        layer = DepthwiseConv2D(name=name, multiplier=filters // groups, **shared)
        weights = LayerWeights(kernel=np.ascontiguousarray(kernel.transpose(1, 2, 3, 0)), bias=bias)
    else:
        raise UnsupportedModelError(f"edgebench converts ordinary and depthwise convolutions, not {groups} groups")
    importer.append(layer, node.output[0], weights)


def _dense(importer: Importer, node: Any) -> None:
    kernel = importer.constant(node, 1).astype(np.float32)
    if node.op_type == "MatMul" or not _attribute(node, "transB", 0):
        kernel = kernel.T
    scale = _attribute(node, "alpha", 1.0)
    bias = np.zeros(kernel.shape[0])
    if len(node.input) > 2 and node.input[2]:
        bias = importer.constant(node, 2) * _attribute(node, "beta", 1.0)
    if kernel.ndim != 2 or _attribute(node, "transA", 0):
        raise UnsupportedModelError("edgebench converts products of one vector with one matrix")
    source = importer.layer(node.input[0])
    weights = LayerWeights(
        kernel=importer.reordered(source, np.ascontiguousarray(kernel * scale, dtype=np.float32)),
        bias=np.broadcast_to(bias.reshape(-1), (kernel.shape[0],)).astype(np.float32),
    )
    layer = Dense(name=importer.next_name("dense"), inputs=(source,), units=kernel.shape[0])
    importer.append(layer, node.output[0], weights)


def _add(importer: Importer, node: Any) -> None:
    constants = [name for name in node.input if name in importer.constants]
    if not constants:
        inputs = (importer.layer(node.input[0]), importer.layer(node.input[1]))
        importer.append(Add(name=importer.next_name("add"), inputs=inputs), node.output[0])
        return
    other = next(name for name in node.input if name not in importer.constants)
    channels = importer.shape(other)[-1]
    shift = importer.constants[constants[0]].reshape(-1)
    if shift.size not in {1, channels} or not importer.fold_scale(
        other, node.output[0], np.ones(channels), np.broadcast_to(shift, (channels,))
    ):
        raise UnsupportedModelError("edgebench adds constants to convolutions and matrix products only")


def _batch_normalisation(importer: Importer, node: Any) -> None:
    scale, shift, mean, variance = (importer.constant(node, index).astype(np.float64) for index in range(1, 5))
    factor = scale / np.sqrt(variance + _attribute(node, "epsilon", 1e-5))
    if not importer.fold_scale(node.input[0], node.output[0], factor, shift - mean * factor):
        raise UnsupportedModelError("edgebench folds batch normalisation into the convolution before it, here is none")


def _activation(kind: ActivationKind) -> Callable[[Importer, Any], None]:
    def handle(importer: Importer, node: Any) -> None:
        importer.fuse_activation(node.input[0], node.output[0], kind)

    return handle


def _clip(importer: Importer, node: Any) -> None:
    low = importer.constant(node, 1) if len(node.input) > 1 else _attribute(node, "min", -math.inf)
    high = importer.constant(node, 2) if len(node.input) > 2 else _attribute(node, "max", math.inf)
    if float(np.ravel(low)[0]) != 0 or float(np.ravel(high)[0]) != 6:
        raise UnsupportedModelError("edgebench converts Clip between 0 and 6 only")
    importer.fuse_activation(node.input[0], node.output[0], "relu6")


def _concat(importer: Importer, node: Any) -> None:
    rank = len(importer.shape(node.input[0]))
    axis = int(_attribute(node, "axis", 1))
    if axis not in ({1, -3} if rank == 3 else {1, -1}):
        raise UnsupportedModelError("edgebench joins channels, not rows or columns")
    inputs = tuple(importer.layer(name) for name in node.input)
    importer.append(Concat(name=importer.next_name("concat"), inputs=inputs), node.output[0])


def _pool(importer: Importer, node: Any) -> None:
    image = importer.shape(node.input[0])
    window = _attribute(node, "kernel_shape", [1, 1])
    stride = _attribute(node, "strides", [1, 1])
    if len(window) != 2 or _attribute(node, "ceil_mode", 0) or _attribute(node, "dilations", [1, 1]) != [1, 1]:
        raise UnsupportedModelError("edgebench converts pooling over images without dilation or ceil_mode")
    kernel, step = (window[0], window[1]), (stride[0], stride[1])
    padding = _padding(node, image, kernel, step)
    mean = node.op_type == "AveragePool"
    if mean and padding and _attribute(node, "count_include_pad", 0):
        raise UnsupportedModelError("TFLite's average pooling does not count padding, this one does")
    if padding and padding != same_padding((image[0], image[1]), kernel, step):
        raise UnsupportedModelError("TFLite cannot pool with this padding")
    kind = AveragePool2D if mean else MaxPool2D
    layer = kind(
        name=importer.next_name("pool"),
        inputs=(importer.layer(node.input[0]),),
        kernel=kernel,
        stride=step,
        padding=padding,
    )
    importer.append(layer, node.output[0])


def _global_average_pool(importer: Importer, node: Any) -> None:
    if node.op_type == "ReduceMean":
        axes = importer.constant(node, 1).tolist() if len(node.input) > 1 else _attribute(node, "axes", [])
        if sorted(axis % 4 for axis in axes) != [2, 3]:
            raise UnsupportedModelError("edgebench converts means over rows and columns only")
    name = importer.next_name("global_average_pool")
    importer.append(GlobalAveragePool(name=name, inputs=(importer.layer(node.input[0]),)), node.output[0])


def _reshape(importer: Importer, node: Any) -> None:
    """Anything that makes a vector of an image: Flatten, Reshape, Squeeze."""
    shape = importer.shape(node.input[0])
    if node.op_type == "Reshape":
        target = [size for size in importer.constant(node, 1).tolist()[1:] if size != 1]
        if len(target) > 1:
            raise UnsupportedModelError("edgebench converts Reshape to a vector only")
    if node.op_type == "Flatten" and _attribute(node, "axis", 1) != 1:
        raise UnsupportedModelError("edgebench flattens everything but the batch")
    if len(shape) == 1:
        importer.alias(node.output[0], node.input[0])
        return
    layer = Reshape(name=importer.next_name("flatten"), inputs=(importer.layer(node.input[0]),))
    importer.append(layer, node.output[0])
    importer.channels_first_vector(layer.name, shape)


def _pad(importer: Importer, node: Any) -> None:
    sizes = importer.constant(node, 1).tolist() if len(node.input) > 1 else _attribute(node, "pads", [])
    if _attribute(node, "mode", b"constant") != b"constant" or len(sizes) != 8 or any(sizes[i] for i in (0, 1, 4, 5)):
        raise UnsupportedModelError("edgebench converts padding of rows and columns with zeros")
    if len(node.input) > 2 and node.input[2] and float(np.ravel(importer.constant(node, 2))[0]) != 0:
        raise UnsupportedModelError("edgebench pads with zeros only")
    padding = Padding(top=sizes[2], left=sizes[3], bottom=sizes[6], right=sizes[7])
    layer = Pad(name=importer.next_name("pad"), inputs=(importer.layer(node.input[0]),), padding=padding)
    importer.append(layer, node.output[0])


def _softmax(importer: Importer, node: Any) -> None:
    name = importer.next_name("softmax")
    importer.append(Softmax(name=name, inputs=(importer.layer(node.input[0]),)), node.output[0])


HANDLERS: Mapping[str, Callable[[Importer, Any], None]] = {
    "Add": _add,
    "AveragePool": _pool,
    "BatchNormalization": _batch_normalisation,
    "Clip": _clip,
    "Concat": _concat,
    "Conv": _conv,
    "Flatten": _reshape,
    "Gemm": _dense,
    "GlobalAveragePool": _global_average_pool,
    "HardSwish": _activation("hard_swish"),
    "MatMul": _dense,
    "MaxPool": _pool,
    "Pad": _pad,
    "ReduceMean": _global_average_pool,
    "Relu": _activation("relu"),
    "Reshape": _reshape,
    "Sigmoid": _activation("sigmoid"),
    "Softmax": _softmax,
    "Squeeze": _reshape,
    "Tanh": _activation("tanh"),
}
