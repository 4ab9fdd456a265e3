"""The page of a lookup table: how well it predicts, then every entry."""

from __future__ import annotations

from edgebench.core.figure import figure_of
from edgebench.core.table import LookupTable
from edgebench.reports.html.drawing import require_charts
from edgebench.reports.html.page import Page, Section, charts_html, remarks_html, render_page
from edgebench.reports.html.searches import prediction_charts
from edgebench.reports.html.tables import table_html
from edgebench.reports.html.text import html
from edgebench.reports.tables import table_report, validation_table
from edgebench.spaces.space import SearchSpace


def table_page(table: LookupTable, space: SearchSpace | None = None) -> str:
    """A table as one HTML document.

    Raises:
        MissingPackageError: What draws charts is not installed.
    """
    require_charts()
    built = table_report(table, space)
    validation = validation_table(table)
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
                    + (table_html(validation) if validation.rows else ""),
                ),
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
    if not table.validation:
        text, kind, sign = (
            f"{len(table.entries)} blocks; how well they predict a whole network is unknown.",
            "broken",
            "✗",
        )
    else:
        errors = ", ".join(f"{figure_of(name).title} {item.mean_error:.1%}" for name, item in table.validation.items())
        text, kind, sign = f"{len(table.entries)} blocks; mean error for whole networks: {errors}.", "ok", "✓"
    return f'<p class="verdict {kind}"><span class="sign" aria-hidden="true">{sign}</span><span>{html(text)}</span></p>'
