"""Whether predicted costs meet limits, with a margin for the prediction error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgebench.core.budget import Limit


def meets_limits(figures: Mapping[str, float], limits: Sequence[Limit], margins: Sequence[float]) -> bool:
    """Whether a network meets every limit.

    Args:
        figures: Its predicted costs, by column.
        limits: What must be met.
        margins: For each limit, the factor that a prediction is multiplied by, at least 1.
    """
    return all(limit.is_met(figures[limit.column], margin) for limit, margin in zip(limits, margins, strict=True))


def excess(figures: Mapping[str, float], limits: Sequence[Limit], margins: Sequence[float]) -> dict[str, float]:
    """By how much a network exceeds each limit, as a share of the limit, by column; negative if it is met.

    Args:
        figures: Its predicted costs, by column.
        limits: What must be met.
        margins: For each limit, the factor that a prediction is multiplied by, at least 1.
    """
    return {
        limit.column: limit.excess(figures[limit.column], margin) for limit, margin in zip(limits, margins, strict=True)
    }
