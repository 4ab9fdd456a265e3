"""Products of two computed matrices, and matrix products whose results are scaled in double precision."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from edgebench.models.tflite.quantised_graph import QuantisedOperator, QuantisedTensor
from edgebench.targets.mcu.fixed_point import quantise_multiplier, reduced
from edgebench.targets.mcu.layer_code import CodeContext, LayerCode
from edgebench.targets.mcu.operators.common import listed, require_same_types, type_suffix


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How values of a batch of matrices lie.

    Attributes:
        batch: Sizes before the last two axes.
        rows: Number of vectors whose products are wanted.
        row_step: From one vector to the next.
        step: From one value of a vector to the next.
    """

    batch: tuple[int, ...]
    rows: int
    row_step: int
    step: int


def batch_matmul(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    """BATCH_MATMUL: the rows of the left matrix times the columns of the right one, either as it is or transposed."""
    left, right = (context.tensor(i) for i in operator.inputs)
    output = context.tensor(operator.outputs[0])
    wide = output.dtype == "int16"
    require_same_types(operator, left, output, *([] if wide and right.dtype == "int8" else [right]))
    rows = _layout(left, transposed=bool(operator.options.get("adjX")))
    columns = _layout(right, transposed=not operator.options.get("adjY"))
    depth, batch = left.shape[-2 if operator.options.get("adjX") else -1], output.shape[:-2]
    expected = (*np.broadcast_shapes(rows.batch, columns.batch), rows.rows, columns.rows)
    if expected != output.shape or depth != right.shape[-1 if operator.options.get("adjY") else -2]:
        raise ValueError(f"{list(left.shape)} times {list(right.shape)} is not {list(output.shape)}")
    # LiteRT multiplies these two scales in single precision.
    product = float(np.float32(left.scale) * np.float32(right.scale))
    multiplier, shift = quantise_multiplier(product / float(np.float32(output.scale)))
    operands = [context.operand(operator, position, index) for position in (0, 1)]
    pointers, layouts, offsets = [item[0] for item in operands], [rows, columns], [left, right]
    steps = [1, output.shape[-1]]  # between results of neighbouring columns, and of rows
    # The kernel is quick with lines that lie whole; vectors it copies anyway.
    lines = 1 if rows.step != 1 and columns.step == 1 else 0
    vectors = 1 - lines
    settings = (
        *(depth, layouts[vectors].rows, layouts[lines].rows),
        *(layouts[vectors].row_step, layouts[vectors].step, layouts[lines].row_step, layouts[lines].step),
        *(steps[lines], steps[vectors]),
        *(-offsets[vectors].zero_point, -offsets[lines].zero_point, output.zero_point),
        *(reduced(multiplier) if wide else multiplier, shift),
    )
    limits = np.iinfo(output.dtype)
    body = f"  static const eb_matmul_params params = {{{listed(settings)}, NULL, 0, {limits.min}, {limits.max}}};\n"
    loops, places = _batches(batch, layouts, (left.shape, right.shape), output.shape)
    target = context.pointer(operator.outputs[0])
    name = f"{type_suffix(offsets[vectors])}_{type_suffix(offsets[lines])}" if wide else "s8"
    body += loops + (
        f"    eb_matmul_{name}({pointers[vectors]}{places[vectors]}, {pointers[lines]}{places[lines]}, "
        f"{'' if wide else 'NULL, '}{target}{places[2]}, (int16_t *)(edgebench_arena + SCRATCH_{index}), &params);\n"
        "  return 0;\n"
    )
    constants = operands[0][1] + operands[1][1]
    return LayerCode(name=output.name, kind=operator.kind, body=body, constants=constants, scratch_bytes=2 * depth)


def _layout(tensor: QuantisedTensor, *, transposed: bool) -> Layout:
    height, width = tensor.shape[-2:]
    if transposed:
        return Layout(batch=tensor.shape[:-2], rows=width, row_step=1, step=width)
    return Layout(batch=tensor.shape[:-2], rows=height, row_step=width, step=1)


def _batches(
    batch: tuple[int, ...],
    layouts: list[Layout],
    shapes: tuple[tuple[int, ...], tuple[int, ...]],
    output: tuple[int, ...],
) -> tuple[str, list[str]]:
    """Loops over the axes before the matrices, and where each matrix lies in them."""
    loops, places = "", ["", "", ""]
    sizes = [math.prod(shape[-2:]) for shape in (*shapes, output)]
    axes = [(1,) * (len(batch) - len(item.batch)) + item.batch for item in layouts]
    for axis, size in enumerate(batch):
        if size == 1:
            continue
        loops += f"  for (int32_t b{axis} = 0; b{axis} < {size}; b{axis}++)\n"
        for number, own in enumerate((*axes, batch)):
            if own[axis] != 1:
                places[number] += f" + b{axis} * {math.prod(own[axis + 1 :]) * sizes[number]}"
    return loops, places
