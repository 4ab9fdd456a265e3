"""A report before it is rendered: tables of typed cells in SI units, remarks, and records for machines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from edgebench.core.figure import split_column
from edgebench.core.metric import Metric
from edgebench.reports.checks import Check
from edgebench.reports.codes import Code, Kind

Cell = Metric | int | str | None
REPORT_SCHEMA = "edgebench.report/1"
"""Schema of a report as JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a table.

    Attributes:
        key: Name of the figure, as ``core.figure`` spells it, or of anything else.
        title: Heading for people.
        interval: Whether people see the interval or error band of its figures.
        of: Key of a figure that is written behind it as what there is: ``68.6 of 640 KiB``.
    """

    key: str
    title: str
    interval: bool = False
    of: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportTable:
    """One table.

    Attributes:
        title: What it shows.
        columns: In the order of display.
        rows: Cells by column key; a missing key is an absent figure.
        caption: One line that a reader must not miss.
        detail: Whether people see it only when they ask for details.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Mapping[str, Cell], ...]
    caption: str = ""
    detail: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """A sentence beneath the tables.

    Attributes:
        kind: How much it matters.
        code: What it is about, for machines.
        subject: Model and device it concerns.
        text: The sentence.
        remedy: What to do next, if anything.
        detail: Whether people see it only when they ask for details.
    """

    kind: Kind
    code: Code
    subject: str
    text: str
    remedy: str | None = None
    detail: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything a reader gets to see, in the order of reading.

    Attributes:
        tables: For people.
        remarks: For people and machines.
        records: For machines: flat rows of plain values.
        checks: What was asked and what became of it; empty where nothing is judged.
    """

    tables: tuple[ReportTable, ...]
    remarks: tuple[Remark, ...] = ()
    records: tuple[Mapping[str, object], ...] = field(default_factory=tuple)
    checks: tuple[Check, ...] = ()

    def brief(self) -> Report:
        """The same without details."""
        return replace(
            self,
            tables=tuple(table for table in self.tables if not table.detail),
            remarks=tuple(remark for remark in self.remarks if not remark.detail),
        )


def flat_record(row: Mapping[str, Cell]) -> Mapping[str, object]:
    """A row for machines: of a figure its value, the ends of its interval and its provenance, side by side."""
    record: dict[str, object] = {}
    for name, cell in row.items():
        if not isinstance(cell, Metric):
            record[name] = cell
            continue
        record |= {
            name: cell.value,
            f"{name}.low": cell.low,
            f"{name}.high": cell.high,
            f"{name}.provenance": cell.provenance.value,
        }
    return record


def plain_columns(keys: Iterable[str], titles: Mapping[str, str] | None = None) -> tuple[Column, ...]:
    """Columns that are headed by their keys.

    Args:
        keys: In the order of display.
        titles: Other headings, by key.
    """
    return tuple(Column(key=key, title=(titles or {}).get(key, key)) for key in keys)


def figure_column(name: str, title: str | None = None) -> Column:
    """A column of one figure, such as ``ram_bytes`` or ``latency_s@host``, as ``core.figure`` describes it."""
    figure, _ = split_column(name)
    return Column(key=name, title=title or figure.title, interval=figure.interval)


def filled(columns: Sequence[Column], rows: Sequence[Mapping[str, Cell]]) -> tuple[Column, ...]:
    """The columns that some row has a value for."""
    return tuple(column for column in columns if any(row.get(column.key) is not None for row in rows))


def plain_table(
    title: str, rows: Sequence[Mapping[str, Cell]], titles: Mapping[str, str] | None = None, caption: str = ""
) -> ReportTable:
    """A table whose columns are the keys of its first row that any row has a value for."""
    columns = plain_columns(rows[0] if rows else (), titles)
    return ReportTable(title=title, columns=filled(columns, rows), rows=tuple(rows), caption=caption)
