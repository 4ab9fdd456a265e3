"""Every architecture of a whole space that meets the limits and that no other beats."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgebench.core.budget import Limit
from edgebench.core.figure import Better, split_column
from edgebench.search.pareto import beaten, feasible, non_dominated
from edgebench.search.predictor import Predictor
from edgebench.spaces.space import Architectures, SearchSpace


@dataclass(frozen=True, slots=True, kw_only=True)
class FeasibleFront:
    """The answer, exact.

    Attributes:
        rows: The front, one row per architecture, each once.
        figures: Their predicted figures, in the cost model's columns.
        combinations: How many were examined: the whole space.
        feasible: How many of them meet the limits.
    """

    rows: Architectures
    figures: NDArray[np.float64]
    combinations: int
    feasible: int


def feasible_front(
    space: SearchSpace,
    model: Predictor,
    limits: Sequence[Limit],
    margins: Sequence[float],
    objectives: Sequence[str],
    on_progress: Callable[[float], object] = lambda _: None,
) -> FeasibleFront:
    """Examine every architecture of a space.

    Args:
        space: The space.
        model: Predicts its networks.
        limits: What must be met.
        margins: For each limit, the factor that a prediction is multiplied by.
        objectives: Columns of the model, minimised or maximised as ``core.figure`` says.
        on_progress: Called with the share that is done, 0 to 1.
    """
    columns = [model.names.index(name) for name in objectives]
    signs = np.array([-1.0 if split_column(name)[0].better is Better.GREATER else 1.0 for name in objectives])
    numbers: NDArray[np.int64] = np.empty(0, dtype=np.int64)
    costs: NDArray[np.float64] = np.empty((0, len(columns)))
    count = 0
    for start, figures in model.scan():
        holds = np.flatnonzero(feasible(figures, model.names, limits, margins))
        count += len(holds)
        part = figures[holds][:, columns] * signs
        fresh = np.flatnonzero(~beaten(part, costs))
        fresh = fresh[non_dominated(part[fresh])]
        stays = ~beaten(costs, part[fresh])
        numbers = np.concatenate([numbers[stays], start + holds[fresh]])
        costs = np.concatenate([costs[stays], part[fresh]])
        on_progress((start + len(figures)) / space.combinations)
    rows = np.unique(space.canonical(_decoded(space, numbers)), axis=0)
    predicted = model.predict(rows)
    order = np.lexsort((predicted[:, columns] * signs).T[::-1])
    return FeasibleFront(rows=rows[order], figures=predicted[order], combinations=space.combinations, feasible=count)


def _decoded(space: SearchSpace, numbers: NDArray[np.int64]) -> Architectures:
    """Architectures by their number, of which the last dimension counts fastest."""
    rows = np.empty((len(numbers), len(space.dimensions)), dtype=np.int8)
    for column in range(len(space.dimensions) - 1, -1, -1):
        numbers, rows[:, column] = np.divmod(numbers, len(space.dimensions[column].values))
    return rows
