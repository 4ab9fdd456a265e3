"""Functions of one value of each of two tensors, the smaller one repeated: sums, products, quotients and the like."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from edgebench.errors import UnsupportedModelError
from edgebench.models.tflite.quantised_graph import QuantisedOperator, QuantisedTensor
from edgebench.targets.mcu.fixed_point import power_of_two, quantise_multiplier, quantise_small_multiplier
from edgebench.targets.mcu.layer_code import CodeContext, LayerCode
from edgebench.targets.mcu.operators import logic
from edgebench.targets.mcu.operators.common import (
    fused_activation,
    listed,
    require_same_types,
    type_suffix,
)

MAX_AXES = 4
_Scaling = list[tuple[int, int]]
"""Multiplier and shift of both inputs and of the output."""
_NOTHING = (0, 0)


def binary(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    """One loop where shapes are equal, else steps of 0 along the axes on which a tensor is repeated."""
    first, second = (context.tensor(i) for i in operator.inputs)
    output = context.tensor(operator.outputs[0])
    if output.dtype in logic.PLAIN:
        return logic.integers(context, operator, index)
    require_same_types(operator, first, *([] if operator.kind == "PRELU" else [second]), output)
    name, scaling = _scaling(operator, first, second, output)
    low, high = fused_activation(operator, output)
    operands = [context.operand(operator, position, index) for position in (0, 1)]
    body = (
        f"  static const eb_binary_params params = {{{-first.zero_point}, {listed(scaling[0])}, {-second.zero_point}, "
        f"{listed(scaling[1])}, {output.zero_point}, {listed(scaling[2])}, {low}, {high}}};\n"
    )
    suffix, target = type_suffix(output), context.pointer(operator.outputs[0])
    if first.elements == second.elements == output.elements:
        body += (
            f"  eb_{name}_{suffix}({operands[0][0]}, {operands[1][0]}, {target}, {output.elements}, "
            "&params);\n  return 0;\n"
        )
    else:
        pointers = (operands[0][0], operands[1][0], target)
        body += _repeated(f"eb_{name}_repeated_{suffix}", pointers, first.shape, second.shape, output.shape)
    constants = operands[0][1] + operands[1][1]
    notes = (_QUOTIENTS,) if operator.kind == "DIV" else ()
    return LayerCode(name=output.name, kind=operator.kind, body=body, constants=constants, notes=notes)


_QUOTIENTS = (
    "DIV answers an end of its range for quotients below a quarter of a step, as LiteRT's reference kernel does: "
    "multiply by the reciprocal where that matters"
)


def _scaling(
    operator: QuantisedOperator, first: QuantisedTensor, second: QuantisedTensor, output: QuantisedTensor
) -> tuple[str, _Scaling]:
    """Name of the kernel, and its multipliers."""
    kind = operator.kind
    if kind in {"ADD", "SUB"}:
        return _sum_scaling(operator, first, second, output)
    if kind in {"MINIMUM", "MAXIMUM"}:
        if len({(tensor.scale, tensor.zero_point) for tensor in (first, second, output)}) > 1:
            raise UnsupportedModelError(
                f"{kind} compares tensors of one scale; those of {output.name!r} differ",
                remedy="quantise the model with one scale for both (edgebench export MODEL --to int8-tflite)",
            )
        return kind.lower(), [_NOTHING] * 3
    return kind.lower(), _SCALINGS[kind](*(np.float32(tensor.scale) for tensor in (first, second, output)))


def _sum_scaling(
    operator: QuantisedOperator, first: QuantisedTensor, second: QuantisedTensor, output: QuantisedTensor
) -> tuple[str, _Scaling]:
    """With a headroom of 20 bits, or 15 for wide values; powers of two may be shifted alone."""
    kind = operator.kind.lower()
    tensors = (first, second, output)
    if output.dtype == "int16" and operator.options.get("potScaleInt16", True):
        powers = [power_of_two(tensor.scale) for tensor in tensors]
        if powers[0] is not None and powers[1] is not None and powers[2] is not None:
            shifts = [powers[2] - powers[0], powers[2] - powers[1]]
            if min(shifts) < 0 or 0 not in shifts or (kind == "add" and first.shape != second.shape):
                raise UnsupportedModelError(
                    f"{operator.kind} of {list(first.shape)} and {list(second.shape)} with powers of two as scales: "
                    "LiteRT has no kernel for these",
                    remedy="convert the model with potScaleInt16 set to false",
                )
            return f"{kind}_shifted", [(0, shifts[0]), (0, shifts[1]), _NOTHING]
    scales = [float(np.float32(tensor.scale)) for tensor in tensors]
    twice, room = 2 * max(scales[:2]), 15 if output.dtype == "int16" else 20
    pairs = [quantise_small_multiplier(scale / twice) for scale in scales[:2]]
    return kind, [*pairs, quantise_multiplier(twice / ((1 << room) * scales[2]))]


# TFLite multiplies these scales in single precision.


def _product(first: np.float32, second: np.float32, output: np.float32) -> _Scaling:
    return [_NOTHING, _NOTHING, quantise_multiplier(float(first * second / output))]


def _quotient(first: np.float32, second: np.float32, output: np.float32) -> _Scaling:
    return [_NOTHING, _NOTHING, quantise_multiplier(float(first / (second * output)))]


def _slopes(first: np.float32, second: np.float32, output: np.float32) -> _Scaling:
    return [
        quantise_multiplier(float(first / output)),
        quantise_multiplier(float(first * second / output)),
        _NOTHING,
    ]


def _squared_difference(first: np.float32, second: np.float32, output: np.float32) -> _Scaling:
    twice = 2 * float(max(first, second))
    pairs = [quantise_small_multiplier(float(scale) / twice) for scale in (first, second)]
    return [*pairs, quantise_small_multiplier(twice * twice / float(np.float32(1 << 14) * output))]


_SCALINGS: dict[str, Callable[[np.float32, np.float32, np.float32], _Scaling]] = {
    "MUL": _product,
    "DIV": _quotient,
    "PRELU": _slopes,
    "SQUARED_DIFFERENCE": _squared_difference,
}


def _repeated(
    name: str,
    pointers: tuple[str, str, str],
    first: tuple[int, ...],
    second: tuple[int, ...],
    output: tuple[int, ...],
) -> str:
    """A call of the kernel that repeats; the axes that are too many for it become loops around it."""
    if np.broadcast_shapes(first, second) != output:
        raise ValueError(f"{list(first)} and {list(second)} do not give {list(output)}")
    padded = [(1,) * (len(output) - len(shape)) + shape for shape in (first, second)]
    axes = [(size, *steps) for size, *steps in zip(output, *map(_steps, padded), strict=True)]
    if len(axes) > MAX_AXES:
        axes = _joined(axes)
    around = max(0, len(axes) - MAX_AXES)
    outer, inner = axes[:around], [(1, 0, 0)] * (MAX_AXES - len(axes)) + axes[around:]
    sizes, steps1, steps2 = (listed(values) for values in zip(*inner, strict=True))
    offsets, body = (
        ["", "", ""],
        (f"  static const int32_t sizes[4] = {{{sizes}}}, first[4] = {{{steps1}}}, second[4] = {{{steps2}}};\n"),
    )
    for number, (size, step1, step2) in enumerate(outer):
        body += f"  for (int32_t o{number} = 0; o{number} < {size}; o{number}++)\n"
        written = math.prod(axis[0] for axis in axes[number + 1 :])
        offsets = [f"{text} + o{number} * {step}" for text, step in zip(offsets, (step1, step2, written), strict=True)]
    places = [pointer + offset for pointer, offset in zip(pointers, offsets, strict=True)]
    return body + f"  {name}({places[0]}, first, {places[1]}, second, {places[2]}, sizes, &params);\n  return 0;\n"


def _steps(shape: tuple[int, ...]) -> list[int]:
    """How far apart neighbours along each axis lie, 0 on axes on which a tensor is repeated."""
    return [0 if size == 1 else math.prod(shape[axis + 1 :]) for axis, size in enumerate(shape)]


def _joined(axes: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """The same walk over fewer axes: those of size 1 left out, those along which both tensors go on alike as one."""
    found: list[tuple[int, ...]] = []
    for size, *steps in axes:
        if size == 1:
            continue
        if found and all(before == step * size for before, step in zip(found[-1][1:], steps, strict=True)):
            found[-1] = (found[-1][0] * size, *steps)
        else:
            found.append((size, *steps))
    return found or [(1, 0, 0)]
