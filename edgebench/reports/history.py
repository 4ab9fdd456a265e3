"""One figure of one model on one device over stored runs, and where its level changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from edgebench.core.change_points import ChangePoint, change_points
from edgebench.core.figure import Better, figure_named, figure_of
from edgebench.core.metric import Metric, Provenance
from edgebench.core.profile import Outcome, Profile
from edgebench.core.run import Run
from edgebench.core.suggestions import did_you_mean
from edgebench.core.summary import summarise
from edgebench.errors import InputError
from edgebench.reports.codes import Code, Kind
from edgebench.reports.naming import run_names
from edgebench.reports.numbers import format_value
from edgebench.reports.report import Cell, Column, Remark, Report, ReportTable, figure_column

_ROWS = 40
_PLOT = 30
"""Characters of the plot in a terminal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One run.

    Attributes:
        run: Which.
        name: What it is called.
        profile: Of the model on the device.
        metric: The figure.
    """

    run: Run
    name: str
    profile: Profile
    metric: Metric


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """A figure over runs, the oldest first.

    Attributes:
        model: What was asked for.
        device: Likewise.
        figure: Name of the figure.
        points: Those that can be compared with the newest.
        changes: Where the level changed.
        left_out: How many runs were made on another machine, with other options or with another kind of figure.
    """

    model: str
    device: str
    figure: str
    points: tuple[Point, ...]
    changes: tuple[ChangePoint, ...]
    left_out: int = 0


def history(runs: Sequence[Run], model: str, device: str, figure: str) -> History:
    """The history of a figure.

    Args:
        runs: In the order of time.
        model: Name of a model, or what was typed for it: a path, a file's name or ``zoo:NAME``.
        device: Name of a device.
        figure: Short name (``latency``) or name in files (``latency_p5_s``).

    Raises:
        InputError: No run has it.
    """
    known = figure_named(figure)
    name = figure if known is None else known.name
    found = [(run, profile) for run in runs for profile in run.profiles if _is_meant(profile, model, device)]
    if not found:
        pairs = {f"{profile.model.name} on {profile.device.name}" for run in runs for profile in run.profiles}
        raise InputError(
            f"no run has figures of {model} on {device}",
            remedy=did_you_mean(f"{model} on {device}", pairs) or "`edgebench runs` lists them all",
        )
    names = run_names([run for run, _ in found])
    points = [
        Point(run=run, name=names[run.name], profile=profile, metric=metric)
        for run, profile in found
        if (metric := summarise(profile).get(name)) is not None
    ]
    if not points:
        others = {other for _, profile in found for other in summarise(profile)}
        raise InputError(
            f"no run has {name!r} of {model} on {device}",
            where="--metric",
            remedy=did_you_mean(name, others) or f"one of {', '.join(sorted(others))}",
        )
    alike = tuple(point for point in points if _conditions(point) == _conditions(points[-1]))
    changes = tuple(_changes(alike))
    left = len(points) - len(alike)
    return History(model=model, device=device, figure=name, points=alike, changes=changes, left_out=left)


def history_report(found: History) -> Report:
    """A history as a table with a plot, and a remark for each change."""
    figure = figure_of(found.figure)
    changes = {change.index: change for change in found.changes}
    rows = [_row(found, number, changes.get(number)) for number in range(len(found.points))]
    left = len(rows) - _ROWS
    columns = (
        Column(key="run", title="run"),
        Column(key="started", title="when"),
        figure_column(found.figure),
        Column(key="plot", title="plot"),
        Column(key="change", title="change"),
    )
    table = ReportTable(
        title=f"{figure.title} of {found.model} on {found.device} over {len(rows)} runs",
        columns=columns,
        rows=tuple(rows[-_ROWS:]),
        caption=f"the newest {_ROWS}; {left} more" if left > 0 else "",
    )
    return Report(tables=(table,), remarks=tuple(_remarks(found)), records=tuple(_records(found, changes)))


def _is_meant(profile: Profile, model: str, device: str) -> bool:
    info = profile.model
    # Every report says how a model is called; its file may be named in several ways.
    names = {info.name, info.source, PurePath(info.source).name}
    return profile.device.name == device and model in names and profile.outcome is Outcome.OK


def _conditions(point: Point) -> tuple[object, ...]:
    """What must be equal for two points to be of one series; versions may change, that is what histories are for."""
    device = point.profile.device
    measured = point.metric.provenance is Provenance.MEASURED
    place = point.profile.machine or point.run.machine
    machine = tuple(place.get(key) for key in ("cpu", "governor")) if measured else ()
    options = sorted((key, str(value)) for key, value in device.options.items())
    return point.metric.provenance, device.target, options, machine


def _changes(points: Sequence[Point]) -> list[ChangePoint]:
    values = [point.metric.value for point in points]
    if any(point.metric.provenance is Provenance.MEASURED for point in points):
        return change_points(values) if min(values) > 0 else []
    # Figures that repeat exactly need no statistics: every difference is a change.
    return [
        ChangePoint(index=index, before=values[index - 1], after=values[index], p_value=0.0)
        for index in range(1, len(values))
        if values[index] != values[index - 1]
    ]


def _row(found: History, number: int, change: ChangePoint | None) -> Mapping[str, Cell]:
    point = found.points[number]
    return {
        "run": point.name,
        "started": point.run.started[:16].replace("T", " "),
        found.figure: point.metric,
        "plot": _dot(found, point.metric.value),
        "change": None if change is None else _said(change),
    }


def _dot(found: History, value: float) -> str:
    """A value's place between the least and the greatest."""
    values = [point.metric.value for point in found.points]
    least, most = min(values), max(values)
    place = round((value - least) / (most - least) * (_PLOT - 1)) if most > least else 0
    return "·" * place + "●"


def _said(change: ChangePoint) -> str:
    ratio = f"{change.ratio - 1:+.1%}" if change.before else "from zero"
    return f"{ratio} (p {change.p_value:.3f})" if change.p_value else ratio


def _remarks(found: History) -> Iterator[Remark]:
    figure = figure_of(found.figure)
    for change in found.changes:
        before, after = found.points[change.index - 1], found.points[change.index]
        worse = (change.after > change.before) == (figure.better is Better.SMALLER) and figure.better is not None
        unit = after.metric.unit
        between = f"between {before.name} and {after.name}"
        told = f"{format_value(change.before, unit)} to {format_value(change.after, unit)}, {_said(change)}"
        besides = "; ".join(_differences(before, after))
        yield Remark(
            kind=Kind.WARNING if worse else Kind.NOTE,
            code=Code.LEVEL_CHANGED,
            subject=f"{found.model} on {found.device}",
            text=f"{figure.title} changed {between}: {told}" + (f"; so did {besides}" if besides else ""),
        )
    if found.left_out:
        yield Remark(
            kind=Kind.NOTE,
            code=Code.CONDITIONS_DIFFER,
            subject=f"{found.model} on {found.device}",
            text=f"left out: {found.left_out} of {found.left_out + len(found.points)} runs, made on another machine "
            "or with other options",
        )


def _differences(before: Point, after: Point) -> Iterator[str]:
    """What else is not the same in two runs."""
    if before.profile.model.digest != after.profile.model.digest:
        yield "the model's file"
    if before.run.edgebench != after.run.edgebench:
        yield f"edgebench ({before.run.edgebench} to {after.run.edgebench})"
    first, second = before.profile.versions, after.profile.versions
    for name in sorted({*first, *second}):
        if first.get(name) != second.get(name):
            yield f"{name} ({first.get(name, 'none')} to {second.get(name, 'none')})"


def _records(found: History, changes: Mapping[int, ChangePoint]) -> Iterator[Mapping[str, object]]:
    for number, point in enumerate(found.points):
        change = changes.get(number)
        yield {
            "run": point.run.name,
            "label": point.run.label or None,
            "revision": None if point.run.revision is None else point.run.revision.commit,
            "dirty": None if point.run.revision is None else point.run.revision.dirty,
            "started": point.run.started,
            "model": point.profile.model.name,
            "device": point.profile.device.name,
            "figure": found.figure,
            "value": point.metric.value,
            "low": point.metric.low,
            "high": point.metric.high,
            "provenance": point.metric.provenance.value,
            "change": None if change is None or not change.before else change.ratio - 1,
            "p_value": None if change is None else change.p_value,
        }
