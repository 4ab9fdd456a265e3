"""Charts of a model's operators: which ones cost, and how memory fills over them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgebench.core.figure import RAM
from edgebench.core.metric import Metric
from edgebench.core.profile import LayerCost, Profile
from edgebench.core.summary import summarise
from edgebench.reports.html.drawing import NARROW, Chart, Colours, Spec, channels, finished
from edgebench.reports.numbers import format_value
from edgebench.reports.visible import visible

_BARS = 16
"""Number of operators with their own bar; the rest share one."""
_LIVE = "live_bytes"
_COSTS = ("latency_s", "cycles", "instructions")
_IN_SIGHT = 4
"""A limit this many times as high as the peak is named, not drawn: the profile would be a flat line beneath it."""


def layer_chart(profile: Profile) -> Chart | None:
    """The operators that cost most; None if no shares are known."""
    known = [layer for layer in profile.layers if layer.share is not None]
    if not known:
        return None
    ordered = sorted(known, key=lambda layer: -(layer.share or 0.0))
    first = ordered[:_BARS]
    covered = sum(layer.share or 0.0 for layer in first)
    model, device = profile.model.name, profile.device.name
    cost = next((metric for name in _COSTS if (metric := first[0].metrics.get(name)) is not None), None)
    what = f"shares of {_counted(cost)}, {cost.provenance}" if cost is not None else "shares of the whole"
    apart = [layer for layer in profile.layers if layer.placement == "CPU"] if _places(profile) > 1 else []
    fallback = f"; {len(apart)} operators run on the CPU" if apart else ""
    return Chart(
        name=f"layers:{model}@{device}",
        title=f"{model} on {device}",
        caption=f"{what}; {len(first)} of {len(profile.layers)} operators take {covered:.0%}{fallback}",
        text="; ".join(f"{_named(layer)}: {layer.share:.1%}" for layer in first),
        draw=lambda colours, width: _draw_layers(ordered, _places(profile) > 1, colours, width),
        model=model,
        device=device,
    )


def memory_chart(profile: Profile) -> Chart | None:
    """RAM while each operator runs, compared with what the device has; None if the target does not report it."""
    live = [metric.value if (metric := layer.metrics.get(_LIVE)) is not None else None for layer in profile.layers]
    figures = summarise(profile)
    total, arena = figures.get(RAM), figures.get("arena_bytes")
    if not live or None in live or total is None:
        return None
    # What is not the arena, such as the stack, is taken throughout.
    fixed = 0.0 if arena is None else max(0.0, total.value - arena.value)
    used = [fixed + (value or 0.0) for value in live]
    memory = profile.device.memory
    limit = None if memory is None else memory.ram_bytes
    peak = max(range(len(used)), key=used.__getitem__)
    text = f"the peak is {format_value(used[peak], 'bytes')} at {_named(profile.layers[peak])}"
    text += "" if limit is None else f", the device has {format_value(limit, 'bytes')}"
    model, device = profile.model.name, profile.device.name
    return Chart(
        name=f"memory:{model}@{device}",
        title=f"{model} on {device}",
        caption=text + (f"; {format_value(fixed, 'bytes')} of it are stack and static data" if fixed else ""),
        text=text,
        draw=lambda colours, width: _draw_memory(profile.layers, used, fixed, limit, colours, width),
        model=model,
        device=device,
    )


def _named(layer: LayerCost) -> str:
    return visible(f"{layer.name} ({layer.operator})" if layer.name != layer.operator else layer.name)


def _counted(metric: Metric) -> str:
    return "time" if metric.unit == "s" else metric.unit


def _places(profile: Profile) -> int:
    return len({layer.placement for layer in profile.layers})


def _draw_layers(ordered: Sequence[LayerCost], placed: bool, colours: Colours, width: int) -> Spec:
    import altair as alt

    rest = ordered[_BARS:]
    values: list[dict[str, object]] = [
        {
            "place": number,
            "name": _short(layer, width),
            "share": layer.share,
            "tip": _tip(layer),
            "label": f"{layer.share or 0.0:.1%}"
            + (f" {visible(layer.placement)}" if placed and layer.placement else ""),
        }
        for number, layer in enumerate(ordered[:_BARS])
    ]
    if rest:
        share = sum(layer.share or 0.0 for layer in rest)
        tip = f"{len(rest)} further operators: {share:.1%}"
        values.append(
            {"place": _BARS, "name": f"{len(rest)} further", "share": share, "tip": tip, "label": f"{share:.1%}"}
        )
    # Two operators may have the same name: rows are placed by number and labelled by name.
    names = {value["place"]: value["name"] for value in values}
    most = max(float(str(value["share"])) for value in values) or 1.0
    base = alt.Chart(alt.NamedData("operators"))
    y = alt.Y("place:O", axis=None)
    # Characters are about 6.5 pixels wide at this size.
    room = min(118 if width <= NARROW else 230, 14 + 6.5 * max(len(str(name)) for name in names.values()))
    bars = base.mark_bar(cornerRadiusEnd=2, height=12).encode(
        **channels(
            color=alt.condition(f"datum.place < {_BARS}", alt.value(colours.main), alt.value(colours.soft)),
            x=alt.X("share:Q", axis=None, scale=alt.Scale(domain=[0, most], range=[room, width - 76])),
            x2=alt.value(room),
            y=y,
            description="tip:N",
        )
    )
    shares = base.mark_text(align="left", dx=4, color=colours.quiet, fontSize=11).encode(
        **channels(x="share:Q", y=y, text="label:N")
    )
    titles = base.mark_text(align="right", x=room - 6, color=colours.ink, fontSize=11, limit=room).encode(
        **channels(y=y, text="name:N")
    )
    chart = alt.layer(bars, shares, titles).properties(width=width - 8, height=18 * len(names))
    return finished(chart, colours, operators=values)


def _short(layer: LayerCost, width: int) -> str:
    """A name that fits: its end says more than its beginning."""
    room = 20 if width <= NARROW else 36
    name = visible(layer.name or layer.operator)
    return name if len(name) <= room else "…" + name[1 - room :]


def _tip(layer: LayerCost) -> str:
    figures = ", ".join(
        f"{format_value(metric.value, metric.unit)} {name.rpartition('_')[0] or name}"
        for name, metric in layer.metrics.items()
        if name in {*_COSTS, "macs"}
    )
    place = f" on {layer.placement}" if layer.placement else ""
    return visible(f"{_named(layer)}{place}: {layer.share or 0.0:.1%}" + (f"; {figures}" if figures else ""))


def _draw_memory(
    layers: Sequence[LayerCost], used: Sequence[float], fixed: float, limit: int | None, colours: Colours, width: int
) -> Spec:
    import altair as alt

    kib = 1024.0
    peak = max(range(len(used)), key=used.__getitem__)
    values = [
        {
            "from": number,
            "to": number + 1,
            "used": value / kib,
            "fixed": fixed / kib,
            "zero": 0,
            "peak": number == peak,
            "tip": f"{number + 1}. {_named(layer)}: {format_value(value, 'bytes')}",
        }
        for number, (layer, value) in enumerate(zip(layers, used, strict=True))
    ]
    drawn = limit is not None and limit <= _IN_SIGHT * used[peak]
    over = limit is not None and used[peak] > limit
    top = max(used[peak], limit if limit is not None and drawn else 0) / kib * 1.12
    base = alt.Chart(alt.NamedData("operators"))
    x = alt.X(
        "from:Q",
        scale=alt.Scale(domain=[0, len(used)], nice=False),
        axis=alt.Axis(tickMinStep=1),
        title="operator, in the order of execution",
    )
    y = alt.Y("used:Q", scale=alt.Scale(domain=[0, top], nice=False), title="RAM, KiB")
    areas: list[Any] = [
        base.mark_rect(color=colours.soft, stroke=colours.main, strokeWidth=0.6).encode(
            **channels(x=x, x2="to:Q", y=y, y2="zero:Q", description="tip:N")
        ),
        base.mark_rect(color=colours.quiet, opacity=0.35).encode(
            **channels(x="from:Q", x2="to:Q", y="fixed:Q", y2="zero:Q")
        ),
        base.transform_filter("datum.peak")
        .mark_rect(color=colours.bad if over else colours.main, opacity=0.75)
        .encode(**channels(x="from:Q", x2="to:Q", y="used:Q", y2="fixed:Q", description="tip:N")),
    ]
    if limit is not None:
        areas += _limit_marks(limit, used[peak], top if not drawn else None, colours)
    return finished(alt.layer(*areas).properties(width=width - 70, height=170), colours, operators=values)


def _limit_marks(limit: int, peak: float, top: float | None, colours: Colours) -> list[Any]:
    """The limit as a line, or in words at the top where it lies far above."""
    import altair as alt

    times = "" if top is None else f", {limit / peak:.0f} times the peak, is far above ↑"
    place = limit / 1024.0 if top is None else top
    line = alt.Chart(alt.Data(values=[{"y": place, "label": f"limit {format_value(limit, 'bytes')}{times}"}]))
    text = {"align": "right", "baseline": "bottom" if top is None else "top", "dx": -4, "dy": -3 if top is None else 4}
    label = line.mark_text(color=colours.bad, x="width", **text).encode(**channels(y="y:Q", text="label:N"))
    rule = line.mark_rule(color=colours.bad, strokeWidth=1.5, strokeDash=[6, 3]).encode(**channels(y="y:Q"))
    return [label] if top is not None else [rule, label]
