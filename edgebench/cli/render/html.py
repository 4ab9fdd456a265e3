"""A report as a fragment of HTML, for notebooks: no script, no network, everything escaped."""

from __future__ import annotations

from edgebench.reports.codes import Kind
from edgebench.reports.html.text import html as escape
from edgebench.reports.numbers import legend
from edgebench.reports.report import Remark, Report, ReportTable
from edgebench.reports.texts import is_numeric, provenances, row_texts

_SIGNS = {Kind.FAILURE: "✗", Kind.WARNING: "⚠", Kind.NOTE: "·"}


def render_fragment(report: Report) -> str:
    """Tables and remarks; colours are the notebook's own."""
    remarks = "".join(_remark(remark) for remark in report.remarks)
    return "<div>" + "".join(map(_table, report.tables)) + (f"<ul>{remarks}</ul>" if remarks else "") + "</div>"


def _table(table: ReportTable) -> str:
    sides = ["right" if is_numeric(table, column.key) else "left" for column in table.columns]
    heads = "".join(
        f'<th style="text-align:{side}">{escape(column.title)}</th>'
        for side, column in zip(sides, table.columns, strict=True)
    )
    rows = "".join(
        "<tr>"
        + "".join(
            f'<td style="text-align:{side};white-space:nowrap">{escape(text)}</td>'
            for side, text in zip(sides, row_texts(table, row), strict=True)
        )
        + "</tr>"
        for row in table.rows
    )
    below = "; ".join(line for line in (legend(provenances(table)), table.caption) if line)
    note = f'<p style="opacity:0.7">{escape(below)}</p>' if below else ""
    title = f'<caption style="text-align:left"><b>{escape(table.title)}</b></caption>'
    return f"<table>{title}<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>{note}"


def _remark(remark: Remark) -> str:
    remedy = f"<br><i>{escape(remark.remedy)}</i>" if remark.remedy else ""
    return f"<li>{_SIGNS[remark.kind]} <b>{escape(remark.subject)}</b>: {escape(remark.text)}{remedy}</li>"
