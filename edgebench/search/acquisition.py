"""Which untrained candidate promises most."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
OPTIMISM = 1.0
"""How many standard deviations are added to a single objective's prediction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """Networks whose accuracy is known.

    Attributes:
        accuracy: Of each.
        costs: One row each, one column per cost that is to be minimised too; none if accuracy is the only objective.
    """

    accuracy: Vector
    costs: Vector


def promise(
    mean: Vector, deviation: Vector, costs: Vector, observed: Observed, min_accuracy: float | None, *, maximise: bool
) -> Vector:
    """A score of each candidate: the higher, the sooner it should be trained.

    Args:
        mean: Predicted accuracy.
        deviation: Its standard deviation.
        costs: One row per candidate, one column per cost objective.
        observed: What is known.
        min_accuracy: An accuracy that a solution must have.
        maximise: Whether accuracy is an objective.

    With accuracy only, an optimistic prediction (mean plus one standard deviation). With costs as well, by how
    much a candidate is expected to beat the most accurate known network that is no more expensive in any cost. With
    costs only, by how much it is cheaper, times the probability that it is accurate enough.
    """
    if maximise and not costs.shape[1]:
        optimistic: Vector = mean + OPTIMISM * deviation
        return optimistic
    if maximise:
        return _expected_improvement(mean, deviation, _best_no_dearer(costs, observed))
    probability = np.ones(len(mean)) if min_accuracy is None else _normal_cdf((mean - min_accuracy) / deviation)
    enough = observed.accuracy >= (min_accuracy or 0.0)
    logs = np.log(np.maximum(costs, 1e-12))
    if not enough.any():
        likeliest: Vector = probability - 1e-3 * logs.sum(axis=1)
        return likeliest
    known = np.log(np.maximum(observed.costs[enough], 1e-12))
    # The gain over each known solution is that of the cost it improves most; the smallest of these gains counts.
    gain = np.full(len(costs), np.inf)
    for row in known:
        gain = np.minimum(gain, (row - logs).max(axis=1))
    worth: Vector = probability * gain
    return worth


def _best_no_dearer(costs: Vector, observed: Observed) -> Vector:
    """For each candidate the best known accuracy among networks that cost at most as much in every respect."""
    floor = float(observed.accuracy.min()) - float(np.ptp(observed.accuracy))
    best = np.full(len(costs), floor)
    for row, accuracy in zip(observed.costs, observed.accuracy, strict=True):
        no_dearer = (row <= costs).all(axis=1)
        best[no_dearer] = np.maximum(best[no_dearer], accuracy)
    return best


def _expected_improvement(mean: Vector, deviation: Vector, best: Vector) -> Vector:
    """Expected improvement (Jones, Schonlau and Welch, 1998)."""
    standard = (mean - best) / deviation
    density = np.exp(-0.5 * standard**2) / math.sqrt(2 * math.pi)
    improvement: Vector = deviation * (standard * _normal_cdf(standard) + density)
    return improvement


def _normal_cdf(values: Vector) -> Vector:
    """Accurate to 1e-7, by Abramowitz and Stegun's formula 26.2.17 (1964)."""
    positive = np.abs(values)
    t = 1 / (1 + 0.2316419 * positive)
    coefficients: Sequence[float] = (0.319381530, -0.356563782, 1.781477937, -1.821255978, 1.330274429)
    polynomial = np.zeros_like(t)
    for coefficient in reversed(coefficients):
        polynomial = (polynomial + coefficient) * t
    tail = np.exp(-0.5 * positive**2) / math.sqrt(2 * math.pi) * polynomial
    result: Vector = np.where(values >= 0, 1 - tail, tail)
    return result
