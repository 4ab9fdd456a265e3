"""The page of a lookup table: how well it predicts, then every entry."""

from __future__ import annotations

from edgebench.core.figure import figure_of
from edgebench.core.table import LookupTable
from edgebench.reports.html.drawing import require_charts
from edgebench.reports.html.page import Page, Section, charts_html, remarks_html, render_page
from edgebench.reports.html.searches import prediction_charts
from edgebench.reports.html.tables import table_html
from edgebench.reports.html.text import html
from edgebench.reports.table_details import basis_table, group_table
from edgebench.reports.tables import left_out_table, table_report, validation_table
from edgebench.spaces.space import SearchSpace


def table_page(table: LookupTable, space: SearchSpace | None = None) -> str:
    """A table as one HTML document.

    Raises:
        MissingPackageError: What draws charts is not installed.
    """
    require_charts()
    built = table_report(table, space)
    compared = [part for part in (validation_table(table), left_out_table(table)) if part.rows]
    groups = group_table(table, space)
    return render_page(
        Page(
            title=f"{table.space} on {table.key.device}",
            subtitle=", ".join(
                filter(
                    None,
                    (
                        table.key.dtype,
                        table.when,
                        *(f"{k} {v}" for k, v in table.key.versions.items()),
                        table.key.machine,
                    ),
                )
            ),
            answer=_answer(table) + remarks_html(built.remarks),
            sections=[
                Section(
                    key="predicted",
                    title="Predicted and found",
                    body=charts_html(list(prediction_charts(table)), 0)
                    + "".join(map(table_html, compared))
                    + (table_html(groups) if groups.rows else ""),
                ),
                Section(key="basis", title="What it rests on", body=table_html(basis_table(table))),
                Section(
                    key="comparison",
                    title="Blocks",
                    body="".join(table_html(part, caption_visible=False) for part in built.tables[:1]),
                ),
            ],
            records=built.records,
        )
    )


def _answer(table: LookupTable) -> str:
    known = {**table.left_out, **table.validation}
    if not known:
        text, kind, sign = (
            f"{len(table.entries)} blocks; how well they predict a whole network is unknown.",
            "broken",
            "✗",
        )
    else:
        errors = ", ".join(
            f"{figure_of(name).title} {item.mean_error:.1%} ({item.low - 1:+.1%} to {item.high - 1:+.1%})"
            for name, item in known.items()
        )
        held = f"{len(table.entries)} blocks" if table.entries else f"{len(table.wholes)} whole networks"
        how = "" if table.validation else ", each predicted from the others"
        text, kind, sign = f"{held}; mean error for whole networks{how}, and 95 % interval: {errors}.", "ok", "✓"
    return f'<p class="verdict {kind}"><span class="sign" aria-hidden="true">{sign}</span><span>{html(text)}</span></p>'
