"""Pools: the maximum or the mean of windows over one or two axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebench.models.onnx.lowering.context import Handlers, Lowering, Node, NotConvertibleError, channels_last
from edgebench.models.onnx.lowering.windows import SAME, VALID, Pads, Window, as_image, window_of, zeros_around

Array = NDArray[Any]


def max_pool(context: Lowering, node: Node) -> None:
    """``MaxPool`` with any padding and ``ceil_mode``."""
    if len(node.outputs) > 1 and node.outputs[1]:
        raise NotConvertibleError("the positions of its maxima are used")
    _pool(context, node, "MAX_POOL_2D")


def average_pool(context: Lowering, node: Node) -> None:
    """``AveragePool`` with any padding, counted or not, and ``ceil_mode``."""
    _pool(context, node, "AVERAGE_POOL_2D")


def _pool(context: Lowering, node: Node, kind: str) -> None:
    rank = len(context.shape(node.input(0))) - 2
    if any(step != 1 for step in node.get("dilations", (1,) * rank)):
        raise NotConvertibleError("TFLite has no dilated pool")
    window = window_of(context, node, node.get("kernel_shape"))
    counted = _counted_pads(node, window) if kind == "AVERAGE_POOL_2D" else ()
    source = context.in_layout(node.input(0), channels_last(rank + 2))
    if rank == 3:
        result = _deep_pool(context, source, kind, window, counted)
    else:
        flat, spread = as_image(context, source, rank)
        result = spread(_image_pool(context, flat, kind, window.as_image(), ((0, 0), *counted)[-2:]))
    context.give(node.output, result, channels_last(rank + 2))


def _counted_pads(node: Node, window: Window) -> Pads:
    """Padding that a mean counts as zeros; padding added by ``ceil_mode`` never counts."""
    if not node.get("count_include_pad", 0):
        return ((0, 0),) * len(window.size)
    if not node.get("ceil_mode", 0):
        return window.pads
    given = node.get("pads", (0,) * (2 * len(window.size)))
    return tuple((pad[0], given[axis + len(window.size)]) for axis, pad in enumerate(window.pads))


def _deep_pool(context: Lowering, source: str, kind: str, window: Window, counted: Pads) -> str:
    """Over three axes: over the last two of them, then over the first."""
    batch, depth, height, width, channels = context.graph.shape(source)
    flat = Window(window.size[1:], window.steps[1:], window.dilation[1:], window.pads[1:])
    images = context.reshaped(source, (batch * depth, height, width, channels))
    images = _image_pool(context, images, kind, flat, counted[1:])
    _, rows, columns, _ = context.graph.shape(images)
    deep = Window((window.size[0], 1), (window.steps[0], 1), (1, 1), (window.pads[0], (0, 0)))
    lines = context.reshaped(images, (batch, depth, rows * columns, channels))
    lines = _image_pool(context, lines, kind, deep, (*counted[:1], (0, 0))[-2:])
    return context.reshaped(lines, (batch, context.graph.shape(lines)[1], rows, columns, channels))


def _image_pool(context: Lowering, source: str, kind: str, window: Window, counted: Pads) -> str:
    """Over two axes, channels last.

    Args:
        context: The graph.
        source: A tensor of four axes.
        kind: Of TFLite's operators.
        window: Over rows and columns.
        counted: Of a mean, the padding that counts as zeros.
    """
    before = context.graph.shape(source)
    padding, scale = VALID, None
    is_padded = any(sum(pad) for pad in window.pads)
    if is_padded and window.is_same(before[1:3]) and not any(sum(pad) for pad in counted):
        # TFLite's SAME leaves padding out of both the maximum and the mean.
        padding = SAME
    elif is_padded and kind == "MAX_POOL_2D" and not context.graph.is_never_negative(source):
        source = edges_around(context, source, window.pads)
    elif is_padded:
        source = zeros_around(context, source, ((0, 0), *window.pads, (0, 0)))
        scale = _uncounted(window, before[1:3], counted) if kind == "AVERAGE_POOL_2D" else None
    options: dict[str, Any] = {
        "padding": padding,
        "strideH": window.steps[0],
        "strideW": window.steps[1],
        "filterHeight": window.size[0],
        "filterWidth": window.size[1],
        "fusedActivationFunction": 0,
    }
    shape = (before[0], *window.output(before[1:3]), before[3])
    result = context.emit(kind, [source], shape, **options)
    if scale is not None:
        result = context.emit("MUL", [result, context.floats("counts", scale)], shape, fusedActivationFunction=0)
    return result


def _uncounted(window: Window, sizes: Sequence[int], counted: Pads) -> Array | None:
    """What a mean over zeros must be multiplied by, position by position, so that padding does not count."""
    lines = []
    for length, pad, span, step, (before, after) in zip(
        sizes, window.pads, window.size, window.steps, counted, strict=True
    ):
        starts = np.arange((length + sum(pad) - span) // step + 1) * step - pad[0]
        inside = np.minimum(starts + span, length + after) - np.maximum(starts, -before)
        lines.append(span / np.maximum(inside, 1))
    factors = (lines[0][:, None] * lines[1][None, :])[None, :, :, None].astype(np.float32)
    return None if np.allclose(factors, 1) else factors


def edges_around(context: Lowering, source: str, pads: Pads) -> str:
    """A tensor whose first and last rows and columns are repeated: no maximum over a window changes by that."""
    for axis, (before, after) in enumerate(pads, start=1):
        if not before and not after:
            continue
        shape = context.graph.shape(source)
        edges = []
        for count, position in ((before, 0), (after, shape[axis] - 1)):
            begin, size = [0] * len(shape), list(shape)
            begin[axis], size[axis] = position, 1
            inputs = [source, context.ints("begin", begin), context.ints("size", size)]
            edge = context.emit("SLICE", inputs, size, name=f"{source}_edge") if count else ""
            edges.append([edge] * count)
        parts = [*edges[0], source, *edges[1]]
        wide = list(shape)
        wide[axis] += before + after
        source = context.emit(
            "CONCATENATION", parts, wide, name=f"{source}_edges", axis=axis, fusedActivationFunction=0
        )
    return source


HANDLERS: Handlers = {"MaxPool": max_pool, "AveragePool": average_pool}
