"""Operators that move values into another arrangement: blocks, borders, repetitions."""

from __future__ import annotations

import math
from itertools import groupby, product

import numpy as np
from numpy.typing import NDArray

from edgebench.errors import InputError, UnsupportedModelError
from edgebench.models.tflite.quantised_graph import QuantisedOperator, QuantisedTensor
from edgebench.targets.mcu.layer_code import CodeContext, LayerCode
from edgebench.targets.mcu.operators.common import each_image, listed, require_constant
from edgebench.targets.mcu.operators.moves import Axis, Move, dense, fill_call, move_calls, strides

_REFLECT = 0


def depth_to_space(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    """DEPTH_TO_SPACE: channels become blocks of pixels."""
    images, height, width, channels = context.tensor(operator.inputs[0]).shape
    block = _block_size(operator)
    if channels % block**2:
        raise InputError(f"{operator.kind} makes blocks of {block} x {block} of {channels} channels")
    depth = channels // block**2
    sizes = (images, height, block, width, block, depth)
    steps = (height * width * channels, width * channels, block * depth, channels, depth, 1)
    return _moved(context, operator, index, [dense(sizes, steps)])


def space_to_depth(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    """SPACE_TO_DEPTH: blocks of pixels become channels."""
    images, height, width, depth = context.tensor(operator.inputs[0]).shape
    block = _block_size(operator)
    if height % block or width % block:
        raise InputError(f"{operator.kind} takes blocks of {block} x {block} of {height} x {width}")
    sizes = (images, height // block, width // block, block, block, depth)
    row = width * depth
    return _moved(context, operator, index, [dense(sizes, (height * row, block * row, block * depth, row, depth, 1))])


def _block_size(operator: QuantisedOperator) -> int:
    block = int(operator.options["blockSize"])
    if block < 1:
        raise InputError(f"{operator.kind} has blocks of {block}")
    return block


def _moved(context: CodeContext, operator: QuantisedOperator, index: int, moves: list[Move]) -> LayerCode:
    """A layer that does nothing but these copies, which fill its output."""
    output = context.tensor(operator.outputs[0])
    if sum(math.prod(axis.size for axis in move.axes) for move in moves) != output.elements:
        raise InputError(f"{operator.kind} does not give {list(output.shape)} ({output.name!r})")
    body, constants = move_calls(context, operator, index, moves)
    return LayerCode(name=output.name, kind=operator.kind, body=body + "  return 0;\n", constants=constants)


def batch_to_space(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    """BATCH_TO_SPACE_ND: images become the pixels of blocks, and edges are cropped."""
    many, few = context.tensor(operator.inputs[0]).shape, context.tensor(operator.outputs[0]).shape
    pairs = _block_pairs(context, operator, few, many)
    moves = []
    for images, spaces, blocks, starts in pairs:
        # In the order in which the result lies in memory.
        axes = [images]
        for space, block in zip(spaces, blocks, strict=True):
            axes += [space, block]
        axes.append((math.prod(few[1 + len(blocks) :]), 1, 1))
        moves.append(
            Move(axes=tuple(Axis(size=n, source=m, target=f) for n, f, m in axes), source=starts[1], target=starts[0])
        )
    return _moved(context, operator, index, moves)


def space_to_batch(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    """SPACE_TO_BATCH_ND: the pixels of blocks become images of their own, after a border was put around."""
    few, output = context.tensor(operator.inputs[0]).shape, context.tensor(operator.outputs[0])
    pairs = _block_pairs(context, operator, few, output.shape)
    moves = []
    for images, spaces, blocks, starts in pairs:
        axes = [*blocks, images, *spaces, (math.prod(few[1 + len(blocks) :]), 1, 1)]
        moves.append(
            Move(axes=tuple(Axis(size=n, source=f, target=m) for n, f, m in axes), source=starts[0], target=starts[1])
        )
    filled = ""
    if sum(math.prod(axis.size for axis in move.axes) for move in moves) != output.elements:
        filled = fill_call(context, operator, index, np.array(_nothing(output)))
    body, constants = move_calls(context, operator, index, moves)
    return LayerCode(name=output.name, kind=operator.kind, body=filled + body + "  return 0;\n", constants=constants)


_Steps = tuple[int, int, int]
"""A size, and how far its steps lie apart among few large images and among many small ones."""


def _block_pairs(
    context: CodeContext, operator: QuantisedOperator, few: tuple[int, ...], many: tuple[int, ...]
) -> list[tuple[_Steps, list[_Steps], list[_Steps], tuple[int, int]]]:
    """Which pixels of few large images are which of many small ones.

    Returns:
        For each part with a regular pattern: the images, the rows and columns, the places in a block, and the first
        values on both sides.
    """
    block = [int(value) for value in require_constant(context, operator, 1).ravel()]
    borders = require_constant(context, operator, 2).reshape(-1, 2)
    count = len(block)
    if len(few) != len(many) or not 0 < count < len(few) or len(borders) != count or min(block) < 1:
        raise InputError(f"{operator.kind} turns {list(few)} into {list(many)} by blocks of {block}")
    if many[0] != few[0] * math.prod(block) or few[1 + count :] != many[1 + count :]:
        raise InputError(f"{operator.kind} turns {list(few)} into {list(many)} by blocks of {block}")
    wide, narrow = strides(few), strides(many)
    pairs = []
    parts = [_parts(block[d], int(borders[d][0]), few[1 + d], many[1 + d]) for d in range(count)]
    for chosen in product(*parts):
        spaces, blocks, first, second = [], [], 0, 0
        for d, (start, size, low, rows) in enumerate(chosen):
            image = math.prod(block[d + 1 :]) * few[0] * narrow[0]
            blocks.append((size, wide[1 + d], image))
            spaces.append((rows, block[d] * wide[1 + d], narrow[1 + d]))
            first += (low * block[d] + start - int(borders[d][0])) * wide[1 + d]
            second += start * image + low * narrow[1 + d]
        pairs.append(((few[0], wide[0], narrow[0]), spaces, blocks, (first, second)))
    return pairs


def _parts(block: int, border: int, large: int, small: int) -> list[tuple[int, int, int, int]]:
    """First place in a block and number of places for which the same rows exist, the first row, number of rows."""
    ranges = []
    for place in range(block):
        low = max(0, -((place - border) // block))
        ranges.append((low, min(small, (large - 1 + border - place) // block + 1) - low))
    found, place = [], 0
    for (low, rows), same in groupby(ranges):
        size = len(list(same))
        if rows > 0:
            found.append((place, size, low, rows))
        place += size
    return found


def _nothing(tensor: QuantisedTensor) -> int:
    """The integer that stands for 0."""
    return tensor.zero_point if tensor.zero_points else 0


def pad(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    """PAD and PADV2 along any axes."""
    source, output = context.tensor(operator.inputs[0]), context.tensor(operator.outputs[0])
    borders = require_constant(context, operator, 1).reshape(-1, 2)
    _require_borders(operator, source, output, borders)
    value = np.array(_nothing(output))
    if len(operator.inputs) > 2 and operator.inputs[2] >= 0:
        value = require_constant(context, operator, 2).ravel()[0]
    if output.dtype == "int8" and len(source.shape) == 4 and not borders[0].any() and not borders[3].any():
        (top, bottom), (left, right) = (tuple(int(v) for v in pair) for pair in borders[1:3])
        call = (
            f"(eb_pad_s8({{source}}, {{output}}, {listed(source.shape[1:])}, {top}, {bottom}, {left}, {right}, "
            f"{int(value)}), 0)"
        )
        return LayerCode(name=output.name, kind=operator.kind, body=each_image(call, context, operator))
    steps, targets = strides(source.shape), strides(output.shape)
    axes = tuple(Axis(size=n, source=s, target=t) for n, s, t in zip(source.shape, steps, targets, strict=True))
    start = sum(int(pair[0]) * step for pair, step in zip(borders, targets, strict=True))
    body, constants = move_calls(context, operator, index, [Move(axes=axes, target=start)])
    body = fill_call(context, operator, index, value) + body
    return LayerCode(name=output.name, kind=operator.kind, body=body + "  return 0;\n", constants=constants)


def mirror_pad(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    """MIRROR_PAD: a border that repeats the inside backwards, with or without the edge itself."""
    source, output = context.tensor(operator.inputs[0]), context.tensor(operator.outputs[0])
    borders = require_constant(context, operator, 1).reshape(-1, 2)
    _require_borders(operator, source, output, borders)
    skipped = 1 if operator.options.get("mode", _REFLECT) == _REFLECT else 0
    steps, targets = strides(source.shape), strides(output.shape)
    parts = []
    for (before, after), size in zip(borders.tolist(), source.shape, strict=True):
        pieces = [
            (before, before + skipped - 1, -1, 0),
            (size, 0, 1, before),
            (after, size - 1 - skipped, -1, before + size),
        ]
        parts.append([piece for piece in pieces if piece[0]])
    moves = []
    for chosen in product(*parts):
        lines = [(size, turn * step, to) for (size, _, turn, _), step, to in zip(chosen, steps, targets, strict=True)]
        moves.append(
            Move(
                axes=tuple(Axis(size=size, source=step, target=to) for size, step, to in lines),
                source=sum(first * step for (_, first, _, _), step in zip(chosen, steps, strict=True)),
                target=sum(at * step for (_, _, _, at), step in zip(chosen, targets, strict=True)),
            )
        )
    return _moved(context, operator, index, moves)


def _require_borders(
    operator: QuantisedOperator, source: QuantisedTensor, output: QuantisedTensor, borders: NDArray[np.generic]
) -> None:
    pairs = [(int(before), int(after)) for before, after in borders]
    sizes = tuple(before + size + after for (before, after), size in zip(pairs, source.shape, strict=False))
    if len(pairs) != len(source.shape) or sizes != output.shape or any(min(pair) < 0 for pair in pairs):
        raise InputError(f"{operator.kind} puts {pairs} around {list(source.shape)}, not {list(output.shape)}")


def tile(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    """TILE: the whole, several times along each axis."""
    source = context.tensor(operator.inputs[0])
    times = [int(value) for value in require_constant(context, operator, 1).ravel()]
    sizes, steps = [], []
    for size, step, count in zip(source.shape, strides(source.shape), times, strict=True):
        sizes += [count, size]
        steps += [0, step]
    return _moved(context, operator, index, [dense(sizes, steps)])


def broadcast_to(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    """BROADCAST_TO: sizes of 1 are repeated."""
    source, output = context.tensor(operator.inputs[0]), context.tensor(operator.outputs[0])
    missing = len(output.shape) - len(source.shape)
    shape = (1,) * missing + source.shape
    if missing < 0 or any(size not in {1, wanted} for size, wanted in zip(shape, output.shape, strict=True)):
        raise UnsupportedModelError(f"{operator.kind} makes {list(output.shape)} of {list(source.shape)}")
    steps = [0 if size == 1 else step for size, step in zip(shape, strides(shape), strict=True)]
    return _moved(context, operator, index, [dense(output.shape, steps)])
