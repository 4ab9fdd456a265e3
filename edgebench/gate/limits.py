"""What users allow: ``latency 2%``, ``accuracy 0.5pt``, ``flash 4KB``, ``latency@host <= 50ms``, ``flash 0``."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from edgebench.core.figure import (
    ACCURACY,
    ENERGY,
    FIGURES,
    FLASH,
    LATENCY,
    MODEL_BYTES,
    RAM,
    Better,
    Figure,
    figure_of,
)
from edgebench.core.suggestions import did_you_mean
from edgebench.core.units import Dimension, parse_quantity
from edgebench.errors import InputError

P90 = "latency_p90_s"
FALLBACKS, OUTPUTS = "fallback_operators", "output_difference"
"""What is held besides figures: operators left to the CPU, and how far outputs are from the baseline's."""
_FIGURE_OF_WORD: Mapping[str, str] = {
    "latency": LATENCY,
    "p90": P90,
    "energy": ENERGY,
    "ram": RAM,
    "flash": FLASH,
    "file": MODEL_BYTES,
    "accuracy": ACCURACY,
    "cycles": "npu_cycles",
    "operators": FALLBACKS,
    "outputs": OUTPUTS,
}
_TITLES = {FALLBACKS: "operators on the CPU", OUTPUTS: "outputs"}
DEFAULTS = (
    "latency 2%",
    "p90 20%",
    "energy 5%",
    "ram 1%",
    "flash 1%",
    "file 1%",
    "accuracy 0.5pt",
    "operators 0",
)
"""Allowed unless the baseline or the user says otherwise; nothing else is held without a limit of its own."""
_DIMENSIONS = {"s": Dimension.TIME, "J": Dimension.ENERGY, "bytes": Dimension.SIZE, "W": Dimension.POWER}
_LIMIT = re.compile(r"\s*([A-Za-z]\w*)\s*(?:@\s*([^\s<>=]+))?\s*(<=|>=)?\s*([^\s<>=].*?)\s*", re.DOTALL)
_NUMBER = re.compile(r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_EXAMPLES = "write it as latency 2%, accuracy 0.5pt, flash 4KB or latency@host <= 50ms"


class LimitKind(StrEnum):
    """What a limit is relative to."""

    RELATIVE = "relative"
    """A share of the baseline."""
    STEP = "step"
    """An amount added to the baseline."""
    BOUND = "bound"
    """An absolute value that may not be passed, whatever the baseline is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateLimit:
    """One figure may get worse only so far.

    Attributes:
        figure: Its name in files.
        device: The only device that it is about, or empty for all.
        kind: What the value is relative to.
        value: At least 0: a share, or an amount in SI units.
        text: As it was typed, with single spaces.
    """

    figure: str
    device: str = ""
    kind: LimitKind
    value: float
    text: str

    def allows(self, before: float, after: float) -> bool:
        """Whether a figure that got worse by a relative limit or a step is still within it."""
        worse = worsening(self.figure, before, after)
        allowed = self.value * abs(before) if self.kind is LimitKind.RELATIVE else self.value
        return worse <= allowed * (1 + 1e-12)

    def bounds(self, value: float) -> bool:
        """Whether a value is on the right side of a bound."""
        # A hair of slack: 95 * 0.01 is not 0.95.
        slack = 1e-12 * self.value
        if better_of(self.figure) is Better.GREATER:
            return value >= self.value - slack
        return value <= self.value + slack


def figure_title(name: str) -> str:
    """What people call a figure of the gate."""
    return _TITLES.get(name) or figure_of(name).title


def better_of(name: str) -> Better:
    """Which of two values of a figure is preferred."""
    return figure_of(name).better or Better.SMALLER


def worsening(name: str, before: float, after: float) -> float:
    """By how much a figure got worse, in its unit; below 0 if it got better."""
    return before - after if better_of(name) is Better.GREATER else after - before


def parse_limit(text: str, *, where: str = "--limit") -> GateLimit:
    """Read one limit.

    Args:
        text: What a user typed.
        where: Option or file that it is from, for the message.

    Raises:
        InputError: It is not a limit, names no figure, or its quantity does not belong to the figure.
    """
    match = _LIMIT.fullmatch(text)
    if match is None:
        raise InputError(f"{text!r} is not a limit", where=where, remedy=_EXAMPLES)
    word, device, operator, quantity = match.groups()
    figure = _figure(word, where)
    shown = f"{word}{f'@{device}' if device else ''} {f'{operator} ' if operator else ''}{' '.join(quantity.split())}"
    place = f"{where} {shown!r}"
    if operator:
        wanted = ">=" if better_of(figure.name) is Better.GREATER else "<="
        if operator != wanted:
            raise InputError(
                f"{word} is better the {better_of(figure.name)} it is",
                where=place,
                remedy=f"write {word} {wanted} {quantity}",
            )
        kind, value = LimitKind.BOUND, _absolute(figure, quantity, place, zero=False)
    else:
        kind, value = _tolerance(figure, quantity, place)
    return GateLimit(figure=figure.name, device=device or "", kind=kind, value=value, text=shown)


def parse_limits(texts: Iterable[str], *, where: str = "--limit") -> tuple[GateLimit, ...]:
    """Read several limits.

    Raises:
        InputError: One of them is not valid.
    """
    return tuple(parse_limit(text, where=where) for text in texts)


class Limits:
    """The limits of one comparison; later ones replace earlier ones, those of one device those of all.

    Args:
        given: In the order of precedence, the weakest first, without the defaults.
    """

    def __init__(self, given: Sequence[GateLimit] = ()) -> None:
        self._given = tuple(given)
        self._all = (*parse_limits(DEFAULTS), *self._given)

    @property
    def given(self) -> tuple[GateLimit, ...]:
        """What was given beyond the defaults."""
        return self._given

    def tolerance(self, figure: str, device: str) -> GateLimit | None:
        """How far a figure may be from its baseline on a device; None if it is not held."""
        return self._last(figure, device, (LimitKind.RELATIVE, LimitKind.STEP))

    def bound(self, figure: str, device: str) -> GateLimit | None:
        """What a figure may not pass on a device."""
        return self._last(figure, device, (LimitKind.BOUND,))

    def figures(self, device: str) -> tuple[str, ...]:
        """Figures that are held on a device, in a fixed order."""
        return tuple(dict.fromkeys(limit.figure for limit in self._all if limit.device in {"", device}))

    def asked_for(self, figure: str, device: str) -> bool:
        """Whether the user said how far a figure may be off, so that its absence is not passed over."""
        return any(
            limit.figure == figure and limit.device in {"", device} and limit.kind is not LimitKind.BOUND
            for limit in self._given
        )

    def is_of_device(self, figure: str, device: str, *, bound: bool) -> bool:
        """Whether the limit of a figure on a device names the device, and is not one for all."""
        limit = self.bound(figure, device) if bound else self.tolerance(figure, device)
        return limit is not None and bool(limit.device)

    def check_devices(self, devices: Iterable[str]) -> None:
        """Refuse limits of devices that are not compared.

        Raises:
            InputError: A limit names another device.
        """
        known = list(devices)
        for limit in self._given:
            if limit.device and limit.device not in known:
                raise InputError(
                    f"{limit.device!r} is not among the devices",
                    where=f"--limit {limit.text!r}",
                    remedy=did_you_mean(limit.device, known) or f"they are {', '.join(known)}",
                )

    def _last(self, figure: str, device: str, kinds: tuple[LimitKind, ...]) -> GateLimit | None:
        fitting = [
            limit
            for limit in self._all
            if limit.figure == figure and limit.kind in kinds and limit.device in {"", device}
        ]
        chosen = [limit for limit in fitting if limit.device] or fitting
        return chosen[-1] if chosen else None


def _figure(word: str, where: str) -> Figure:
    name = _FIGURE_OF_WORD.get(word.lower(), word)
    if name in _TITLES:
        return Figure(name=name, title=_TITLES[name], unit="1")
    found = FIGURES.get(name)
    if found is None or found.better is None:
        near = did_you_mean(word, _FIGURE_OF_WORD) or did_you_mean(word, FIGURES)
        remedy = near or f"known are {', '.join(_FIGURE_OF_WORD)}"
        raise InputError(f"there is no figure {word!r}", where=where, remedy=remedy)
    return found


def _tolerance(figure: Figure, quantity: str, where: str) -> tuple[LimitKind, float]:
    if quantity.endswith("%"):
        if figure.name in {ACCURACY, OUTPUTS, FALLBACKS}:
            unit = "points: 0.5pt" if figure.name == ACCURACY else "a number: 0.001"
            raise InputError(f"a percentage of {figure.title} is ambiguous", where=where, remedy=f"write {unit}")
        return LimitKind.RELATIVE, parse_quantity(quantity, Dimension.RATIO, where=where)
    return LimitKind.STEP, _absolute(figure, quantity, where, zero=True)


def _absolute(figure: Figure, quantity: str, where: str, *, zero: bool) -> float:
    """An amount of a figure in SI units; a bare 0 needs no unit."""
    number = _NUMBER.fullmatch(quantity)
    if zero and number and float(quantity) == 0:
        return 0.0
    dimension = _DIMENSIONS.get(figure.unit)
    if dimension is not None:
        value = parse_quantity(quantity, dimension, where=where)
    elif figure.name == ACCURACY and quantity.lower().endswith("pt"):
        value = parse_quantity(quantity[:-2].strip() + "%", Dimension.RATIO, where=where)
    elif figure.name == ACCURACY:
        if not quantity.endswith("%"):
            raise InputError(f"{quantity!r} is not an accuracy", where=where, remedy="write 0.5pt, or >= 95%")
        value = parse_quantity(quantity, Dimension.RATIO, where=where)
    elif number is None or not math.isfinite(float(quantity)):
        raise InputError(f"{quantity!r} is not a number", where=where, remedy=_EXAMPLES)
    else:
        value = float(quantity)
    if value == 0 and not zero:
        raise InputError("a limit must be above 0", where=where, remedy=_EXAMPLES)
    return value
