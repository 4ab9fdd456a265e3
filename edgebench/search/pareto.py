"""Which points meet limits, and which of them no other beats."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgebench.core.budget import Limit

_ROWS = 2048
_FIRST = 16
_SAMPLE = 128
_PAIRS = 1 << 20


def feasible(
    figures: NDArray[np.float64], columns: Sequence[str], limits: Sequence[Limit], margins: Sequence[float]
) -> NDArray[np.bool_]:
    """Which architectures meet every limit, with a margin for the prediction error.

    Args:
        figures: One row per architecture, one column for each of ``columns``.
        columns: Names such as ``latency_s@host``.
        limits: What must be met.
        margins: For each limit, the factor that a prediction is multiplied by, at least 1.
    """
    met = np.ones(len(figures), dtype=bool)
    for limit, margin in zip(limits, margins, strict=True):
        met &= limit.are_met(figures[:, columns.index(limit.column)], margin)
    return met


def non_dominated(costs: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Rows that no other row beats: none is at least as low in every column and lower in one.

    Args:
        costs: One row per point; every column is to be minimised. Equal rows are all kept.

    Sorted by the first column, a row can only be beaten by an earlier or an equal one.
    """
    order = np.lexsort(costs.T[::-1])
    front = np.empty((0, costs.shape[1]))
    keep = np.zeros(len(costs), dtype=bool)
    for start in range(0, len(order), _ROWS):
        rows = order[start : start + _ROWS]
        rows = rows[~beaten(costs[rows], front)]
        rows = rows[~_beats(costs[rows], costs[rows]).any(axis=0)]
        keep[rows] = True
        front = np.concatenate([front, costs[rows]])
    return keep


def beaten(points: NDArray[np.float64], front: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which points some row of a front beats.

    Args:
        points: One row per point; every column is to be minimised.
        front: Rows with the same columns.
    """
    lost = np.zeros(len(points), dtype=bool)
    if len(front) > _FIRST and len(points) > _SAMPLE:
        # A few rows beat most points, so those that beat most of a sample are tried first.
        sample = points[:: len(points) // _SAMPLE]
        front = front[np.argsort(-_beats(front, sample).sum(axis=1), kind="stable")]
    left = np.arange(len(points))
    start, size = 0, _FIRST
    while start < len(front) and len(left):
        now = _beats(front[start : start + size], points[left]).any(axis=0)
        lost[left[now]] = True
        left = left[~now]
        start, size = start + size, max(_FIRST, _PAIRS // max(len(left), 1))
    return lost


def _beats(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.bool_]:
    """For each row of the first (rows) and each of the second (columns), whether it beats it."""
    at_most = np.ones((len(first), len(second)), dtype=bool)
    below = np.zeros((len(first), len(second)), dtype=bool)
    for column in range(first.shape[1]):
        mine, theirs = first[:, column, None], second[None, :, column]
        at_most &= mine <= theirs
        below |= mine < theirs
    beats: NDArray[np.bool_] = at_most & below
    return beats
