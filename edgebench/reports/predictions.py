"""Figures that tables predict, as every report shows them: an estimate with the interval of its table."""

from __future__ import annotations

from collections.abc import Mapping

from edgebench.core.figure import NETWORK, split_column
from edgebench.core.metric import Metric, Provenance
from edgebench.core.table import LookupTable
from edgebench.reports.report import Cell

Intervals = Mapping[str, tuple[float, float]]
"""By column, the 95 % interval of the actual figures, as factors of the prediction."""


def predicted(
    name: str, value: float, intervals: Intervals, *, method: str = "sum over the table's blocks", source: str = ""
) -> Cell:
    """A predicted figure; an exact count if the figure depends only on the network.

    Args:
        name: Its column, such as ``latency_s@host``.
        value: In SI units.
        intervals: Those of validated tables; a missing column has none.
        method: How it was predicted.
        source: Where it comes from; the device's table if empty.
    """
    figure, device = split_column(name)
    if device == NETWORK:
        return round(value)
    low, high = intervals.get(name, (None, None))
    return Metric(
        value=value,
        unit=figure.unit,
        provenance=Provenance.ESTIMATED,
        method=method,
        low=None if low is None else low * value,
        high=None if high is None else high * value,
        source=source or f"table of {device}",
    )


def predicted_by(name: str, value: float, tables: Mapping[str, LookupTable], intervals: Intervals) -> Cell:
    """The same with the table's own method and source."""
    figure, device = split_column(name)
    if device == NETWORK:
        return round(value)
    table = tables[device]
    column = table.figures[figure.name]
    method = f"sum over the lookup table of {table.space}; {column.method}"
    return predicted(name, value, intervals, method=method, source=column.source or "")
