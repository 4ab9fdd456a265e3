"""Text that programs of an Android device print, as figures."""

from __future__ import annotations

import re
from dataclasses import dataclass

from edgebench.errors import TargetUnavailableError

_COUNT = re.compile(r"count=(\d+)\b(.*)")
_FIELD = re.compile(r"\b(first|curr|min|max|avg|std|p5|median|p95)=([0-9.eE+-]+)")
_FIRST = re.compile(r"First inference: (\d+)")
_PROPERTY = re.compile(r"^\s*([A-Za-z ]+): (.+?)\s*$", re.MULTILINE)
_STATUS = re.compile(r"Thermal Status: (\d)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """One run of ``benchmark_model``.

    Attributes:
        count: Number of inferences that were timed.
        latency_s: Their median if it is printed, otherwise their mean.
        total_s: Time of all of them.
        first_s: The first inference after loading, or None if it is not printed.
        is_median: Whether it was.
    """

    count: int
    latency_s: float
    total_s: float
    first_s: float | None
    is_median: bool


def read_timings(text: str, where: str) -> Timings:
    """The last line of statistics that ``benchmark_model`` prints; those before are of its warm-up.

    Raises:
        TargetUnavailableError: There is none.
    """
    lines = [match for match in _COUNT.finditer(text) if "avg=" in match[2]]
    if not lines:
        shown = " ".join(text.split())[-200:] or "nothing"
        raise TargetUnavailableError(
            f"the binary printed no timings: {shown}",
            where=where,
            remedy="binary must be LiteRT's benchmark_model, or print a line count=... avg=... as it does",
        )
    fields = {name: float(value) for name, value in _FIELD.findall(lines[-1][2])}
    count, mean_us = int(lines[-1][1]), fields["avg"]
    latency_us = fields.get("median", mean_us)
    if count < 1 or latency_us <= 0 or mean_us <= 0:
        raise TargetUnavailableError(f"the binary timed nothing: {lines[-1][0]}", where=where, remedy="look at it")
    first = _FIRST.search(text)
    return Timings(
        count=count,
        latency_s=latency_us * 1e-6,
        total_s=count * mean_us * 1e-6,
        first_s=int(first[1]) * 1e-6 if first else None,
        is_median="median" in fields,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """The state of a device that decides how fast it is.

    Attributes:
        celsius: Temperature of the battery, or None if it does not tell.
        charge: Of the battery, as a fraction.
        plugged: Whether it is charged.
        throttling: Android's thermal status: 0 is none.
    """

    celsius: float | None = None
    charge: float | None = None
    plugged: bool | None = None
    throttling: int | None = None

    def __str__(self) -> str:
        """In words, as far as it is known."""
        parts = [
            None if self.celsius is None else f"{self.celsius:.1f} °C",
            None if self.charge is None else f"battery {self.charge:.0%}",
            None if self.plugged is None else "charging" if self.plugged else "not charging",
            None if self.throttling is None else f"thermal status {self.throttling}",
        ]
        return ", ".join(part for part in parts if part) or "unknown"


def read_condition(battery: str, thermal: str) -> Condition:
    """From what ``dumpsys battery`` and ``dumpsys thermalservice`` print."""
    found = {name.strip().lower(): value for name, value in _PROPERTY.findall(battery)}
    status = _STATUS.search(thermal)
    tenths, level, scale = _number(found.get("temperature")), _number(found.get("level")), _number(found.get("scale"))
    powered = [found[f"{kind} powered"] for kind in ("ac", "usb", "wireless") if f"{kind} powered" in found]
    return Condition(
        celsius=None if tenths is None else tenths / 10,
        charge=None if level is None else level / (scale or 100),
        plugged="true" in powered if powered else None,
        throttling=int(status[1]) if status else None,
    )


def _number(text: str | None) -> float | None:
    return float(text) if text is not None and re.fullmatch(r"-?\d+", text) else None
