"""Means, sums and extremes over axes, softmax, and normalisations built from them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
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
from edgebench.models.onnx.lowering.elementwise import powered
from edgebench.models.onnx.lowering.windows import VALID, zeros_around


def reduce(context: Lowering, node: Node, kind: str) -> None:
    """``ReduceMean``, ``ReduceSum``, ... over constant axes."""
    value = context.value(node.input(0))
    rank = len(value.layout)
    axes = _axes(context, node, rank)
    if not axes:
        context.values[node.output] = value
        return
    keep = bool(node.get("keepdims", 1))
    context.give(node.output, *_reduced(context, kind, value.tensor, value.layout, axes, keep=keep))


def _axes(context: Lowering, node: Node, rank: int) -> list[int]:
    axes = node.get("axes")
    if axes is None and node.input(1):
        axes = context.required_constant(node.input(1), "axes").reshape(-1).tolist()
    if not axes:
        return [] if node.get("noop_with_empty_axes", 0) else list(range(rank))
    return sorted(int(axis) % rank for axis in axes)


def _reduced(
    context: Lowering, kind: str, tensor: str, layout: Layout, axes: Sequence[int], *, keep: bool
) -> tuple[str, Layout]:
    places = sorted(layout.index(axis) for axis in axes)
    shape = context.graph.shape(tensor)
    inputs = [tensor, context.ints("axes", places)]
    if keep:
        target = tuple(1 if place in places else size for place, size in enumerate(shape))
        return context.emit(kind, inputs, target, keepDims=True), layout
    left = [axis for axis in layout if axis not in axes]
    target = tuple(size for place, size in enumerate(shape) if place not in places)
    ranks = {axis: number for number, axis in enumerate(sorted(left))}
    return context.emit(kind, inputs, target, keepDims=False), tuple(ranks[axis] for axis in left)


def squares(context: Lowering, node: Node, *, root: bool) -> None:
    """``ReduceL2`` and ``ReduceSumSquare``."""
    value = context.value(node.input(0))
    axes = _axes(context, node, len(value.layout))
    squared = context.arithmetic("MUL", value.tensor, value.tensor)
    keep = bool(node.get("keepdims", 1))
    result, layout = _reduced(context, "SUM", squared, value.layout, axes, keep=keep)
    if root:
        result = context.emit("SQRT", [result], context.graph.shape(result))
    context.give(node.output, result, layout)


def absolute(context: Lowering, node: Node) -> None:
    """``ReduceL1``."""
    value = context.value(node.input(0))
    sizes = context.emit("ABS", [value.tensor], context.graph.shape(value.tensor))
    axes, keep = _axes(context, node, len(value.layout)), bool(node.get("keepdims", 1))
    context.give(node.output, *_reduced(context, "SUM", sizes, value.layout, axes, keep=keep))


def global_pool(context: Lowering, node: Node, kind: str) -> None:
    """A mean or a maximum over all axes except batch and channels."""
    value = context.value(node.input(0))
    axes = range(2, len(value.layout))
    context.give(node.output, *_reduced(context, kind, value.tensor, value.layout, list(axes), keep=True))


def arg_max(context: Lowering, node: Node, kind: str) -> None:
    """``ArgMax`` and ``ArgMin``: the first of equal values."""
    if node.get("select_last_index", 0):
        raise NotConvertibleError("it needs the last of equal values")
    value = context.value(node.input(0))
    rank = len(value.layout)
    axis = int(node.get("axis", 0)) % rank
    place = value.layout.index(axis)
    shape = tuple(size for number, size in enumerate(context.graph.shape(value.tensor)) if number != place)
    inputs = [value.tensor, context.ints("axis", [place])]
    result = context.emit(kind, inputs, shape, dtype="int32", outputType=2)
    layout = tuple(other - (other > axis) for other in value.layout if other != axis)
    if node.get("keepdims", 1):
        target = context.shape(node.output)
        result, layout = context.reshaped(result, tuple(target[other] for other in value.layout)), value.layout
    context.give(node.output, result, layout)


def softmax(context: Lowering, node: Node, kind: str) -> None:
    """``Softmax`` and ``LogSoftmax`` over any axis; before opset 13 over all axes from one on."""
    shape = context.shape(node.input(0))
    rank = len(shape)
    axis = int(node.get("axis", -1 if context.opset >= 13 else 1)) % rank
    options: dict[str, Any] = {"beta": 1.0} if kind == "SOFTMAX" else {}
    if context.opset < 13 and int(np.prod(shape[axis + 1 :], dtype=np.int64)) > 1:
        lead = int(np.prod(shape[:axis], dtype=np.int64))
        flat = context.reshaped(context.plain(node.input(0)), (lead, int(np.prod(shape[axis:], dtype=np.int64))))
        result = context.emit(kind, [flat], context.graph.shape(flat), **options)
        context.give(node.output, context.reshaped(result, shape))
        return
    layout = context.value(node.input(0)).layout
    if layout[-1] != axis:
        layout = (*(other for other in layout if other != axis), axis)
    source = context.in_layout(node.input(0), layout)
    context.give(node.output, context.emit(kind, [source], context.graph.shape(source), **options), layout)


def batch_norm(context: Lowering, node: Node) -> None:
    """``BatchNormalization`` that does not follow a convolution: a product and a sum for each channel."""
    if len([name for name in node.outputs if name]) > 1 and node.get("training_mode", 0):
        raise NotConvertibleError("it is in training mode")
    names = ("scale", "shift", "mean", "variance")
    scale, shift, mean, variance = (
        context.required_constant(node.input(place), what).astype(np.float64)
        for place, what in enumerate(names, start=1)
    )
    factor = scale / np.sqrt(variance + float(node.get("epsilon", 1e-5)))
    scale_and_shift(context, node, factor, shift - mean * factor)


def scale_and_shift(
    context: Lowering,
    node: Node,
    factor: np.ndarray[tuple[int], np.dtype[np.float64]],
    shift: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> None:
    """X * factor + shift for each channel."""
    value = context.value(node.input(0))
    rank, shape = len(value.layout), context.graph.shape(value.tensor)
    place = value.layout.index(1) if rank > 1 else 0
    wide = [1] * rank
    wide[place] = -1
    tensor = context.emit(
        "MUL", [value.tensor, context.floats("factor", factor.reshape(wide))], shape, fusedActivationFunction=0
    )
    tensor = context.emit(
        "ADD", [tensor, context.floats("shift", shift.reshape(wide))], shape, fusedActivationFunction=0
    )
    context.give(node.output, tensor, value.layout)


def layer_norm(context: Lowering, node: Node) -> None:
    """``LayerNormalization`` over the last axes."""
    rank = len(context.shape(node.input(0)))
    axis = int(node.get("axis", -1)) % rank
    axes = list(range(axis, rank))
    source = context.plain(node.input(0))
    result = normalised(context, source, axes, float(node.get("epsilon", 1e-5)))
    for kind, name in (("MUL", node.input(1)), ("ADD", node.input(2))):
        if name:
            array = context.required_constant(name, "scale").astype(np.float32)
            result = context.arithmetic(kind, result, context.floats(name, array))
    context.give(node.output, result)


def instance_norm(context: Lowering, node: Node) -> None:
    """``InstanceNormalization``: over all positions of a channel."""
    rank = len(context.shape(node.input(0)))
    layout = channels_last(rank)
    source = context.in_layout(node.input(0), layout)
    axes = [layout.index(axis) for axis in range(2, rank)]
    result = normalised(context, source, axes, float(node.get("epsilon", 1e-5)))
    for kind, place in (("MUL", 1), ("ADD", 2)):
        array = context.required_constant(node.input(place), "scale").astype(np.float32)
        result = context.arithmetic(kind, result, context.floats("scale", array))
    context.give(node.output, result, layout)


def group_norm(context: Lowering, node: Node) -> None:
    """``GroupNormalization``: channels in groups, each normalised separately."""
    groups = int(node.get("num_groups"))
    shape = context.shape(node.input(0))
    grouped = (shape[0], groups, int(np.prod(shape[1:], dtype=np.int64)) // groups)
    source = context.reshaped(context.plain(node.input(0)), grouped)
    result = context.reshaped(normalised(context, source, [2], float(node.get("epsilon", 1e-5))), shape)
    wide = (1, shape[1], *(1,) * (len(shape) - 2))
    for kind, place in (("MUL", 1), ("ADD", 2)):
        array = context.required_constant(node.input(place), "scale").astype(np.float32)
        if array.size == groups:
            array = np.repeat(array, shape[1] // groups)
        result = context.arithmetic(kind, result, context.floats("scale", array.reshape(wide)))
    context.give(node.output, result)


def rms_norm(context: Lowering, node: Node) -> None:
    """``RMSNormalization`` over the last axes."""
    rank = len(context.shape(node.input(0)))
    axes = list(range(int(node.get("axis", -1)) % rank, rank))
    source = context.plain(node.input(0))
    squared = context.arithmetic("MUL", source, source)
    result = _over_root(context, source, squared, axes, float(node.get("epsilon", 1e-5)))
    array = context.required_constant(node.input(1), "scale").astype(np.float32)
    context.give(node.output, context.arithmetic("MUL", result, context.floats("scale", array)))


def local_response_norm(context: Lowering, node: Node) -> None:
    """``LRN``: values over a power of the mean square of neighbouring channels."""
    value = context.shape(node.input(0))
    layout = channels_last(len(value))
    source = context.in_layout(node.input(0), layout)
    shape, size = context.graph.shape(source), int(node.get("size"))
    before = (size - 1) // 2
    channels = shape[-1]
    lines = (int(np.prod(shape[:-1], dtype=np.int64)), 1, channels, 1)
    squares = context.reshaped(context.arithmetic("MUL", source, source), lines)
    ends = ((0, 0), (0, 0), (before, size - 1 - before), (0, 0))
    padded = zeros_around(context, squares, ends)
    options: dict[str, Any] = {"strideH": 1, "strideW": 1, "filterHeight": 1, "filterWidth": size, "padding": VALID}
    means = context.emit("AVERAGE_POOL_2D", [padded], lines, fusedActivationFunction=0, **options)
    scaled = context.arithmetic("MUL", context.reshaped(means, shape), context.floats("alpha", node.get("alpha", 1e-4)))
    base = context.arithmetic("ADD", scaled, context.floats("bias", node.get("bias", 1.0)))
    factor = powered(context, base, -float(node.get("beta", 0.75)))
    context.give(node.output, context.arithmetic("MUL", source, factor), layout)


def normalised(context: Lowering, source: str, axes: Sequence[int], epsilon: float) -> str:
    """(x - mean) / sqrt(variance + epsilon) over axes."""
    shape = context.graph.shape(source)
    mean, _ = _reduced(context, "MEAN", source, identity(len(shape)), axes, keep=True)
    squared = context.emit("SQUARED_DIFFERENCE", [source, mean], shape)
    centred = context.arithmetic("SUB", source, mean)
    return _over_root(context, centred, squared, axes, epsilon)


def _over_root(context: Lowering, tensor: str, squared: str, axes: Sequence[int], epsilon: float) -> str:
    shape = context.graph.shape(tensor)
    variance, _ = _reduced(context, "MEAN", squared, identity(len(shape)), axes, keep=True)
    small = context.graph.shape(variance)
    safe = context.arithmetic("ADD", variance, context.floats("epsilon", epsilon))
    root = context.emit("RSQRT", [safe], small)
    return context.arithmetic("MUL", tensor, root)


def l2_normalise(context: Lowering, node: Node) -> None:
    """``LpNormalization`` of order 2."""
    if int(node.get("p", 2)) != 2:
        raise NotConvertibleError("TFLite normalises only by the Euclidean length")
    value = context.value(node.input(0))
    rank = len(value.layout)
    axis = int(node.get("axis", -1)) % rank
    layout = (*(other for other in value.layout if other != axis), axis)
    source = context.in_layout(node.input(0), layout)
    result = context.emit("L2_NORMALIZATION", [source], context.graph.shape(source), fusedActivationFunction=0)
    context.give(node.output, result, layout)


HANDLERS: Handlers = {
    "ReduceMean": partial(reduce, kind="MEAN"),
    "ReduceSum": partial(reduce, kind="SUM"),
    "ReduceMax": partial(reduce, kind="REDUCE_MAX"),
    "ReduceMin": partial(reduce, kind="REDUCE_MIN"),
    "ReduceL1": absolute,
    "ReduceL2": partial(squares, root=True),
    "ReduceSumSquare": partial(squares, root=False),
    "GlobalAveragePool": partial(global_pool, kind="MEAN"),
    "GlobalMaxPool": partial(global_pool, kind="REDUCE_MAX"),
    "ArgMax": partial(arg_max, kind="ARG_MAX"),
    "ArgMin": partial(arg_max, kind="ARG_MIN"),
    "Softmax": partial(softmax, kind="SOFTMAX"),
    "LogSoftmax": partial(softmax, kind="LOG_SOFTMAX"),
    "BatchNormalization": batch_norm,
    "LRN": local_response_norm,
    "LayerNormalization": layer_norm,
    "InstanceNormalization": instance_norm,
    "GroupNormalization": group_norm,
    "RMSNormalization": rms_norm,
    "LpNormalization": l2_normalise,
}
