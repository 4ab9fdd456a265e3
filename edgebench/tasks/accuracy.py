"""Accuracy with what is known about it: intervals for one model, and for the difference of two on the same samples."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from edgebench.core.record import Record
from edgebench.errors import InputError

_EXACT_BELOW = 1000
"""Number of discordant samples up to which McNemar's test is exact; beyond, the normal approximation is as good."""


def correct_count(predictions: NDArray[np.int64], labels: NDArray[np.int64]) -> int:
    """Samples whose predicted class is right.

    Args:
        predictions: Classes as [n].
        labels: True classes as [n].

    Raises:
        InputError: The two differ in length, or are empty.
    """
    if predictions.shape != labels.shape or predictions.ndim != 1 or not labels.size:
        raise InputError(
            f"{list(predictions.shape)} predictions do not match {list(labels.shape)} labels",
            remedy="give one predicted class for each sample of the same split",
        )
    return int(np.count_nonzero(predictions == labels))


def top1(predictions: NDArray[np.int64], labels: NDArray[np.int64]) -> float:
    """Share of samples whose predicted class is right, from 0 to 1.

    Raises:
        InputError: The two differ in length, or are empty.
    """
    return correct_count(predictions, labels) / len(labels)


def wilson_interval(correct: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of an accuracy by the score method (Wilson 1927), which is valid near 0 and 1 and for few samples.

    Args:
        correct: Samples whose prediction is right.
        total: All samples, at least 1.
        confidence: Between 0 and 1.

    Returns:
        Low and high end, from 0 to 1.

    Raises:
        InputError: The counts or the confidence make no sense.
    """
    if not 0 <= correct <= total or total < 1 or not 0 < confidence < 1:
        raise InputError(f"no interval for {correct} of {total} samples at confidence {confidence}")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = correct / total
    centre = share + z * z / (2 * total)
    margin = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    # Rounding may leave ends that should be 0 or 1 slightly off.
    low = 0.0 if correct == 0 else max(0.0, (centre - margin) / scale)
    high = 1.0 if correct == total else min(1.0, (centre + margin) / scale)
    return low, high


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyDrop(Record):
    """How much accuracy a model lost against a reference, on the same samples.

    Attributes:
        value: Accuracy of the reference minus that of the model; negative for a gain.
        low: Low end of the interval.
        high: High end of the interval; a drop of at most L is shown if this is at most L.
        confidence: Of the interval.
        lost: Samples that only the reference gets right.
        gained: Samples that only the model gets right.
        samples: All samples.
        p_value: Of McNemar's test that both are equally accurate.
    """

    value: float
    low: float
    high: float
    confidence: float
    lost: int
    gained: int
    samples: int
    p_value: float


def accuracy_drop(
    reference: NDArray[np.int64], predictions: NDArray[np.int64], labels: NDArray[np.int64], confidence: float = 0.95
) -> AccuracyDrop:
    """Paired difference of two models' accuracies.

    Both saw the same samples and mostly agree, so the difference is known far more precisely than either accuracy. The
    interval is method 10 of Newcombe (1998): the score intervals of both accuracies, joined with their correlation.

    Args:
        reference: Classes that the reference predicts, as [n].
        predictions: Classes that the model predicts, as [n].
        labels: True classes as [n].
        confidence: Between 0 and 1.

    Raises:
        InputError: The three differ in length, or are empty.
    """
    total = len(labels)
    before, after = correct_count(reference, labels), correct_count(predictions, labels)
    lost = int(np.count_nonzero((reference == labels) & (predictions != labels)))
    gained = int(np.count_nonzero((reference != labels) & (predictions == labels)))
    both, neither = before - lost, total - before - gained
    first, second = before / total, after / total
    low_1, high_1 = wilson_interval(before, total, confidence)
    low_2, high_2 = wilson_interval(after, total, confidence)
    correlation = _correlation(both, lost, gained, neither)
    value = first - second
    down = _joined(first - low_1, high_2 - second, correlation)
    up = _joined(high_1 - first, second - low_2, correlation)
    return AccuracyDrop(
        value=value,
        low=max(-1.0, value - down),
        high=min(1.0, value + up),
        confidence=confidence,
        lost=lost,
        gained=gained,
        samples=total,
        p_value=mcnemar_p_value(lost, gained),
    )


def mcnemar_p_value(lost: int, gained: int) -> float:
    """Two-sided p-value of equal accuracies (McNemar 1947), given the samples that only one model gets right.

    Exact binomial for up to 1000 of them, otherwise the normal approximation with continuity correction.

    Args:
        lost: Samples that only the first gets right.
        gained: Samples that only the second gets right.
    """
    discordant, fewer = lost + gained, min(lost, gained)
    if discordant == 0:
        return 1.0
    if discordant > _EXACT_BELOW:
        z = max(0.0, abs(lost - gained) - 1) / math.sqrt(discordant)
        return 2 * NormalDist().cdf(-z)
    # Integers in Python have no limit, so the quotient is exact to the last digit.
    tail = sum(math.comb(discordant, count) for count in range(fewer + 1))
    return min(1.0, 2 * tail / float(2**discordant))


def _correlation(both: int, lost: int, gained: int, neither: int) -> float:
    """Phi of the table of right and wrong, moved towards 0 by Newcombe's continuity correction where positive."""
    margins = (both + lost) * (gained + neither) * (both + gained) * (lost + neither)
    if margins == 0:
        return 0.0
    excess = float(both * neither - lost * gained)
    if excess > 0:
        excess = max(0.0, excess - (both + lost + gained + neither) / 2)
    return excess / math.sqrt(margins)


def _joined(first: float, second: float, correlation: float) -> float:
    return math.sqrt(max(0.0, first * first - 2 * correlation * first * second + second * second))
