"""Random operators that move values."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.targets.mcu.random_graphs import QUANTISED, RandomGraph, quantisation


def transpose(graph: RandomGraph) -> None:
    rank = graph.number(1, 6)
    shape, dtype, order = graph.shape(rank, 4), graph.dtype(), graph.random.permutation(rank)
    made = tuple(shape[axis] for axis in order)
    graph.operator("TRANSPOSE", [graph.input(shape, dtype), graph.constant(order)], [graph.output(made, dtype)])


def strided_slice(graph: RandomGraph) -> None:
    """Numpy's own indexing says what comes out; LiteRT's says whether it is right."""
    rank, dtype = graph.number(1, 4), graph.dtype()
    shape = graph.shape(rank, 7)
    begin, end, stride = [], [], []
    masks = dict.fromkeys(("beginMask", "endMask", "ellipsisMask", "newAxisMask", "shrinkAxisMask"), 0)
    index: list[Any] = []
    axis = 0
    ellipsis = graph.number(0, rank - 1) if graph.number(0, 2) == 0 else -1
    while axis < rank and graph.number(0, 9):
        place, size = len(begin), shape[axis]
        first, last = graph.number(-size, size - 1), graph.number(-size - 1, size + 1)
        step = int(graph.random.choice([1, 1, 2, 3, -1, -2]))
        if axis == ellipsis:
            covered = graph.number(1, rank - axis)
            masks["ellipsisMask"] |= 1 << place
            index += [slice(None)] * covered
            axis += covered
            begin, end, stride = [*begin, 0], [*end, 0], [*stride, 1]
            # All the axes that are left must be named, so that the ellipsis covers as many as were drawn.
            while axis < rank:
                begin, end, stride = [*begin, 0], [*end, shape[axis]], [*stride, 1]
                index.append(slice(0, shape[axis]))
                axis += 1
            break
        kind = graph.number(0, 5)
        if kind == 0:
            masks["newAxisMask"] |= 1 << place
            index.append(None)
        elif kind == 1:
            masks["shrinkAxisMask"] |= 1 << place
            index.append(first)
            step = 1
            axis += 1
        else:
            whole = graph.number(0, 3)
            masks["beginMask"] |= (whole & 1) << place
            masks["endMask"] |= (whole >> 1) << place
            index.append(slice(None if whole & 1 else first, None if whole & 2 else last, step))
            axis += 1
        begin, end, stride = [*begin, first], [*end, last], [*stride, step]
    made = np.zeros(shape)[tuple(index)].shape
    if begin and math.prod(made):
        inputs = [graph.input(shape, dtype), *(graph.constant(values) for values in (begin, end, stride))]
        graph.operator("STRIDED_SLICE", inputs, [graph.output(made, dtype)], **masks)


def slice_(graph: RandomGraph) -> None:
    shape, dtype = graph.shape(graph.number(1, 5), 6), graph.dtype()
    begin = [graph.number(0, size - 1) for size in shape]
    made = tuple(graph.number(1, size - first) for size, first in zip(shape, begin, strict=True))
    sizes = [
        -1 if first + size == length and graph.number(0, 1) else size
        for first, size, length in zip(begin, made, shape, strict=True)
    ]
    inputs = [graph.input(shape, dtype), graph.constant(begin), graph.constant(sizes)]
    graph.operator("SLICE", inputs, [graph.output(made, dtype)])


def reverse(graph: RandomGraph) -> None:
    shape, dtype = graph.shape(graph.number(1, 4), 5), graph.dtype()
    axis = [graph.number(0, len(shape) - 1)]
    inputs = [graph.input(shape, dtype), graph.constant(axis)]
    graph.operator("REVERSE_V2", inputs, [graph.output(shape, dtype)], options_type="ReverseV2Options")


def split(graph: RandomGraph) -> None:
    shape, dtype = list(graph.shape(graph.number(1, 4))), graph.dtype("INT16", "INT32")
    axis, count = graph.number(0, len(shape) - 1), graph.number(1, 4)
    written = axis - len(shape) if graph.number(0, 1) else axis
    if graph.number(0, 1):
        piece = shape[axis]
        outputs = [graph.output(tuple(shape), dtype) for _ in range(count)]
        shape[axis] = piece * count
        graph.operator("SPLIT", [graph.constant(written), graph.input(tuple(shape), dtype)], outputs, numSplits=count)
    else:
        sizes = [graph.number(1, 3) for _ in range(count)]
        outputs = []
        for size in sizes:
            shape[axis] = size
            outputs.append(graph.output(tuple(shape), dtype))
        shape[axis] = sum(sizes)
        inputs = [graph.input(tuple(shape), dtype), graph.constant(sizes), graph.constant(written)]
        graph.operator("SPLIT_V", inputs, outputs, numSplits=count)


def unpack(graph: RandomGraph) -> None:
    shape, dtype = graph.shape(graph.number(1, 4), 4), graph.dtype("INT32", "BOOL")
    axis = graph.number(0, len(shape) - 1)
    rest = shape[:axis] + shape[axis + 1 :]
    outputs = [graph.output(rest, dtype) for _ in range(shape[axis])]
    graph.operator("UNPACK", [graph.input(shape, dtype)], outputs, num=shape[axis], axis=axis)


def pack(graph: RandomGraph) -> None:
    shape, dtype, count = graph.shape(graph.number(1, 3), 4), graph.dtype("INT16", "INT32", "INT64"), graph.number(1, 4)
    axis = graph.number(0, len(shape))
    inputs = [_constant_or_input(graph, shape, dtype) for _ in range(count)]
    made = (*shape[:axis], count, *shape[axis:])
    graph.operator("PACK", inputs, [graph.output(made, dtype)], valuesCount=count, axis=axis)


def concatenation(graph: RandomGraph) -> None:
    shape, dtype, count = graph.shape(graph.number(1, 4), 4), graph.dtype(), graph.number(1, 4)
    axis = graph.number(0, len(shape) - 1)
    sizes = [graph.number(1, 4) for _ in range(count)]
    pieces = [(*shape[:axis], size, *shape[axis + 1 :]) for size in sizes]
    inputs = [_constant_or_input(graph, piece, dtype) for piece in pieces]
    made = (*shape[:axis], sum(sizes), *shape[axis + 1 :])
    written = axis - len(shape) if graph.number(0, 1) else axis
    graph.operator("CONCATENATION", inputs, [graph.output(made, dtype)], axis=written)


def _constant_or_input(graph: RandomGraph, shape: tuple[int, ...], dtype: str) -> int:
    if graph.number(0, 3) or not graph.inputs:
        return graph.input(shape, dtype)
    values = graph.random.integers(0, 2 if dtype == "BOOL" else 100, shape)
    return graph.constant(values, dtype, **quantisation(dtype, {}))


def pad(graph: RandomGraph) -> None:
    shape = graph.shape(graph.number(1, 5), 4)
    dtype = "INT8" if graph.number(0, 1) else str(graph.random.choice(["INT32", "INT16"]))
    borders = [[graph.number(0, 2), graph.number(0, 2)] for _ in shape]
    if len(shape) == 4 and graph.number(0, 1):
        borders[0] = borders[3] = [0, 0]
    made = tuple(before + size + after for (before, after), size in zip(borders, shape, strict=True))
    inputs = [graph.input(shape, dtype), graph.constant(borders)]
    if dtype == "INT8" and graph.number(0, 1):
        inputs.append(graph.constant(17, "INT8", **QUANTISED))
    elif dtype == "INT32" and graph.number(0, 1):
        inputs.append(graph.constant(123456, "INT32"))
    kind = "PADV2" if len(inputs) == 3 else "PAD"
    graph.operator(kind, inputs, [graph.output(made, dtype)], options_type=f"Pad{'V2' * (len(inputs) - 2)}Options")


def mirror_pad(graph: RandomGraph) -> None:
    shape, mode = graph.shape(graph.number(1, 4), 4), graph.number(0, 1)
    dtype = "INT8" if graph.number(0, 1) else "INT32"
    borders = [[graph.number(0, size - 1 + mode), graph.number(0, size - 1 + mode)] for size in shape]
    made = tuple(before + size + after for (before, after), size in zip(borders, shape, strict=True))
    inputs = [graph.input(shape, dtype), graph.constant(borders)]
    graph.operator("MIRROR_PAD", inputs, [graph.output(made, dtype)], mode=mode)


def tile(graph: RandomGraph) -> None:
    shape, dtype = graph.shape(graph.number(1, 3), 4), graph.dtype()
    times = [graph.number(1, 3) for _ in shape]
    made = tuple(size * count for size, count in zip(shape, times, strict=True))
    graph.operator("TILE", [graph.input(shape, dtype), graph.constant(times)], [graph.output(made, dtype)])


def broadcast_to(graph: RandomGraph) -> None:
    made, dtype = graph.shape(graph.number(1, 5), 4), graph.dtype()
    shape = tuple(1 if graph.number(0, 2) == 0 else size for size in made)[graph.number(0, len(made) - 1) :]
    graph.operator("BROADCAST_TO", [graph.input(shape, dtype), graph.constant(made)], [graph.output(made, dtype)])


def depth_to_space(graph: RandomGraph) -> None:
    (images, height, width, depth), block = graph.shape(4, 4), graph.number(1, 3)
    shape, made = (images, height, width, depth * block**2), (images, height * block, width * block, depth)
    dtype = "INT8" if graph.number(0, 1) else "INT32"
    graph.operator(
        "DEPTH_TO_SPACE", [graph.input(shape, dtype)], [graph.output(made, dtype)], blockSize=block, version=1
    )
    graph.operator(
        "SPACE_TO_DEPTH", [graph.input(made, dtype)], [graph.output(shape, dtype)], blockSize=block, version=1
    )


def space_to_batch(graph: RandomGraph) -> None:
    """There and back, with borders that differ."""
    count = graph.number(1, 2)
    block = [graph.number(1, 3) for _ in range(count)]
    images, depth = graph.number(1, 2), graph.number(1, 4)
    small = [graph.number(1, 4) for _ in range(count)]
    dtype = "INT8" if graph.number(0, 1) else "INT32"
    for kind in ("SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND"):
        sums = [graph.number(0, size * step - 1) for size, step in zip(small, block, strict=True)]
        borders = [[first := graph.number(0, total), total - first] for total in sums]
        large = [size * step - total for size, step, total in zip(small, block, sums, strict=True)]
        few, many = (images, *large, depth), (images * math.prod(block), *small, depth)
        ends = (few, many) if kind.startswith("SPACE") else (many, few)
        inputs = [graph.input(ends[0], dtype), graph.constant(block), graph.constant(borders)]
        name = f"{kind.title().replace('_', '').replace('Nd', 'ND')}Options"
        graph.operator(kind, inputs, [graph.output(ends[1], dtype)], options_type=name)


def gather(graph: RandomGraph) -> None:
    shape, dtype = graph.shape(graph.number(1, 4), 5), graph.dtype()
    axis = graph.number(0, len(shape) - 1)
    shared = graph.number(0, axis) if graph.number(0, 2) == 0 else 0
    places = (*shape[:shared], *graph.shape(graph.number(0 if shared else 1, 2), 4))
    made = (*shape[:axis], *places[shared:], *shape[axis + 1 :])
    positions = _positions(graph, places, shape[axis])
    values = _constant_or_input(graph, shape, dtype)
    graph.operator("GATHER", [values, positions], [graph.output(made, dtype)], axis=axis, batchDims=shared)


def gather_nd(graph: RandomGraph) -> None:
    shape, dtype = graph.shape(graph.number(1, 4), 5), graph.dtype()
    axes, places = graph.number(1, len(shape)), graph.shape(graph.number(1, 2), 4)
    made = (*places, *shape[axes:])
    positions = _positions(graph, (*places, axes), min(shape[:axes]))
    inputs = [_constant_or_input(graph, shape, dtype), positions]
    graph.operator("GATHER_ND", inputs, [graph.output(made, dtype)], options_type="GatherNdOptions")


def _positions(graph: RandomGraph, shape: tuple[int, ...], length: int) -> int:
    """Constant, or computed from the largest of some values."""
    dtype = str(graph.random.choice(["INT32", "INT64"]))
    if graph.number(0, 1):
        return graph.constant(graph.random.integers(0, length, shape), dtype)
    return graph.input(shape, dtype)


def reshape(graph: RandomGraph) -> None:
    shape, dtype = graph.shape(graph.number(1, 4), 4), graph.dtype()
    made = tuple(graph.random.permutation(shape).tolist())
    graph.operator("RESHAPE", [graph.input(shape, dtype), graph.constant(made)], [graph.output(made, dtype)], version=1)


KINDS: dict[str, Callable[[RandomGraph], None]] = {
    function.__name__.strip("_"): function
    for function in (
        *(transpose, strided_slice, slice_, reverse, split, unpack, pack, concatenation, pad, mirror_pad, tile),
        *(broadcast_to, depth_to_space, space_to_batch, gather, gather_nd, reshape),
    )
}
