"""Multiply-accumulates of an ONNX graph for one inference."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

_Shape = tuple[int, ...]
_Rule = Callable[[Any, list[_Shape | None], _Shape], int | None]


def count_macs(model: Any, shapes: Mapping[str, tuple[int, ...]]) -> tuple[int | None, list[str]]:
    """Count convolutions and matrix products at given input shapes.

    A convolution has output elements x kernel elements of one group, a matrix product output elements x
    inner length; additions of biases and everything element-wise count nothing.

    Args:
        model: A parsed model, whose tensor data may have been dropped.
        shapes: Shapes of open inputs, by name.

    Returns:
        The count, or None where a shape stays unknown, and what a reader should know about it.
    """
    known = _infer_shapes(model, shapes)
    total = 0
    unknown: Counter[str] = Counter()
    uncounted: Counter[str] = Counter()
    for node in model.graph.node:
        rule = _RULES.get(node.op_type)
        if rule is None:
            if node.op_type in _UNCOUNTED:
                uncounted[node.op_type] += 1
            continue
        output = known.get(node.output[0])
        macs = None if output is None else rule(node, [known.get(name) for name in node.input], output)
        if macs is None:
            unknown[node.op_type] += 1
        else:
            total += macs
    notes = []
    if unknown:
        notes.append(f"MACs unknown: shapes of {_listed(unknown)} depend on the data")
    if uncounted:
        notes.append(f"MACs do not include {_listed(uncounted)}")
    return (None if unknown else total), notes


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count} x {name}" for name, count in counts.most_common())


def _infer_shapes(model: Any, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, _Shape]:
    import onnx

    for value in model.graph.input:
        for dimension, size in zip(value.type.tensor_type.shape.dim, shapes.get(value.name, ()), strict=False):
            dimension.Clear()
            dimension.dim_value = size
    # Shapes stored for inner tensors may name the dimensions that have just been set.
    if shapes:
        del model.graph.value_info[:]
    try:
        model = onnx.shape_inference.infer_shapes(model, strict_mode=False, data_prop=True)
    except (onnx.shape_inference.InferenceError, ValueError, RuntimeError, UnicodeDecodeError):
        return {}
    known = {tensor.name: tuple(int(size) for size in tensor.dims) for tensor in model.graph.initializer}
    for value in (*model.graph.input, *model.graph.value_info, *model.graph.output):
        dimensions = value.type.tensor_type.shape.dim
        if value.type.HasField("tensor_type") and all(d.HasField("dim_value") for d in dimensions):
            known[value.name] = tuple(int(d.dim_value) for d in dimensions)
    return known


def _convolution(weight: int) -> _Rule:
    def rule(_: Any, inputs: list[_Shape | None], output: _Shape) -> int | None:
        kernel = inputs[weight] if len(inputs) > weight else None
        return None if kernel is None else math.prod(output) * math.prod(kernel[1:])

    return rule


def _transposed_convolution(_: Any, inputs: list[_Shape | None], __: _Shape) -> int | None:
    if len(inputs) < 2 or inputs[0] is None or inputs[1] is None:
        return None
    return math.prod(inputs[0]) * math.prod(inputs[1][1:])


def _matrix_product(left: int) -> _Rule:
    def rule(_: Any, inputs: list[_Shape | None], output: _Shape) -> int | None:
        shape = inputs[left] if len(inputs) > left else None
        return None if not shape else math.prod(output) * shape[-1]

    return rule


def _gemm(node: Any, inputs: list[_Shape | None], output: _Shape) -> int | None:
    if not inputs or inputs[0] is None or len(inputs[0]) != 2:
        return None
    transposed = any(attribute.name == "transA" and attribute.i for attribute in node.attribute)
    return math.prod(output) * inputs[0][0 if transposed else 1]


def _recurrent(gates: int) -> _Rule:
    def rule(_: Any, inputs: list[_Shape | None], __: _Shape) -> int | None:
        if len(inputs) < 3 or any(shape is None or len(shape) != 3 for shape in inputs[:3]):
            return None
        (length, batch, width), (directions, rows, _) = inputs[0], inputs[1]  # type: ignore[misc]
        hidden = rows // gates
        return length * batch * directions * rows * (width + hidden)

    return rule


_RULES: Mapping[str, _Rule] = {
    "Conv": _convolution(1),
    "FusedConv": _convolution(1),
    "ConvInteger": _convolution(1),
    "QLinearConv": _convolution(3),
    "ConvTranspose": _transposed_convolution,
    "Gemm": _gemm,
    "FusedGemm": _gemm,
    "MatMul": _matrix_product(0),
    "FusedMatMul": _matrix_product(0),
    "MatMulInteger": _matrix_product(0),
    "QLinearMatMul": _matrix_product(0),
    "RNN": _recurrent(1),
    "GRU": _recurrent(3),
    "LSTM": _recurrent(4),
}
_UNCOUNTED = {"Einsum", "Attention", "MultiHeadAttention", "If", "Loop", "Scan", "DeformConv", "DFT", "STFT"}
"""Operators that multiply, but whose count is not derived here."""
