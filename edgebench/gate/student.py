"""Quantiles of Student's t distribution at any confidence."""

from __future__ import annotations

import math
from functools import cache

_TINY = 1e-30
_STEPS = 300


@cache
def t_upper_quantile(degrees: int, tail: float) -> float:
    """The value that Student's t exceeds with a given probability.

    Args:
        degrees: Degrees of freedom, at least 1.
        tail: The probability, above 0 and below 0.5.

    Raises:
        ValueError: An argument is out of range.
    """
    if degrees < 1 or not 0 < tail < 0.5:
        raise ValueError(f"no quantile of t with {degrees} degrees of freedom and a tail of {tail}")
    low, high = 0.0, 1.0
    while t_upper_tail(high, degrees) > tail:
        low, high = high, high * 2
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if t_upper_tail(middle, degrees) > tail else (low, middle)
    return (low + high) / 2


def t_upper_tail(value: float, degrees: int) -> float:
    """Probability that Student's t exceeds a value of at least 0."""
    return _incomplete_beta(degrees / 2, 0.5, degrees / (degrees + value * value)) / 2


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function, by its continued fraction (Numerical Recipes, 6.4)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x),
    )
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(a, b, x) / a
    return 1 - front * _fraction(b, a, 1 - x) / b


def _fraction(a: float, b: float, x: float) -> float:
    """The continued fraction by Lentz's method."""
    c, d = 1.0, 1 / _away_from_zero(1 - (a + b) * x / (a + 1))
    result = d
    for step in range(1, _STEPS):
        even = step * (b - step) * x / ((a + 2 * step - 1) * (a + 2 * step))
        odd = -(a + step) * (a + b + step) * x / ((a + 2 * step) * (a + 2 * step + 1))
        for term in (even, odd):
            d = 1 / _away_from_zero(1 + term * d)
            c = _away_from_zero(1 + term / c)
            result *= d * c
        if abs(d * c - 1) < 1e-14:
            break
    return result


def _away_from_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
