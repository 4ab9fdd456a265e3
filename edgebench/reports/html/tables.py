"""Tables of a report as tables of a page: semantic, sortable, with the provenance of each figure in sight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgebench.core.metric import Metric, Provenance
from edgebench.reports.html.text import html
from edgebench.reports.numbers import LETTERS
from edgebench.reports.report import Cell, Column, ReportTable
from edgebench.reports.texts import cell_text, is_numeric, provenances
from edgebench.reports.visible import visible

_MEANINGS = {
    Provenance.MEASURED: "a clock or counter of the hardware itself",
    Provenance.EXACT: "read from the artefact that would be deployed",
    Provenance.SIMULATED: "counted while the model ran on a simulator",
    Provenance.ESTIMATED: "computed by a model, with its error band",
}
_SHORT = 36
"""Text up to this length stays on one line, so that long cells wrap first."""
_BAD_TEXTS = {"NO": "bad", "no": "", "yes": "good"}


def table_html(
    table: ReportTable, *, extra: Mapping[str, Sequence[str]] | None = None, caption_visible: bool = True
) -> str:
    """A table with a caption, column headings that sort it, and a legend.

    Args:
        table: What to show.
        extra: Further columns as markup that is already safe, by heading, one entry per row.
        caption_visible: Whether the caption is shown to all, or said to screen readers only.
    """
    heads = "".join(_head(column.title, numeric=is_numeric(table, column.key)) for column in table.columns)
    heads += "".join(f'<th scope="col">{html(title)}</th>' for title in extra or {})
    rows = "".join(
        _row(table, row, [cells[number] for cells in (extra or {}).values()]) for number, row in enumerate(table.rows)
    )
    hidden = "" if caption_visible else ' class="vh"'
    note = f'<p class="note">{html(table.caption)}</p>' if table.caption else ""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{html(table.title)}"><table>'
        f"<caption{hidden}>{html(table.title)}</caption><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
        f"</div>{legend_html(provenances(table))}{note}"
    )


def legend_html(found: set[Provenance]) -> str:
    """What the marks of provenance mean, for those that occur."""
    if not found:
        return ""
    parts = "".join(
        f"<li>{_mark(known)} <b>{known}</b> <span>{_MEANINGS[known]}</span></li>"
        for known in Provenance
        if known in found
    )
    return f'<ul class="legend" aria-label="Where figures come from">{parts}</ul>'


def metric_html(metric: Metric, *, interval: bool = True) -> str:
    """A figure with the mark of its provenance."""
    text = cell_text(Column(key="", title="", interval=interval), metric)
    return f"{html(text.rpartition(' ')[0])} {_mark(metric.provenance)}"


def subject_attributes(row: Mapping[str, Cell]) -> str:
    """The attributes by which filters find a row."""
    return "".join(
        f' data-{key}="{html(value)}"' for key in ("model", "device") if isinstance(value := row.get(key), str)
    )


def _head(title: str, *, numeric: bool) -> str:
    side = ' class="num"' if numeric else ""
    return f'<th scope="col" aria-sort="none"{side}><button type="button">{html(title)}</button></th>'


def _row(table: ReportTable, row: Mapping[str, Cell], extra: Sequence[str]) -> str:
    cells = "".join(
        _cell(column, row.get(column.key), heading=number == 0, numeric=is_numeric_cell(row.get(column.key)))
        for number, column in enumerate(table.columns)
    )
    return f"<tr{subject_attributes(row)}>{cells}{''.join(f'<td>{part}</td>' for part in extra)}</tr>"


def is_numeric_cell(cell: Cell) -> bool:
    """Whether a cell holds a figure, which is aligned right and sorted by its value."""
    return isinstance(cell, (Metric, int))


def _cell(column: Column, cell: Cell, *, heading: bool, numeric: bool) -> str:
    tag = 'th scope="row"' if heading else "td"
    end = "th" if heading else "td"
    if cell is None:
        return f'<{tag} class="none"><span aria-hidden="true">-</span><span class="vh">none</span></{end}>'
    if isinstance(cell, Metric):
        text = cell_text(column, cell).rpartition(" ")[0]
        return f'<{tag} class="num" data-v="{cell.value:.8g}">{html(text)} {_mark(cell.provenance)}</{end}>'
    if numeric:
        return f'<{tag} class="num" data-v="{cell}">{html(cell_text(column, cell))}</{end}>'
    text = visible(str(cell))
    kind = "long" if len(text) > _SHORT else _BAD_TEXTS.get(text, "")
    return f"<{tag}{f' class={kind}' if kind else ''}>{_verdict(text)}</{end}>"


def _verdict(text: str) -> str:
    sign = {"NO": "✗ ", "yes": "✓ "}.get(text, "")
    shown = text.lower() if text == "NO" else text
    return (f'<span aria-hidden="true">{sign}</span>' if sign else "") + html(shown)


def _mark(provenance: Provenance) -> str:
    letter = LETTERS[provenance]
    return f'<span class="p p{letter}"><span class="vh">{provenance}</span><i aria-hidden="true">{letter}</i></span>'
