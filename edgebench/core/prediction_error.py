"""How far predictions are from what was found."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgebench.core.statistics import t_quantile


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionError:
    """Errors over several networks.

    Attributes:
        mean: Mean of |predicted / found - 1|.
        within_5_percent: Share with an error of at most 5 %.
        within_10_percent: Share with an error of at most 10 %.
        rank_correlation: Spearman's, or None if there is nothing to rank.
    """

    mean: float
    within_5_percent: float
    within_10_percent: float
    rank_correlation: float | None


def prediction_error(found: NDArray[np.float64], predicted: NDArray[np.float64]) -> PredictionError:
    """Compare predictions with what was found.

    Args:
        found: Positive values.
        predicted: As many.
    """
    errors = np.abs(predicted / found - 1)
    return PredictionError(
        mean=float(errors.mean()),
        within_5_percent=float((errors <= 0.05).mean()),
        within_10_percent=float((errors <= 0.10).mean()),
        rank_correlation=_spearman(found, predicted),
    )


def ratio_interval(
    lowest: NDArray[np.float64], highest: NDArray[np.float64], predicted: NDArray[np.float64]
) -> tuple[float, float]:
    """The 2.5 % quantile of lowest / predicted, and the 97.5 % quantile of highest / predicted.

    With fewer than 40 networks these are the extremes; the interval always includes 1, the prediction itself.

    Args:
        lowest: For each network the lower end of what was found, or the value itself if it has no interval.
        highest: The upper end of it.
        predicted: As many.
    """
    low = float(np.quantile(lowest / predicted, 0.025, method="lower"))
    high = float(np.quantile(highest / predicted, 0.975, method="higher"))
    return min(1.0, low), max(1.0, high)


def normal_interval(ratios: NDArray[np.float64]) -> tuple[float, float]:
    """The 95 % prediction interval of one more ratio of found to predicted, around 1 (Student's t).

    Args:
        ratios: Found / predicted of networks that the predictions did not know.
    """
    count = len(ratios)
    if count < 2:
        return 0.0, math.inf
    spread = math.sqrt(float(np.sum((ratios - 1) ** 2)) / count)
    margin = t_quantile(count - 1) * spread * math.sqrt(1 + 1 / count)
    return max(0.0, 1 - margin), 1 + margin


def _spearman(first: NDArray[np.float64], second: NDArray[np.float64]) -> float | None:
    ranks = _ranks(first), _ranks(second)
    if len(first) < 3 or min(ranks[0].std(), ranks[1].std()) == 0:
        return None
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks, equal values sharing the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks: NDArray[np.float64] = (ends - (counts - 1) / 2)[inverse]
    return ranks
