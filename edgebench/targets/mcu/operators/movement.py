"""Operators that only move values: shapes, slices, pieces."""

from __future__ import annotations

import math

from edgebench.errors import InputError, UnsupportedModelError
from edgebench.models.tflite.quantised_graph import QuantisedOperator
from edgebench.targets.mcu.layer_code import CodeContext, LayerCode
from edgebench.targets.mcu.operators.common import require_constant
from edgebench.targets.mcu.operators.moves import bytes_at, dense, move_calls, strides
from edgebench.targets.mcu.operators.slices import sliced_axes


def reshape(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    """RESHAPE, SQUEEZE, EXPAND_DIMS: nothing at all where both lie in one place."""
    source, output = context.tensor(operator.inputs[0]), context.tensor(operator.outputs[0])
    if source.size_bytes != output.size_bytes:
        raise InputError(f"{operator.kind} turns {source.elements} values into {output.elements} ({output.name!r})")
    pointer, constants = context.operand(operator, 0, index)
    body = f"  memmove({context.pointer(operator.outputs[0])}, {pointer}, {output.size_bytes});\n  return 0;\n"
    return LayerCode(name=output.name, kind=operator.kind, body=body, constants=constants)


def concatenation(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    """CONCATENATION and PACK; LiteRT too takes int8 tensors of one scale only."""
    output = context.tensor(operator.outputs[0])
    axis = operator.options["axis"] % len(output.shape)
    stride, column, lines, definitions = math.prod(output.shape[axis:]), 0, [], ""
    rows, width = math.prod(output.shape[:axis]), output.item_bytes
    for position, number in enumerate(operator.inputs):
        source = context.tensor(number)
        if output.dtype == "int8" and (source.scales[:1], source.zero_points[:1]) != (
            output.scales[:1],
            output.zero_points[:1],
        ):
            raise UnsupportedModelError(
                f"{operator.kind} {output.name!r} joins tensors of several scales, which LiteRT does not take either",
                operators=(operator.kind,),
                remedy="quantise the float model again with a quantiser that gives all inputs of it one scale",
            )
        size = source.elements // rows
        if source.item_bytes != width or size * rows != source.elements:
            raise InputError(f"{operator.kind} {output.name!r} joins what does not fit ({source.name!r})")
        pointer, constants = context.operand(operator, position, index)
        definitions += constants
        lines.append(
            f"  eb_copy_rows({bytes_at(pointer)}, {bytes_at(context.pointer(operator.outputs[0]))} + {column * width}, "
            f"{rows}, {size * width}, {stride * width});\n"
        )
        column += size
    if column != stride:
        raise InputError(f"{operator.kind} {output.name!r} gets {column} values a row, it holds {stride}")
    body = "".join(lines) + "  return 0;\n"
    return LayerCode(name=output.name, kind=operator.kind, body=body, constants=definitions)


def transpose(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    """Axes in another order."""
    source, output = context.tensor(operator.inputs[0]), context.tensor(operator.outputs[0])
    rank = len(source.shape)
    order = [int(axis) % max(rank, 1) for axis in require_constant(context, operator, 1).ravel()]
    if sorted(order) != list(range(rank)):
        raise InputError(f"{operator.kind} {output.name!r} puts {rank} axes into the order {order}")
    steps = strides(source.shape)
    moved = dense([source.shape[axis] for axis in order], [steps[axis] for axis in order])
    body, constants = move_calls(context, operator, index, [moved])
    return LayerCode(name=output.name, kind=operator.kind, body=body + "  return 0;\n", constants=constants)


def reverse(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    """REVERSE_V2: the values along some axes backwards."""
    source, output = context.tensor(operator.inputs[0]), context.tensor(operator.outputs[0])
    axes = {int(axis) % len(source.shape) for axis in require_constant(context, operator, 1).ravel()}
    steps = strides(source.shape)
    start = sum((source.shape[axis] - 1) * steps[axis] for axis in axes)
    turned = [-step if axis in axes else step for axis, step in enumerate(steps)]
    body, constants = move_calls(context, operator, index, [dense(source.shape, turned, start)])
    return LayerCode(name=output.name, kind=operator.kind, body=body + "  return 0;\n", constants=constants)


def slice_(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    """SLICE."""
    source, output = context.tensor(operator.inputs[0]), context.tensor(operator.outputs[0])
    begin = [int(value) for value in require_constant(context, operator, 1).ravel()]
    sizes = [int(value) for value in require_constant(context, operator, 2).ravel()]
    steps = strides(source.shape)
    ends = [
        length if size < 0 else first + size for first, size, length in zip(begin, sizes, source.shape, strict=True)
    ]
    if any(not 0 <= first < end <= length for first, end, length in zip(begin, ends, source.shape, strict=True)):
        raise InputError(f"{operator.kind} {output.name!r} leaves {source.name!r} {list(source.shape)}")
    start = sum(first * step for first, step in zip(begin, steps, strict=True))
    taken = dense([end - first for first, end in zip(begin, ends, strict=True)], steps, start)
    body, constants = move_calls(context, operator, index, [taken])
    return LayerCode(name=output.name, kind=operator.kind, body=body + "  return 0;\n", constants=constants)


def strided_slice(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    """STRIDED_SLICE with all its masks, forwards and backwards."""
    source, output = context.tensor(operator.inputs[0]), context.tensor(operator.outputs[0])
    begin, end, stride = (
        [int(value) for value in require_constant(context, operator, position).ravel()] for position in (1, 2, 3)
    )
    axes = sliced_axes(source.shape, begin, end, stride, operator.options)
    steps, start, sizes, moves = strides(source.shape), 0, [], []
    for axis, taken in enumerate(axes):
        start += (taken[0] if len(taken) else 0) * steps[axis]
        sizes.append(len(taken))
        moves.append(taken.step * steps[axis])
    if math.prod(sizes) != output.elements:
        raise InputError(f"{operator.kind} gives {math.prod(sizes)} values, {output.name!r} holds {output.elements}")
    body, constants = move_calls(context, operator, index, [dense(sizes, moves, start)])
    return LayerCode(name=output.name, kind=operator.kind, body=body + "  return 0;\n", constants=constants)


def split(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    """SPLIT and SPLIT_V: one piece after the other."""
    position = 0 if operator.kind == "SPLIT" else 2
    values = 1 if operator.kind == "SPLIT" else 0
    source = context.tensor(operator.inputs[values])
    axis = int(require_constant(context, operator, position).ravel()[0]) % len(source.shape)
    return _pieces(context, operator, index, values, axis, [context.tensor(i).shape for i in operator.outputs])


def unpack(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    """UNPACK: each step along an axis by itself."""
    source = context.tensor(operator.inputs[0])
    axis = operator.options["axis"] % len(source.shape)
    piece = tuple(1 if at == axis else size for at, size in enumerate(source.shape))
    if len(operator.outputs) != source.shape[axis]:
        raise InputError(f"{operator.kind} gives {source.shape[axis]} tensors, not {len(operator.outputs)}")
    return _pieces(context, operator, index, 0, axis, [piece] * len(operator.outputs))


def _pieces(
    context: CodeContext,
    operator: QuantisedOperator,
    index: int,
    position: int,
    axis: int,
    shapes: list[tuple[int, ...]],
) -> LayerCode:
    """Parts of an input along one axis, each an output of its own."""
    source = context.tensor(operator.inputs[position])
    steps, start, body, definition = strides(source.shape), 0, "", ""
    for number, shape in enumerate(shapes):
        rest = [size for at, size in enumerate(shape) if at != axis]
        if rest != [size for at, size in enumerate(source.shape) if at != axis]:
            raise InputError(f"{operator.kind} gives {list(shape)} of {list(source.shape)}")
        taken = dense(shape, steps, start)
        calls, definition = move_calls(context, operator, index, [taken], position=position, output=number)
        body += calls
        start += shape[axis] * steps[axis]
    name = context.tensor(operator.outputs[0]).name
    return LayerCode(name=name, kind=operator.kind, body=body + "  return 0;\n", constants=definition)
