"""Convolutions of groups of channels, and transposed ones, on kernels of our own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebench.errors import InputError
from edgebench.models.tflite.quantised_graph import QuantisedOperator
from edgebench.targets.mcu.layer_code import ARENA, CodeContext, LayerCode
from edgebench.targets.mcu.operators.common import fused_activation, image_padding, listed, require_same_types
from edgebench.targets.mcu.operators.weights import INT32, weighted


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """Outputs along one axis of an image that take the same taps.

    Attributes:
        count: Number of outputs.
        first: Where the first of them lies.
        step: From one to the next.
        taps: Positions in the filter, in the order of the pixels.
        start: Where the first tap of the first output lies in the input.
        move: From one output to the next, in the input.
        tap_step: From one tap to the next, in the input.
    """

    count: int
    first: int
    step: int
    taps: tuple[int, ...]
    start: int
    move: int
    tap_step: int


def grouped(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    """CONV_2D whose filters see some of the channels only."""
    source, weights = context.tensor(operator.inputs[0]), context.tensor(operator.inputs[1])
    output = context.tensor(operator.outputs[0])
    filters, height, width, channels = weights.shape
    groups = source.shape[3] // channels
    if groups * channels != source.shape[3] or filters % groups:
        raise InputError(f"{operator.kind} {output.name!r} has {filters} filters of {channels} of {source.shape[3]}")
    options = operator.options
    dilation = (options.get("dilationHFactor") or 1, options.get("dilationWFactor") or 1)
    padding = image_padding(operator, source.shape[1:3], (height, width), output.shape[1:3], dilation)
    strides = (options["strideH"], options["strideW"])
    rows, columns = (
        _Line(count=count, first=0, step=1, taps=tuple(range(size)), start=-before, move=stride, tap_step=spread)
        for count, size, before, stride, spread in zip(
            output.shape[1:3], (height, width), padding, strides, dilation, strict=True
        )
    )
    return _convolved(context, operator, index, [(rows, columns)], groups)


def transposed(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    """TRANSPOSE_CONV: for each place between two pixels an ordinary convolution with some of the weights."""
    _, kernel, image, *bias = operator.inputs
    moved = replace(operator, inputs=(image, kernel, *bias))
    source, weights = context.tensor(image), context.tensor(kernel)
    output = context.tensor(operator.outputs[0])
    if len(source.shape) != 4 or weights.shape[3] != source.shape[3] or weights.shape[0] != output.shape[3]:
        raise InputError(f"{operator.kind} {output.name!r} does not fit its weights {list(weights.shape)}")
    size, window = output.shape[1:3], weights.shape[1:3]
    strides = (operator.options["strideH"], operator.options["strideW"])
    # LiteRT pads as the convolution does whose input has the size of this output.
    inner = tuple(-(-length // stride) for length, stride in zip(size, strides, strict=True))
    padding = image_padding(operator, size, (window[0], window[1]), inner)
    lines = [_transposed_lines(*numbers) for numbers in zip(size, window, strides, padding, strict=True)]
    return _convolved(context, moved, index, [(y, x) for y in lines[0] for x in lines[1]], 1)


def _transposed_lines(size: int, window: int, stride: int, padding: int) -> list[_Line]:
    """The outputs of each remainder by the stride; they meet every stride-th weight."""
    lines = []
    for first in range(min(stride, size)):
        taps = range((first + padding) % stride, window, stride)
        # The last tap meets the first pixel.
        start = (first + padding) // stride - max(0, len(taps) - 1)
        count = -(-(size - first) // stride)
        lines.append(
            _Line(count=count, first=first, step=stride, taps=tuple(reversed(taps)), start=start, move=1, tap_step=1)
        )
    return lines


def _convolved(
    context: CodeContext, operator: QuantisedOperator, index: int, parts: Sequence[tuple[_Line, _Line]], groups: int
) -> LayerCode:
    source, weights = context.tensor(operator.inputs[0]), context.tensor(operator.inputs[1])
    output = context.tensor(operator.outputs[0])
    require_same_types(operator, source, output)
    filters, channels, wide = weights.shape[0], weights.shape[3], source.dtype == "int16"
    low, high = fused_activation(operator, output)
    narrow = operator.options.get("quantizedBiasType") == INT32
    constants, bias = weighted(context, operator, index, filters, order=_order(parts), long_sums=wide and not narrow)
    column = max(len(y.taps) * len(x.taps) for y, x in parts) * channels
    at_wide = -(-column // 4) * 4
    scratch = 2 * column if wide else at_wide + 2 * column
    place = f"{ARENA} + SCRATCH_{index}"
    buffers = f"(int16_t *)({place})" if wide else f"{place}, (int16_t *)({place} + {at_wide})"
    pointers = context.pointer(operator.inputs[0]), context.pointer(operator.outputs[0])
    body, at = "", 0
    for number, (y, x) in enumerate(parts):
        numbers = (
            *source.shape,
            *output.shape[1:],
            *(y.count, x.count, y.first, x.first, y.step, x.step, len(y.taps), len(x.taps), y.start, x.start),
            *(y.move, x.move, y.tap_step, x.tap_step, channels, filters // groups),
            *(-source.zero_point, output.zero_point, low, high, int(narrow)),
        )
        body += (
            f"  static const eb_columns_params part_{number} = {{{listed(numbers)}, multiplier_{index}, "
            f"shift_{index}}};\n"
            f"  eb_columns_{'s16' if wide else 's8'}({pointers[0]}, kernel_{index} + {at}, {bias}, {pointers[1]}, "
            f"{buffers}, &part_{number});\n"
        )
        at += filters * len(y.taps) * len(x.taps) * channels
    body += "  return 0;\n"
    return LayerCode(name=output.name, kind=operator.kind, body=body, constants=constants, scratch_bytes=scratch)


def _order(parts: Sequence[tuple[_Line, _Line]]) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """The weights of each part one after the other, in the order of its taps."""

    def ordered(kernel: NDArray[Any]) -> NDArray[Any]:
        return np.concatenate([kernel[:, y.taps][:, :, x.taps].ravel() for y, x in parts])

    return ordered
