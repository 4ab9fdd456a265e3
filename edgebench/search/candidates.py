"""The architectures that tables call feasible: all of a space, or millions drawn from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgebench.core.budget import Limit
from edgebench.search.pareto import feasible
from edgebench.search.predictor import Predictor
from edgebench.spaces.space import Architectures, SearchSpace

ENUMERATED = 1 << 22
"""Number of combinations up to which the whole space is examined."""
DRAWN = 2_000_000
KEPT = 400_000
"""Maximum number of feasible candidates kept in memory."""
_STATISTICS = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """Feasible architectures with what they cost.

    Attributes:
        rows: One row per architecture.
        figures: Their predicted figures, in the cost model's columns.
        complete: Whether the whole space was examined.
        looked_at: How many architectures were predicted.
        feasible: How many of them meet the limits; more than the number of rows if not all are kept.
    """

    rows: Architectures
    figures: NDArray[np.float64]
    complete: bool
    looked_at: int
    feasible: int


def find_candidates(
    space: SearchSpace, model: Predictor, limits: Sequence[Limit], margins: Sequence[float], seed: int
) -> Candidates:
    """Examine as much of a space as possible, and keep what is feasible.

    If a space is too large to examine, random architectures are followed by neighbours of those that are
    feasible, so that a small feasible corner is still found and filled.
    """
    random = np.random.default_rng(seed)
    whole = space.combinations <= ENUMERATED
    chunks = space.enumerate() if whole else (space.sample(random, 1 << 18) for _ in range(DRAWN >> 18))
    rows, figures, looked_at = [], [], 0
    for chunk in chunks:
        predicted = model.predict(chunk)
        met = feasible(predicted, model.names, limits, margins)
        looked_at += len(chunk)
        rows.append(chunk[met])
        figures.append(predicted[met])
    found, costs = np.concatenate(rows), np.concatenate(figures)
    if not whole:
        found, costs, more = _grown(space, model, limits, margins, found, random)
        looked_at += more
    count = len(found)
    if count > KEPT:
        chosen = np.sort(random.choice(count, KEPT, replace=False))
        found, costs = found[chosen], costs[chosen]
    return Candidates(rows=found, figures=costs, complete=whole, looked_at=looked_at, feasible=count)


def neighbours(
    space: SearchSpace, rows: Architectures, count: int, random: np.random.Generator, changes: int = 2
) -> Architectures:
    """Random architectures that differ from given ones in up to ``changes`` choices."""
    sizes = np.array([len(dimension.values) for dimension in space.dimensions])
    picked = rows[random.integers(0, len(rows), count)].copy()
    for _ in range(changes):
        columns = random.integers(0, len(sizes), count)
        picked[np.arange(count), columns] = (random.random(count) * sizes[columns]).astype(np.int8)
    return space.canonical(picked)


def unique_rows(rows: Architectures) -> Architectures:
    """Each architecture once; faster than sorting rows byte by byte."""
    if not len(rows):
        return rows
    packed = np.ascontiguousarray(rows).view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).ravel()
    _, first = np.unique(packed, return_index=True)
    return rows[np.sort(first)]


def _grown(
    space: SearchSpace,
    model: Predictor,
    limits: Sequence[Limit],
    margins: Sequence[float],
    found: Architectures,
    random: np.random.Generator,
) -> tuple[Architectures, NDArray[np.float64], int]:
    """Feasible neighbours of what was found; from the smallest network if nothing was."""
    looked_at = 0
    found = unique_rows(found)
    seeds = found if len(found) else np.array([space.canonical_one(space.smallest)], dtype=np.int8)
    for _ in range(8):
        if len(found) >= KEPT:
            break
        near = neighbours(space, seeds, 1 << 17, random, changes=4)
        looked_at += len(near)
        met = feasible(model.predict(near), model.names, limits, margins)
        found = unique_rows(np.concatenate([found, near[met]]))
        seeds = found if len(found) else seeds
    return found, model.predict(found), looked_at


class SizeFeatures:
    """How large networks are, as numbers of mean 0 and standard deviation 1 over the space.

    Logarithms of all predicted figures, including parameters and multiply-accumulates.

    Args:
        space: Where architectures come from.
        model: Predicts costs.
        seed: Of the sample that mean and deviation are taken over.
    """

    def __init__(self, space: SearchSpace, model: Predictor, seed: int) -> None:
        self._model = model
        sample = space.sample(np.random.default_rng(seed), _STATISTICS)
        values = _logarithms(model.predict(sample))
        self._mean, deviation = values.mean(axis=0), values.std(axis=0)
        self._deviation = np.where(deviation > 1e-12, deviation, 1.0)

    def __call__(self, rows: Architectures) -> NDArray[np.float64]:
        """One row per architecture, one column per feature."""
        return self.of_figures(self.figures(rows))

    def figures(self, rows: Architectures) -> NDArray[np.float64]:
        """Predicted figures in the cost model's columns."""
        return self._model.predict(rows)

    def of_figures(self, figures: NDArray[np.float64]) -> NDArray[np.float64]:
        """Features of architectures whose figures are already predicted."""
        standard: NDArray[np.float64] = (_logarithms(figures) - self._mean) / self._deviation
        return standard


def _logarithms(figures: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.log(np.maximum(figures, 1e-12))
