"""Ranges that cut off rare values, if that loses less than coarser steps for all others would."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgebench.models.tflite.int8.observed import Observed
from edgebench.models.tflite.int8.scale import Range, Scale
from edgebench.models.tflite.tree import GraphEditor

_PARTS = (1.0, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5, 0.4)
"""Of the lower and of the upper end of a range."""
_WORTH_IT = 0.98
"""Factor on the squared difference of a wider range: a narrower one must be slightly better."""


def narrowed(editor: GraphEditor, observed: Observed) -> Observed:
    """Ranges with the least squared difference between values and their int8 form; those of ports stay.

    Args:
        editor: The graph.
        observed: What samples show of it, observed closely.
    """
    ports = {*editor.inputs, *editor.outputs}
    ranges = {
        index: whole if index in ports or index not in observed.values else _best(*observed.values[index], whole)
        for index, whole in observed.ranges.items()
    }
    return replace(observed, ranges=ranges)


def _best(values: NDArray[np.float64], counts: NDArray[np.float64], whole: Range) -> Range:
    """The whole range, or the part of it that loses least."""
    low, high = min(whole.low, 0.0), max(whole.high, 0.0)
    best, least = whole, _loss(values, counts, whole)
    for part in _PARTS[1:]:
        ends = [(part, part)] if low == 0 or high == 0 else [(part, part), (part, 1.0), (1.0, part)]
        for lower, upper in ends:
            narrower = Range(low=low * lower, high=high * upper)
            loss = _loss(values, counts, narrower)
            if loss < least * _WORTH_IT:
                best, least = narrower, loss
    return best


def _loss(values: NDArray[np.float64], counts: NDArray[np.float64], cut: Range) -> float:
    scale = Scale.covering(cut)
    levels = np.clip(np.rint(values / scale.step), scale.range.low / scale.step, scale.range.high / scale.step)
    return float(((values - levels * scale.step) ** 2 * counts).sum())
