"""A report as Markdown."""

from __future__ import annotations

from edgebench.reports.numbers import legend
from edgebench.reports.report import Report, ReportTable
from edgebench.reports.texts import is_numeric, provenances, row_texts
from edgebench.reports.visible import visible


def render_markdown(report: Report) -> str:
    """Tables and remarks as GitHub-flavoured Markdown."""
    parts = [_table(table) for table in report.tables]
    remarks = [
        f"- **{_escaped(remark.subject)}**: {_escaped(remark.text)}"
        + (f" ({_escaped(remark.remedy)})" if remark.remedy else "")
        for remark in report.remarks
    ]
    return "\n\n".join([*parts, *(["\n".join(remarks)] if remarks else [])]) + "\n"


def _table(table: ReportTable) -> str:
    keys = [column.key for column in table.columns]
    lines = [
        "| " + " | ".join(_escaped(column.title) for column in table.columns) + " |",
        "|" + "|".join("---:" if is_numeric(table, key) else "---" for key in keys) + "|",
    ]
    lines += ["| " + " | ".join(_escaped(text) for text in row_texts(table, row)) + " |" for row in table.rows]
    below = "; ".join(line for line in (legend(provenances(table)), table.caption) if line)
    return f"### {_escaped(table.title)}\n\n" + "\n".join(lines) + (f"\n\n{_escaped(below)}" if below else "")


def _escaped(text: str) -> str:
    text = " ".join(visible(text).split())
    for special in "\\|*_<>`[]#&~$":
        text = text.replace(special, "\\" + special)
    # A line of these is a list, or makes a heading of the line above.
    return "\\" + text if text[:1] in {"+", "-", "="} and len(text) > 1 else text
