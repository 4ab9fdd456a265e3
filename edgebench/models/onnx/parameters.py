"""Which constants of an ONNX model are parameters, and how many values they have."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from edgebench.models.onnx.file import graphs, nodes

_SETTINGS: Mapping[str, frozenset[int]] = {
    name: frozenset(positions)
    for name, positions in {
        "BatchNormalization": {3, 4},
        "Clip": {1, 2},
        "ConvInteger": {2, 3},
        "DequantizeLinear": {1, 2},
        "DynamicQuantizeLSTM": {8, 9, 10, 11},
        "DynamicQuantizeMatMul": {2, 3},
        "MatMulInteger": {2, 3},
        "MatMulIntegerToFloat": {2, 3, 4, 5},
        "MatMulNBits": {2, 3, 4},
        "Pad": {1, 2, 3},
        "QAttention": {3, 4, 6, 7},
        "QGemm": {1, 2, 4, 5, 7, 8},
        "QLinearAdd": {1, 2, 4, 5, 6, 7},
        "QLinearConv": {1, 2, 4, 5, 6, 7},
        "QLinearMatMul": {1, 2, 4, 5, 6, 7},
        "QLinearMul": {1, 2, 4, 5, 6, 7},
        "QuantizeLinear": {1, 2},
        "Resize": {1, 2, 3},
        "Upsample": {1},
    }.items()
}
"""Inputs that are not learned: scales, zero points, running statistics, limits."""
_WIDE_INTEGER_WEIGHTS: Mapping[str, frozenset[int]] = {
    "DequantizeLinear": frozenset({0}),
    "QGemm": frozenset({6}),
    "QLinearConv": frozenset({8}),
}
"""Inputs in which a 16-, 32- or 64-bit integer is a quantised bias and not an index or a size."""


def count_parameters(model: Any) -> int:
    """Learned values of a model, in initializers or in constant nodes.

    A constant counts if a node reads it as data: all elements of floating-point constants with at least
    one dimension, and of quantised ones (8 bits and less, and wider biases). Not counted are scalars, scales
    and zero points, the running mean and variance of a batch normalisation, limits, and integers that are
    shapes, axes or indices.

    Args:
        model: A parsed ``ModelProto``; the data of its tensors is not needed.
    """
    read, read_as_bias = _readers(model)
    total = 0
    for name, dtype, dims in _constants(model):
        if dims and name in (read if _holds_weights(dtype) else read_as_bias):
            total += math.prod(dims)
    return total + sum(_packed(node) for node in nodes(model) if node.op_type == "MatMulNBits")


def constant_shapes(model: Any) -> dict[str, tuple[int, ...]]:
    """Shapes of all constants by name, including those of constant nodes."""
    return {name: dims for name, _, dims in _constants(model)}


def _constants(model: Any) -> Iterator[tuple[str, int, tuple[int, ...]]]:
    import onnx

    for graph in graphs(model.graph):
        for tensor in graph.initializer:
            yield tensor.name, tensor.data_type, tuple(tensor.dims)
        for sparse in graph.sparse_initializer:
            yield sparse.values.name, sparse.values.data_type, tuple(sparse.values.dims)
    for node in nodes(model):
        if node.op_type != "Constant" or not node.output:
            continue
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield node.output[0], attribute.t.data_type, tuple(attribute.t.dims)
            elif attribute.HasField("sparse_tensor"):
                values = attribute.sparse_tensor.values
                yield node.output[0], values.data_type, tuple(values.dims)
            elif attribute.floats:
                yield node.output[0], onnx.TensorProto.FLOAT, (len(attribute.floats),)


def _readers(model: Any) -> tuple[set[str], set[str]]:
    """Names that nodes read as data, and names they read as quantised biases."""
    read: set[str] = set()
    read_as_bias: set[str] = set()
    for node in nodes(model):
        settings = _SETTINGS.get(node.op_type, frozenset())
        biases = _WIDE_INTEGER_WEIGHTS.get(node.op_type, frozenset())
        # The packed weights of MatMulNBits are counted from its attributes.
        packed = {1} if node.op_type == "MatMulNBits" else set()
        read.update(name for position, name in enumerate(node.input) if position not in settings | packed)
        read_as_bias.update(name for position, name in enumerate(node.input) if position in biases)
    return read, read_as_bias


def _holds_weights(dtype: int) -> bool:
    """Whether a constant of this type is data rather than an index: floats, and integers of 8 bits and less."""
    import onnx

    types = onnx.TensorProto
    wide = {types.INT16, types.UINT16, types.INT32, types.UINT32, types.INT64, types.UINT64}
    return dtype not in wide | {types.BOOL, types.STRING, types.UNDEFINED}


def _packed(node: Any) -> int:
    """Weights of a matrix product with several values in a byte."""
    attributes = {str(attribute.name): int(attribute.i) for attribute in node.attribute}
    return max(0, attributes.get("K", 0)) * max(0, attributes.get("N", 0))
