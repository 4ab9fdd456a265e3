"""ONNX operators that compute on integers, written as the equivalent float operators.

Their scales are kept: each becomes a DequantizeLinear before a float operator and a QuantizeLinear after it,
which ``quantised`` then removes again and remembers. Weights become real numbers at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebench.errors import UnsupportedModelError

Array = NDArray[Any]
_STANDARD = {"", "ai.onnx"}


class _Writer:
    """Collects the nodes and constants that replace one node."""

    def __init__(self, node: Any, constants: Mapping[str, Array]) -> None:
        self.node = node
        self.constants = constants
        self.nodes: list[Any] = []
        self.tensors: list[Any] = []

    def input(self, position: int) -> str:
        return self.node.input[position] if position < len(self.node.input) else ""

    def known(self, position: int) -> Array | None:
        return self.constants.get(self.input(position))

    def add(self, kind: str, inputs: Sequence[str], output: str = "", **attributes: Any) -> str:
        from onnx import helper

        output = output or f"{self.node.output[0]}/{kind}_{len(self.nodes)}"
        moves = {"Identity", "QuantizeLinear", "DequantizeLinear"}
        named = kind not in moves and all(made.name != self.node.name for made in self.nodes)
        name = (self.node.name if named else "") or output
        self.nodes.append(helper.make_node(kind, list(inputs), [output], name=name, **attributes))
        return output

    def constant(self, value: Array, name: str) -> str:
        from onnx import numpy_helper

        unique = f"{self.node.output[0]}/{name}"
        self.tensors.append(numpy_helper.from_array(np.asarray(value), unique))
        return unique

    def real(self, position: int, *, axis: int | None = None) -> str:
        """An integer input with its scale and zero point, which follow it, as real numbers.

        Args:
            position: Of the integers.
            axis: Which axis scales run along, if there are several of them.
        """
        value, scale, zero = (self.known(position + place) for place in range(3))
        if value is not None and scale is not None:
            shift = np.zeros(1, np.int32) if zero is None else zero.astype(np.int32)
            return self.constant(_scaled(value, scale, shift, axis), "weights" if position else "values")
        return self.add("DequantizeLinear", [name for name in self.node.input[position : position + 3] if name])

    def quantised(self, source: str, scale: int) -> None:
        """The node's own output, from its real value and the position of its scale among the inputs."""
        names = [name for name in self.node.input[scale : scale + 2] if name]
        self.add("QuantizeLinear", [source, *names], self.node.output[0])

    def attributes(self) -> dict[str, Any]:
        from onnx import helper

        return {item.name: helper.get_attribute_value(item) for item in self.node.attribute}


def _scaled(value: Array, scale: Array, zero: Array, axis: int | None) -> Array:
    if scale.size > 1 and axis is not None:
        wide = [1] * value.ndim
        wide[axis] = -1
        scale, zero = scale.reshape(wide), zero.reshape(wide) if zero.size > 1 else zero
    real: Array = ((value.astype(np.int32) - zero) * scale).astype(np.float32)
    return real


def _conv(writer: _Writer) -> None:
    inputs = [writer.real(0), writer.real(3, axis=0)]
    if writer.input(8):
        inputs.append(_bias(writer, 8))
    writer.quantised(writer.add("Conv", inputs, **writer.attributes()), 6)


def _bias(writer: _Writer, position: int) -> str:
    """Integers in steps of the product of both scales."""
    bias, first, second = (writer.known(place) for place in (position, 1, 4))
    if bias is None or first is None or second is None:
        kind = writer.node.op_type
        raise UnsupportedModelError(f"the bias or a scale of {kind} is computed at run time", operators=(kind,))
    return writer.constant((bias * (first * second)).astype(np.float32), "bias")


def _matmul(writer: _Writer) -> None:
    writer.quantised(writer.add("MatMul", [writer.real(0), writer.real(3, axis=-1)]), 6)


def _gemm(writer: _Writer) -> None:
    attributes = writer.attributes()
    inputs = [writer.real(0), writer.real(3, axis=0 if attributes.get("transB", 0) else -1)]
    if writer.input(6):
        inputs.append(_bias(writer, 6))
    result = writer.add("Gemm", inputs, "" if writer.input(7) else writer.node.output[0], **attributes)
    if writer.input(7):
        writer.quantised(result, 7)


def _two(kind: str) -> Callable[[_Writer], None]:
    def write(writer: _Writer) -> None:
        writer.quantised(writer.add(kind, [writer.real(0), writer.real(3)]), 6)

    return write


def _one(kind: str, *dropped: str) -> Callable[[_Writer], None]:
    def write(writer: _Writer) -> None:
        attributes = writer.attributes()
        if attributes.pop("channels_last", 0):
            raise UnsupportedModelError(f"{writer.node.op_type} has its channels last", operators=(kind,))
        kept = {name: value for name, value in attributes.items() if name not in dropped}
        writer.quantised(writer.add(kind, [writer.real(0)], **kept), 3)

    return write


def _concat(writer: _Writer) -> None:
    parts = [writer.real(position) for position in range(2, len(writer.node.input), 3)]
    writer.quantised(writer.add("Concat", parts, **writer.attributes()), 0)


def _dynamic(writer: _Writer) -> None:
    """What is quantised at run time stays real: a step of 1 from 0."""
    value, scale, zero = writer.node.output
    writer.add("Identity", [writer.input(0)], value)
    for name, number in ((scale, np.float32(1)), (zero, np.float32(0))):
        if name:
            writer.add("Identity", [writer.constant(np.asarray(number), "step" if name == scale else "zero")], name)


def _integer_product(kind: str) -> Callable[[_Writer], None]:
    """A product of integer weights with values that stay real."""

    def write(writer: _Writer) -> None:
        inputs = []
        for position in range(2):
            value, zero = writer.known(position), writer.known(position + 2)
            if value is None:
                inputs.append(writer.input(position))
                continue
            shift = np.zeros(1, np.int32) if zero is None else zero.astype(np.int32)
            if shift.size > 1:
                shift = shift.reshape((-1, *(1,) * (value.ndim - 1)) if kind == "Conv" else (1, -1))
            inputs.append(writer.constant((value.astype(np.int32) - shift).astype(np.float32), "weights"))
        writer.add(kind, inputs, writer.node.output[0], **writer.attributes())

    return write


def _dynamic_matmul(writer: _Writer) -> None:
    weights, scale, zero = (writer.known(position) for position in (1, 2, 3))
    if weights is None or scale is None:
        raise UnsupportedModelError("its weights are computed at run time", operators=(writer.node.op_type,))
    real = _scaled(weights, scale, np.zeros(1, np.int32) if zero is None else zero.astype(np.int32), -1)
    has_bias = bool(writer.input(4))
    output = "" if has_bias else writer.node.output[0]
    result = writer.add("MatMul", [writer.input(0), writer.constant(real, "weights")], output)
    if has_bias:
        writer.add("Add", [result, writer.input(4)], writer.node.output[0])


_WRITERS: Mapping[tuple[bool, str], Callable[[_Writer], None]] = {
    (True, "QLinearConv"): _conv,
    (True, "QLinearMatMul"): _matmul,
    (True, "DynamicQuantizeLinear"): _dynamic,
    (True, "MatMulInteger"): _integer_product("MatMul"),
    (True, "ConvInteger"): _integer_product("Conv"),
    (False, "QGemm"): _gemm,
    (False, "QLinearAdd"): _two("Add"),
    (False, "QLinearMul"): _two("Mul"),
    (False, "QLinearConcat"): _concat,
    (False, "QLinearGlobalAveragePool"): _one("GlobalAveragePool"),
    (False, "QLinearAveragePool"): _one("AveragePool"),
    (False, "QLinearSigmoid"): _one("Sigmoid"),
    (False, "QLinearLeakyRelu"): _one("LeakyRelu"),
    (False, "QLinearSoftmax"): _one("Softmax", "opset"),
    (False, "QLinearReduceMean"): _one("ReduceMean"),
    (False, "DynamicQuantizeMatMul"): _dynamic_matmul,
}
"""Keyed by whether an operator is in the standard, and its name. The others are ONNX Runtime's own."""


def with_float_operators(model: Any, constants: Mapping[str, Array]) -> None:
    """Write the integer operators of a model's main graph as float ones.

    Args:
        model: A ``ModelProto``; changed in place.
        constants: Values of initialisers and constant nodes.

    Raises:
        UnsupportedModelError: One cannot be written as a float operator here.
    """
    graph = model.graph
    if not any((node.domain in _STANDARD, node.op_type) in _WRITERS for node in graph.node):
        return
    nodes: list[Any] = []
    for node in graph.node:
        write = _WRITERS.get((node.domain in _STANDARD, node.op_type))
        if write is None:
            copy = type(node)()
            copy.CopyFrom(node)
            nodes.append(copy)
            continue
        writer = _Writer(node, constants)
        write(writer)
        nodes += writer.nodes
        graph.initializer.extend(writer.tensors)
    del graph.node[:]
    graph.node.extend(nodes)
