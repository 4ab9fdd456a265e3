"""A report on a terminal."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from edgebench.core.figure import FLASH, LATENCY, RAM
from edgebench.reports.codes import Kind
from edgebench.reports.numbers import legend
from edgebench.reports.report import Column, Remark, Report, ReportTable
from edgebench.reports.texts import cell_text, is_numeric, provenances, row_texts
from edgebench.reports.visible import visible

_STYLES = {Kind.FAILURE: ("red", "x"), Kind.WARNING: ("yellow", "!"), Kind.NOTE: ("dim", "-")}
_SHORT = 36
"""Text up to this length stays on one line, so that a narrow terminal wraps the long cells first."""
_BETWEEN = 3
"""Characters between two columns."""
_STAYS = {
    "run",
    "model",
    "device",
    "network",
    "architecture",
    "block",
    "layer",
    "fits",
    "outcome",
    "met",
    "solution",
    "verdict",
    "ready",
}
"""Columns that a narrow terminal keeps: what a row is about, and what became of it."""
_LAST_TO_LEAVE = {LATENCY, RAM, FLASH}
_MIN_WIDTH = 160
"""If the output is not a terminal, tables are not wrapped to a made-up width."""


def render_terminal(report: Report, console: Console) -> None:
    """Print tables and remarks."""
    for whole in report.tables:
        table, left_out = fitting(whole, console.width)
        console.print()
        console.print(literal(table.title, "bold"), soft_wrap=True)
        console.print(_rich_table(table))
        letters = legend(provenances(table))
        lines = [line for line in (letters, table.caption) if line]
        if lines:
            console.print(literal("  " + "; ".join(lines), "dim"))
        if left_out:
            text = f"  too narrow for: {', '.join(left_out)} (widen the terminal, or add --format csv)"
            console.print(literal(text, "yellow"), soft_wrap=True)
    if report.remarks and report.tables:
        console.print()
    for remark, subjects in _merged(report.remarks):
        _print_remark(remark, subjects, console)


def render_text(report: Report) -> str:
    """The same as a string without colours, for output that is not a terminal."""
    text = StringIO()
    width = max([_MIN_WIDTH, *map(_needed, report.tables)])
    render_terminal(report, Console(file=text, width=width, highlight=False, emoji=False))
    return text.getvalue()


def output_console(report: Report) -> Console:
    """Standard output, wide enough for every table when it is not a terminal."""
    console = Console(highlight=False, emoji=False)
    if console.is_terminal:
        return console
    width = max([console.width, _MIN_WIDTH, *map(_needed, report.tables)])
    return Console(highlight=False, emoji=False, width=width)


def fitting(table: ReportTable, width: int) -> tuple[ReportTable, list[str]]:
    """A table with the columns that fit, and the titles of those that do not; a figure is never cut.

    What a row is about and the verdict stay. Of the rest the last columns leave first, then intervals, and only then
    latency, RAM and flash.
    """
    left_out: list[str] = []
    found = table
    for column in reversed(table.columns[1:]):
        if _needed(found) > width and column.key not in _STAYS | _LAST_TO_LEAVE:
            found = _without(found, column)
            left_out.insert(0, column.title)
    if _needed(found) > width and any(column.interval for column in found.columns):
        found = replace(found, columns=tuple(replace(column, interval=False) for column in found.columns))
        left_out.append("intervals")
    if _needed(found) > width:
        found = _about_one_model(found)
    for column in reversed(table.columns[1:]):
        if _needed(found) > width and column.key in _LAST_TO_LEAVE:
            found = _without(found, column)
            left_out.insert(0, column.title)
    return found, left_out


def _about_one_model(table: ReportTable) -> ReportTable:
    """A table whose rows are all about one model says so in its title."""
    models = {row.get("model") for row in table.rows}
    column = next((column for column in table.columns if column.key == "model"), None)
    if column is None or len(models) != 1:
        return table
    return replace(_without(table, column), title=f"{table.title}: {models.pop()}")


def _without(table: ReportTable, column: Column) -> ReportTable:
    return replace(table, columns=tuple(other for other in table.columns if other.key != column.key))


def _needed(table: ReportTable) -> int:
    """Characters that a table takes if no figure and no short text is wrapped."""
    return sum(_least_width(table, column) for column in table.columns) + _BETWEEN * (len(table.columns) - 1)


def _least_width(table: ReportTable, column: Column) -> int:
    longest = _longest(table, column)
    heading = max(map(len, column.title.split()), default=0)
    stays = is_numeric(table, column.key) or longest <= _SHORT
    return max(heading, longest if stays else _SHORT)


def _longest(table: ReportTable, column: Column) -> int:
    return max((len(cell_text(column, row.get(column.key), row.get(column.of))) for row in table.rows), default=0)


def literal(text: str, style: str = "") -> Text:
    """Text as it is: no markup of rich, and nothing that a terminal would obey."""
    return Text(visible(text), style=style)


def _rich_table(table: ReportTable) -> RichTable:
    headed = any(column.title for column in table.columns)
    rich = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, show_header=headed)
    for column in table.columns:
        numeric = is_numeric(table, column.key)
        longest = _longest(table, column)
        rich.add_column(
            literal(column.title),
            justify="right" if numeric else "left",
            # Headings wrap between words; figures and short text stay on one line.
            min_width=longest if numeric or longest <= _SHORT else None,
            overflow="fold",
        )
    previous: list[str] = []
    for row in table.rows:
        texts = row_texts(table, row)
        # The first column groups rows: it is written once for a run of equal values.
        shown = ["" if previous and texts[0] == previous[0] and len(texts) > 1 else texts[0], *texts[1:]]
        rich.add_row(*map(literal, shown))
        previous = texts
    return rich


def _merged(remarks: tuple[Remark, ...]) -> list[tuple[Remark, list[str]]]:
    """Remarks that say the same about several subjects, merged; failures come first."""
    merged: dict[tuple[str, str], tuple[Remark, list[str]]] = {}
    for remark in sorted(remarks, key=lambda remark: list(_STYLES).index(remark.kind)):
        subjects = merged.setdefault((remark.kind, remark.text), (remark, []))[1]
        if remark.subject not in subjects:
            subjects.append(remark.subject)
    return list(merged.values())


def _print_remark(remark: Remark, subjects: list[str], console: Console) -> None:
    style, sign = _STYLES[remark.kind]
    # Wrapped between words on a terminal, but not in a file, because tools search it line by line.
    unwrapped = not console.is_terminal
    console.print(
        Text.assemble(literal(f"{sign} {', '.join(subjects)}:", style), literal(f" {remark.text}")),
        soft_wrap=unwrapped,
    )
    if remark.remedy:
        console.print(literal(f"    {remark.remedy}", "cyan"), soft_wrap=unwrapped)
