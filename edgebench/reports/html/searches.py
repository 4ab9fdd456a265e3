"""Charts of a search and of a table: the front against its limits, the course, predictions against what was found."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from edgebench.core.figure import ACCURACY, column_title, figure_of, split_column
from edgebench.core.search import SearchRecord, TrialResult
from edgebench.core.table import LookupTable, Validation
from edgebench.reports.html.drawing import Chart, Colours, Spec, channels, finished
from edgebench.reports.numbers import format_value
from edgebench.reports.visible import visible

_FRONTS = 4
_BEST, _MEETS, _FAILS = "on the front", "meets the limits", "does not meet the limits"
_FOUND, _BROKEN = "finalist, as found", "finalist, not a solution"
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
    """What the table predicted for whole networks, compared with what was found: unseen ones, otherwise its own."""
    for name, validation in {**table.left_out, **table.validation}.items():
        if validation.found and len(validation.found) == len(validation.predicted):
            yield _prediction_chart(name, validation, table, own=name not in table.validation)


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
        caption=f"{len(best)} of {len(tried)} networks that were tried are on the front"
        + (f"; {count} do not meet the limits (crosses)" if count else "")
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
    factor, name = scaled([trial.figures[column] for trial in tried], unit)
    values = _front_points(record, tried, column, factor)
    base = alt.Chart(alt.NamedData("networks"))
    x = alt.X("x:Q", scale=alt.Scale(zero=False), title=f"{column_title(column)}, {name}".rstrip(", "))
    y = alt.Y("y:Q", scale=alt.Scale(zero=False), axis=_accuracy_axis(tried), title=_accuracy_title(record))
    points = base.mark_point(size=64, filled=False, strokeWidth=2).encode(
        **channels(
            x=x,
            y=y,
            **_kinds(values, colours, width),
            description="tip:N",
        )
    )
    line = (
        base.transform_filter(f"datum.kind === '{_BEST}'")
        .mark_line(color=colours.main, strokeWidth=1.5, interpolate="step-after")
        .encode(**channels(x=x, y=y))
    )
    parts = [*_limit_marks(record, column, factor, colours), line, points]
    return finished(alt.layer(*parts).properties(width=width - 70, height=270), colours, networks=values)


def _marks(colours: Colours) -> dict[str, tuple[str, str]]:
    """Colour and shape of each kind of point: never colour by itself."""
    return {
        _BEST: (colours.main, "diamond"),
        _MEETS: (colours.good, "circle"),
        _FAILS: (colours.bad, "cross"),
        _FOUND: (colours.ink, "square"),
        _BROKEN: (colours.bad, "triangle-down"),
    }


def _front_points(
    record: SearchRecord, tried: Sequence[TrialResult], column: str, factor: float
) -> list[dict[str, object]]:
    """What was tried, as predicted, and finalists, as found."""
    unit = split_column(column)[0].unit
    best = {trial.number for trial in record.front}
    accuracies = {trial.number: trial.accuracy for trial in tried}

    def point(x: float, number: int, kind: str, said: str) -> dict[str, object]:
        tip = visible(f"{said}, {format_value(x, unit)}")
        return {"x": x / factor, "y": accuracies[number], "kind": kind, "tip": tip}

    points = []
    for trial in tried:
        kind = _BEST if trial.number in best else _MEETS if met(record, trial) else _FAILS
        points.append(point(trial.figures[column], trial.number, kind, f"{_trial(trial)}, predicted"))
    for finalist in record.finalists:
        for check in finalist.checks:
            if check.limit.column == column and check.found is not None and finalist.trial in accuracies:
                kind = _FOUND if finalist.solution else _BROKEN
                points.append(
                    point(check.found.value, finalist.trial, kind, f"finalist {finalist.architecture}, found")
                )
    return points


def _limit_marks(record: SearchRecord, column: str, factor: float, colours: Colours) -> list[Any]:
    """The limits of a figure, and the margin below them that predictions must keep."""
    import altair as alt

    unit = split_column(column)[0].unit
    parts = []
    for limit, margin in zip(record.budget.limits, record.margins, strict=True):
        if limit.column != column:
            continue
        place = limit.value / factor
        if margin > 1.001:
            band = {"x": place / margin, "x2": place, "tip": "the margin for errors of prediction"}
            drawn = alt.Chart(alt.Data(values=[band])).mark_rect(color=colours.bad, opacity=0.12)
            parts.append(drawn.encode(**channels(x="x:Q", x2="x2:Q", description="tip:N")))
        rule = alt.Chart(alt.Data(values=[{"x": place, "label": f"limit {format_value(limit.value, unit)}"}]))
        parts.append(rule.mark_rule(color=colours.bad, strokeDash=[6, 3], strokeWidth=1.5).encode(**channels(x="x:Q")))
        label = rule.mark_text(color=colours.bad, align="right", baseline="bottom", dx=-4, y="height", dy=-4)
        parts.append(label.encode(**channels(x="x:Q", text="label:N")))
    return parts


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
                "kind": _MEETS if good else _FAILS,
                "tip": visible(_trial(trial)),
            }
        )
        best = max(best, accuracy) if good else best
        if math.isfinite(best):
            line.append({"x": trial.number, "y": best})
    x = alt.X("x:Q", axis=alt.Axis(tickMinStep=1), title="trial")
    y = alt.Y("y:Q", scale=alt.Scale(zero=False), axis=_accuracy_axis(tried), title=_accuracy_title(record))
    points = (
        alt.Chart(alt.NamedData("networks"))
        .mark_point(size=40, strokeWidth=1.6)
        .encode(
            **channels(
                x=x,
                y=y,
                **_kinds(values, colours, width),
                description="tip:N",
            )
        )
    )
    steps = (
        alt.Chart(alt.Data(values=line))
        .mark_line(color=colours.main, strokeWidth=2, interpolate="step-after")
        .encode(**channels(x=x, y=y))
    )
    return finished(alt.layer(steps, points).properties(width=width - 70, height=220), colours, networks=values)


def _prediction_chart(name: str, validation: Validation, table: LookupTable, *, own: bool) -> Chart:
    title = figure_of(name).title
    which = "that correct the table, each predicted from the others" if own else "that the table had not seen"
    outside = sum(
        not validation.low * said <= found <= validation.high * said
        for said, found in zip(validation.predicted, validation.found, strict=True)
    )
    return Chart(
        name=f"predicted:{name}",
        title=f"{title[:1].upper()}{title[1:]}: predicted and found",
        caption=f"{validation.networks} networks {which}; mean error {validation.mean_error:.2%}; "
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
            **channels(x=x, y=alt.Y("y:Q", scale=scale, title=f"found, {shown}".rstrip(", ")), y2="y2:Q")
        ),
        base.mark_line(color=colours.quiet, strokeDash=[4, 3]).encode(**channels(x=x, y="same:Q")),
        alt.Chart(alt.NamedData("networks"))
        .mark_point(size=36, filled=True, color=colours.main, opacity=0.8)
        .encode(**channels(x=x, y="y:Q", description="tip:N")),
    ]
    return finished(alt.layer(*parts).properties(width=width - 70, height=260), colours, networks=values)


def _trial(trial: TrialResult) -> str:
    return f"trial {trial.number}, {trial.architecture}: {_accuracy(trial)}"


def _accuracy(trial: TrialResult) -> str:
    value = trial.accuracy or 0.0
    return f"{value:.2%}" if 0 <= value <= 1 else f"{value:.3f}"


def _accuracy_axis(tried: Sequence[TrialResult]) -> Any:
    """In percent, or a proxy's score as it is."""
    import altair as alt

    shares = all(0 <= (trial.accuracy or 0.0) <= 1 for trial in tried)
    return alt.Axis(format="~%" if shares else "~g")


def _accuracy_title(record: SearchRecord) -> str:
    return f"score, {record.accuracy}" if record.accuracy.startswith("proxy") else "accuracy"


def _kinds(values: Sequence[Mapping[str, object]], colours: Colours, width: int) -> dict[str, Any]:
    """Colour and shape by kind, with a legend of the kinds that occur."""
    import altair as alt

    present = {value["kind"] for value in values}
    marks = {kind: mark for kind, mark in _marks(colours).items() if kind in present}
    legend = alt.Legend(columns=max(1, width // 190))
    paints, shapes = ([mark[part] for mark in marks.values()] for part in (0, 1))
    return {
        "color": alt.Color("kind:N", scale=alt.Scale(domain=list(marks), range=paints), legend=legend),
        "shape": alt.Shape("kind:N", scale=alt.Scale(domain=list(marks), range=shapes), legend=legend),
    }
