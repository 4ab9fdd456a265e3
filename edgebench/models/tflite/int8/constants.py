"""Constants of a network on real numbers as int8, and biases as int32."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from edgebench.errors import InputError
from edgebench.models.tflite.int8.forms import Weights
from edgebench.models.tflite.int8.scale import HIGHEST, Range, Scale
from edgebench.models.tflite.tree import GraphEditor, Table

_LARGEST_BIAS = 2**30


def quantised_constant(editor: GraphEditor, index: int, scale: Scale | None = None) -> int:
    """A constant as int8; with the finest scale that covers it, unless one is given; then values beyond it are clipped.

    Raises:
        InputError: It contains values that are not numbers.
    """
    values = _numbers(editor, index)
    if scale is None:
        finite = values if np.isfinite(values).all() else np.zeros(1)
        scale = Scale.covering(Range(low=float(finite.min(initial=0)), high=float(finite.max(initial=0))))
    found = editor.add_constant(editor.name(index), scale.quantised(values))
    editor.set_scales(found, [scale.step], [scale.zero_point])
    return found


def share_constants(editor: GraphEditor) -> None:
    """Store constants once that several operators of a kind read in the same place, as unrolled layers do."""
    first: dict[tuple[object, ...], int] = {}
    for operator in editor.operators:
        for place, index in enumerate(operator.inputs):
            if not editor.is_stored(index) or editor.tensor(index).isVariable:
                continue
            tensor, scales = editor.tensor(index), editor.scales(index)
            digest = hashlib.sha256(bytes(editor.model.buffers[tensor.buffer].data)).digest()
            stated = None if scales is None else (scales[0].tobytes(), scales[1].tobytes(), scales[2])
            key = (editor.kind(operator), place, tensor.type, editor.shape(index), stated, digest)
            operator.inputs[place] = first.setdefault(key, index)


def quantise_weights(editor: GraphEditor, operator: Table, places: Weights, data: Scale) -> None:
    """Give an operator weights with one scale per channel and no zero points, and a matching bias.

    Raises:
        InputError: They contain values that are not numbers.
    """
    weights = operator.inputs[1]
    values = _numbers(editor, weights)
    others = tuple(axis for axis in range(values.ndim) if axis != places.axis)
    largest = np.abs(values).max(axis=others, initial=0.0)
    index = operator.inputs[places.bias] if len(operator.inputs) > places.bias else -1
    bias = None if index < 0 else _numbers(editor, index)
    scales = weight_scales(largest, bias, data.step)
    shape = [1] * values.ndim
    shape[places.axis] = -1
    levels = np.clip(np.rint(values / scales.reshape(shape)), -HIGHEST, HIGHEST).astype(np.int8)
    operator.inputs[1] = editor.add_constant(editor.name(weights), levels)
    editor.set_scales(operator.inputs[1], [float(scale) for scale in scales], [0] * len(scales), places.axis)
    if bias is not None:
        operator.inputs[places.bias] = quantised_bias(editor, index, bias, scales * data.step)


def quantised_bias(editor: GraphEditor, index: int, bias: NDArray[np.float64], scales: NDArray[np.float64]) -> int:
    """A bias as int32; LiteRT requires one axis if there is a scale for each channel."""
    limit = 2**31 - 1
    levels = np.clip(np.rint(bias.ravel() / scales), -limit, limit).astype(np.int32)
    found = editor.add_constant(editor.name(index), levels)
    editor.set_scales(found, [float(scale) for scale in np.ravel(scales)], [0] * np.size(scales))
    return found


def weight_scales(
    largest: NDArray[np.float64], bias: NDArray[np.float64] | None, data_step: float
) -> NDArray[np.float64]:
    """Scales of weights, as float32 stores them, by the largest value of each channel.

    A channel of zeros gets the mean scale of the others; one whose bias would not fit gets a coarser scale.
    """
    scales = largest / HIGHEST
    usual = scales[scales > 0].mean() if (scales > 0).any() else 1.0
    scales = np.where(scales > 0, scales, usual)
    if bias is not None and bias.size == scales.size:
        scales = np.maximum(scales, np.abs(bias.ravel()) / (data_step * _LARGEST_BIAS))
    return np.maximum(scales, np.finfo(np.float32).tiny).astype(np.float32).astype(np.float64)


def _numbers(editor: GraphEditor, index: int) -> NDArray[np.float64]:
    values = editor.values(index)
    found = np.zeros(0) if values is None else values.astype(np.float64)
    if np.isnan(found).any():
        raise InputError(
            f"constant {editor.name(index)!r} contains values that are not numbers (NaN)",
            remedy="train or export the model again: it cannot return anything but NaN",
        )
    return found
