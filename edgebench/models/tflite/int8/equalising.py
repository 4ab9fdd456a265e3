"""Lets the channels of tensors have similar ranges, so that one int8 scale serves them all.

Between layers with weights, a channel can be scaled freely: the weights before it multiply, those after it divide.
Operators between them must not be affected; pools, additions and RELU are not affected by a positive factor.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from edgebench.models.tflite.int8.channels import Channels
from edgebench.models.tflite.int8.forms import FORMS, Weights
from edgebench.models.tflite.tree import GraphEditor, Table

_Array = NDArray[np.float64]
_LIKE_RELU = {0: float("inf"), 1: float("inf"), 3: 6.0}
"""Fused activations, by number, that a factor passes through, and what they cut off at."""
_POOLS = {"AVERAGE_POOL_2D", "LEAKY_RELU", "MAX_POOL_2D", "PRELU", "RELU", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"}
"""Operators on one tensor that treat its channels alike."""
_EXPONENT = 0.5
"""Exponent of the ratio of ranges: half way to equal ones, because weights must take what activations are spared."""
_SMALLEST = 2.0**-6


def equalise(editor: GraphEditor, largest: Mapping[int, _Array]) -> None:
    """Change weights so that channels have similar ranges; outputs stay the same except for rounding.

    Args:
        editor: The graph, which is modified.
        largest: Magnitude of the largest value of each channel, by tensor.
    """
    channels = Channels()
    for index, ranges in largest.items():
        channels.add(index, ranges)
    for index in (*editor.inputs, *editor.outputs):
        channels.fix(index)
    for operator in editor.operators:
        if not _connect(editor, operator, channels):
            for index in (*operator.inputs, *operator.outputs):
                channels.fix(index)
    factors = channels.factors(_EXPONENT, _SMALLEST)
    for operator in editor.operators:
        _scale(editor, operator, factors)


def _connect(editor: GraphEditor, operator: Table, channels: Channels) -> bool:
    """Record which channels of an operator's tensors share a factor; False if a factor would affect it."""
    kind = editor.kind(operator)
    data = [index for index in operator.inputs if index in channels]
    outputs = [index for index in operator.outputs if index in channels]
    activation = getattr(operator.builtinOptions, "fusedActivationFunction", 0)
    if not data or len(outputs) != 1 or len(operator.outputs) != 1 or activation not in _LIKE_RELU:
        return False
    form, output = FORMS.get(kind), outputs[0]
    if form is not None and form.weights is not None:
        fits = _weights_fit(editor, operator, form.weights)
    elif kind in {"ADD", "SUB", "MUL"}:
        fits = _connect_sum(editor, operator, data, output, channels)
    elif kind in {"CONCATENATION", "PAD", "RESHAPE", "MEAN"}:
        fits = _CONNECTING[kind](editor, operator, data, output, channels)
    else:
        fits = kind in _POOLS and channels.join(data[0], output)
    if fits:
        channels.limit(output, _LIKE_RELU[activation])
    return bool(fits)


def _weights_fit(editor: GraphEditor, operator: Table, places: Weights) -> bool:
    """Whether weights have an axis for the data's channels: groups of channels and flattened images do not."""
    if not editor.is_stored(operator.inputs[1]):
        return False
    channels, weights = editor.shape(operator.inputs[places.data])[-1], editor.shape(operator.inputs[1])
    # The last axis of depthwise weights is that of the results, one or more for each channel.
    return weights[-1] % channels == 0 if places.axis == len(weights) - 1 else weights[-1] == channels


def _connect_sum(editor: GraphEditor, operator: Table, data: list[int], output: int, channels: Channels) -> bool:
    if len(data) == 2:
        joined = [channels.join(index, output) for index in data] if editor.kind(operator) != "MUL" else []
        return len(joined) == 2 and all(joined)
    other = next(index for index in operator.inputs if index not in data)
    # A number for each channel is scaled with them; a product is not affected by a factor at all.
    fits = editor.shape(other)[-1:] == editor.shape(output)[-1:] or editor.kind(operator) == "MUL"
    return fits and editor.is_stored(other) and channels.join(data[0], output)


def _connect_joined(editor: GraphEditor, operator: Table, data: list[int], output: int, channels: Channels) -> bool:
    rank, start = len(editor.shape(output)), 0
    if len(data) < len(operator.inputs):
        return False
    if operator.builtinOptions.axis % rank != rank - 1:
        return all(channels.join(index, output) for index in data)
    for index in data:
        channels.place(index, output, start)
        start += editor.shape(index)[-1]
    return True


def _connect_padded(editor: GraphEditor, operator: Table, data: list[int], output: int, channels: Channels) -> bool:
    sizes = editor.values(operator.inputs[1])
    return sizes is not None and channels.place(data[0], output, int(sizes[-1][0]))


def _connect_reshaped(editor: GraphEditor, operator: Table, data: list[int], output: int, channels: Channels) -> bool:
    """Also accepts a flattened image, in which channels repeat."""
    del operator
    before, after = editor.shape(data[0]), editor.shape(output)
    merged = {int(np.prod(before[place:])) for place in range(len(before))}
    return bool(after) and after[-1] in merged and channels.repeat(data[0], output)


def _connect_mean(editor: GraphEditor, operator: Table, data: list[int], output: int, channels: Channels) -> bool:
    axes, rank = editor.values(operator.inputs[1]), len(editor.shape(data[0]))
    keeps = axes is not None and all(int(axis) % rank != rank - 1 for axis in axes.ravel())
    return keeps and channels.join(data[0], output)


_CONNECTING = {
    "CONCATENATION": _connect_joined,
    "MEAN": _connect_mean,
    "PAD": _connect_padded,
    "RESHAPE": _connect_reshaped,
}


def _scale(editor: GraphEditor, operator: Table, factors: Mapping[int, _Array]) -> None:
    """Change the constants of an operator whose tensors have been divided by factors."""
    form = FORMS.get(editor.kind(operator))
    after = factors.get(operator.outputs[0]) if operator.outputs else None
    if form is None or (after is None and form.weights is None):
        return
    if form.weights is None:
        if editor.kind(operator) in {"ADD", "SUB"} and after is not None:
            for place, index in enumerate(operator.inputs):
                operator.inputs[place] = _divided(editor, index, after)
        return
    places, weights = form.weights, editor.values(operator.inputs[1])
    before = factors.get(operator.inputs[places.data])
    if weights is None or (before is None and after is None):
        return
    scaled = weights.astype(np.float64)
    if before is not None:
        scaled = scaled * np.repeat(before, scaled.shape[-1] // len(before))
    if after is not None:
        shape = [1] * scaled.ndim
        shape[places.axis] = -1
        scaled = scaled / after.reshape(shape)
        if len(operator.inputs) > places.bias:
            operator.inputs[places.bias] = _divided(editor, operator.inputs[places.bias], after)
    operator.inputs[1] = editor.add_constant(editor.name(operator.inputs[1]), scaled.astype(np.float32))


def _divided(editor: GraphEditor, index: int, factors: _Array) -> int:
    values = editor.values(index)
    if values is None:
        return index
    return editor.add_constant(editor.name(index), (values / factors).astype(np.float32))
