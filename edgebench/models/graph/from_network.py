"""A network of edgebench's own, with weights, as a tensor graph: channels last, batch 1."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from edgebench.errors import InputError
from edgebench.models.graph.tensor_graph import GraphBuilder, Port, Shape, TensorGraph
from edgebench.models.network import Network, same_padding
from edgebench.models.network.layers import (
    Activation,
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
    Softmax,
    Zeros,
)
from edgebench.models.network.weights import Weights

_FUSED = {"none": 0, "relu": 1, "relu6": 3}
"""Activations that TFLite's kernels apply themselves, by their codes."""
_ACTIVATIONS = {"relu": "RELU", "relu6": "RELU6", "sigmoid": "LOGISTIC", "tanh": "TANH", "hard_swish": "HARD_SWISH"}
_SAME, _VALID = 0, 1


def graph_of(network: Network, weights: Weights) -> TensorGraph:
    """Write a network with TFLite's operators.

    Padding that TFLite calls SAME or VALID becomes the operator's own; any other padding becomes a PAD before it.

    Raises:
        InputError: A layer cannot be expressed in TFLite.
    """
    writer = _Writer(network, weights)
    for layer in network.layers:
        writer.names[layer.name] = _WRITERS[type(layer)](writer, layer)
    ports = [
        Port(tensor=writer.names[name], name=name, layout=tuple(range(len(writer.shape(name)))))
        for name in (*network.inputs, network.output)
    ]
    return writer.graph.build(ports[:-1], ports[-1:])


class _Writer:
    def __init__(self, network: Network, weights: Weights) -> None:
        self.network, self.weights = network, weights
        self.graph = GraphBuilder(network.name)
        self.names = {name: self.graph.tensor(name, (1, *shape)) for name, shape in network.inputs.items()}

    def shape(self, name: str) -> Shape:
        return (1, *self.network.shapes[name])

    def sources(self, layer: Layer) -> list[str]:
        return [self.names[name] for name in layer.inputs]

    def constants(self, layer: Layer) -> list[str]:
        weights = self.weights[layer.name]
        return [
            self.graph.constant(f"{layer.name}.kernel", weights.kernel.astype(np.float32)),
            self.graph.constant(f"{layer.name}.bias", weights.bias.astype(np.float32)),
        ]

    def ints(self, name: str, values: Any) -> str:
        return self.graph.constant(name, np.array(values, np.int32))

    def activated(self, layer: Any, kind: str, inputs: list[str], **options: Any) -> str:
        """An operator with the activation that it can apply itself, followed by one that it cannot."""
        shape, activation = self.shape(layer.name), layer.activation
        fused = _FUSED.get(activation)
        if fused is not None:
            return self.graph.node(kind, inputs, shape, name=layer.name, fusedActivationFunction=fused, **options)
        before = self.graph.node(
            kind, inputs, shape, name=f"{layer.name}.linear", source=layer.name, fusedActivationFunction=0, **options
        )
        return self.graph.node(_ACTIVATIONS[activation], [before], shape, name=layer.name)

    def padded(self, layer: Conv2D | DepthwiseConv2D | AveragePool2D | MaxPool2D) -> tuple[str, int]:
        """The tensor that a window slides over, after a PAD if it needs one, and the code of its padding."""
        padding, source = layer.padding, self.names[layer.inputs[0]]
        height, width, _ = self.network.shapes[layer.inputs[0]]
        dilation = getattr(layer, "dilation", (1, 1))
        reach = ((layer.kernel[0] - 1) * dilation[0] + 1, (layer.kernel[1] - 1) * dilation[1] + 1)
        if not padding:
            return source, _VALID
        if padding == same_padding((height, width), reach, layer.stride):
            return source, _SAME
        if isinstance(layer, (AveragePool2D, MaxPool2D)):
            raise InputError(f"layer {layer.name!r}: TFLite cannot pool with this padding", where=self.network.name)
        return self.pad(f"{layer.name}.padded", padding, source, layer.name), _VALID

    def pad(self, name: str, padding: Padding, source: str, layer: str) -> str:
        batch, height, width, channels = self.graph.shape(source)
        rows = [[0, 0], [padding.top, padding.bottom], [padding.left, padding.right], [0, 0]]
        shape = (batch, height + padding.height, width + padding.width, channels)
        return self.graph.node("PAD", [source, self.ints(f"{layer}.padding", rows)], shape, name=name, source=layer)


def _conv(writer: _Writer, layer: Conv2D) -> str:
    source, padding = writer.padded(layer)
    return writer.activated(layer, "CONV_2D", [source, *writer.constants(layer)], **_window(layer, padding))


def _depthwise(writer: _Writer, layer: DepthwiseConv2D) -> str:
    source, padding = writer.padded(layer)
    return writer.activated(
        layer,
        "DEPTHWISE_CONV_2D",
        [source, *writer.constants(layer)],
        depthMultiplier=layer.multiplier,
        **_window(layer, padding),
    )


def _window(layer: Conv2D | DepthwiseConv2D, padding: int) -> dict[str, int]:
    dilation = getattr(layer, "dilation", (1, 1))
    return {
        "padding": padding,
        "strideH": layer.stride[0],
        "strideW": layer.stride[1],
        "dilationHFactor": dilation[0],
        "dilationWFactor": dilation[1],
    }


def _dense(writer: _Writer, layer: Dense) -> str:
    return writer.activated(layer, "FULLY_CONNECTED", [*writer.sources(layer), *writer.constants(layer)])


def _add(writer: _Writer, layer: Add) -> str:
    return writer.activated(layer, "ADD", writer.sources(layer))


def _concat(writer: _Writer, layer: Concat) -> str:
    shape = writer.shape(layer.name)
    return writer.graph.node(
        "CONCATENATION",
        writer.sources(layer),
        shape,
        name=layer.name,
        axis=len(shape) - 1,
        fusedActivationFunction=0,
    )


def _pool(writer: _Writer, layer: AveragePool2D | MaxPool2D) -> str:
    source, padding = writer.padded(layer)
    return writer.graph.node(
        "AVERAGE_POOL_2D" if isinstance(layer, AveragePool2D) else "MAX_POOL_2D",
        [source],
        writer.shape(layer.name),
        name=layer.name,
        padding=padding,
        filterHeight=layer.kernel[0],
        filterWidth=layer.kernel[1],
        strideH=layer.stride[0],
        strideW=layer.stride[1],
        fusedActivationFunction=0,
    )


def _global_average_pool(writer: _Writer, layer: GlobalAveragePool) -> str:
    axes = writer.ints(f"{layer.name}.axes", [1, 2])
    inputs = [*writer.sources(layer), axes]
    return writer.graph.node("MEAN", inputs, writer.shape(layer.name), name=layer.name, keepDims=False)


def _activation(writer: _Writer, layer: Activation) -> str:
    if layer.kind == "none":
        raise InputError(f"layer {layer.name!r} does nothing", where=writer.network.name)
    return writer.graph.node(_ACTIVATIONS[layer.kind], writer.sources(layer), writer.shape(layer.name), name=layer.name)


def _zeros(writer: _Writer, layer: Zeros) -> str:
    zero = writer.graph.constant(f"{layer.name}.zero", np.zeros(1, np.float32))
    inputs = [*writer.sources(layer), zero]
    return writer.graph.node("MUL", inputs, writer.shape(layer.name), name=layer.name, fusedActivationFunction=0)


def _pad(writer: _Writer, layer: Pad) -> str:
    return writer.pad(layer.name, layer.padding, writer.sources(layer)[0], layer.name)


def _reshape(writer: _Writer, layer: Reshape) -> str:
    target = writer.shape(layer.name)
    inputs = [*writer.sources(layer), writer.ints(f"{layer.name}.shape", target)]
    return writer.graph.node("RESHAPE", inputs, target, name=layer.name, newShape=list(target))


def _softmax(writer: _Writer, layer: Softmax) -> str:
    return writer.graph.node("SOFTMAX", writer.sources(layer), writer.shape(layer.name), name=layer.name, beta=1.0)


_WRITERS: Mapping[type[Layer], Callable[[_Writer, Any], str]] = {
    Conv2D: _conv,
    DepthwiseConv2D: _depthwise,
    Dense: _dense,
    Add: _add,
    Concat: _concat,
    AveragePool2D: _pool,
    MaxPool2D: _pool,
    GlobalAveragePool: _global_average_pool,
    Activation: _activation,
    Pad: _pad,
    Reshape: _reshape,
    Softmax: _softmax,
    Zeros: _zeros,
}
