"""Where the level of a series changes: E-divisive means.

Matteson and James, "A nonparametric approach for multiple change point analysis of multivariate data", JASA 109
(2014). The series is split where the two sides differ most by their energy distance, as long as a permutation test
finds the split significant; each side is then examined in the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEAST = 3
"""Points on each side of a change: with fewer, a change cannot be distinguished from an outlier."""
_PERMUTATIONS = 499
SIGNIFICANCE = 0.05
"""Share of permutations that may split as clearly as the series itself does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePoint:
    """A place where the level changes.

    Attributes:
        index: Of the first point of the new level.
        before: Median of the points back to the previous change.
        after: Median of the points up to the next one.
        p_value: Share of random orders that split at least as clearly.
    """

    index: int
    before: float
    after: float
    p_value: float

    @property
    def ratio(self) -> float:
        """New level over old level."""
        return self.after / self.before


def change_points(values: Sequence[float], *, seed: int = 0, significance: float = SIGNIFICANCE) -> list[ChangePoint]:
    """The changes of level of a series, in its order.

    Args:
        values: Positive figures, in the order of time. Their logarithms are compared, so that a change counts by its
            ratio.
        seed: Seeds the permutations: the same series gives the same changes.
        significance: Share of permutations that may split as clearly.

    Raises:
        ValueError: A value is not positive and finite.
    """
    series = np.asarray(values, dtype=float)
    if not np.all(np.isfinite(series) & (series > 0)):
        raise ValueError("a series of positive, finite values is needed")
    random = np.random.default_rng(seed)
    found = sorted(_split(np.log(series), 0, random, significance))
    bounds = [0, *(index for index, _ in found), len(series)]
    return [
        ChangePoint(
            index=index,
            before=float(np.median(series[bounds[number] : index])),
            after=float(np.median(series[index : bounds[number + 2]])),
            p_value=p_value,
        )
        for number, (index, p_value) in enumerate(found)
    ]


def _split(
    series: NDArray[np.float64], offset: int, random: np.random.Generator, significance: float
) -> list[tuple[int, float]]:
    """Places of the changes within a segment, and their p-values."""
    if len(series) < 2 * LEAST or np.ptp(series) == 0:
        return []
    distances = np.abs(series[:, None] - series[None, :])
    place, statistic = _best_split(distances)
    as_clear = 1
    for _ in range(_PERMUTATIONS):
        order = random.permutation(len(series))
        # Rounding differs between orders of one series; slightly below is as clear.
        as_clear += _best_split(distances[np.ix_(order, order)])[1] >= statistic * (1 - 1e-9)
    p_value = as_clear / (_PERMUTATIONS + 1)
    if p_value > significance:
        return []
    return [
        (offset + place, p_value),
        *_split(series[:place], offset, random, significance),
        *_split(series[place:], offset + place, random, significance),
    ]


def _best_split(distances: NDArray[np.float64]) -> tuple[int, float]:
    """Where the scaled energy distance of both sides is largest, and how large it is there.

    Args:
        distances: Between every two points.
    """
    length = len(distances)
    sums = np.zeros((length + 1, length + 1))
    sums[1:, 1:] = distances.cumsum(axis=0).cumsum(axis=1)
    sizes = np.arange(LEAST, length - LEAST + 1)
    left = sums[sizes, sizes]
    across = sums[sizes, length] - left
    right = sums[length, length] - left - 2 * across
    others = length - sizes
    # Matteson and James, equations 5 and 7, with every pair of points counted twice in left and right.
    energy = (2 * across / (sizes * others) - left / (sizes * (sizes - 1)) - right / (others * (others - 1))) * (
        sizes * others / length
    )
    best = int(energy.argmax())
    return int(sizes[best]), float(energy[best])
