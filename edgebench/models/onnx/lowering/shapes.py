"""Operators that move values without computing: reshapes, slices, joins, pads, gathers, resizing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgebench.models.onnx.lowering.context import (
    Handlers,
    Layout,
    Lowering,
    Node,
    NotConvertibleError,
    channels_last,
    identity,
)
from edgebench.models.onnx.lowering.elementwise import common_layout, forward
from edgebench.models.onnx.lowering.pools import edges_around


def transpose(context: Lowering, node: Node) -> None:
    """Only the order of axes changes; nothing is moved yet."""
    value = context.value(node.input(0))
    order = node.get("perm") or tuple(reversed(range(len(value.layout))))
    position = {axis: place for place, axis in enumerate(order)}
    context.give(node.output, value.tensor, tuple(position[axis] for axis in value.layout))


def reshape(context: Lowering, node: Node) -> None:
    """``Reshape``, ``Flatten``, ``Squeeze``, ``Unsqueeze``: the values keep the order of the ONNX model."""
    before, after = context.shape(node.input(0)), context.shape(node.output)
    value = context.value(node.input(0))
    layout = _kept_layout(before, after, value.layout)
    if layout is not None:
        shape = tuple(after[axis] for axis in layout)
        context.give(node.output, context.reshaped(value.tensor, shape), layout)
        return
    context.give(node.output, context.reshaped(context.plain(node.input(0)), after))


def _kept_layout(before: Sequence[int], after: Sequence[int], layout: Layout) -> Layout | None:
    """If only axes of size 1 are added or removed, the layout in which nothing needs to be moved."""
    kept, kept_after = ([axis for axis, size in enumerate(shape) if size != 1] for shape in (before, after))
    if [before[axis] for axis in kept] != [after[axis] for axis in kept_after]:
        return None
    renamed = dict(zip(kept, kept_after, strict=True))
    moving = [renamed[axis] for axis in layout if axis in renamed]
    if moving == sorted(moving):
        return identity(len(after))
    # The axes of size 1 are where their own layout would have them.
    waiting = iter(moving)
    return tuple(next(waiting) if axis in kept_after else axis for axis in channels_last(len(after)))


def concat(context: Lowering, node: Node) -> None:
    """``Concat`` along any axis."""
    names = [name for name in node.inputs if context.shape(name) and 0 not in context.shape(name)]
    rank = len(context.shape(node.output))
    if not names:
        raise NotConvertibleError("all its inputs are empty")
    layout = common_layout(context, names, rank)
    tensors = [context.in_layout(name, layout) for name in names]
    axis = int(node.get("axis", 0)) % rank
    shape = tuple(context.shape(node.output)[place] for place in layout)
    if len(tensors) == 1:
        context.give(node.output, tensors[0], layout)
        return
    result = context.emit(
        "CONCATENATION", tensors, shape, dtype=_dtype(context, tensors[0]), axis=layout.index(axis),
        fusedActivationFunction=0,
    )  # fmt: skip
    context.give(node.output, result, layout)


def split(context: Lowering, node: Node) -> None:
    """``Split`` into parts of any sizes, each a slice."""
    value = context.value(node.input(0))
    axis = int(node.get("axis", 0)) % len(value.layout)
    place = value.layout.index(axis)
    start = 0
    for name in node.outputs:
        if not name:
            continue
        size = context.shape(name)[axis]
        context.give(name, _slice(context, value.tensor, place, start, size, name), value.layout)
        start += size


def slice_(context: Lowering, node: Node) -> None:
    """``Slice`` with constant ends and steps, negative ones too."""
    value, shape = context.value(node.input(0)), context.shape(node.input(0))
    starts, ends, axes, steps = _slices(context, node, len(shape))
    begin, end, step = [0] * len(shape), list(shape), [1] * len(shape)
    for axis, low, high, by in zip(axes, starts, ends, steps, strict=True):
        place = int(axis) % len(shape)
        begin[place], end[place], step[place] = slice(int(low), int(high), int(by)).indices(shape[place])
    target = context.shape(node.output)
    order = value.layout
    if all(by == 1 for by in step):
        inputs = [
            value.tensor,
            context.ints("begin", [begin[axis] for axis in order]),
            context.ints("size", [target[axis] for axis in order]),
        ]
        result = context.emit("SLICE", inputs, [target[axis] for axis in order], dtype=_dtype(context, value.tensor))
        context.give(node.output, result, order)
        return
    backwards = [axis for axis in range(len(shape)) if step[axis] < 0]
    mask = sum(1 << order.index(axis) for axis in backwards if end[axis] < 0)
    inputs = [value.tensor, *(context.ints("ends", [part[axis] for axis in order]) for part in (begin, end, step))]
    result = context.emit(
        "STRIDED_SLICE", inputs, [target[axis] for axis in order], dtype=_dtype(context, value.tensor), endMask=mask,
        beginMask=0, ellipsisMask=0, newAxisMask=0, shrinkAxisMask=0,
    )  # fmt: skip
    context.give(node.output, result, order)


def _slices(context: Lowering, node: Node, rank: int) -> tuple[Any, Any, Any, Any]:
    if node.get("starts") is not None:
        starts, ends = node.get("starts"), node.get("ends")
        axes = node.get("axes") or tuple(range(len(starts)))
        return starts, ends, axes, (1,) * len(starts)
    given = [
        context.required_constant(node.input(place), what).reshape(-1).tolist() if node.input(place) else None
        for place, what in ((1, "start"), (2, "end"), (3, "axes"), (4, "steps"))
    ]
    starts, ends = given[0] or [], given[1] or []
    return starts, ends, given[2] or list(range(rank))[: len(starts)], given[3] or [1] * len(starts)


def _slice(context: Lowering, tensor: str, place: int, start: int, size: int, name: str) -> str:
    shape = list(context.graph.shape(tensor))
    begin = [0] * len(shape)
    begin[place], shape[place] = start, size
    inputs = [tensor, context.ints("begin", begin), context.ints("size", shape)]
    return context.emit("SLICE", inputs, shape, name=name, dtype=_dtype(context, tensor))


def gather(context: Lowering, node: Node) -> None:
    """``Gather`` with constant positions from any axis: slices if they are neighbours; otherwise TFLite's own."""
    rank = len(context.shape(node.input(0)))
    axis = int(node.get("axis", 0)) % rank
    indices = context.constant(node.input(1))
    if indices is None:
        _looked_up(context, node, axis)
        return
    positions = np.where(indices < 0, indices + context.shape(node.input(0))[axis], indices).astype(np.int64)
    value = context.value(node.input(0))
    place = value.layout.index(axis)
    flat = positions.reshape(-1)
    steady = len(flat) >= 1 and bool((np.diff(flat) == 1).all())
    if steady and positions.ndim <= 1:
        part = _slice(context, value.tensor, place, int(flat[0]), len(flat), f"{node.output}_part")
        if positions.ndim == 1:
            context.give(node.output, part, value.layout)
            return
        layout = tuple(other - (other > axis) for other in value.layout if other != axis)
        shape = tuple(context.shape(node.output)[other] for other in layout)
        context.give(node.output, context.reshaped(part, shape), layout)
        return
    source = context.plain(node.input(0))
    inputs = [source, context.graph.constant("positions", positions.astype(np.int32))]
    shape = context.shape(node.output)
    result = context.emit("GATHER", inputs, shape, dtype=_dtype(context, source), axis=axis, batchDims=0)
    context.give(node.output, result)


def _looked_up(context: Lowering, node: Node, axis: int) -> None:
    """Rows of a constant by computed positions, such as an embedding."""
    table, positions = context.plain(node.input(0)), context.plain(node.input(1))
    shape = context.shape(node.output)
    result = context.emit("GATHER", [table, positions], shape, dtype=_dtype(context, table), axis=axis, batchDims=0)
    context.give(node.output, result)


def pad(context: Lowering, node: Node) -> None:
    """``Pad`` with a constant, by reflection or by repeating edges."""
    value, rank = context.value(node.input(0)), len(context.shape(node.input(0)))
    pads = node.get("pads") or node.get("paddings")
    if pads is None:
        pads = context.required_constant(node.input(1), "padding").reshape(-1).tolist()
    axes = context.constant(node.input(3)) if node.input(3) else None
    chosen = [int(axis) % rank for axis in axes.reshape(-1)] if axes is not None else list(range(rank))
    rows = [(0, 0)] * rank
    for number, axis in enumerate(chosen):
        rows[axis] = (int(pads[number]), int(pads[number + len(chosen)]))
    if any(min(row) < 0 for row in rows):
        _cut(context, node, rows)
        return
    ordered = [rows[axis] for axis in value.layout]
    shape = [context.shape(node.output)[axis] for axis in value.layout]
    table = context.graph.constant("paddings", np.array(ordered, np.int32))
    mode = node.get("mode", "constant")
    if mode == "reflect":
        result = context.emit("MIRROR_PAD", [value.tensor, table], shape, mode=0)
    elif mode == "edge":
        if ordered[0] != (0, 0):
            raise NotConvertibleError("it repeats edges along the batch")
        result = edges_around(context, value.tensor, tuple(ordered[1:]))
    elif mode == "constant":
        fill = float(node.get("value", 0.0))
        if node.input(2):
            fill = float(context.required_constant(node.input(2), "filling").reshape(-1)[0])
        if fill:
            result = context.emit("PADV2", [value.tensor, table, context.floats("filling", fill)], shape)
        else:
            result = context.emit("PAD", [value.tensor, table], shape)
    else:
        raise NotConvertibleError(f"TFLite has no padding of mode {mode!r}")
    context.give(node.output, result, value.layout)


def _cut(context: Lowering, node: Node, rows: Sequence[tuple[int, int]]) -> None:
    """Negative padding crops."""
    if any(max(row) > 0 for row in rows):
        raise NotConvertibleError("it pads and crops at the same time")
    value, shape = context.value(node.input(0)), context.shape(node.output)
    inputs = [
        value.tensor,
        context.ints("begin", [-rows[axis][0] for axis in value.layout]),
        context.ints("size", [shape[axis] for axis in value.layout]),
    ]
    context.give(node.output, context.emit("SLICE", inputs, [shape[axis] for axis in value.layout]), value.layout)


def expand(context: Lowering, node: Node) -> None:
    """``Expand`` and ``Tile``: repeated with TILE."""
    before, after = context.shape(node.input(0)), context.shape(node.output)
    tensor = context.reshaped(context.plain(node.input(0)), (1,) * (len(after) - len(before)) + tuple(before))
    times = [wide // narrow for wide, narrow in zip(after, context.graph.shape(tensor), strict=True)]
    if all(count == 1 for count in times):
        context.give(node.output, tensor)
        return
    inputs = [tensor, context.ints("times", times)]
    context.give(node.output, context.emit("TILE", inputs, after, dtype=_dtype(context, tensor)))


def depth_to_space(context: Lowering, node: Node) -> None:
    """``DepthToSpace`` in both orders; TFLite's own is ONNX's DCR."""
    block = int(node.get("blocksize"))
    layout = channels_last(4)
    source = context.in_layout(node.input(0), layout)
    batch, height, width, channels = context.graph.shape(source)
    shape = (batch, height * block, width * block, channels // block**2)
    if node.get("mode", "DCR") == "CRD":
        # Channels vary slowest there: they are brought into TFLite's order first.
        order = np.arange(channels).reshape(channels // block**2, block * block).T.reshape(-1)
        inputs = [source, context.graph.constant("order", order.astype(np.int32))]
        source = context.emit("GATHER", inputs, context.graph.shape(source), axis=3, batchDims=0)
    result = context.emit("DEPTH_TO_SPACE", [source], shape, blockSize=block)
    context.give(node.output, result, layout)


def space_to_depth(context: Lowering, node: Node) -> None:
    """``SpaceToDepth``."""
    block = int(node.get("blocksize"))
    layout = channels_last(4)
    source = context.in_layout(node.input(0), layout)
    shape = tuple(context.shape(node.output)[axis] for axis in layout)
    context.give(node.output, context.emit("SPACE_TO_DEPTH", [source], shape, blockSize=block), layout)


def resize(context: Lowering, node: Node) -> None:
    """``Resize`` and ``Upsample`` of rows and columns, by the nearest value or linearly."""
    before, after = context.shape(node.input(0)), context.shape(node.output)
    rank = len(before)
    if rank not in {3, 4} or before[:2] != after[:2]:
        raise NotConvertibleError("it resizes other axes than rows and columns")
    layout = channels_last(rank)
    source = context.in_layout(node.input(0), layout)
    shape = tuple(after[axis] for axis in layout)
    if rank == 3:
        source = context.reshaped(source, (shape[0], 1, *context.graph.shape(source)[1:]))
        shape = (shape[0], 1, *shape[1:])
    mode = node.get("mode", "nearest")
    where = node.get("coordinate_transformation_mode", "half_pixel" if node.kind == "Resize" else "asymmetric")
    sizes = context.ints("size", shape[1:3])
    half, corners = where in {"half_pixel", "pytorch_half_pixel"}, where == "align_corners"
    if mode == "nearest":
        result = _nearest(context, node, source, shape, where)
    elif mode == "linear":
        result = context.emit("RESIZE_BILINEAR", [source, sizes], shape, alignCorners=corners, halfPixelCenters=half)
    else:
        raise NotConvertibleError(f"TFLite resizes by nearest and linear, not by {mode!r}")
    context.give(node.output, context.reshaped(result, tuple(after[axis] for axis in layout)), layout)


def _nearest(context: Lowering, node: Node, source: str, shape: Sequence[int], where: str) -> str:
    """For integer factors all variants are equal; otherwise the positions must be those of TFLite."""
    have = context.graph.shape(source)
    half, corners = where in {"half_pixel", "pytorch_half_pixel"}, where == "align_corners"
    rounding = node.get("nearest_mode", "round_prefer_floor" if node.kind == "Resize" else "floor")
    for before, after in zip(have[1:3], shape[1:3], strict=True):
        wanted = _onnx_positions(before, after, where, rounding)
        if not np.array_equal(wanted, _tflite_positions(before, after, half, corners)):
            if np.array_equal(wanted, _tflite_positions(before, after, False, False)):
                half = corners = False
                continue
            raise NotConvertibleError(f"TFLite has no nearest resizing of {where!r} with {rounding!r} by this factor")
    sizes = context.ints("size", shape[1:3])
    return context.emit("RESIZE_NEAREST_NEIGHBOR", [source, sizes], shape, alignCorners=corners, halfPixelCenters=half)


def _onnx_positions(before: int, after: int, where: str, rounding: str) -> np.ndarray[Any, Any]:
    places = np.arange(after, dtype=np.float64)
    scale = after / before
    if where == "align_corners":
        found = places * (before - 1) / max(after - 1, 1)
    elif where == "asymmetric":
        found = places / scale
    elif where == "pytorch_half_pixel" and after == 1:
        found = places * 0
    else:
        found = (places + 0.5) / scale - 0.5
    rounded = {
        "floor": np.floor(found),
        "ceil": np.ceil(found),
        "round_prefer_ceil": np.floor(found + 0.5),
        "round_prefer_floor": np.ceil(found - 0.5),
    }[rounding]
    return np.asarray(np.clip(rounded, 0, before - 1).astype(int))


def _tflite_positions(before: int, after: int, half: bool, corners: bool) -> np.ndarray[Any, Any]:
    """Positions as TFLite's reference kernel takes them."""
    scale = (before - 1) / (after - 1) if corners and after > 1 else before / after
    places = (np.arange(after, dtype=np.float64) + (0.5 if half else 0.0)) * scale
    return np.clip(np.floor(places + 0.5) if corners else np.floor(places), 0, before - 1).astype(int)


def _dtype(context: Lowering, tensor: str) -> str:
    return context.graph.tensors[tensor].dtype


HANDLERS: Handlers = {
    "Transpose": transpose,
    "Reshape": reshape,
    "Flatten": reshape,
    "Squeeze": reshape,
    "Unsqueeze": reshape,
    "Concat": concat,
    "Split": split,
    "Slice": slice_,
    "Gather": gather,
    "Pad": pad,
    "Expand": expand,
    "Tile": expand,
    "DepthToSpace": depth_to_space,
    "SpaceToDepth": space_to_depth,
    "Resize": resize,
    "Upsample": resize,
    "Dropout": forward,
}
