"""The front of a whole space as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgebench.core.figure import column_title
from edgebench.core.table import LookupTable, prediction_intervals
from edgebench.reports.predictions import predicted_by
from edgebench.reports.report import Cell, Column, Report, ReportTable, figure_column, flat_record
from edgebench.search.front import FeasibleFront
from edgebench.search.predictor import Predictor
from edgebench.spaces.space import SearchSpace


def front_report(
    front: FeasibleFront,
    space: SearchSpace,
    model: Predictor,
    tables: Mapping[str, LookupTable],
    *,
    columns: Sequence[str],
    shown: int,
) -> Report:
    """The front as a table.

    Args:
        front: What was found.
        space: Its space.
        model: Names the columns.
        tables: The source of the predictions and of their intervals.
        columns: Figures that people see; programs get all of them.
        shown: Number of rows that people see; programs get all of them.
    """
    intervals = prediction_intervals(tables)
    rows: list[dict[str, Cell]] = [
        {
            "architecture": space.text(row),
            **{
                name: predicted_by(name, float(value), tables, intervals)
                for name, value in zip(model.names, figures, strict=True)
            },
        }
        for row, figures in zip(front.rows, front.figures, strict=True)
    ]
    left = f"; the first {shown} of {len(rows):,} are shown" if len(rows) > shown else ""
    table = ReportTable(
        title=f"{space.name}: {len(rows):,} networks that no other beats",
        columns=(
            Column(key="architecture", title="architecture"),
            *(figure_column(name, column_title(name)) for name in columns),
        ),
        rows=tuple(rows[:shown]),
        caption=f"looked at all {front.combinations:,} combinations; {front.feasible:,} meet the limits{left}",
    )
    return Report(tables=(table,), records=tuple(flat_record(row) for row in rows))
