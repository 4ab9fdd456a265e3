"""Comparisons, choices, positions of extremes, and integers that stand for themselves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edgebench.errors import InputError, UnsupportedModelError
from edgebench.models.tflite.quantised_graph import QuantisedOperator
from edgebench.targets.mcu.fixed_point import quantise_multiplier
from edgebench.targets.mcu.layer_code import CodeContext, LayerCode
from edgebench.targets.mcu.operators.common import listed, require_constant, require_same_types
from edgebench.targets.mcu.operators.moves import bytes_at, strides

_LESS, _EQUAL, _GREATER = 1, 2, 4
_OUTCOMES = {
    "EQUAL": _EQUAL,
    "NOT_EQUAL": _LESS | _GREATER,
    "LESS": _LESS,
    "LESS_EQUAL": _LESS | _EQUAL,
    "GREATER": _GREATER,
    "GREATER_EQUAL": _GREATER | _EQUAL,
}
_LOGICAL = {"LOGICAL_AND": 0b1000, "LOGICAL_OR": 0b1110, "LOGICAL_NOT": 0b0001}
_SUFFIXES = {"int8": "s8", "int16": "s16", "int32": "s32", "int64": "s64", "bool": "u8", "uint8": "u8"}
_KINDS = {"bool": 0, "int8": 1, "int16": 2, "int32": 4, "int64": 8, "uint8": 17}
_AXES = 4
PLAIN = {"int32", "int64"}
"""Integers that stand for themselves."""
_INTEGER_RANGES = {0: ("INT32_MIN", "INT32_MAX"), 1: (0, "INT32_MAX"), 2: (-1, 1), 3: (0, 6)}
"""What each fused activation lets through of integers that stand for themselves."""


def compare(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    """EQUAL, LESS and their like: quantised values by what they stand for, other integers as they are."""
    first, second = (context.tensor(number) for number in operator.inputs)
    output = context.tensor(operator.outputs[0])
    if first.dtype != second.dtype or (first.dtype == "uint8" and first.scales):
        raise UnsupportedModelError(
            f"{operator.kind} {output.name!r} compares {first.dtype} and {second.dtype}, which has no kernel",
            operators=(operator.kind,),
            remedy="quantise the whole model to int8",
        )
    pointers, constants, walk = _walked(context, operator, index)
    name, settings = f"eb_compare_{_SUFFIXES[first.dtype]}", str(_OUTCOMES[operator.kind])
    # LiteRT orders 16-bit values as they are, and only asks for equality what they stand for.
    wide = first.dtype == "int16" and operator.kind in {"EQUAL", "NOT_EQUAL"} and first.scales and second.scales
    if first.dtype == "int8" or wide:
        numbers = [_OUTCOMES[operator.kind]]
        for tensor in (first, second):
            numbers += [-tensor.zero_point, *quantise_multiplier(float(np.float32(tensor.scale)))]
        walk += f"  static const eb_compare_params params = {{{listed(tuple(numbers))}}};\n"
        name, settings = name.replace("compare", "compare_scaled"), "&params"
    body = (
        f"{walk}  {name}({', '.join(pointers)}, {context.pointer(operator.outputs[0])}, &walk, {settings});\n"
        "  return 0;\n"
    )
    return LayerCode(name=output.name, kind=operator.kind, body=body, constants=constants)


def integers(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    """Sums, products, quotients and the like of integers that stand for themselves, such as positions."""
    first, second = (context.tensor(number) for number in operator.inputs)
    output = context.tensor(operator.outputs[0])
    require_same_types(operator, first, second, output)
    pointers, constants, walk = _walked(context, operator, index)
    low, high = _INTEGER_RANGES[operator.options.get("fusedActivationFunction", 0)]
    body = (
        f"{walk}  return eb_integers_{_SUFFIXES[output.dtype]}({', '.join(pointers)}, "
        f"{context.pointer(operator.outputs[0])}, &walk, EB_{operator.kind}, {low}, {high});\n"
    )
    return LayerCode(name=output.name, kind=operator.kind, body=body, constants=constants)


def logical(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    """LOGICAL_AND, LOGICAL_OR and LOGICAL_NOT."""
    output = context.tensor(operator.outputs[0])
    if len(operator.inputs) == 1:
        operator = replace(operator, inputs=operator.inputs * 2)
    pointers, constants, walk = _walked(context, operator, index)
    body = (
        f"{walk}  eb_logical({', '.join(pointers)}, {context.pointer(operator.outputs[0])}, &walk, "
        f"{_LOGICAL[operator.kind]});\n  return 0;\n"
    )
    return LayerCode(name=output.name, kind=operator.kind, body=body, constants=constants)


def select(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    """SELECT and SELECT_V2: values of one tensor or of another."""
    output = context.tensor(operator.outputs[0])
    yes, no = (context.tensor(number) for number in operator.inputs[1:])
    if not yes.dtype == no.dtype == output.dtype:
        raise InputError(f"{operator.kind} {output.name!r} chooses between {yes.dtype} and {no.dtype}")
    pointers, constants, walk = _walked(context, operator, index)
    places = [pointers[0], *map(bytes_at, pointers[1:]), bytes_at(context.pointer(operator.outputs[0]))]
    body = f"{walk}  eb_select({', '.join(places)}, &walk, {output.item_bytes});\n  return 0;\n"
    return LayerCode(name=output.name, kind=operator.kind, body=body, constants=constants)


def _walked(context: CodeContext, operator: QuantisedOperator, index: int) -> tuple[list[str], str, str]:
    """What all operators over repeated operands need: pointers, definitions, and the walk over their values."""
    pointers, constants, shapes = [], "", []
    output = context.tensor(operator.outputs[0])
    for position, number in enumerate(operator.inputs):
        pointer, definition = context.operand(operator, position, index)
        pointers.append(pointer)
        constants += definition
        shapes.append(context.tensor(number).shape)
    if operator.kind == "SELECT" and len(shapes[0]) == 1 < len(output.shape):
        # The condition decides over whole rows.
        shapes[0] += (1,) * (len(output.shape) - 1)
    sizes, steps = repeated_axes(operator, shapes, output.shape)
    lists = [sizes, *steps, *[(0,) * _AXES] * (3 - len(steps))]
    numbers = ", ".join(f"{{{listed(values)}}}" for values in lists)
    return pointers, constants, f"  static const eb_walk walk = {{{numbers}}};\n"


def repeated_axes(
    operator: QuantisedOperator, shapes: Sequence[tuple[int, ...]], output: tuple[int, ...]
) -> tuple[tuple[int, ...], list[tuple[int, ...]]]:
    """Four sizes of the output, and how far each operand moves along each of them: not at all where it is repeated.

    Raises:
        InputError: An operand does not fit.
        UnsupportedModelError: More than four axes are left after those that belong together were joined.
    """
    lines = []
    for shape in shapes:
        padded = (1,) * (len(output) - len(shape)) + shape
        if len(padded) != len(output) or any(a not in {1, b} for a, b in zip(padded, output, strict=True)):
            raise InputError(f"{operator.kind} makes {list(output)} of {' and '.join(str(list(s)) for s in shapes)}")
        lines.append([0 if size == 1 else step for size, step in zip(padded, strides(padded), strict=True)])
    joined: list[tuple[int, list[int]]] = []
    for axis, size in enumerate(output):
        steps = [line[axis] for line in lines]
        if size == 1:
            continue
        if joined and all(before == size * step for before, step in zip(joined[-1][1], steps, strict=True)):
            joined[-1] = (joined[-1][0] * size, steps)
        else:
            joined.append((size, steps))
    if len(joined) > _AXES:
        raise UnsupportedModelError(
            f"{operator.kind} repeats its inputs along {len(joined)} axes, kernels along {_AXES}",
            operators=(operator.kind,),
            remedy="join neighbouring axes by a RESHAPE before it",
        )
    joined = [(1, [0] * len(shapes))] * (_AXES - len(joined)) + joined
    return tuple(size for size, _ in joined), [tuple(s[n] for _, s in joined) for n in range(len(shapes))]


def extreme(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    """ARG_MAX and ARG_MIN."""
    source, output = context.tensor(operator.inputs[0]), context.tensor(operator.outputs[0])
    axis = int(require_constant(context, operator, 1).ravel()[0]) % len(source.shape)
    outer, inner = math.prod(source.shape[:axis]), math.prod(source.shape[axis + 1 :])
    if outer * inner != output.elements or output.dtype not in {"int32", "int64"}:
        raise InputError(f"{operator.kind} does not give {list(output.shape)} {output.dtype} ({output.name!r})")
    if source.dtype not in {"int8", "int16", "int32"}:
        raise UnsupportedModelError(
            f"{operator.kind} {output.name!r} of {source.dtype} has no kernel",
            operators=(operator.kind,),
            remedy="quantise the whole model to int8",
        )
    numbers = (outer, source.shape[axis], inner, int(operator.kind == "ARG_MAX"), int(output.dtype == "int64"))
    pointer, constants = context.operand(operator, 0, index)
    body = (
        f"  static const eb_extreme_params params = {{{listed(numbers)}}};\n"
        f"  eb_extreme_{_SUFFIXES[source.dtype]}({pointer}, {context.pointer(operator.outputs[0])}, &params);\n"
        "  return 0;\n"
    )
    return LayerCode(name=output.name, kind=operator.kind, body=body, constants=constants)


def cast(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    """CAST between integers and truth."""
    source, output = context.tensor(operator.inputs[0]), context.tensor(operator.outputs[0])
    pointer, constants = context.operand(operator, 0, index)
    body = (
        f"  eb_cast({pointer}, {_KINDS[source.dtype]}, {context.pointer(operator.outputs[0])}, "
        f"{_KINDS[output.dtype]}, {output.elements});\n  return 0;\n"
    )
    return LayerCode(name=output.name, kind=operator.kind, body=body, constants=constants)
