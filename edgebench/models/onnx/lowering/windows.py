"""Convolutions: windows that slide over one to three axes.

One axis is a row of two; three are sums of windows over two, one for each step of the depth.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebench.models.graph.tensor_graph import Shape
from edgebench.models.onnx.lowering.context import Handlers, Lowering, Node, NotConvertibleError, channels_last

Array = NDArray[Any]
Pair = tuple[int, int]
Pads = tuple[Pair, ...]
SAME, VALID = 0, 1
"""Of ``Padding`` in TFLite's schema."""


def conv(context: Lowering, node: Node) -> None:
    """``Conv`` of any groups, dilation and padding."""
    weights = context.constant(node.input(1))
    if weights is None:
        raise NotConvertibleError("its weights are computed from the inputs")
    rank = weights.ndim - 2
    bias = _bias(context, node.input(2), weights.shape[0])
    window = window_of(context, node, weights.shape[2:])
    source = context.in_layout(node.input(0), channels_last(weights.ndim))
    groups = int(node.get("group", 1))
    if rank == 3:
        result = _deep_conv(context, source, weights, bias, window, groups)
    else:
        flat, spread = as_image(context, source, rank)
        result = image_conv(context, flat, _image_weights(weights, rank), bias, window.as_image(), groups)
        result = spread(result)
    context.give(node.output, result, channels_last(weights.ndim))


def conv_transpose(context: Lowering, node: Node) -> None:
    """``ConvTranspose``: TFLite's own, cropped if ONNX pads, with separate groups."""
    weights = context.required_constant(node.input(1), "weights")
    rank = weights.ndim - 2
    if rank == 3:
        raise NotConvertibleError("TFLite has no transposed convolution over three axes that runs in int8")
    if any(step != 1 for step in node.get("dilations", (1,) * rank)):
        raise NotConvertibleError("TFLite has no dilated transposed convolution")
    groups = int(node.get("group", 1))
    outputs = weights.shape[1] * groups
    bias = _bias(context, node.input(2), outputs)
    source, spread = as_image(context, context.in_layout(node.input(0), channels_last(weights.ndim)), rank)
    kernel = _image_weights(weights, rank)
    strides = (1, *node.get("strides", (1,) * rank))[-2:]
    target = channels_last_shape(context.shape(node.output))
    height, width = (1, target[1]) if rank == 1 else target[1:3]
    begin = _transpose_begins(context, node, kernel.shape[2:], strides, rank)
    batch, rows, columns, channels = context.graph.shape(source)
    whole = (
        (rows - 1) * strides[0] + kernel.shape[2],
        (columns - 1) * strides[1] + kernel.shape[3],
    )
    parts = []
    for group in range(groups):
        part = _slice_channels(context, source, group, groups)
        taken = kernel[group * (channels // groups) : (group + 1) * (channels // groups)]
        name = context.floats(f"{node.name}/weights", taken.transpose(1, 2, 3, 0))
        shape = (batch, *whole, taken.shape[1])
        limits = bias[group * taken.shape[1] : (group + 1) * taken.shape[1]]
        parts.append(
            context.emit(
                "TRANSPOSE_CONV",
                [context.ints("shape", shape), name, part, context.floats(f"{node.name}/bias", limits)],
                shape,
                padding=VALID,
                strideH=strides[0],
                strideW=strides[1],
            )
        )
    result = _joined(context, parts, (batch, *whole, outputs))
    result = _cropped(context, result, begin, (height, width), bias)
    context.give(node.output, spread(result), channels_last(weights.ndim))


def channels_last_shape(shape: Shape) -> Shape:
    """A shape with its channels last."""
    return tuple(shape[axis] for axis in channels_last(len(shape)))


class Window:
    """A window: sizes, steps, dilation and padding of each axis."""

    def __init__(self, size: Sequence[int], steps: Sequence[int], dilation: Sequence[int], pads: Pads) -> None:
        self.size, self.steps, self.dilation, self.pads = tuple(size), tuple(steps), tuple(dilation), pads

    def as_image(self) -> Window:
        """The same with a first axis of size 1 if there is only one."""
        if len(self.size) == 2:
            return self
        return Window((1, *self.size), (1, *self.steps), (1, *self.dilation), ((0, 0), *self.pads))

    @property
    def reach(self) -> tuple[int, ...]:
        """Values that a window spans along each axis."""
        return tuple((size - 1) * step + 1 for size, step in zip(self.size, self.dilation, strict=True))

    def output(self, sizes: Sequence[int]) -> tuple[int, ...]:
        """Output sizes of windows over an input."""
        return tuple(
            (size + sum(pad) - reach) // step + 1
            for size, pad, reach, step in zip(sizes, self.pads, self.reach, self.steps, strict=True)
        )

    def is_same(self, sizes: Sequence[int]) -> bool:
        """Whether the padding is what TFLite calls SAME."""
        for size, pad, reach, step in zip(sizes, self.pads, self.reach, self.steps, strict=True):
            total = max((-(-size // step) - 1) * step + reach - size, 0)
            if pad != (total // 2, total - total // 2):
                return False
        return True


def window_of(context: Lowering, node: Node, size: Sequence[int]) -> Window:
    """A node's window; what ``ceil_mode`` adds at the end is part of its padding."""
    rank = len(size)
    steps = node.get("strides", (1,) * rank)
    dilation = node.get("dilations", (1,) * rank)
    sizes = context.shape(node.input(0))[2:]
    reach = [(one - 1) * step + 1 for one, step in zip(size, dilation, strict=True)]
    mode = node.get("auto_pad", "NOTSET") or "NOTSET"
    if mode in {"SAME_UPPER", "SAME_LOWER"}:
        pads = []
        for length, span, step in zip(sizes, reach, steps, strict=True):
            total = max((-(-length // step) - 1) * step + span - length, 0)
            small, large = total // 2, total - total // 2
            pads.append((small, large) if mode == "SAME_UPPER" else (large, small))
    else:
        flat = (0,) * (2 * rank) if mode == "VALID" else node.get("pads", (0,) * (2 * rank))
        pads = [(flat[axis], flat[axis + rank]) for axis in range(rank)]
        if node.get("ceil_mode", 0):
            wanted = context.shape(node.output)[2:]
            pads = [
                (before, max(after, (count - 1) * step + span - length - before))
                for (before, after), count, step, span, length in zip(pads, wanted, steps, reach, sizes, strict=True)
            ]
    return Window(size, steps, dilation, tuple(pads))


def _bias(context: Lowering, name: str, count: int) -> Array:
    if not name:
        return np.zeros(count, np.float32)
    return context.required_constant(name, "bias").astype(np.float32)


def as_image(context: Lowering, source: str, rank: int) -> tuple[str, Any]:
    """A tensor with two axes to slide over, and the way back."""
    if rank == 2:
        return source, lambda result: result
    batch, length, channels = context.graph.shape(source)

    def spread(result: str) -> str:
        found = context.graph.shape(result)
        return context.reshaped(result, (found[0], found[2], found[3]))

    return context.reshaped(source, (batch, 1, length, channels)), spread


def _image_weights(weights: Array, rank: int) -> Array:
    return weights[:, :, None, :] if rank == 1 else weights


def image_conv(
    context: Lowering, source: str, weights: Array, bias: Array, window: Window, groups: int, *, name: str = ""
) -> str:
    """Over two axes, channels last."""
    channels = context.graph.shape(source)[-1]
    source, padding = padded(context, source, window)
    if groups > 1 and weights.shape[1] == 1 and groups == channels:
        return _slid(context, "DEPTHWISE_CONV_2D", source, weights, bias, window, padding, name=name)
    if groups == 1:
        return _slid(context, "CONV_2D", source, weights, bias, window, padding, name=name)
    outputs = weights.shape[0] // groups
    parts = []
    for group in range(groups):
        rows = slice(group * outputs, (group + 1) * outputs)
        part = _slice_channels(context, source, group, groups)
        parts.append(_slid(context, "CONV_2D", part, weights[rows], bias[rows], window, padding))
    return _joined(context, parts, (*context.graph.shape(parts[0])[:-1], weights.shape[0]))


def _slid(
    context: Lowering,
    kind: str,
    source: str,
    weights: Array,
    bias: Array,
    window: Window,
    padding: int,
    *,
    name: str = "",
) -> str:
    batch, height, width, _ = context.graph.shape(source)
    if padding == SAME:
        sizes = tuple(-(-size // step) for size, step in zip((height, width), window.steps, strict=True))
    else:
        sizes = Window(window.size, window.steps, window.dilation, ((0, 0), (0, 0))).output((height, width))
    layer = context.node.name if context.node else "conv"
    options: dict[str, Any] = {
        "padding": padding,
        "strideH": window.steps[0],
        "strideW": window.steps[1],
        "dilationHFactor": window.dilation[0],
        "dilationWFactor": window.dilation[1],
    }
    if kind == "CONV_2D":
        kernel = weights.transpose(0, 2, 3, 1)
    else:
        # One row of kernels, the multiplier varying fastest: ONNX's outputs are already in this order.
        kernel = weights[:, 0].transpose(1, 2, 0)[None]
        options["depthMultiplier"] = weights.shape[0] // context.graph.shape(source)[-1]
    inputs = [source, context.floats(f"{layer}/weights", kernel), context.floats(f"{layer}/bias", bias)]
    return context.emit(kind, inputs, (batch, *sizes, weights.shape[0]), name=name, **options)


def padded(context: Lowering, source: str, window: Window) -> tuple[str, int]:
    """A tensor whose padding is SAME or VALID: any other padding becomes a PAD of zeros before it."""
    sizes = context.graph.shape(source)[1:3]
    if not any(sum(pad) for pad in window.pads):
        return source, VALID
    if window.is_same(sizes):
        return source, SAME
    return zeros_around(context, source, ((0, 0), *window.pads, (0, 0))), VALID


def zeros_around(context: Lowering, source: str, pads: Pads) -> str:
    """A PAD of zeros, if there is anything to pad."""
    if not any(sum(pad) for pad in pads):
        return source
    shape = tuple(size + sum(pad) for size, pad in zip(context.graph.shape(source), pads, strict=True))
    rows = context.graph.constant("paddings", np.array(pads, np.int32))
    return context.emit("PAD", [source, rows], shape, name=f"{source}_padded")


def _slice_channels(context: Lowering, source: str, group: int, groups: int) -> str:
    shape = context.graph.shape(source)
    if groups == 1:
        return source
    count = shape[-1] // groups
    begin, size = [0] * len(shape), list(shape)
    begin[-1], size[-1] = group * count, count
    inputs = [source, context.ints("begin", begin), context.ints("size", size)]
    return context.emit("SLICE", inputs, size, name=f"{source}_group{group}")


def _joined(context: Lowering, parts: Sequence[str], shape: Sequence[int]) -> str:
    if len(parts) == 1:
        return parts[0]
    return context.emit("CONCATENATION", parts, shape, axis=len(shape) - 1, fusedActivationFunction=0)


def _transpose_begins(
    context: Lowering, node: Node, size: Sequence[int], strides: Sequence[int], rank: int
) -> tuple[int, int]:
    """Rows and columns that are cropped at the start of the whole result."""
    mode = node.get("auto_pad", "NOTSET") or "NOTSET"
    if mode in {"SAME_UPPER", "SAME_LOWER"} or node.get("output_shape"):
        extra = (0, *node.get("output_padding", (0,) * rank))[-2:]
        sizes = (1, *context.shape(node.input(0))[2:])[-2:]
        wanted = (1, *context.shape(node.output)[2:])[-2:]
        begins = []
        for length, step, span, more, target in zip(sizes, strides, size, extra, wanted, strict=True):
            total = max(step * (length - 1) + more + span - target, 0)
            begins.append(total - total // 2 if mode != "SAME_UPPER" else total // 2)
        return begins[0], begins[1]
    pads = node.get("pads", (0,) * (2 * rank))
    return (0, *pads[:rank])[-2], (0, *pads[:rank])[-1]


def _cropped(context: Lowering, source: str, begin: Pair, sizes: Pair, bias: Array) -> str:
    """Part of a result; what is beyond its end contains only the bias."""
    batch, height, width, channels = context.graph.shape(source)
    behind = [max(start + size - have, 0) for start, size, have in zip(begin, sizes, (height, width), strict=True)]
    if any(behind):
        if bias.any():
            raise NotConvertibleError("its output_padding reaches beyond the input, and it has a bias")
        source = zeros_around(context, source, ((0, 0), (0, behind[0]), (0, behind[1]), (0, 0)))
    shape = (batch, *sizes, channels)
    if context.graph.shape(source) == shape:
        return source
    inputs = [source, context.ints("begin", (0, *begin, 0)), context.ints("size", shape)]
    return context.emit("SLICE", inputs, shape, name=f"{source}_cropped")


def _deep_conv(context: Lowering, source: str, weights: Array, bias: Array, window: Window, groups: int) -> str:
    """Over three axes: for each step of the kernel's depth a convolution over two, added up."""
    batch, depth, height, width, channels = context.graph.shape(source)
    pads = window.pads
    if sum(pads[0]):
        source = zeros_around(context, source, ((0, 0), pads[0], (0, 0), (0, 0), (0, 0)))
        depth += sum(pads[0])
    count = (depth - window.reach[0]) // window.steps[0] + 1
    flat = Window(window.size[1:], window.steps[1:], window.dilation[1:], pads[1:])
    total = ""
    for step in range(window.size[0]):
        first = step * window.dilation[0]
        last = first + (count - 1) * window.steps[0] + 1
        inputs = [
            source,
            context.ints("begin", (0, first, 0, 0, 0)),
            context.ints("end", (batch, last, height, width, channels)),
            context.ints("strides", (1, window.steps[0], 1, 1, 1)),
        ]
        shape = (batch, count, height, width, channels)
        part = context.emit("STRIDED_SLICE", inputs, shape, name=f"{source}_depth{step}")
        part = context.reshaped(part, (batch * count, height, width, channels))
        shift = bias if step == 0 else np.zeros_like(bias)
        result = image_conv(context, part, weights[:, :, step], shift, flat, groups)
        found = context.graph.shape(result)
        total = context.emit("ADD", [total, result], found, fusedActivationFunction=0) if total else result
    found = context.graph.shape(total)
    return context.reshaped(total, (batch, count, *found[1:]))


HANDLERS: Handlers = {
    "Conv": conv,
    "ConvTranspose": conv_transpose,
}
