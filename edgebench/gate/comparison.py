"""Two things side by side: the ratio of each figure, how well it is known, and whether it may be formed at all."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from edgebench.core.metric import Metric
from edgebench.gate.rule import Estimate
from edgebench.gate.student import t_upper_quantile

TAIL = 0.025
"""Of each side of a 95 % interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """One figure of two models on a device.

    Attributes:
        model: Name of the model.
        device: Name of the device.
        figure: Name of the figure in files; empty if it concerns all of them.
        first: What the first one is called.
        second: What the other is called.
        before: The figure of the first.
        after: The figure of the other.
        change: Relative change, or None where it has no meaning.
        low: Lower end of its 95 % interval; None for figures that repeat exactly.
        high: Upper end of it.
        significant: Whether the change is more than chance; None where that is not known.
        paired: Whether both ran in turn, so that the interval covers what else happened on the machine.
        reason: Why they cannot be compared; empty if they can.
        forced: Whether a ratio is given in spite of that.
    """

    model: str
    device: str
    figure: str = ""
    first: str
    second: str
    before: Metric | None = None
    after: Metric | None = None
    change: float | None = None
    low: float | None = None
    high: float | None = None
    significant: bool | None = None
    paired: bool = False
    reason: str = ""
    forced: bool = False


def mean_interval(values: Sequence[float]) -> Estimate:
    """Mean of log-ratios of pairs with its 95 % interval."""
    mean = statistics.fmean(values)
    if len(values) < 2:
        return Estimate(mean=mean, low=-math.inf, high=math.inf, pairs=len(values))
    margin = t_upper_quantile(len(values) - 1, TAIL) * statistics.stdev(values, mean) / math.sqrt(len(values))
    return Estimate(mean=mean, low=mean - margin, high=mean + margin, pairs=len(values))


def difference_interval(first: Sequence[float], second: Sequence[float]) -> Estimate:
    """Mean of the second less mean of the first with its 95 % interval (Welch), one value for each fresh process."""
    mean = statistics.fmean(second) - statistics.fmean(first)
    if min(len(first), len(second)) < 2:
        return Estimate(mean=mean, low=-math.inf, high=math.inf, pairs=min(len(first), len(second)))
    parts = [statistics.variance(values) / len(values) for values in (first, second)]
    total = sum(parts)
    if total == 0:
        return Estimate(mean=mean, low=mean, high=mean, pairs=min(len(first), len(second)))
    shares = zip(parts, (first, second), strict=True)
    degrees = total * total / sum(part * part / (len(values) - 1) for part, values in shares)
    margin = t_upper_quantile(max(1, math.floor(degrees)), TAIL) * math.sqrt(total)
    return Estimate(mean=mean, low=mean - margin, high=mean + margin, pairs=min(len(first), len(second)))
