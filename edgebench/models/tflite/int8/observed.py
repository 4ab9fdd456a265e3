"""Ranges of the values of a network on real numbers, over samples."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebench.models.tflite.int8.recurrent import Memory, has_int8_form, watch
from edgebench.models.tflite.int8.running import Runner, Sample
from edgebench.models.tflite.int8.scale import Range
from edgebench.models.tflite.tree import GraphEditor

_VALUES, _PARTS = 256, 32
"""Number of single values taken from each tensor in a sample: random ones, and the extremes of parts."""
_VANISHES = 12.0
"""How far below the largest value of its row an input of SOFTMAX no longer matters in 8 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What samples show of a network.

    Attributes:
        ranges: From the smallest to the largest value, by tensor.
        memories: Memories of layers that have one, by their first output.
        largest: Magnitude of the largest value of each channel, which is the last axis, by tensor.
        values: Some of the values, and how many each of them represents, by tensor.
    """

    ranges: Mapping[int, Range] = field(default_factory=dict)
    memories: Mapping[int, Memory] = field(default_factory=dict)
    largest: Mapping[int, NDArray[np.float64]] = field(default_factory=dict)
    values: Mapping[int, tuple[NDArray[np.float64], NDArray[np.float64]]] = field(default_factory=dict)


def observe(editor: GraphEditor, content: bytes, samples: Sequence[Sample], *, closely: bool = False) -> Observed:
    """From the smallest to the largest value that any sample gives each tensor on real numbers.

    What is infinite or not a number is ignored. What only SOFTMAX reads counts only as far as it matters there.
    Layers with a memory keep it from sample to sample, as they do in use.

    Args:
        editor: The graph.
        content: The file that it is the main graph of.
        samples: Inputs by name.
        closely: Whether to observe channels and single values too.

    Raises:
        UnsupportedModelError: LiteRT cannot run the model.
    """
    runner, random = Runner(content), np.random.default_rng(0)
    softmax = _read_by_softmax_only(editor)
    layers = [operator for operator in editor.operators if has_int8_form(editor, operator)]
    memories = {operator.outputs[0]: Memory() for operator in layers}
    ranges: dict[int, Range] = {}
    largest: dict[int, NDArray[np.float64]] = {}
    values: dict[int, list[NDArray[np.float64]]] = defaultdict(list)
    for sample in samples:
        runner.run(sample)
        for index in _computed(editor):
            value = runner.value(index)
            found = None if value is None else _range(value, softmax.get(index))
            if value is None or found is None:
                continue
            ranges[index] = ranges[index] | found if index in ranges else found
            if closely and value.ndim > 1:
                channels = np.abs(value).reshape(-1, value.shape[-1]).max(axis=0).astype(np.float64)
                largest[index] = np.maximum(largest[index], channels) if index in largest else channels
            if closely and np.isfinite(value).all():
                values[index].append(_some(value.ravel(), random))
        for operator in layers:
            watch(editor, operator, runner, memories[operator.outputs[0]])
    _narrow_terms(editor, ranges, softmax)
    single = {index: _unzipped(np.concatenate(found, axis=1)) for index, found in values.items()}
    finite = {index: found for index, found in largest.items() if np.isfinite(found).all()}
    return Observed(ranges=ranges, memories=memories, largest=finite, values=single)


def _some(values: NDArray[Any], random: np.random.Generator) -> NDArray[np.float64]:
    """Random values and the most extreme ones of each part, with the number of values that each represents."""
    if values.size <= _VALUES + 2 * _PARTS:
        return np.stack([values, np.ones(values.size)]).astype(np.float64)
    parts = values[: values.size // _PARTS * _PARTS].reshape(_PARTS, -1)
    extremes = [parts.min(axis=1), parts.max(axis=1)]
    chosen = values[random.integers(0, values.size, _VALUES)]
    counts = np.repeat([1.0, values.size / _VALUES], [2 * _PARTS, _VALUES])
    return np.stack([np.concatenate([*extremes, chosen]), counts]).astype(np.float64)


def _unzipped(pairs: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return pairs[0], pairs[1]


def _narrow_terms(editor: GraphEditor, ranges: dict[int, Range], softmax: Mapping[int, float]) -> None:
    """Limit the ranges of what is added before a SOFTMAX to where the sum matters there, as for a mask."""
    readers = editor.readers()
    for operator in editor.operators:
        output = operator.outputs[0] if operator.outputs else -1
        if editor.kind(operator) != "ADD" or output not in softmax or output not in ranges:
            continue
        for term, other in (operator.inputs, operator.inputs[::-1]):
            if term in ranges and readers[term] == 1:
                useful = useful_term(ranges[output], _range_of(editor, other, ranges))
                low, high = max(ranges[term].low, useful.low), min(ranges[term].high, useful.high)
                ranges[term] = Range(low=min(low, high), high=max(low, high))


def useful_term(total: Range, other: Range) -> Range:
    """Where a term of a sum changes it, if the sum is limited to a range and the other term is in one."""
    return Range(low=total.low - other.high, high=total.high - other.low)


def _range_of(editor: GraphEditor, index: int, ranges: Mapping[int, Range]) -> Range:
    values = editor.values(index)
    if values is None or not values.size:
        return ranges.get(index, Range(low=0.0, high=0.0))
    return Range(low=float(values.min()), high=float(values.max()))


def _computed(editor: GraphEditor) -> list[int]:
    indices = [*editor.inputs, *(index for operator in editor.operators for index in operator.outputs)]
    return [index for index in dict.fromkeys(indices) if editor.is_float(index)]


def _read_by_softmax_only(editor: GraphEditor) -> dict[int, float]:
    """How far below the largest value of its row a value still counts, by tensor."""
    readers = editor.readers()
    found = {}
    for operator in editor.operators:
        if editor.kind(operator) == "SOFTMAX" and readers[operator.inputs[0]] == 1:
            beta = operator.builtinOptions.beta if operator.builtinOptions is not None else 1.0
            found[operator.inputs[0]] = _VANISHES / beta if beta > 0 else float("inf")
    return found


def _range(value: NDArray[Any], depth: float | None) -> Range | None:
    if not value.size:
        return None
    low, high = float(value.min()), float(value.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        value = np.where(np.isfinite(value), value, np.nan)
        if np.isnan(value).all():
            return None
        low, high = float(np.nanmin(value)), float(np.nanmax(value))
    if depth is not None and value.ndim:
        low = max(low, float(np.nanmin(np.nanmax(value, axis=-1))) - depth)
    return Range(low=low, high=high)
