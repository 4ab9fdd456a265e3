"""A report's cells as text, shared by the renderers for people."""

from __future__ import annotations

from collections.abc import Mapping

from edgebench.core.metric import Metric, Provenance
from edgebench.reports.numbers import format_metric, format_share
from edgebench.reports.report import Cell, Column, ReportTable
from edgebench.reports.visible import visible


def cell_text(column: Column, cell: Cell, limit: Cell = None) -> str:
    """One cell; an absent figure is a dash.

    Args:
        column: Where it is.
        cell: What it holds.
        limit: What there is of it, or None.
    """
    if cell is None:
        return "-"
    if isinstance(cell, Metric) and isinstance(limit, Metric):
        return format_share(cell, limit)
    if isinstance(cell, Metric):
        # A column of cycles need not say so in each row.
        said = bool(cell.unit) and cell.unit in column.title.lower().split()
        return format_metric(cell, interval=column.interval, unit=not said)
    return f"{cell:,}" if isinstance(cell, int) else visible(cell)


def row_texts(table: ReportTable, row: Mapping[str, Cell]) -> list[str]:
    """All cells of a row in the order of the columns."""
    return [cell_text(column, row.get(column.key), row.get(column.of)) for column in table.columns]


def provenances(table: ReportTable) -> set[Provenance]:
    """Which kinds of figures a table shows."""
    cells = (row.get(column.key) for row in table.rows for column in table.columns)
    return {cell.provenance for cell in cells if isinstance(cell, Metric)}


def is_numeric(table: ReportTable, key: str) -> bool:
    """Whether a column holds figures, which are aligned right."""
    return all(not isinstance(row.get(key), str) for row in table.rows)
