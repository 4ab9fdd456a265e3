"""What a machine was like at one moment of a measurement, and what became of it meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgebench.core.record import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings(Record):
    """Heat, clocks, supply and load at one moment; None or empty for what cannot be read there.

    Attributes:
        temperature_c: Of the processor, in degrees Celsius.
        frequency_hz: The highest current clock of its cores.
        governor: What sets the clocks.
        throttled: What holds the clocks down now, in words.
        throttle_count: The kernel's count of throttling by heat since it was started.
        power: ``mains``, ``battery``, or what is wrong with the supply.
        load_average: Mean number of runnable threads over the last minute.
    """

    temperature_c: float | None = None
    frequency_hz: float | None = None
    governor: str = ""
    throttled: tuple[str, ...] = ()
    throttle_count: int | None = None
    power: str = ""
    load_average: float | None = None


def throttling(before: Surroundings, after: Surroundings) -> str | None:
    """How heat or the supply slowed a machine down between two moments, in words; None if it did not."""
    count = (after.throttle_count or 0) - (before.throttle_count or 0)
    events = (f"{count} throttling events",) if before.throttle_count is not None and count > 0 else ()
    causes = (*dict.fromkeys((*before.throttled, *after.throttled)), *events)
    if not causes:
        return None
    heat = [f"{moment.temperature_c:.0f} °C" for moment in (before, after) if moment.temperature_c is not None]
    shown = f"; {' to '.join(heat)}" if heat else ""
    return f"the processor was slowed down while it was measured: {', '.join(causes)}{shown} (cool it; cool_to waits)"


def heat_range(moments: Sequence[Surroundings]) -> tuple[float, float] | None:
    """Lowest and highest temperature of some moments, in degrees Celsius; None if it was never read."""
    known = [moment.temperature_c for moment in moments if moment.temperature_c is not None]
    return (min(known), max(known)) if known else None
