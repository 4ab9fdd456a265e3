"""Quantities with units, as users write them: ``50ms``, ``256KB``, ``2mJ``, ``2%``."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from enum import StrEnum

from edgebench.errors import InputError


class Dimension(StrEnum):
    """What kind of quantity a string must be."""

    TIME = "time"
    SIZE = "size"
    ENERGY = "energy"
    POWER = "power"
    FREQUENCY = "frequency"
    TEMPERATURE = "temperature"
    RATIO = "ratio"


_WORDS: Mapping[str, float] = {
    word: seconds
    for words, seconds in (
        ("sec secs second seconds", 1.0),
        ("msec milliseconds", 1e-3),
        ("usec microseconds", 1e-6),
        ("mins minute minutes", 60.0),
        ("hr hrs hour hours", 3600.0),
    )
    for word in words.split()
}
"""Other spellings of times."""
# A kilobyte is 1024 bytes, as in the data sheets of the memories that these limits are about.
_UNITS: Mapping[Dimension, Mapping[str, float]] = {
    Dimension.TIME: {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9, "min": 60.0, "h": 3600.0, **_WORDS},
    Dimension.SIZE: {
        "B": 1.0,
        **{
            prefix + suffix: 1024.0**power
            for power, prefix in enumerate(("K", "M", "G"), start=1)
            for suffix in ("B", "iB", "")
        },
    },
    Dimension.ENERGY: {"J": 1.0, "mJ": 1e-3, "uJ": 1e-6, "µJ": 1e-6, "nJ": 1e-9},
    Dimension.POWER: {"W": 1.0, "mW": 1e-3, "uW": 1e-6, "µW": 1e-6},
    Dimension.FREQUENCY: {"Hz": 1.0, "kHz": 1e3, "MHz": 1e6, "GHz": 1e9},
    Dimension.TEMPERATURE: {"C": 1.0},
    Dimension.RATIO: {"%": 1e-2, "": 1.0},
}
_NUMBER_AND_UNIT = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*([A-Za-zµ%]*)\s*")


def parse_quantity(text: str, dimension: Dimension, *, where: str) -> float:
    """Read a positive quantity.

    Args:
        text: A number and its unit. The case of a unit matters only if it makes a difference (``mJ``, ``MHz``).
        dimension: What the string must be.
        where: Option or key it was given for, for the message.

    Returns:
        The value in SI units (seconds, bytes, joules, watts, hertz; a ratio as a fraction), a temperature in
        degrees Celsius.

    Raises:
        InputError: Not a number, no unit, a unit of another dimension, negative or not finite.
    """
    units = _UNITS[dimension]
    example = {
        "time": "50ms",
        "size": "256KB",
        "energy": "2mJ",
        "power": "30mW",
        "frequency": "120MHz",
        "temperature": "50C",
    }
    remedy = f"write a number and a unit, such as {example.get(dimension, '2%')}"
    match = _NUMBER_AND_UNIT.fullmatch(text)
    if match is None:
        raise InputError(f"{text!r} is not a valid {dimension}", where=where, remedy=remedy)
    factor = _factor(match[2], units)
    if factor is None:
        other = next((name for name, table in _UNITS.items() if _factor(match[2], table) is not None), None)
        if match[2] and other:
            reason = f"{text!r} is a {other}, not a {dimension}"
        else:
            reason = f"{text!r} has no unit" if not match[2] else f"{match[2]!r} is not a unit of {dimension}"
        raise InputError(
            reason,
            where=where,
            remedy=f"{remedy}; units are {', '.join(unit for unit in units if unit and unit not in _WORDS)}",
        )
    value = float(match[1]) * factor
    if not math.isfinite(value) or value < 0:
        raise InputError(f"{text!r} is not a usable {dimension}", where=where, remedy=remedy)
    if dimension is Dimension.RATIO and not match[2] and value > 1:
        raise InputError(f"{text!r} is {value:.0%}", where=where, remedy=f"did you mean {text.strip()}%?")
    return value


def _factor(unit: str, units: Mapping[str, float]) -> float | None:
    if unit in units:
        return units[unit]
    folded = {name.lower(): factor for name, factor in units.items()}
    unambiguous = len(folded) == len(units)
    return folded.get(unit.lower()) if unambiguous else None
