"""Charts of a compression: accuracy against each cost with the limits, and what each pass gave."""

from __future__ import annotations

from collections.abc import Sequence

from edgebench.core.compression import CompressionRecord, StrategyResult, StrategyState
from edgebench.core.figure import LATENCY, column_name, column_title, split_column
from edgebench.reports.compress import verdict_of
from edgebench.reports.html.drawing import Chart, Colours, Spec, channels, finished
from edgebench.reports.html.searches import scaled
from edgebench.reports.numbers import format_value
from edgebench.reports.visible import visible

_MOST = 8
_CHOSEN, _MEETS, _UNDECIDED, _FAILS = "recommended", "meets the limits", "undecided", "does not meet the limits"
_ROW = 22
"""Height of a bar in pixels."""


def compression_charts(record: CompressionRecord) -> list[Chart]:
    """Accuracy against each figure that was limited, or against latencies, and the waterfall of passes."""
    latencies = [column_name(LATENCY, device) for device in record.devices]
    columns = list(dict.fromkeys([*(limit.column for limit in record.budget.limits), *latencies]))
    charts = [_cost_chart(record, column) for column in columns if len(_points(record, column, 1.0)) > 0]
    steps = _falls(record)
    return [*charts[:_MOST], *([_waterfall(record)] if steps else [])]


def _measured(record: CompressionRecord, column: str) -> list[tuple[StrategyResult, float, float]]:
    """Strategies with the figure and the accuracy on its device."""
    figure, _, device = column.partition("@")
    found = []
    for result in record.strategies:
        metric = result.figures.get(device, {}).get(figure)
        accuracy = next((item.accuracy.value for item in result.accuracies if item.device == device), None)
        if result.state is StrategyState.MEASURED and metric is not None and accuracy is not None:
            found.append((result, metric.value, accuracy))
    return found


def _kind(record: CompressionRecord, result: StrategyResult) -> str:
    chosen = record.recommendation
    if chosen is not None and chosen.meets and chosen.strategy == result.name:
        return _CHOSEN
    return {"yes": _MEETS, "undecided": _UNDECIDED}.get(verdict_of(result), _FAILS)


def _points(record: CompressionRecord, column: str, factor: float) -> list[dict[str, object]]:
    unit = split_column(column)[0].unit
    return [
        {
            "x": value / factor,
            "y": accuracy,
            "kind": _kind(record, result),
            "name": visible(result.name),
            "tip": visible(
                f"{result.name} ({result.pipeline or 'as it is'}): {accuracy:.2%}, {format_value(value, unit)}"
            ),
        }
        for result, value, accuracy in _measured(record, column)
    ]


def _cost_chart(record: CompressionRecord, column: str) -> Chart:
    title, unit = column_title(column), split_column(column)[0].unit
    return Chart(
        name=f"strategies:{column}",
        title=f"Accuracy against {title}",
        caption="accuracy of the deployed file on test samples; the dashed lines are limits",
        text="; ".join(
            f"{visible(result.name)}: {accuracy:.2%}, {format_value(value, unit)}"
            for result, value, accuracy in _measured(record, column)
        ),
        draw=lambda colours, width: _draw_costs(record, column, colours, width),
    )


def _draw_costs(record: CompressionRecord, column: str, colours: Colours, width: int) -> Spec:
    import altair as alt

    unit = split_column(column)[0].unit
    factor, shown = scaled([value for _, value, _ in _measured(record, column)], unit)
    values = _points(record, column, factor)
    marks = {
        _CHOSEN: (colours.good, "diamond"),
        _MEETS: (colours.good, "circle"),
        _UNDECIDED: (colours.quiet, "square"),
        _FAILS: (colours.bad, "cross"),
    }
    present = {kind: mark for kind, mark in marks.items() if any(value["kind"] == kind for value in values)}
    legend = alt.Legend(columns=max(1, width // 190))
    paints, shapes = ([mark[part] for mark in present.values()] for part in (0, 1))
    base = alt.Chart(alt.NamedData("strategies"))
    x = alt.X("x:Q", scale=alt.Scale(zero=False), title=f"{column_title(column)}, {shown}".rstrip(", "))
    y = alt.Y("y:Q", scale=alt.Scale(zero=False), axis=alt.Axis(format="~%"), title="accuracy")
    points = base.mark_point(size=80, filled=False, strokeWidth=2).encode(
        **channels(
            x=x,
            y=y,
            color=alt.Color("kind:N", scale=alt.Scale(domain=list(present), range=paints), legend=legend),
            shape=alt.Shape("kind:N", scale=alt.Scale(domain=list(present), range=shapes), legend=legend),
            description="tip:N",
        )
    )
    names = base.mark_text(color=colours.quiet, align="left", dx=7, fontSize=10).encode(
        **channels(x=x, y=y, text="name:N")
    )
    limits = [
        alt.Chart(alt.Data(values=[{"x": limit.value / factor}]))
        .mark_rule(color=colours.bad, strokeDash=[6, 3], strokeWidth=1.5)
        .encode(**channels(x="x:Q"))
        for limit in record.budget.limits
        if limit.column == column
    ]
    least = _least_accuracy(record)
    if least is not None:
        rule = alt.Chart(alt.Data(values=[{"y": least}]))
        limits.append(rule.mark_rule(color=colours.bad, strokeDash=[6, 3]).encode(**channels(y="y:Q")))
    return finished(
        alt.layer(*limits, points, names).properties(width=width - 70, height=270), colours, strategies=values
    )


def _least_accuracy(record: CompressionRecord) -> float | None:
    """The accuracy that a solution must have, as far as one line can show it."""
    drop = record.budget.max_accuracy_drop
    known = [record.budget.min_accuracy]
    if drop is not None and record.reference is not None:
        known.append(record.reference.value - drop)
    return max((value for value in known if value is not None), default=None)


def _falls(record: CompressionRecord) -> list[dict[str, object]]:
    """For each pass of each strategy, from which share of the original's multiply-accumulates it goes to which."""
    rows: list[dict[str, object]] = []
    if not record.macs:
        return rows
    for result in record.strategies:
        before = record.macs
        for number, step in enumerate(result.steps):
            accuracy = "" if step.accuracy is None else f"{step.accuracy:.1%}"
            rows.append(
                {
                    "row": visible(f"{result.name} {number + 1}. {step.text}"),
                    "from": before / record.macs,
                    "to": step.macs / record.macs,
                    "label": accuracy,
                    "tip": visible(f"{result.name}, {step.text}: {step.done}"),
                }
            )
            before = step.macs
    return rows


def _waterfall(record: CompressionRecord) -> Chart:
    rows = _falls(record)
    return Chart(
        name="passes",
        title="What each pass gave",
        caption="multiply-accumulates as a share of the original's, before and after each pass; the figure is the "
        "validation accuracy after it",
        text="; ".join(f"{row['row']}: to {row['to']:.0%}, accuracy {row['label'] or 'unknown'}" for row in rows),
        draw=lambda colours, width: _draw_waterfall(rows, colours, width),
    )


def _draw_waterfall(rows: Sequence[dict[str, object]], colours: Colours, width: int) -> Spec:
    import altair as alt

    base = alt.Chart(alt.NamedData("passes"))
    y = alt.Y("row:N", sort=None, title=None, axis=alt.Axis(labelLimit=width // 3))
    x = alt.X("from:Q", axis=alt.Axis(format="~%"), title="multiply-accumulates of the original")
    bars = base.mark_bar(color=colours.soft, stroke=colours.main, minBandSize=4).encode(
        **channels(y=y, x=x, x2="to:Q", description="tip:N")
    )
    ends = base.mark_tick(color=colours.main, thickness=3).encode(**channels(y=y, x="to:Q"))
    labels = base.mark_text(color=colours.ink, align="left", dx=6).encode(**channels(y=y, x="from:Q", text="label:N"))
    height = max(60, _ROW * len(rows))
    return finished(
        alt.layer(bars, ends, labels).properties(width=width - width // 3 - 40, height=height), colours, passes=rows
    )
