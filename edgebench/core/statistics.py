"""Statistics of latency samples that come in processes and bursts.

Samples of one process resemble each other more than samples of two: memory layout, thread placement and
the machine's state stay with the process. An interval that ignores this is far too narrow, so the process,
not the single timing, is the unit that is counted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Two-sided 95 % quantiles of Student's t distribution for 1 to 30 degrees of freedom (any statistics textbook).
_T_95 = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip
_NORMAL_95 = 1.960


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A point and its 95 % interval; the ends are None if the data do not suffice."""

    value: float
    low: float | None
    high: float | None

    @property
    def relative_width(self) -> float:
        """Full width as a fraction of the value; infinite if there is no interval."""
        if self.low is None or self.high is None or self.value <= 0:
            return math.inf
        return (self.high - self.low) / self.value


def t_quantile(degrees: int) -> float:
    """Two-sided 95 % quantile of Student's t distribution with ``degrees`` >= 1 degrees of freedom."""
    return _T_95[degrees - 1] if degrees <= len(_T_95) else _NORMAL_95 + 2.4 / degrees


def percentile(samples: Sequence[float] | NDArray[np.float64], percent: float) -> float:
    """Percentile with linear interpolation between the two nearest samples."""
    return float(np.percentile(np.asarray(samples, dtype=float), percent))


def median_interval(processes: Sequence[Sequence[float]]) -> Interval:
    """Median of a latency with its 95 % interval over fresh processes.

    The value is the median over processes of the process medians. The interval is the Student interval of
    the process medians in the log domain (latencies are positive and their errors multiplicative), about
    that value, so it covers what another fresh process would add. One process gives no interval.

    Args:
        processes: Latencies of each process, in seconds; empty processes are ignored.

    Raises:
        ValueError: There is no sample at all.
    """
    medians = [float(np.median(samples)) for samples in processes if len(samples)]
    if not medians:
        raise ValueError("no samples")
    value = float(np.median(medians))
    if len(medians) < 2 or min(medians) <= 0:
        return Interval(value=value, low=None, high=None)
    logs = np.log(medians)
    # The median of k normal values is up to 25 % less certain than their mean (pi/2 in variance for large k).
    inflation = 1.0 if len(medians) == 2 else math.sqrt(math.pi / 2)
    margin = t_quantile(len(medians) - 1) * float(logs.std(ddof=1)) / math.sqrt(len(medians)) * inflation
    return Interval(value=value, low=value * math.exp(-margin), high=value * math.exp(margin))


def count_outliers(samples: Sequence[float] | NDArray[np.float64]) -> int:
    """Samples above Tukey's far fence (third quartile + 3 interquartile ranges): flagged, never dropped."""
    values = np.asarray(samples, dtype=float)
    if len(values) < 4:
        return 0
    first, third = np.percentile(values, [25, 75])
    return int(np.count_nonzero(values > third + 3 * (third - first)))


def spread(values: Sequence[float]) -> float:
    """(max - min) / min of positive values: how far repeated figures are apart."""
    return (max(values) - min(values)) / min(values) if values else 0.0
