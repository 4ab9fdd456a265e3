"""A network as an ONNX file."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebench.errors import InputError
from edgebench.models.network import Network
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
    Shape,
    Softmax,
    Zeros,
)
from edgebench.models.network.weights import Weights

OPSET = 17
IR_VERSION = 8
"""Old enough for every ONNX Runtime since 1.13, new enough for everything that networks use."""
_MAX_BYTES = 2**31 - 2**20


def to_onnx(network: Network, weights: Weights, path: Path) -> None:
    """Write a network with float32 weights.

    Images are channels first in ONNX, so the input of a network of shape (H, W, C) is (1, C, H, W), and a
    tensor is transposed where a layer's result depends on the order of its elements.

    Raises:
        InputError: The weights need more than the 2 GiB that one file can hold.
    """
    from onnx import TensorProto, helper

    size = sum(layer.kernel.nbytes + layer.bias.nbytes for layer in weights.values())
    if size > _MAX_BYTES:
        raise InputError(f"the weights take {size / 2**30:.1f} GiB, but an ONNX file holds 2", where=network.name)
    graph = _Graph(network, weights)
    for layer in network.layers:
        _WRITERS[type(layer)](graph, layer)
    tensors = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, channels_first(network.shapes[name]))
        for name in (*network.inputs, network.output)
    ]
    onnx_graph = helper.make_graph(graph.nodes, network.name, tensors[:-1], tensors[-1:], graph.initializers)
    model = helper.make_model(
        onnx_graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="edgebench"
    )
    path.write_bytes(model.SerializeToString())


def channels_first(shape: Shape) -> list[int]:
    """A shape as ONNX has it, with the batch of 1."""
    return [1, shape[2], shape[0], shape[1]] if len(shape) == 3 else [1, *shape]


class _Graph:
    """Nodes and initializers as they are collected."""

    def __init__(self, network: Network, weights: Weights) -> None:
        self.network = network
        self.weights = weights
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []

    def node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        from onnx import helper

        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def constant(self, name: str, value: NDArray[Any]) -> str:
        from onnx import numpy_helper

        self.initializers.append(numpy_helper.from_array(np.asarray(value, order="C"), name))
        return name

    def activated(self, layer: Layer, kind: str, write: Callable[[str], object]) -> None:
        """Write a layer and the activation after it."""
        if kind == "none":
            write(layer.name)
            return
        before = f"{layer.name}.linear"
        write(before)
        self.activation(kind, before, layer.name)

    def activation(self, kind: str, source: str, output: str) -> None:
        if kind == "relu6":
            low = self.constant(f"{output}.low", np.array(0, np.float32))
            high = self.constant(f"{output}.high", np.array(6, np.float32))
            self.node("Clip", [source, low, high], output)
        else:
            names = {
                "relu": "Relu",
                "sigmoid": "Sigmoid",
                "tanh": "Tanh",
                "hard_swish": "HardSwish",
                "none": "Identity",
            }
            self.node(names[kind], [source], output)


def _pads(padding: Padding) -> list[int]:
    return [padding.top, padding.left, padding.bottom, padding.right]


def _write_convolution(graph: _Graph, layer: Conv2D | DepthwiseConv2D) -> None:
    weights = graph.weights[layer.name]
    if isinstance(layer, Conv2D):
        kernel, groups, dilation = weights.kernel.transpose(0, 3, 1, 2), 1, layer.dilation
    else:
        # From 1, rows, columns, outputs to outputs, 1, rows, columns.
        kernel, dilation = weights.kernel.transpose(3, 0, 1, 2), (1, 1)
        groups = graph.network.shapes[layer.inputs[0]][2]
    inputs = [
        layer.inputs[0],
        graph.constant(f"{layer.name}.kernel", kernel),
        graph.constant(f"{layer.name}.bias", weights.bias),
    ]
    graph.activated(
        layer,
        layer.activation,
        lambda output: graph.node(
            "Conv",
            inputs,
            output,
            kernel_shape=list(layer.kernel),
            strides=list(layer.stride),
            dilations=list(dilation),
            pads=_pads(layer.padding),
            group=groups,
        ),
    )


def _write_dense(graph: _Graph, layer: Dense) -> None:
    weights = graph.weights[layer.name]
    inputs = [
        layer.inputs[0],
        graph.constant(f"{layer.name}.kernel", weights.kernel),
        graph.constant(f"{layer.name}.bias", weights.bias),
    ]
    graph.activated(layer, layer.activation, lambda output: graph.node("Gemm", inputs, output, transB=1))


def _write_add(graph: _Graph, layer: Add) -> None:
    graph.activated(layer, layer.activation, lambda output: graph.node("Add", list(layer.inputs), output))


def _write_concat(graph: _Graph, layer: Concat) -> None:
    graph.node("Concat", list(layer.inputs), layer.name, axis=1 if len(graph.network.shapes[layer.name]) == 3 else -1)


def _write_pool(graph: _Graph, layer: AveragePool2D | MaxPool2D) -> None:
    kind = "AveragePool" if isinstance(layer, AveragePool2D) else "MaxPool"
    attributes = {"kernel_shape": list(layer.kernel), "strides": list(layer.stride), "pads": _pads(layer.padding)}
    if kind == "AveragePool":
        attributes["count_include_pad"] = 0  # type: ignore[assignment]
    graph.node(kind, list(layer.inputs), layer.name, **attributes)


def _write_global_average_pool(graph: _Graph, layer: GlobalAveragePool) -> None:
    pooled = graph.node("GlobalAveragePool", list(layer.inputs), f"{layer.name}.pooled")
    graph.node("Flatten", [pooled], layer.name, axis=1)


def _write_activation(graph: _Graph, layer: Activation) -> None:
    graph.activation(layer.kind, layer.inputs[0], layer.name)


def _write_zeros(graph: _Graph, layer: Zeros) -> None:
    graph.node("Mul", [layer.inputs[0], graph.constant(f"{layer.name}.zero", np.zeros(1, np.float32))], layer.name)


def _write_pad(graph: _Graph, layer: Pad) -> None:
    padding = layer.padding
    sizes = np.array([0, 0, padding.top, padding.left, 0, 0, padding.bottom, padding.right], np.int64)
    graph.node("Pad", [layer.inputs[0], graph.constant(f"{layer.name}.sizes", sizes)], layer.name)


def _write_reshape(graph: _Graph, layer: Reshape) -> None:
    before, after = graph.network.shapes[layer.inputs[0]], graph.network.shapes[layer.name]
    source = layer.inputs[0]
    if _order_matters(before):
        source = graph.node("Transpose", [source], f"{layer.name}.channels_last", perm=[0, 2, 3, 1])
    target = graph.constant(f"{layer.name}.shape", np.array([1, *after], np.int64))
    if _order_matters(after):
        reshaped = graph.node("Reshape", [source, target], f"{layer.name}.reshaped")
        graph.node("Transpose", [reshaped], layer.name, perm=[0, 3, 1, 2])
    else:
        if len(after) == 3:
            target = graph.constant(f"{layer.name}.first", np.array(channels_first(after), np.int64))
        graph.node("Reshape", [source, target], layer.name)


def _order_matters(shape: Shape) -> bool:
    """Whether channels first and channels last put the elements of an image in different orders."""
    return len(shape) == 3 and math.prod(shape[:2]) > 1 and shape[2] > 1


def _write_softmax(graph: _Graph, layer: Softmax) -> None:
    axis = 1 if len(graph.network.shapes[layer.name]) == 3 else -1
    graph.node("Softmax", list(layer.inputs), layer.name, axis=axis)


_WRITERS: Mapping[type[Layer], Callable[[_Graph, Any], None]] = {
    Conv2D: _write_convolution,
    DepthwiseConv2D: _write_convolution,
    Dense: _write_dense,
    Add: _write_add,
    Concat: _write_concat,
    AveragePool2D: _write_pool,
    MaxPool2D: _write_pool,
    GlobalAveragePool: _write_global_average_pool,
    Activation: _write_activation,
    Pad: _write_pad,
    Reshape: _write_reshape,
    Softmax: _write_softmax,
    Zeros: _write_zeros,
}
