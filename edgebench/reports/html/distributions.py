"""Charts of latencies: how all raw samples are distributed, and where their median is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebench.core.figure import LATENCY
from edgebench.core.profile import Profile
from edgebench.core.run import Run
from edgebench.core.summary import process_latencies, summarise
from edgebench.reports.html.drawing import Chart, Colours, Spec, channels, finished
from edgebench.reports.numbers import format_value
from edgebench.reports.visible import visible

_BINS, _SPARK_BINS = 50, 24
_WIDE = 3.0
"""Samples that span a wider range than this are drawn on a logarithmic axis."""
_ROWS = 8
"""Maximum number of runs of one model on one device in one chart."""
_SCALES = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """The samples of one profile.

    Attributes:
        name: The name of the row.
        processes: Latencies in seconds, one array per fresh process.
        median: With its interval.
    """

    name: str
    processes: Sequence[NDArray[np.float64]]
    median: tuple[float, float, float]

    @property
    def samples(self) -> NDArray[np.float64]:
        return np.concatenate(self.processes)


def latency_chart(model: str, device: str, profiles: Sequence[tuple[str, Run, Profile]]) -> Chart | None:
    """Where all samples of a model on a device are, one row per run; None if there are none.

    Args:
        model: Name of the model.
        device: Name of the device.
        profiles: For each row its name, its run and its profile.
    """
    rows = [row for name, _, profile in profiles[-_ROWS:] if (row := _row(name, profile)) is not None]
    if not rows:
        return None
    flat = np.concatenate([row.samples for row in rows])
    least, most = float(flat.min()), float(flat.max())
    most = most if most > least else least * 1.01 or 1.0
    left = f" The last {_ROWS} of {len(profiles)} runs." if len(profiles) > _ROWS else ""
    return Chart(
        name=f"latency:{model}@{device}",
        title=f"{model} on {device}",
        caption=f"{len(flat):,} samples in {sum(len(row.processes) for row in rows)} processes.{left}",
        text="; ".join(_words(row) for row in rows),
        draw=lambda colours, width: _draw(rows, (least, most), colours, width),
        model=model,
        device=device,
    )


def spark(profile: Profile) -> str:
    """The distribution of a profile's samples as a drawing of a line's height; empty if there are none."""
    processes = process_latencies(profile)
    flat = np.asarray([value for values in processes for value in values], dtype=float)
    if len(flat) < 2 or flat.min() == flat.max():
        return ""
    counts, _ = np.histogram(flat, bins=_edges(float(flat.min()), float(flat.max()), _SPARK_BINS))
    heights = (21 * np.sqrt(counts / max(1, counts.max()))).round(1)
    path = "".join(f"M{4 * number} 22v{-height:g}h3v{height:g}z" for number, height in enumerate(heights) if height)
    return f'<svg class="spark" viewBox="0 0 96 22" aria-hidden="true"><path d="{path}"/></svg>'


def _edges(least: float, most: float, bins: int) -> NDArray[np.float64]:
    """Limits of bins that are equally wide, or equally wide as ratios if samples span a wide range."""
    if _is_wide(least, most):
        edges = np.geomspace(least, most, bins + 1)
        edges[0], edges[-1] = least, most
        return edges
    return np.linspace(least, most, bins + 1)


def _is_wide(least: float, most: float) -> bool:
    return least > 0 and most > _WIDE * least


def _row(name: str, profile: Profile) -> _Row | None:
    latency = summarise(profile).get(LATENCY)
    processes = [np.asarray(values, dtype=float) for values in process_latencies(profile)]
    if latency is None or not processes:
        return None
    return _Row(name=visible(name), processes=processes, median=(latency.value, latency.least, latency.most))


def _words(row: _Row) -> str:
    value, low, high = (format_value(part, "s") for part in row.median)
    p90, p99 = (format_value(float(np.percentile(row.samples, percent)), "s") for percent in (90, 99))
    return (
        f"{row.name}: median {value}, 95 % interval {low} to {high}, 90 % of samples below {p90}, 99 % below {p99}, "
        f"{len(row.samples):,} samples in {len(row.processes)} processes"
    )


def _draw(rows: Sequence[_Row], span: tuple[float, float], colours: Colours, width: int) -> Spec:
    import altair as alt

    factor, unit = next(((f, n) for f, n in _SCALES if span[0] >= f), _SCALES[-1])
    low, high = (end / factor for end in span)
    room = 0.01 * (high - low)
    wide = _is_wide(*span)
    domain = [low * 0.98, high * 1.02] if wide else [low - room, high + room]
    values = [value for row in rows for value in _values(row, span, factor)]
    data = alt.NamedData("samples")
    # In a facet each row has its own part of the data, which a layer's own data would replace.
    base = alt.Chart(data) if len(rows) == 1 else alt.Chart()
    x = alt.X(
        "x:Q",
        scale=alt.Scale(domain=domain, nice=False, zero=False, type="log" if wide else "linear"),
        axis=alt.Axis(format="~s" if wide and high > 5000 else "~g", tickCount=6),
        title=f"latency, {unit}",
    )
    y = alt.Y("share:Q", axis=None, scale=alt.Scale(domain=[-0.28, 1]))
    header = alt.Header(labelOrient="top", labelAnchor="start", labelPadding=2, labelLimit=width - 20, title=None)
    layers = alt.layer(*_marks(base, x, y, colours)).properties(width=width - 24, height=86)
    if len(rows) == 1:
        return finished(layers, colours, samples=values)
    chart = layers.facet(row=alt.Row("row:N", sort=[row.name for row in rows], header=header), data=data)
    return finished(chart.properties(spacing=6), colours, samples=values)


def _marks(base: Any, x: Any, y: Any, colours: Colours) -> list[Any]:
    """Bars of samples, the band of the interval, percentiles, the median and the medians of processes."""
    import altair as alt

    def of(kind: str) -> Any:
        return base.transform_filter(f"datum.kind === '{kind}'")

    bars = (
        of("bin")
        .mark_bar(color=colours.soft, stroke=colours.main, strokeWidth=0.6)
        .encode(**channels(x=x, x2="x2:Q", y=y, y2="zero:Q", description="tip:N"))
    )
    band = (
        of("median")
        .mark_rect(color=colours.main, opacity=0.22, clip=True)
        .encode(**channels(x=alt.X("low:Q"), x2="high:Q", description="tip:N"))
    )
    middle = of("median").mark_rule(color=colours.main, strokeWidth=2).encode(**channels(x="x:Q", description="tip:N"))
    quantile = (
        of("quantile")
        .mark_rule(color=colours.quiet, strokeDash=[3, 3], clip=True)
        .encode(**channels(x="x:Q", description="tip:N"))
    )
    label = (
        of("quantile")
        .mark_text(color=colours.quiet, align="right", baseline="top", dx=-3, y=0, fontSize=10)
        .encode(**channels(x="x:Q", text="label:N"))
    )
    dots = (
        of("process")
        .mark_point(filled=True, size=34, color=colours.ink, opacity=0.75, clip=True)
        .encode(**channels(x="x:Q", y="share:Q", description="tip:N"))
    )
    return [bars, band, quantile, label, middle, dots]


def _values(row: _Row, span: tuple[float, float], factor: float) -> list[dict[str, object]]:
    counts, edges = np.histogram(row.samples, bins=_edges(*span, _BINS))
    top = max(1, int(counts.max()))
    values: list[dict[str, object]] = [
        {
            "row": row.name,
            "kind": "bin",
            "x": edges[number] / factor,
            "x2": edges[number + 1] / factor,
            "share": math.sqrt(count / top),
            "zero": 0,
            "tip": f"{count:,} samples, {format_value(edges[number], 's')} to {format_value(edges[number + 1], 's')}",
        }
        for number, count in enumerate(map(int, counts))
        if count
    ]
    value, low, high = row.median
    tip = f"median {format_value(value, 's')}, 95 % interval {format_value(low, 's')} to {format_value(high, 's')}"
    ends = {"low": max(low, span[0]) / factor, "high": min(high, span[1]) / factor}
    values.append({"row": row.name, "kind": "median", "x": value / factor, **ends, "tip": tip})
    for percent in (90, 99):
        place = float(np.percentile(row.samples, percent))
        tip = f"{percent} % of samples are below {format_value(place, 's')}"
        values.append({"row": row.name, "kind": "quantile", "x": place / factor, "label": f"p{percent}", "tip": tip})
    for number, process in enumerate(row.processes, start=1):
        middle = float(np.median(process))
        tip = f"process {number}: median {format_value(middle, 's')} of {len(process):,} samples"
        values.append({"row": row.name, "kind": "process", "x": middle / factor, "share": -0.16, "tip": tip})
    return values
