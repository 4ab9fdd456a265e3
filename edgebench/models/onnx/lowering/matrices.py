"""Matrix products: with a constant as FULLY_CONNECTED, of two computed values as BATCH_MATMUL."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebench.models.onnx.lowering.context import Handlers, Lowering, Node, NotConvertibleError

Array = NDArray[Any]


def gemm(context: Lowering, node: Node) -> None:
    """``Gemm`` with any transposition; scale factors go into the weights."""
    alpha, beta = float(node.get("alpha", 1.0)), float(node.get("beta", 1.0))
    weights = context.constant(node.input(1))
    bias = context.constant(node.input(2)) if node.input(2) else None
    if weights is None or (node.input(2) and bias is None):
        _computed_gemm(context, node, alpha, beta)
        return
    rows = weights if node.get("transB", 0) else weights.T
    count = rows.shape[0]
    shift = np.zeros(count, np.float32) if bias is None else bias.astype(np.float32) * np.float32(beta)
    source = context.plain(node.input(0))
    if node.get("transA", 0):
        source = context.moved(source, (1, 0))
    if shift.ndim == 2 and shift.shape[0] > 1:
        raise NotConvertibleError("its bias differs from row to row")
    shift = np.broadcast_to(shift.reshape(-1), (count,))
    context.give(node.output, fully_connected(context, source, rows * np.float32(alpha), shift, name=node.output))


def _computed_gemm(context: Lowering, node: Node, alpha: float, beta: float) -> None:
    if alpha != 1 or beta != 1:
        raise NotConvertibleError("its factors differ from 1 and its matrices are computed from the inputs")
    shape = context.shape(node.output)
    tensors = [context.plain(node.input(position)) for position in range(2)]
    result = context.emit(
        "BATCH_MATMUL", tensors, shape, adjX=bool(node.get("transA", 0)), adjY=bool(node.get("transB", 0))
    )
    if node.input(2):
        result = context.emit("ADD", [result, context.plain(node.input(2))], shape, fusedActivationFunction=0)
    context.give(node.output, result)


def fully_connected(context: Lowering, source: str, rows: Array, bias: Array | None, *, name: str = "") -> str:
    """A product with a constant along the last axis.

    Args:
        context: The graph.
        source: A tensor of any rank.
        rows: One row per output.
        bias: One value per output, or None.
        name: Preferred name of the result.
    """
    shape = context.graph.shape(source)
    layer = context.node.name if context.node else "dense"
    target = (*shape[:-1], rows.shape[0])
    flat = context.reshaped(source, (int(np.prod(shape[:-1], dtype=np.int64)), shape[-1]))
    inputs = [flat, context.floats(f"{layer}/weights", rows)]
    inputs.append(context.floats(f"{layer}/bias", np.zeros(rows.shape[0]) if bias is None else bias))
    flat_target = (context.graph.shape(flat)[0], rows.shape[0])
    kept = len(target) != 2
    result = context.emit(
        "FULLY_CONNECTED",
        inputs,
        flat_target,
        name=f"{name or layer}_flat" if kept else name,
        fusedActivationFunction=0,
        weightsFormat=0,
        keepNumDims=False,
    )
    return context.reshaped(result, target)


def matmul(context: Lowering, node: Node) -> None:
    """``MatMul`` with a constant on either side, or of two computed values."""
    left, right = context.constant(node.input(0)), context.constant(node.input(1))
    if right is not None and right.ndim <= 2:
        _constant_right(context, node, right)
    elif left is not None and left.ndim == 2 and len(context.shape(node.input(1))) == 2:
        # W x = (x' W')'
        source = context.moved(context.plain(node.input(1)), (1, 0))
        result = fully_connected(context, source, left, None)
        context.give(node.output, context.moved(result, (1, 0)))
    else:
        shapes = [context.shape(node.input(position)) for position in range(2)]
        tensors = [context.plain(node.input(position)) for position in range(2)]
        _product(context, node, tensors, shapes)


def _constant_right(context: Lowering, node: Node, right: Array) -> None:
    source = context.plain(node.input(0))
    shape = context.graph.shape(source)
    if len(shape) == 1:
        source = context.reshaped(source, (1, *shape))
    matrix = right[:, None] if right.ndim == 1 else right
    result = fully_connected(context, source, matrix.T, None)
    context.give(node.output, context.reshaped(result, context.shape(node.output)))


def _product(context: Lowering, node: Node, tensors: list[str], shapes: list[Any]) -> None:
    """A product of two computed values; broadcast leading axes are repeated if TFLite's int8 kernel would not do so."""
    rank = max(len(shape) for shape in shapes)
    if min(len(shape) for shape in shapes) < 2:
        raise NotConvertibleError("it multiplies a vector and a computed matrix")
    target = context.shape(node.output)
    wide = []
    for tensor, shape in zip(tensors, shapes, strict=True):
        lead = (1,) * (rank - len(shape)) + tuple(shape)
        repeated = context.reshaped(tensor, lead)
        times = [want // have for want, have in zip(target[:-2], lead[:-2], strict=True)]
        if any(count > 1 for count in times):
            full = (*target[:-2], *lead[-2:])
            repeated = context.emit("TILE", [repeated, context.ints("times", [*times, 1, 1])], full)
        wide.append(repeated)
    context.give(node.output, context.emit("BATCH_MATMUL", wide, target, adjX=False, adjY=False))


def einsum(context: Lowering, node: Node) -> None:
    """``Einsum`` of one or two values that is a matrix product or only moves axes."""
    equation = str(node.get("equation", "")).replace(" ", "")
    left, _, right = equation.partition("->")
    terms = left.split(",")
    if "." in equation or not right or len(terms) > 2 or any(len(set(term)) != len(term) for term in terms):
        raise NotConvertibleError(f"the equation {equation!r} is not a matrix product")
    if len(terms) == 1:
        if sorted(terms[0]) != sorted(right):
            raise NotConvertibleError(f"the equation {equation!r} is not a matrix product")
        context.give(node.output, context.moved(context.plain(node.input(0)), [terms[0].index(axis) for axis in right]))
        return
    _pair(context, node, terms, right)


def _pair(context: Lowering, node: Node, terms: list[str], right: str) -> None:
    first, second = terms
    batch = [axis for axis in first if axis in second and axis in right]
    summed = [axis for axis in first if axis in second and axis not in right]
    rows = [axis for axis in first if axis not in second]
    columns = [axis for axis in second if axis not in first]
    if any(axis not in right for axis in (*rows, *columns)) or not summed:
        raise NotConvertibleError("it sums over an axis of only one value")
    sizes = {
        axis: size
        for position, term in enumerate(terms)
        for axis, size in zip(term, context.shape(node.input(position)), strict=True)
    }

    def count(axes: list[str]) -> int:
        return int(np.prod([sizes[axis] for axis in axes], dtype=np.int64)) if axes else 1

    lead = [sizes[axis] for axis in batch]
    constant = context.constant(node.input(1)) if not batch else None
    a = context.moved(context.plain(node.input(0)), [first.index(axis) for axis in (*batch, *rows, *summed)])
    if constant is not None:
        matrix = np.transpose(constant, [second.index(axis) for axis in (*columns, *summed)])
        flat = context.reshaped(a, (count(rows), count(summed)))
        result = fully_connected(context, flat, matrix.reshape(count(columns), count(summed)), None)
    else:
        b = context.moved(context.plain(node.input(1)), [second.index(axis) for axis in (*batch, *summed, *columns)])
        a = context.reshaped(a, (*lead, count(rows), count(summed)))
        b = context.reshaped(b, (*lead, count(summed), count(columns)))
        shape = (*lead, count(rows), count(columns))
        result = context.emit("BATCH_MATMUL", [a, b], shape, adjX=False, adjY=False)
    order = [*batch, *rows, *columns]
    result = context.reshaped(result, [sizes[axis] for axis in order])
    context.give(node.output, context.moved(result, [order.index(axis) for axis in right]))


HANDLERS: Handlers = {"Gemm": gemm, "MatMul": matmul, "Einsum": einsum}
