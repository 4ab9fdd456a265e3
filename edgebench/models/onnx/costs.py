"""Multiply-accumulates of an ONNX graph for one inference."""

from __future__ import annotations

import math
import re
from collections import ChainMap, Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edgebench.models.mac_notes import not_counted
from edgebench.models.onnx.folding import known_shapes
from edgebench.models.onnx.shapes import infer_shapes

_Shape = tuple[int, ...]
_MAX_LISTED = 5


@dataclass(frozen=True, slots=True)
class _Call:
    """A node, the shapes of its inputs if they are known, and the shape of an output."""

    node: Any
    inputs: Sequence[_Shape | None]
    output: _Shape

    def shape(self, position: int) -> _Shape | None:
        return self.inputs[position] if position < len(self.inputs) else None

    def integer(self, name: str) -> int:
        return next((int(attribute.i) for attribute in self.node.attribute if attribute.name == name), 0)


_Rule = Callable[[_Call], int | None]


@dataclass(slots=True)
class _Tally:
    """What has been counted so far, what has not, and why."""

    macs: int = 0
    unknown: Counter[str] = field(default_factory=Counter)
    uncounted: Counter[str] = field(default_factory=Counter)
    choices: int = 0
    loops: int = 0

    def add(self, other: _Tally) -> None:
        self.macs += other.macs
        self.unknown += other.unknown
        self.uncounted += other.uncounted
        self.choices += other.choices
        self.loops += other.loops


def count_macs(
    model: Any, shapes: Mapping[str, tuple[int, ...]], values: Mapping[str, int]
) -> tuple[int | None, list[str]]:
    """Count convolutions, matrix products and recurrent layers at given input shapes.

    A convolution has output elements x kernel elements of one group (taps on padding count, as is the
    custom), a matrix product output elements x inner length, a recurrent layer time steps x batch x elements
    of its two weight matrices. Additions of biases and everything element-wise are not counted. For an ``If``
    whose condition depends on the input, the costlier branch counts; for a loop, one pass.

    Args:
        model: A parsed ``ModelProto``; the data of large tensors is not needed.
        shapes: Shapes of open inputs, by name.
        values: Values of inputs that do not vary, such as a sample rate, by name.

    Returns:
        The count, or None if a shape stays unknown, and what a reader should know about it.
    """
    tally = _count_graph(infer_shapes(model, shapes, values).graph, ChainMap())
    notes = []
    if tally.unknown:
        notes.append(f"MACs are unknown: the shapes of {_listed(tally.unknown)} cannot be read from the file")
    if tally.uncounted:
        notes.append(not_counted(_listed(tally.uncounted)))
    if tally.choices:
        notes.append(f"MACs include the costlier branch of {tally.choices} x If")
    if tally.loops:
        notes.append(f"MACs include one pass of {tally.loops} x Loop or Scan")
    return (None if tally.unknown else tally.macs), notes


def _listed(counts: Counter[str]) -> str:
    shown = [f"{count} x {name[:80]}" for name, count in counts.most_common(_MAX_LISTED)]
    return ", ".join([*shown, *(["others"] if len(counts) > _MAX_LISTED else [])])


def _count_graph(graph: Any, outer: ChainMap[str, _Shape]) -> _Tally:
    known = outer.new_child(known_shapes(graph))
    tally = _Tally()
    for node in graph.node:
        tally.add(_count_node(node, known))
    return tally


def _count_node(node: Any, known: ChainMap[str, _Shape]) -> _Tally:
    bodies = [_count_graph(attribute.g, known) for attribute in node.attribute if attribute.HasField("g")]
    if node.op_type == "If" and bodies:
        tally = max(bodies, key=lambda body: (bool(body.unknown), body.macs))
        tally.choices += any(body.macs or body.unknown for body in bodies)
        return tally
    tally = _Tally()
    for body in bodies:
        tally.add(body)
        tally.loops += bool(body.macs or body.unknown)
    standard = node.domain in {"", "ai.onnx", "com.microsoft"}
    rule = _RULES.get(node.op_type) if standard else None
    if rule is None:
        if node.op_type in _UNCOUNTED or not (standard or node.domain.startswith("ai.onnx")):
            tally.uncounted[operator_name(node)] += 1
    elif node.output:
        shape = next((known[name] for name in node.output if name in known), None)
        macs = None if shape is None else rule(_Call(node, [known.get(name) for name in node.input], shape))
        if macs is None:
            tally.unknown[node.op_type] += 1
        else:
            tally.macs += macs
    return tally


def operator_name(node: Any) -> str:
    """``op`` for the operators of the standard, ``domain::op`` for others."""
    return str(node.op_type) if node.domain in {"", "ai.onnx"} else f"{node.domain}::{node.op_type}"


def _convolution(weight: int) -> _Rule:
    def rule(call: _Call) -> int | None:
        kernel = call.shape(weight)
        return None if kernel is None else math.prod(call.output) * math.prod(kernel[1:])

    return rule


def _transposed_convolution(call: _Call) -> int | None:
    data, kernel = call.shape(0), call.shape(1)
    return None if data is None or kernel is None else math.prod(data) * math.prod(kernel[1:])


def _matrix_product(call: _Call) -> int | None:
    left = call.shape(0)
    if not left:
        return None
    transposed = len(left) > 1 and call.integer("transA")
    return math.prod(call.output) * left[-2 if transposed else -1]


def _packed_product(call: _Call) -> int | None:
    left = call.shape(0)
    return None if not left else math.prod(left) * max(0, call.integer("N"))


def _recurrent(gates: int) -> _Rule:
    def rule(call: _Call) -> int | None:
        data, weights = call.shape(0), call.shape(1)
        if data is None or weights is None or len(data) != 3 or len(weights) != 3:
            return None
        directions, rows, width = weights
        return data[0] * data[1] * directions * rows * (width + rows // gates)

    return rule


def _einsum(call: _Call) -> int | None:
    """A product over all labels; a single operand is only rearranged or summed."""
    equation = next((a.s.decode("ascii", "replace") for a in call.node.attribute if a.name == "equation"), "")
    operands = re.sub(r"\s", "", equation).partition("->")[0].split(",")
    if len(operands) == 1:
        return 0
    if len(operands) != 2 or "." in equation:
        return None
    sizes: dict[str, int] = {}
    for position, labels in enumerate(operands):
        shape = call.shape(position)
        if shape is None or len(labels) != len(shape):
            return None
        for label, size in zip(labels, shape, strict=True):
            sizes[label] = max(size, sizes.get(label, 1))
    return math.prod(sizes.values())


_RULES: Mapping[str, _Rule] = {
    "Conv": _convolution(1),
    "ConvInteger": _convolution(1),
    "ConvTranspose": _transposed_convolution,
    "DeformConv": _convolution(1),
    "Einsum": _einsum,
    "FusedMatMul": _matrix_product,
    "GRU": _recurrent(3),
    "Gemm": _matrix_product,
    "LSTM": _recurrent(4),
    "MatMul": _matrix_product,
    "MatMulInteger": _matrix_product,
    "MatMulNBits": _packed_product,
    "QLinearConv": _convolution(3),
    "QLinearMatMul": _matrix_product,
    "RNN": _recurrent(1),
}
_UNCOUNTED = frozenset(
    {
        "Attention", "CausalConvWithState", "DFT", "DynamicQuantizeLSTM", "FlexAttention", "GroupQueryAttention",
        "LinearAttention", "MultiHeadAttention", "QAttention", "STFT",
    }
)  # fmt: skip
"""Operators that multiply, but whose count is not derived here."""
