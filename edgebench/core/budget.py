"""The limits of a search, device by device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgebench.core.record import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit(Record):
    """One figure on one device may not exceed a value.

    Attributes:
        figure: ``latency_s``, ``energy_j``, ``ram_bytes`` or ``flash_bytes``.
        device: Name of the device.
        value: In SI units.
    """

    figure: str
    device: str
    value: float

    @property
    def column(self) -> str:
        """The column of a cost model that it limits."""
        return f"{self.figure}@{self.device}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget(Record):
    """Everything that a solution must hold.

    Attributes:
        limits: Of cost.
        min_accuracy: The least accuracy, 0 to 1, or None.
        max_accuracy_drop: How far accuracy may lie below that of the reference network, or None.
    """

    limits: tuple[Limit, ...] = ()
    min_accuracy: float | None = None
    max_accuracy_drop: float | None = None


def feasible(
    figures: NDArray[np.float64], columns: Sequence[str], limits: Sequence[Limit], margins: Sequence[float]
) -> NDArray[np.bool_]:
    """Which architectures hold every limit, with a margin for the error of prediction.

    Args:
        figures: One row an architecture, one column for each of ``columns``.
        columns: Names such as ``latency_s@host``.
        limits: What must hold.
        margins: For each limit, the factor that a prediction is multiplied by, at least 1.
    """
    holds = np.ones(len(figures), dtype=bool)
    for limit, margin in zip(limits, margins, strict=True):
        holds &= figures[:, columns.index(limit.column)] * margin <= limit.value
    return holds


def non_dominated(costs: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Rows that no other row beats: none is at least as low in every column and lower in one.

    Args:
        costs: One row a point; every column is to be minimised. Of equal rows all are kept.

    Sorted by the first column, a row can only be beaten by one before it, so that each is compared with the
    front found so far alone.
    """
    order = np.lexsort(costs.T[::-1])
    front = np.empty((0, costs.shape[1]))
    keep = np.zeros(len(costs), dtype=bool)
    for start in range(0, len(order), 4096):
        rows = order[start : start + 4096]
        # Most rows are beaten by the front of earlier chunks, all at once.
        rows = rows[~_beaten(costs[rows], front)]
        for row in rows:
            if not _beaten(costs[row : row + 1], front)[0]:
                keep[row] = True
                front = np.concatenate([front, costs[row : row + 1]])
    return keep


def _beaten(points: NDArray[np.float64], front: NDArray[np.float64]) -> NDArray[np.bool_]:
    if not len(front):
        return np.zeros(len(points), dtype=bool)
    beaten = np.zeros(len(points), dtype=bool)
    for start in range(0, len(front), 256):
        part = front[start : start + 256]
        at_most = np.all(part[None] <= points[:, None], axis=2)
        below = np.any(part[None] < points[:, None], axis=2)
        beaten |= np.any(at_most & below, axis=1)
    return beaten
