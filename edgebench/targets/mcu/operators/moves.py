"""Copies of values at regular distances, of which all operators that only move values are made."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgebench.errors import InputError, UnsupportedModelError
from edgebench.models.tflite.quantised_graph import QuantisedOperator, QuantisedTensor
from edgebench.targets.mcu.layer_code import CodeContext
from edgebench.targets.mcu.operators.common import listed

MAX_AXES = 6
_DENSE_AXES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One direction of a copy.

    Attributes:
        size: Number of steps.
        source: Values from one step to the next where it is read; 0 repeats, below 0 goes backwards.
        target: Values from one step to the next where it is written.
    """

    size: int
    source: int
    target: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Values that are copied, counted in values from the start of each tensor.

    Attributes:
        axes: The directions, the innermost last.
        source: The first value that is read.
        target: The first value that is written.
    """

    axes: tuple[Axis, ...]
    source: int = 0
    target: int = 0


def strides(shape: Sequence[int]) -> list[int]:
    """How far apart neighbours along each axis lie."""
    return [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]


def dense(sizes: Sequence[int], steps: Sequence[int], source: int = 0, target: int = 0) -> Move:
    """A copy whose results lie one beside the other."""
    lines = zip(sizes, steps, strides(sizes), strict=True)
    axes = tuple(Axis(size=size, source=step, target=to) for size, step, to in lines)
    return Move(axes=axes, source=source, target=target)


def move_calls(
    context: CodeContext,
    operator: QuantisedOperator,
    index: int,
    moves: Sequence[Move],
    *,
    position: int = 0,
    output: int = 0,
) -> tuple[str, str]:
    """Statements that copy from an input to an output, and the definition of the input where it is a constant.

    Raises:
        InputError: A copy leaves its tensors.
        UnsupportedModelError: It takes more axes than there are kernels for.
    """
    source, target = context.tensor(operator.inputs[position]), context.tensor(operator.outputs[output])
    pointer, constants = context.operand(operator, position, index)
    places = bytes_at(pointer), bytes_at(context.pointer(operator.outputs[output]))
    return "".join(_call(operator, move, source, target, places) for move in moves), constants


def bytes_at(pointer: str) -> str:
    """A pointer as one to bytes."""
    return pointer if pointer.startswith("(edgebench") else f"((int8_t *){pointer})"


def _call(
    operator: QuantisedOperator,
    move: Move,
    source: QuantisedTensor,
    target: QuantisedTensor,
    places: tuple[str, str],
) -> str:
    width = target.item_bytes
    if any(axis.size < 1 for axis in move.axes):
        return ""
    _require_inside(operator, source, move.source, [(axis.size, axis.source) for axis in move.axes])
    _require_inside(operator, target, move.target, [(axis.size, axis.target) for axis in move.axes])
    axes = _joined(move.axes, width)
    if len(axes) > MAX_AXES + 1:
        raise UnsupportedModelError(
            f"{operator.kind} {target.name!r} moves values along {len(axes)} axes, kernels along {MAX_AXES}",
            operators=(operator.kind,),
            remedy="join neighbouring axes by a RESHAPE before it, and take them apart after it",
        )
    start, end = (
        f"{place} + {first * width}" if first else place
        for place, first in zip(places, (move.source, move.target), strict=True)
    )
    contiguous = all(axis.target == step for axis, step in zip(axes, strides([a.size for a in axes]), strict=True))
    if contiguous and len(axes) <= _DENSE_AXES and (width == 1 or axes[-1].size >= 4 * width):
        axes = [Axis(size=1, source=0, target=0)] * (_DENSE_AXES - len(axes)) + axes
        return (
            f"  {{\n    static const int32_t sizes[4] = {{{listed(tuple(axis.size for axis in axes))}}}, "
            f"steps[4] = {{{listed(tuple(axis.source for axis in axes))}}};\n"
            f"    eb_gather_s8({start}, {end}, sizes, steps);\n  }}\n"
        )
    piece = 1
    if axes[-1].source == axes[-1].target == 1:
        piece = axes.pop().size
    axes = [Axis(size=1, source=0, target=0)] * (MAX_AXES - len(axes)) + axes
    lists = (tuple(getattr(axis, name) for axis in axes) for name in ("size", "source", "target"))
    return (
        f"  {{\n    static const eb_move_params move = {{{piece}, "
        + ", ".join(f"{{{listed(values)}}}" for values in lists)
        + f"}};\n    eb_move({start}, {end}, &move);\n  }}\n"
    )


def _joined(axes: Sequence[Axis], width: int) -> list[Axis]:
    """Axes in bytes, those joined whose steps follow from one another on both sides."""
    whole = [Axis(size=a.size, source=a.source * width, target=a.target * width) for a in axes if a.size > 1]
    joined: list[Axis] = []
    for axis in (*whole, *([Axis(size=width, source=1, target=1)] if width > 1 or not whole else [])):
        last = joined[-1] if joined else None
        if last and (last.source, last.target) == (axis.size * axis.source, axis.size * axis.target):
            joined[-1] = Axis(size=last.size * axis.size, source=axis.source, target=axis.target)
        else:
            joined.append(axis)
    return joined


def _require_inside(
    operator: QuantisedOperator, tensor: QuantisedTensor, start: int, steps: Sequence[tuple[int, int]]
) -> None:
    ends = [(size - 1) * step for size, step in steps]
    first, last = start + sum(min(0, end) for end in ends), start + sum(max(0, end) for end in ends)
    if first < 0 or last >= tensor.elements or tensor.size_bytes >= 1 << 31:
        raise InputError(f"{operator.kind} takes more values than {tensor.name!r} {list(tensor.shape)} holds")


def fill_call(context: CodeContext, operator: QuantisedOperator, index: int, value: NDArray[np.generic]) -> str:
    """Statements that set all values of the output."""
    output, target = context.tensor(operator.outputs[0]), context.pointer(operator.outputs[0])
    content = np.asarray(value, output.dtype).tobytes()
    if len(set(content)) == 1:
        return f"  memset({target}, {content[0]}, {output.size_bytes});\n"
    return (
        f"  static const uint8_t fill_{index}[] = {{{', '.join(map(str, content))}}};\n"
        f"  eb_fill({bytes_at(target)}, fill_{index}, {len(content)}, {output.elements});\n"
    )
