"""Charts of a search and of a table: the front against its limits, the course, predictions against what was found."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from edgebench.core.figure import ACCURACY, column_title, figure_of, split_column
from edgebench.core.search import SearchRecord, TrialResult
from edgebench.core.table import LookupTable, Validation
from edgebench.reports.html.drawing import Chart, Colours, Spec, finished
from edgebench.reports.html.text import visible
from edgebench.reports.numbers import format_value

_FRONTS = 4
_SCALES = {
    "s": ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns")),
    "J": ((1.0, "J"), (1e-3, "mJ"), (1e-6, "uJ"), (1e-9, "nJ")),
    "bytes": ((1024.0**2, "MiB"), (1024.0, "KiB"), (1.0, "bytes")),
}


def search_charts(record: SearchRecord) -> list[Chart]:
    """The front in each figure that was limited or optimised, and the course of the search."""
    tried = sorted(record.tried or record.front, key=lambda trial: trial.number)
    tried = [trial for trial in tried if trial.accuracy is not None]
    if not tried:
        return []
    wanted = [*(limit.column for limit in record.budget.limits), *record.objectives]
    columns = [name for name in dict.fromkeys(wanted) if name != ACCURACY and name in tried[0].figures]
    charts = [_front_chart(record, tried, column) for column in columns[:_FRONTS]]
    return [*charts, _course_chart(record, tried)] if record.tried else charts


def prediction_charts(table: LookupTable) -> Iterator[Chart]:
    """What the table predicted for whole networks, compared with what was found."""
    for name, validation in table.validation.items():
        if validation.found and len(validation.found) == len(validation.predicted):
            yield _prediction_chart(name, validation, table)


def scaled(values: Sequence[float], unit: str) -> tuple[float, str]:
    """A factor and a unit that make the values easy to read."""
    largest = max((abs(value) for value in values), default=1.0)
    scales = _SCALES.get(unit, ((1.0, unit if unit != "1" else ""),))
    return next(((factor, name) for factor, name in scales if largest >= factor), scales[-1])


def met(record: SearchRecord, trial: TrialResult) -> bool:
    """Whether a network meets every limit of cost as predicted, with the margins of the search."""
    return all(
        limit.column in trial.figures and limit.is_met(trial.figures[limit.column], margin)
        for limit, margin in zip(record.budget.limits, record.margins, strict=True)
    ) and (record.budget.min_accuracy is None or (trial.accuracy or 0.0) >= record.budget.min_accuracy)


def _front_chart(record: SearchRecord, tried: Sequence[TrialResult], column: str) -> Chart:
    figure, _ = split_column(column)
    best = {trial.number for trial in record.front}
    count = sum(not met(record, trial) for trial in tried)
    title = column_title(column)
    return Chart(
        name=f"front:{column}",
        title=f"Accuracy against {title}",
        caption=f"{len(best)} networks on the front, {len(tried)} tried; crosses: {count} do not meet the limits"
        + ("; only the front of this search was kept" if not record.tried else ""),
        text="; ".join(
            f"{visible(trial.architecture)}: accuracy {_accuracy(trial)}, {title} "
            f"{format_value(trial.figures[column], figure.unit)}"
            for trial in record.front
        ),
        draw=lambda colours, width: _draw_front(record, tried, column, colours, width),
    )


def _draw_front(record: SearchRecord, tried: Sequence[TrialResult], column: str, colours: Colours, width: int) -> Spec:
    import altair as alt

    unit = split_column(column)[0].unit
    limits = [
        (limit.value, limit.value / margin)
        for limit, margin in zip(record.budget.limits, record.margins, strict=True)
        if limit.column == column
    ]
    factor, name = scaled([trial.figures[column] for trial in tried], unit)
    best = {trial.number for trial in record.front}
    values = [
        {
            "x": trial.figures[column] / factor,
            "y": trial.accuracy,
            "kind": "on the front"
            if trial.number in best
            else "meets the limits"
            if met(record, trial)
            else "does not",
            "tip": visible(f"{_trial(trial)}, {format_value(trial.figures[column], unit)}"),
        }
        for trial in tried
    ]
    kinds = ["on the front", "meets the limits", "does not"]
    base = alt.Chart(alt.Data(values=values))
    x = alt.X("x:Q", scale=alt.Scale(zero=False), title=f"{column_title(column)}, {name}".rstrip(", "))
    y = alt.Y(
        "y:Q", scale=alt.Scale(zero=False), axis=alt.Axis(format="%" if _is_share(tried) else "~g"), title="accuracy"
    )
    points = base.mark_point(size=60, filled=False, strokeWidth=2).encode(
        x=x,
        y=y,
        color=alt.Color("kind:N", scale=alt.Scale(domain=kinds, range=[colours.main, colours.good, colours.bad])),
        shape=alt.Shape("kind:N", scale=alt.Scale(domain=kinds, range=["diamond", "circle", "cross"])),
        description="tip:N",
    )
    line = (
        base.transform_filter("datum.kind === 'on the front'")
        .mark_line(color=colours.main, strokeWidth=1.5, interpolate="step-after")
        .encode(x=x, y=y)
    )
    parts: list[Any] = [line, points]
    for limit, safe in limits:
        rule = {"x": limit / factor, "label": f"limit {format_value(limit, unit)}"}
        parts.append(
            alt.Chart(alt.Data(values=[rule]))
            .mark_rule(color=colours.bad, strokeDash=[6, 3], strokeWidth=1.5)
            .encode(x="x:Q")
        )
        parts.append(
            alt.Chart(alt.Data(values=[rule]))
            .mark_text(color=colours.bad, align="right", dx=-4, y=8)
            .encode(x="x:Q", text="label:N")
        )
        if safe < limit * 0.999:
            band = {"x": safe / factor, "x2": limit / factor, "tip": "within the margin for prediction errors"}
            parts.insert(
                0,
                alt.Chart(alt.Data(values=[band]))
                .mark_rect(color=colours.bad, opacity=0.12)
                .encode(x="x:Q", x2="x2:Q", description="tip:N"),
            )
    return finished(alt.layer(*parts).properties(width=width - 70, height=270), colours)


def _course_chart(record: SearchRecord, tried: Sequence[TrialResult]) -> Chart:
    good = [trial for trial in tried if met(record, trial)]
    best = max(good, key=lambda trial: trial.accuracy or -math.inf, default=None)
    found = (
        "no trial meets the limits"
        if best is None
        else f"the best one that meets the limits is trial {best.number} with {_accuracy(best)}"
    )
    return Chart(
        name="course",
        title="Course of the search",
        caption=f"accuracy of each trial; the line is the best so far among those that meet the limits: {found}",
        text=f"{len(tried)} trials; {found}",
        draw=lambda colours, width: _draw_course(record, tried, colours, width),
    )


def _draw_course(record: SearchRecord, tried: Sequence[TrialResult], colours: Colours, width: int) -> Spec:
    import altair as alt

    values, line, best = [], [], -math.inf
    for trial in tried:
        good = met(record, trial)
        accuracy = trial.accuracy or 0.0
        values.append(
            {
                "x": trial.number,
                "y": accuracy,
                "kind": "meets the limits" if good else "does not",
                "tip": visible(_trial(trial)),
            }
        )
        best = max(best, accuracy) if good else best
        if math.isfinite(best):
            line.append({"x": trial.number, "y": best})
    kinds = ["meets the limits", "does not"]
    form = alt.Axis(format="%" if _is_share(tried) else "~g")
    x = alt.X("x:Q", axis=alt.Axis(tickMinStep=1), title="trial")
    y = alt.Y("y:Q", scale=alt.Scale(zero=False), axis=form, title="accuracy")
    points = (
        alt.Chart(alt.Data(values=values))
        .mark_point(size=40, strokeWidth=1.6)
        .encode(
            x=x,
            y=y,
            color=alt.Color("kind:N", scale=alt.Scale(domain=kinds, range=[colours.good, colours.bad])),
            shape=alt.Shape("kind:N", scale=alt.Scale(domain=kinds, range=["circle", "cross"])),
            description="tip:N",
        )
    )
    steps = (
        alt.Chart(alt.Data(values=line))
        .mark_line(color=colours.main, strokeWidth=2, interpolate="step-after")
        .encode(x=x, y=y)
    )
    return finished(alt.layer(steps, points).properties(width=width - 70, height=220), colours)


def _prediction_chart(name: str, validation: Validation, table: LookupTable) -> Chart:
    title = figure_of(name).title
    outside = sum(
        not validation.low * said <= found <= validation.high * said
        for said, found in zip(validation.predicted, validation.found, strict=True)
    )
    return Chart(
        name=f"predicted:{name}",
        title=f"{title[:1].upper()}{title[1:]}: predicted and found",
        caption=f"{validation.networks} networks that the table had not seen; mean error {validation.mean_error:.2%}; "
        f"the band is the 95 % interval, {validation.low - 1:+.1%} to {validation.high - 1:+.1%}",
        text=f"mean error {validation.mean_error:.2%} over {validation.networks} networks, {outside} outside the band",
        draw=lambda colours, width: _draw_predictions(name, validation, colours, width),
        device=table.key.device,
    )


def _draw_predictions(name: str, validation: Validation, colours: Colours, width: int) -> Spec:
    import altair as alt

    unit = figure_of(name).unit
    factor, shown = scaled([*validation.predicted, *validation.found], unit)
    names: Sequence[str] = validation.architectures or [""] * len(validation.found)
    values = [
        {
            "x": said / factor,
            "y": found / factor,
            "tip": visible(f"{network}: {format_value(found, unit)}, predicted {said / found - 1:+.1%}"),
        }
        for network, said, found in zip(names, validation.predicted, validation.found, strict=True)
    ]
    ends = (min(validation.predicted) / factor, max(validation.predicted) / factor)
    band = [{"x": end, "y": end * validation.low, "y2": end * validation.high, "same": end} for end in ends]
    base = alt.Chart(alt.Data(values=band))
    scale = alt.Scale(zero=False)
    x = alt.X("x:Q", scale=scale, title=f"predicted, {shown}".rstrip(", "))
    parts = [
        base.mark_area(color=colours.soft, opacity=0.7).encode(
            x=x, y=alt.Y("y:Q", scale=scale, title=f"found, {shown}".rstrip(", ")), y2="y2:Q"
        ),
        base.mark_line(color=colours.quiet, strokeDash=[4, 3]).encode(x=x, y="same:Q"),
        alt.Chart(alt.Data(values=values))
        .mark_point(size=36, filled=True, color=colours.main, opacity=0.8)
        .encode(x=x, y="y:Q", description="tip:N"),
    ]
    return finished(alt.layer(*parts).properties(width=width - 70, height=260), colours)


def _trial(trial: TrialResult) -> str:
    return f"trial {trial.number}, {trial.architecture}: {_accuracy(trial)}"


def _accuracy(trial: TrialResult) -> str:
    value = trial.accuracy or 0.0
    return f"{value:.2%}" if 0 <= value <= 1 else f"{value:.3f}"


def _is_share(tried: Sequence[TrialResult]) -> bool:
    return all(0 <= (trial.accuracy or 0.0) <= 1 for trial in tried)
