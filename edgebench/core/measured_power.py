"""A board's power from the energy that networks took on it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from edgebench.core.device import PowerModel
from edgebench.core.statistics import t_quantile

UNKNOWN_POWER_ERROR = 0.5
"""Half-width of the band if nothing says how far networks differ: 33 to 74 mW were published of one chip."""
_ENOUGH = 3


def measured_power(joules_and_seconds: Sequence[tuple[float, float]], *, supply: str, source: str) -> PowerModel | None:
    """Mean power with the error of a further network's: a 95 % prediction interval (Student) from three networks on.

    Args:
        joules_and_seconds: Energy and latency of each network.
        supply: What was measured.
        source: Who measured it.
    """
    powers = [joules / seconds for joules, seconds in joules_and_seconds]
    if not powers:
        return None
    mean, error = statistics.fmean(powers), UNKNOWN_POWER_ERROR
    if len(powers) >= _ENOUGH:
        spread = statistics.stdev(powers) / mean * math.sqrt(1 + 1 / len(powers))
        error = min(t_quantile(len(powers) - 1) * spread, 0.99)
    return PowerModel(active_w=mean, supply=supply, relative_error=error, source=source)
