"""Sums, means, products, largest and smallest over any axes."""

from __future__ import annotations

import math

import numpy as np

from edgebench.errors import UnsupportedModelError
from edgebench.models.tflite.quantised_graph import QuantisedOperator, QuantisedTensor
from edgebench.targets.mcu.fixed_point import quantise_multiplier, reduced
from edgebench.targets.mcu.layer_code import CodeContext, LayerCode
from edgebench.targets.mcu.operators.common import (
    listed,
    require_constant,
    require_same_types,
    type_suffix,
)

_MAX_GROUPS = 3


def reduction(context: CodeContext, operator: QuantisedOperator, _: int) -> LayerCode:
    """SUM, MEAN, REDUCE_PROD, REDUCE_MAX and REDUCE_MIN."""
    source, output = context.tensor(operator.inputs[0]), context.tensor(operator.outputs[0])
    require_same_types(operator, source, output)
    axes = _axes(context, operator)
    count = math.prod(source.shape[axis] for axis in axes)
    if count * output.elements != source.elements:
        raise ValueError(f"{list(source.shape)} reduced over {axes} is not {list(output.shape)}")
    pointers = f"{context.pointer(operator.inputs[0])}, {context.pointer(operator.outputs[0])}"
    if operator.kind == "MEAN" and source.dtype == "int8":
        block = _one_block(source.shape, axes)
        if block is not None:
            multiplier, shift = _mean_multiplier(source, output, count)
            body = (
                f"  eb_mean_s8({pointers}, {listed(block)}, {-source.zero_point}, {output.zero_point}, {multiplier}, "
                f"{shift});\n  return 0;\n"
            )
            return LayerCode(name=output.name, kind=operator.kind, body=body)
    name, scaling = _scaling(operator.kind, source, output, count)
    body = f"  static const eb_reduce_shape shape = {{{_shape(operator, source.shape, axes)}}};\n"
    if scaling is None:
        body += f"  eb_{name}_{type_suffix(source)}({pointers}, &shape);\n  return 0;\n"
    else:
        body += (
            f"  static const eb_reduce_params params = {{{-source.zero_point}, {listed(scaling)}, "
            f"{output.zero_point}}};\n  eb_{name}_{type_suffix(source)}({pointers}, &shape, &params);\n  return 0;\n"
        )
    return LayerCode(name=output.name, kind=operator.kind, body=body)


def _axes(context: CodeContext, operator: QuantisedOperator) -> list[int]:
    rank = len(context.tensor(operator.inputs[0]).shape)
    given = [int(axis) for axis in np.ravel(require_constant(context, operator, 1))]
    if any(not -rank <= axis < max(rank, 1) for axis in given):
        raise ValueError(f"axes {given} of a tensor with {rank}")
    return sorted({axis % rank for axis in given}) if rank else []


def _one_block(shape: tuple[int, ...], axes: list[int]) -> tuple[int, int, int] | None:
    """Sizes before, in and after the axes, where the rest is one block in memory; sizes of 1 do not matter."""
    wide = [axis for axis in axes if shape[axis] > 1]
    between = range(wide[0], wide[-1]) if wide else range(0)
    if any(shape[axis] > 1 and axis not in axes for axis in between):
        return None
    first, last = (wide[0], wide[-1] + 1) if wide else (0, 0)
    return math.prod(shape[:first]), math.prod(shape[first:last]), math.prod(shape[last:])


def _mean_multiplier(source: QuantisedTensor, output: QuantisedTensor, count: int) -> tuple[int, int]:
    ratio = float(np.float32(source.scale)) / float(np.float32(output.scale))
    multiplier, shift = quantise_multiplier(ratio)
    # LiteRT divides by the number of pixels inside the multiplier, with all the bits it can spare.
    spare = min(count.bit_length() - 1, 32, 31 + shift)
    return (multiplier << spare) // count, shift - spare


def _scaling(
    kind: str, source: QuantisedTensor, output: QuantisedTensor, count: int
) -> tuple[str, tuple[int, int] | None]:
    """Name of the kernel, and its multiplier and shift."""
    if kind == "MEAN":
        return "reduce_sum", _mean_multiplier(source, output, count)
    ends = float(np.float32(source.scale)), float(np.float32(output.scale))
    if kind == "SUM":
        return "reduce_sum", quantise_multiplier(ends[0] / ends[1])
    if kind == "REDUCE_PROD":
        # The output's scale is shared among the steps; the multiplier of wide values has 16 bits.
        multiplier, shift = quantise_multiplier(ends[0] / ends[1] ** (1.0 / count))
        return "reduce_prod", (reduced(multiplier), shift)
    if (source.scale, source.zero_point) != (output.scale, output.zero_point):
        raise UnsupportedModelError(
            f"{kind} keeps the scale of what it reads; {output.name!r} has another",
            remedy="quantise the model with one scale for both (edgebench export MODEL --to int8-tflite)",
        )
    return kind.lower(), None


def _shape(operator: QuantisedOperator, shape: tuple[int, ...], axes: list[int]) -> str:
    """Sizes and steps of the axes that are kept, and of those that are reduced; neighbours of one kind are joined."""
    groups: list[tuple[bool, int, int]] = []
    for axis, size in enumerate(shape):
        if size == 1:
            continue
        reduced, step = axis in axes, math.prod(shape[axis + 1 :])
        if groups and groups[-1][0] == reduced:
            groups[-1] = (reduced, groups[-1][1] * size, step)
        else:
            groups.append((reduced, size, step))
    parts = []
    for wanted in (False, True):
        chosen = [(size, step) for reduced, size, step in groups if reduced == wanted]
        if len(chosen) > _MAX_GROUPS:
            raise UnsupportedModelError(
                f"{operator.kind} over the axes {axes} of {list(shape)} has no kernel",
                remedy="transpose the reduced axes to the end before",
            )
        filled = [(1, 0)] * (_MAX_GROUPS - len(chosen)) + chosen
        parts += ["{" + listed(tuple(values)) + "}" for values in zip(*filled, strict=True)]
    return ", ".join(parts)
