"""Turns SI values into text for people."""

from __future__ import annotations

from edgebench.core.metric import Metric, Provenance

_SCALES = {
    "s": ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns")),
    "J": ((1.0, "J"), (1e-3, "mJ"), (1e-6, "uJ"), (1e-9, "nJ")),
    "W": ((1.0, "W"), (1e-3, "mW"), (1e-6, "uW")),
    "bytes": ((1024.0**3, "GiB"), (1024.0**2, "MiB"), (1024.0, "KiB"), (1.0, "B")),
}
_MANY = 10_000
LETTERS = {
    Provenance.MEASURED: "m",
    Provenance.EXACT: "x",
    Provenance.SIMULATED: "s",
    Provenance.ESTIMATED: "e",
}


def format_value(value: float, unit: str) -> str:
    """Three significant digits with a suitable prefix; integer counts completely."""
    if unit in _SCALES:
        scales = _SCALES[unit]
        factor, name = next(((f, n) for f, n in scales if abs(value) >= f * 0.9995), scales[-1])
        return f"{_three_digits(value / factor)} {name}"
    if unit == "1":
        return f"{value:.1%}"
    text = f"{value:,.0f}" if value >= 1000 or float(value).is_integer() else _three_digits(value)
    return text if unit in {"1/s", ""} else f"{text} {unit}"


def format_metric(metric: Metric, *, interval: bool = False, unit: bool = True) -> str:
    """A figure and the letter of its provenance.

    Args:
        metric: The figure.
        interval: Whether to show its interval or error band.
        unit: Whether to write a unit that has no prefixes (cycles); one with prefixes is always written.
    """
    text = format_value(metric.value, metric.unit if unit or metric.unit in _SCALES else "")
    if interval and metric.low is not None and metric.high is not None and metric.value:
        below = 1 - metric.low / metric.value
        above = metric.high / metric.value - 1
        if max(below, above) < 0.5 and abs(above - below) < 0.02:
            text += f" ±{max(below, above):.1%}"
        else:
            text += f" [{_range(metric.low, metric.high, metric.unit)}]"
    return f"{text} {LETTERS[metric.provenance]}"


def format_share(metric: Metric, limit: Metric) -> str:
    """A figure and what there is of it, in one unit unless that takes many digits: ``68.6 of 640 KiB x``."""
    needed = format_value(metric.value, metric.unit)
    number, _, prefix = needed.rpartition(" ")
    factor = next((factor for factor, name in _SCALES.get(metric.unit, ()) if name == prefix), None)
    if factor is None or limit.value / factor >= _MANY:
        return f"{needed} of {format_value(limit.value, limit.unit)} {LETTERS[metric.provenance]}"
    there = limit.value / factor
    shown = f"{there:,.0f}" if there >= _MANY / 100 or there.is_integer() else _three_digits(there)
    return f"{number} of {shown} {prefix} {LETTERS[metric.provenance]}"


def _range(low: float, high: float, unit: str) -> str:
    """Both ends, with the unit once where it is the same."""
    first, second = format_value(low, unit), format_value(high, unit)
    number, _, prefix = first.rpartition(" ")
    return f"{number or first}, {second}" if prefix == second.rpartition(" ")[2] else f"{first}, {second}"


def legend(provenances: set[Provenance]) -> str:
    """What the letters mean, for those that occur."""
    return ", ".join(f"{LETTERS[known]} {known}" for known in Provenance if known in provenances)


def _three_digits(value: float) -> str:
    magnitude = abs(value)
    if magnitude >= 99.95:
        return f"{value:.0f}"
    return f"{value:.1f}" if magnitude >= 9.995 else f"{value:.2f}"
