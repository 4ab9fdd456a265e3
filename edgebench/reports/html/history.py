"""The page of a history: the course of a figure over runs, with its changes of level."""

from __future__ import annotations

from edgebench.core.figure import figure_of
from edgebench.reports.codes import Code, Kind
from edgebench.reports.history import History, history_report
from edgebench.reports.html.drawing import Chart, Colours, Spec, channels, finished, require_charts
from edgebench.reports.html.page import Page, Section, charts_html, remarks_html, render_page
from edgebench.reports.html.searches import scaled
from edgebench.reports.html.tables import table_html
from edgebench.reports.html.text import html
from edgebench.reports.numbers import format_value
from edgebench.reports.visible import visible


def history_page(found: History) -> str:
    """A history as one HTML document.

    Raises:
        MissingPackageError: What draws charts is not installed.
    """
    require_charts()
    built = history_report(found)
    first, last = found.points[0].run, found.points[-1].run
    return render_page(
        Page(
            title=f"{figure_of(found.figure).title} of {found.model} on {found.device}",
            subtitle=f"{len(found.points)} runs from {first.started[:10]} to {last.started[:10]}",
            answer=_answer(found) + remarks_html(built.remarks),
            sections=[
                Section(key="course", title="Course", body=charts_html([history_chart(found)], 0)),
                Section(
                    key="comparison",
                    title="Runs",
                    body="".join(table_html(table, caption_visible=False) for table in built.tables),
                ),
            ],
            records=built.records,
        )
    )


def history_chart(found: History) -> Chart:
    """The figure of each run with its interval, the levels, and the changes between them."""
    figure = figure_of(found.figure)
    words = [f"{point.name}: {format_value(point.metric.value, point.metric.unit)}" for point in found.points]
    return Chart(
        name="history",
        title=f"{figure.title[:1].upper()}{figure.title[1:]} over runs",
        caption="dots are runs with their 95 % interval or error band, lines the medians of each level, "
        "dashes the changes between levels",
        text="; ".join(words),
        draw=lambda colours, width: _draw(found, colours, width),
        full=True,
    )


def _answer(found: History) -> str:
    changes = [remark for remark in history_report(found).remarks if remark.code is Code.LEVEL_CHANGED]
    worse = bool(changes) and changes[-1].kind is Kind.WARNING
    newest = found.points[-1].metric
    level = f"now {format_value(newest.value, newest.unit)}"
    if found.changes:
        counted = f"{len(found.changes)} changes of level" if len(found.changes) > 1 else "one change of level"
        text = f"{counted} in {len(found.points)} runs; {level}."
    else:
        text = f"No change of level in {len(found.points)} runs; {level}."
    sign, kind = ("✗", "broken") if worse else ("✓", "ok")
    return f'<p class="verdict {kind}"><span class="sign" aria-hidden="true">{sign}</span><span>{html(text)}</span></p>'


def _draw(found: History, colours: Colours, width: int) -> Spec:
    import altair as alt

    unit = found.points[-1].metric.unit
    factor, shown = scaled([point.metric.value for point in found.points], unit)
    values = [
        {
            "x": number,
            "y": point.metric.value / factor,
            "low": point.metric.least / factor,
            "high": point.metric.most / factor,
            "tip": visible(f"{point.name}, {point.run.started[:16]}: {format_value(point.metric.value, unit)}"),
        }
        for number, point in enumerate(found.points)
    ]
    bounds = [0, *(change.index for change in found.changes), len(found.points)]
    middles = [change.before for change in found.changes[:1]] + [change.after for change in found.changes]
    levels = [
        {"x": start - 0.5, "x2": end - 0.5, "y": level / factor}
        for start, end, level in zip(bounds, bounds[1:], middles, strict=False)
    ]
    breaks = [
        {"x": change.index - 0.5, "label": f"{change.ratio - 1:+.1%}" if change.before else "changed"}
        for change in found.changes
    ]
    x = alt.X(
        "x:Q",
        scale=alt.Scale(domain=[-0.5, len(values) - 0.5], nice=False),
        axis=alt.Axis(tickMinStep=1, grid=False),
        title="run, the oldest first",
    )
    y = alt.Y("y:Q", scale=alt.Scale(zero=False), title=f"{figure_of(found.figure).title}, {shown}".rstrip(", "))
    base = alt.Chart(alt.NamedData("runs"))
    rules = alt.Chart(alt.Data(values=breaks))
    chart = alt.layer(
        base.mark_rule(color=colours.quiet, opacity=0.5)
        .encode(**channels(x=x, y=y, y2="high:Q"))
        .transform_calculate(y="datum.low"),
        base.mark_line(color=colours.soft, strokeWidth=1.5).encode(**channels(x=x, y=y)),
        alt.Chart(alt.Data(values=levels))
        .mark_rule(color=colours.main, strokeWidth=2)
        .encode(**channels(x="x:Q", x2="x2:Q", y="y:Q")),
        rules.mark_rule(color=colours.bad, strokeDash=[5, 3]).encode(**channels(x="x:Q")),
        rules.mark_text(color=colours.bad, align="left", baseline="top", dx=4, y=2).encode(
            **channels(x="x:Q", text="label:N")
        ),
        base.mark_point(filled=True, size=46, color=colours.main, opacity=1).encode(
            **channels(x=x, y=y, description="tip:N")
        ),
    )
    return finished(chart.properties(width=width - 70, height=220), colours, runs=values)
