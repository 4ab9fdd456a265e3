"""Operators that take values at positions which are constants or computed."""

from __future__ import annotations

import math

import numpy as np

from edgebench.errors import InputError
from edgebench.models.tflite.quantised_graph import QuantisedGraph, QuantisedOperator, QuantisedTensor
from edgebench.targets.mcu.layer_code import CodeContext, LayerCode, array
from edgebench.targets.mcu.operators.common import listed
from edgebench.targets.mcu.operators.moves import bytes_at, strides

_POSITIONS = {"int16", "int32", "int64"}
_PASSED_ON = {
    *("CAST", "CONCATENATION", "EXPAND_DIMS", "RESHAPE", "SELECT", "SELECT_V2", "SLICE", "SQUEEZE", "STRIDED_SLICE"),
    "TRANSPOSE",
}


def gather(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    """GATHER: slices along one axis."""
    source, positions = context.tensor(operator.inputs[0]), context.tensor(operator.inputs[1])
    axis = int(operator.options.get("axis", 0)) % len(source.shape)
    shared = int(operator.options.get("batchDims", 0))
    shared += len(positions.shape) if shared < 0 else 0
    if not 0 <= shared <= min(axis, len(positions.shape)) or source.shape[:shared] != positions.shape[:shared]:
        raise InputError(f"{operator.kind} shares {shared} axes of {list(source.shape)} and {list(positions.shape)}")
    return _taken(context, operator, index, (0, 1), axis, shared)


def embedding_lookup(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    """EMBEDDING_LOOKUP: rows of a table."""
    return _taken(context, operator, index, (1, 0), 0, 0)


def _taken(
    context: CodeContext, operator: QuantisedOperator, index: int, ends: tuple[int, int], axis: int, shared: int
) -> LayerCode:
    """Slices along an axis.

    Args:
        context: Tells where tensors lie.
        operator: The operator.
        index: Its number.
        ends: Which input holds the values, and which the positions.
        axis: Along which the positions count.
        shared: Axes at the beginning of both inputs that belong together.
    """
    source, positions = (context.tensor(operator.inputs[end]) for end in ends)
    output = context.tensor(operator.outputs[0])
    batches, outer = math.prod(source.shape[:shared]), math.prod(source.shape[shared:axis])
    count, piece = math.prod(positions.shape[shared:]), math.prod(source.shape[axis + 1 :]) * source.item_bytes
    if batches * outer * count * piece != output.size_bytes or source.dtype != output.dtype:
        raise InputError(f"{operator.kind} does not give {list(output.shape)} {output.dtype} ({output.name!r})")
    places, width, constants = _positions(context, operator, index, ends[1], source.shape[axis])
    values, definition = context.operand(operator, ends[0], index)
    numbers = (batches, outer, source.shape[axis], count, piece, width)
    body = (
        f"  static const eb_take_params params = {{{listed(numbers)}}};\n"
        f"  return eb_take({bytes_at(values)}, {places}, {bytes_at(context.pointer(operator.outputs[0]))}, &params);\n"
    )
    return LayerCode(name=output.name, kind=operator.kind, body=body, constants=constants + definition)


def _positions(
    context: CodeContext, operator: QuantisedOperator, index: int, position: int, length: int
) -> tuple[str, int, str]:
    """C expression for positions, their bytes, and the definition of constant ones.

    Raises:
        InputError: A constant position lies outside of its axis, or they are no integers.
    """
    tensor = context.tensor(operator.inputs[position])
    if tensor.dtype not in _POSITIONS:
        raise InputError(f"{operator.kind} has positions of the type {tensor.dtype}")
    if tensor.data is None:
        return context.pointer(operator.inputs[position]), tensor.item_bytes, ""
    _require_inside(operator, tensor, length)
    name, narrow = f"constant_{index}_{position}", length <= 1 << 15
    values = tensor.data.astype(np.int16 if narrow else np.int32)
    return name, values.itemsize, array("int16_t" if narrow else "int32_t", name, values, weights=True)


def _require_inside(operator: QuantisedOperator, positions: QuantisedTensor, length: int) -> None:
    if (
        positions.data is not None
        and positions.elements
        and not 0 <= positions.data.min() <= positions.data.max() < length
    ):
        raise InputError(f"{operator.kind} takes positions outside of its axis of {length}")


def gather_nd(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    """GATHER_ND: slices at places that several positions name."""
    source, positions = context.tensor(operator.inputs[0]), context.tensor(operator.inputs[1])
    output = context.tensor(operator.outputs[0])
    axes = positions.shape[-1]
    if not 0 < axes <= len(source.shape):
        raise InputError(f"{operator.kind} names {axes} positions in {list(source.shape)}")
    lengths, steps = source.shape[:axes], strides(source.shape)[:axes]
    piece = math.prod(source.shape[axes:]) * source.item_bytes
    count = math.prod(positions.shape[:-1])
    if count * piece != output.size_bytes or source.dtype != output.dtype:
        raise InputError(f"{operator.kind} does not give {list(output.shape)} {output.dtype} ({output.name!r})")
    if positions.data is not None:
        for axis, length in enumerate(lengths):
            if not 0 <= positions.data[..., axis].min() <= positions.data[..., axis].max() < length:
                raise InputError(f"{operator.kind} takes positions outside of its axis of {length}")
    places, width, constants = _positions(context, operator, index, 1, max(lengths))
    values, definition = context.operand(operator, 0, index)
    target = bytes_at(context.pointer(operator.outputs[0]))
    jumps = tuple(step * source.item_bytes for step in steps)
    body = (
        f"  static const int32_t lengths[] = {{{listed(lengths)}}}, steps[] = {{{listed(jumps)}}};\n"
        f"  static const eb_take_nd_params params = {{{count}, {axes}, {piece}, {width}, lengths, steps}};\n"
        f"  return eb_take_nd({bytes_at(values)}, {places}, {target}, &params);\n"
    )
    return LayerCode(name=output.name, kind=operator.kind, body=body, constants=constants + definition)


def position_limits(graph: QuantisedGraph) -> dict[int, int]:
    """How many positions there are for tensors that name some, by the tensor's index.

    A tensor that is only moved before it names positions has the same limit.
    """
    found: dict[int, int] = {}
    for operator in reversed(graph.operators):
        if operator.kind in {"GATHER", "GATHER_ND", "EMBEDDING_LOOKUP"}:
            ends = (1, 0) if operator.kind == "EMBEDDING_LOOKUP" else (0, 1)
            shape, index = graph.tensors[operator.inputs[ends[0]]].shape, operator.inputs[ends[1]]
            places = graph.tensors[index].shape
            axis = int(operator.options.get("axis", 0)) if operator.kind == "GATHER" else 0
            length = min(shape[: places[-1]]) if operator.kind == "GATHER_ND" else shape[axis]
            found[index] = min(length, found.get(index, length))
        elif operator.kind in _PASSED_ON:
            limits = [found[index] for index in operator.outputs if index in found]
            # Of a choice, such as of positions counted from the end, the condition is no position.
            passed = operator.inputs[1:] if operator.kind.startswith("SELECT") else operator.inputs
            for index in passed if limits else ():
                found[index] = min(*limits, found.get(index, limits[0]))
    return found
