"""Whether an accuracy that is known with an interval meets a limit."""

from __future__ import annotations

import math
from dataclasses import dataclass

from edgebench.core.record import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Share(Record):
    """A share of samples with its 95 % interval.

    Attributes:
        value: From 0 to 1.
        low: Lower end.
        high: Upper end.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2%} ({self.low:.1%} to {self.high:.1%})"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyFault:
    """Why an accuracy does not meet a limit.

    Attributes:
        text: One sentence.
        undecided: Whether more test samples could show that it does.
    """

    text: str
    undecided: bool = False


def below_least(what: str, found: Share, least: float, samples: int) -> AccuracyFault | None:
    """The fault of an accuracy that must be at least a value; None if the lower end of its interval is.

    Args:
        what: Such as ``accuracy on host``.
        found: The accuracy.
        least: The limit, 0 to 1.
        samples: That it was found with.
    """
    if found.low >= least:
        return None
    if found.value <= least or found.high < least:
        return AccuracyFault(text=f"{what} is {found}, less than {least:.2%}")
    more = _needed(samples, found.value - found.low, found.value - least)
    return AccuracyFault(
        text=f"{what} is {found}: {samples:,} test samples are too few to tell whether it reaches {least:.2%}, about "
        f"{more:,} would",
        undecided=True,
    )


def above_most(what: str, found: Share, most: float, samples: int) -> AccuracyFault | None:
    """The fault of a loss that must be at most a value; None if the upper end of its interval is.

    Args:
        what: Such as ``the drop of accuracy on host``.
        found: The loss.
        most: The limit, 0 to 1.
        samples: That it was found with.
    """
    if found.high <= most:
        return None
    if found.value >= most or found.low > most:
        return AccuracyFault(text=f"{what} is {found}, more than {most:.2%}")
    more = _needed(samples, found.high - found.value, most - found.value)
    return AccuracyFault(
        text=f"{what} is {found}: {samples:,} test samples are too few to tell whether it is at most {most:.2%}, about "
        f"{more:,} would",
        undecided=True,
    )


def no_better_than_guessing(what: str, found: Share, most_frequent: float) -> AccuracyFault | None:
    """The fault of an accuracy whose interval includes what the most frequent class alone would give.

    Args:
        what: Such as ``accuracy on host``.
        found: The accuracy.
        most_frequent: Share of that class among the test samples.
    """
    if found.low > most_frequent:
        return None
    return AccuracyFault(
        text=f"{what} is {found}, no better than always answering the most frequent class ({most_frequent:.2%})"
    )


def _needed(samples: int, now: float, enough: float) -> int:
    """Samples for an interval of half the width ``enough`` instead of ``now``: widths shrink with the root."""
    exact = samples * (now / enough) ** 2
    step = int(10 ** max(0, math.floor(math.log10(exact)) - 1))
    return math.ceil(exact / step) * step
