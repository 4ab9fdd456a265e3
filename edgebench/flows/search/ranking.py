"""Which of the networks that were tried are the best, and in which order they become finalists."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgebench.core.figure import ACCURACY
from edgebench.core.search import TrialResult
from edgebench.flows.search.request import SearchRequest
from edgebench.search.limits import meets_limits
from edgebench.search.pareto import non_dominated

ROUNDS = 3
"""Up to this many times the requested number of finalists are tried, until one is a solution."""


def front(trials: Sequence[TrialResult], objectives: Sequence[str]) -> list[TrialResult]:
    """Trials that no other trial beats in every objective, the most accurate first."""
    if not trials:
        return []
    costs = np.array(
        [
            [-(trial.accuracy or 0.0) if name == ACCURACY else trial.figures[name] for name in objectives]
            for trial in trials
        ]
    )
    best = [trial for trial, kept in zip(trials, non_dominated(costs), strict=True) if kept]
    return sorted(best, key=lambda trial: -(trial.accuracy or 0.0))


def spread(ordered: Sequence[TrialResult]) -> list[TrialResult]:
    """The same trials, ordered so that the first are far apart: first, last, then the farthest from those before."""
    chosen = list(range(min(1, len(ordered))))
    while len(chosen) < len(ordered):
        left = (index for index in range(len(ordered)) if index not in chosen)
        chosen.append(max(left, key=lambda index: (min(abs(index - other) for other in chosen), index)))
    return [ordered[index] for index in chosen]


def meeting(request: SearchRequest, trials: Sequence[TrialResult], least: float | None = None) -> list[TrialResult]:
    """Trials that meet every limit as far as the search can tell.

    Args:
        request: What is searched.
        trials: Networks whose accuracy is known.
        least: The accuracy that they must have, or None.
    """
    return [
        trial
        for trial in trials
        if meets_limits(trial.figures, request.budget.limits, request.margins)
        and (least is None or (trial.accuracy or 0.0) >= least)
    ]


def ranked(request: SearchRequest, trials: Sequence[TrialResult], best: Sequence[TrialResult]) -> list[TrialResult]:
    """The front first, its ends before what is between them, then layer by layer what is behind it.

    Trials below the required accuracy come last.

    Args:
        request: What is searched.
        trials: Networks whose accuracy is known.
        best: The front.
    """
    order = spread(best)
    left = _without(meeting(request, trials), order)
    while left and len(order) < ROUNDS * max(1, request.finalists):
        layer = front(left, request.objectives)
        order.extend(spread(layer))
        left = _without(left, layer)
    return order


def _without(trials: Sequence[TrialResult], taken: Sequence[TrialResult]) -> list[TrialResult]:
    numbers = {trial.number for trial in taken}
    return [trial for trial in trials if trial.number not in numbers]
