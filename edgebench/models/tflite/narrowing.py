"""Ranges that cut rare values off, where that loses less than coarser steps for all others would."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from edgebench.models.tflite.running import Runner, Sample
from edgebench.models.tflite.scale import Range, Scale
from edgebench.models.tflite.tree import GraphEditor

_PARTS = (1.0, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5, 0.4)
"""Of the lower and of the upper end of a range."""
_VALUES = 4096
"""That are looked at of each tensor in each sample."""
_MOST_SAMPLES = 32
_WORTH_IT = 0.98
"""Of the squared difference that a wider range has: a narrower one must be better by a little."""


def narrowed(
    editor: GraphEditor, content: bytes, samples: Sequence[Sample], ranges: Mapping[int, Range]
) -> dict[int, Range]:
    """Ranges with the least squared difference between values and their int8 form; those of ports stay.

    Args:
        editor: The graph.
        content: The file that it is the main graph of.
        samples: Inputs by name.
        ranges: From the smallest to the largest value of each tensor.
    """
    runner, random = Runner(content), np.random.default_rng(0)
    inside = [index for index in ranges if index not in {*editor.inputs, *editor.outputs}]
    values: dict[int, list[NDArray[np.float64]]] = {index: [] for index in inside}
    for sample in samples[:_MOST_SAMPLES]:
        runner.run(sample)
        for index in inside:
            found = runner.value(index)
            if found is not None and found.size:
                flat = found.ravel()
                chosen = flat if flat.size <= _VALUES else flat[random.integers(0, flat.size, _VALUES)]
                values[index].append(chosen.astype(np.float64))
    best = {index: _best(np.concatenate(found), ranges[index]) for index, found in values.items() if found}
    return {**ranges, **best}


def _best(values: NDArray[np.float64], whole: Range) -> Range:
    """The whole range, or the part of it that loses least."""
    values = values[np.isfinite(values)]
    low, high = min(whole.low, 0.0), max(whole.high, 0.0)
    found, least = whole, _loss(values, whole)
    for part in _PARTS[1:]:
        ends = [(part, part)] if low == 0 or high == 0 else [(part, part), (part, 1.0), (1.0, part)]
        for lower, upper in ends:
            narrower = Range(low=low * lower, high=high * upper)
            loss = _loss(values, narrower)
            if loss < least * _WORTH_IT:
                found, least = narrower, loss
    return found


def _loss(values: NDArray[np.float64], cut: Range) -> float:
    scale = Scale.covering(cut)
    levels = np.clip(np.rint(values / scale.step), scale.range.low / scale.step, scale.range.high / scale.step)
    return float(((values - levels * scale.step) ** 2).mean()) if values.size else 0.0
