"""Operators that only move values."""

from __future__ import annotations

import math

import numpy as np

from edgebench.errors import UnsupportedModelError
from edgebench.models.tflite.quantised_graph import QuantisedOperator
from edgebench.targets.mcu.layer_code import CodeContext, LayerCode
from edgebench.targets.mcu.operators.common import each_image, listed, require_constant

MAX_AXES = 4


def reshape(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    """RESHAPE, SQUEEZE, EXPAND_DIMS: nothing at all where both lie in one place."""
    output = context.tensor(operator.outputs[0])
    source, constants = context.operand(operator, 0, index)
    body = f"  memmove({context.pointer(operator.outputs[0])}, {source}, {output.size_bytes});\n  return 0;\n"
    return LayerCode(name=output.name, kind=operator.kind, body=body, constants=constants)


def pad(context: CodeContext, operator: QuantisedOperator, _: int) -> LayerCode:
    """PAD and PADV2 of rows and columns of an image."""
    source, output = context.tensor(operator.inputs[0]), context.tensor(operator.outputs[0])
    sizes = require_constant(context, operator, 1)
    if len(source.shape) != 4 or sizes[0].any() or sizes[3].any():
        raise UnsupportedModelError(f"{operator.kind} of rows and columns of an image has a kernel, other padding none")
    value = output.zero_point
    if len(operator.inputs) > 2 and operator.inputs[2] >= 0:
        value = int(require_constant(context, operator, 2).ravel()[0])
    (top, bottom), (left, right) = (tuple(int(v) for v in pair) for pair in sizes[1:3])
    body = each_image(
        f"(eb_pad_s8({{source}}, {{output}}, {listed(source.shape[1:])}, {top}, {bottom}, {left}, {right}, "
        f"{value}), 0)",
        context,
        operator,
    )
    return LayerCode(name=output.name, kind=operator.kind, body=body)


def concatenation(context: CodeContext, operator: QuantisedOperator, _: int) -> LayerCode:
    """CONCATENATION and PACK; LiteRT too takes int8 tensors of one scale alone."""
    output = context.tensor(operator.outputs[0])
    axis = operator.options["axis"] % len(output.shape)
    stride, column, lines = math.prod(output.shape[axis:]), 0, []
    for source_index in operator.inputs:
        source = context.tensor(source_index)
        if (source.scale, source.zero_point) != (output.scale, output.zero_point) or source.data is not None:
            raise UnsupportedModelError(
                f"{operator.kind} joins computed tensors of one scale; {output.name!r} does not"
            )
        rows = math.prod(output.shape[:axis])
        size = source.elements // rows
        lines.append(
            f"  eb_copy_rows({context.pointer(source_index)}, {context.pointer(operator.outputs[0])} + {column}, "
            f"{rows}, {size}, {stride});\n"
        )
        column += size
    return LayerCode(name=output.name, kind=operator.kind, body="".join(lines) + "  return 0;\n")


def transpose(context: CodeContext, operator: QuantisedOperator, _: int) -> LayerCode:
    """Axes in another order."""
    source, output = context.tensor(operator.inputs[0]), context.tensor(operator.outputs[0])
    order = [int(axis) for axis in require_constant(context, operator, 1).ravel()]
    steps = _steps(source.shape)
    body = _gather(context, operator, 0, 0, output.shape, [steps[axis] for axis in order])
    return LayerCode(name=output.name, kind=operator.kind, body=body + "  return 0;\n")


def slice_(context: CodeContext, operator: QuantisedOperator, _: int) -> LayerCode:
    """SLICE."""
    source, output = context.tensor(operator.inputs[0]), context.tensor(operator.outputs[0])
    begin = [int(value) for value in require_constant(context, operator, 1).ravel()]
    steps = _steps(source.shape)
    start = sum(first * step for first, step in zip(begin, steps, strict=True))
    body = _gather(context, operator, 0, start, output.shape, steps)
    return LayerCode(name=output.name, kind=operator.kind, body=body + "  return 0;\n")


def strided_slice(context: CodeContext, operator: QuantisedOperator, _: int) -> LayerCode:
    """STRIDED_SLICE with its masks, all but that for new axes and ellipsis."""
    if operator.options.get("offset"):
        raise UnsupportedModelError("STRIDED_SLICE with ends counted from its beginnings has no kernel")
    source, output = context.tensor(operator.inputs[0]), context.tensor(operator.outputs[0])
    options = operator.options
    if options.get("ellipsisMask") or options.get("newAxisMask"):
        raise UnsupportedModelError("STRIDED_SLICE with an ellipsis or new axes has no kernel")
    begin, end, stride = (require_constant(context, operator, position).ravel() for position in (1, 2, 3))
    steps, start = _steps(source.shape), 0
    sizes, moves = [], []
    for axis, size in enumerate(source.shape):
        jump = int(stride[axis]) if axis < len(stride) else 1
        whole_begin = axis >= len(begin) or options.get("beginMask", 0) >> axis & 1
        whole_end = axis >= len(end) or options.get("endMask", 0) >> axis & 1
        single = options.get("shrinkAxisMask", 0) >> axis & 1
        first = None if whole_begin else int(begin[axis])
        last = None if whole_end else int(end[axis])
        # Python's own slices clip as TFLite's do.
        taken = range(size)[slice(first, last, jump)]
        if single:
            taken = range(size)[int(begin[axis]) :][:1]
        start += taken[0] * steps[axis] if len(taken) else 0
        sizes.append(len(taken))
        moves.append(jump * steps[axis])
    if math.prod(sizes) != output.elements:
        raise UnsupportedModelError(
            f"STRIDED_SLICE gives {math.prod(sizes)} values, {output.name!r} holds another number"
        )
    body = _gather(context, operator, 0, start, tuple(sizes), moves)
    return LayerCode(name=output.name, kind=operator.kind, body=body + "  return 0;\n")


def split(context: CodeContext, operator: QuantisedOperator, _: int) -> LayerCode:
    """SPLIT and SPLIT_V: one piece after the other."""
    position = 0 if operator.kind == "SPLIT" else 2
    values = 1 if operator.kind == "SPLIT" else 0
    source = context.tensor(operator.inputs[values])
    axis = int(require_constant(context, operator, position).ravel()[0]) % len(source.shape)
    steps, start, body = _steps(source.shape), 0, ""
    for number, index in enumerate(operator.outputs):
        piece = context.tensor(index)
        body += _gather(context, operator, values, start, piece.shape, steps, target=number)
        start += piece.shape[axis] * steps[axis]
    name = context.tensor(operator.outputs[0]).name
    return LayerCode(name=name, kind=operator.kind, body=body + "  return 0;\n")


def _steps(shape: tuple[int, ...]) -> list[int]:
    """How far apart neighbours along each axis lie."""
    return [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]


def _gather(
    context: CodeContext,
    operator: QuantisedOperator,
    source: int,
    start: int,
    sizes: tuple[int, ...],
    steps: list[int],
    target: int = 0,
) -> str:
    """A call that copies values at regular distances; axes that lie close together are joined."""
    joined: list[tuple[int, int]] = []
    for size, step in zip(sizes, steps, strict=True):
        if size == 1:
            continue
        if joined and joined[-1][1] == size * step:
            joined[-1] = (joined[-1][0] * size, step)
        else:
            joined.append((size, step))
    if len(joined) > MAX_AXES:
        raise UnsupportedModelError(f"{operator.kind} over {len(joined)} axes has no kernel, {MAX_AXES} are supported")
    padded = [(1, 0)] * (MAX_AXES - len(joined)) + joined
    if not np.all([abs(step) < 1 << 31 for _, step in padded]):
        raise UnsupportedModelError(f"{operator.kind} of a tensor this large has no kernel")
    return (
        f"  {{\n    static const int32_t sizes[4] = {{{listed(tuple(size for size, _ in padded))}}}, "
        f"steps[4] = {{{listed(tuple(step for _, step in padded))}}};\n"
        f"    eb_gather_s8({context.pointer(operator.inputs[source])} + {start}, "
        f"{context.pointer(operator.outputs[target])}, sizes, steps);\n  }}\n"
    )
