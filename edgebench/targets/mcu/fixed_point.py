"""Real multipliers as integers, exactly as TFLite's kernels prepare them."""

from __future__ import annotations

import math

import numpy as np

INT8_MIN, INT8_MAX = -128, 127


def quantise_multiplier(value: float) -> tuple[int, int]:
    """A real multiplier as a 31-bit fraction and a power of two (TFLite's ``QuantizeMultiplier``).

    Returns:
        Multiplier and shift, with ``value = multiplier / 2**31 * 2**shift``; a positive shift is to the left.
    """
    if value == 0:
        return 0, 0
    fraction, shift = math.frexp(value)
    # C rounds halves away from zero, Python to even.
    multiplier = math.floor(fraction * (1 << 31) + 0.5)
    if multiplier == 1 << 31:
        multiplier //= 2
        shift += 1
    return (0, 0) if shift < -31 else (multiplier, shift)


def quantise_small_multiplier(value: float) -> tuple[int, int]:
    """The same for a multiplier below 1 (TFLite's ``QuantizeMultiplierSmallerThanOneExp``).

    Raises:
        ValueError: It is not below 1, at which TFLite stops.
    """
    if value >= 1:
        raise ValueError(f"scales that give a factor of {value:g}, where LiteRT takes those below 1")
    return quantise_multiplier(value)


def power_of_two(scale: float) -> int | None:
    """The exponent of a scale that is, or that TFLite takes for, a power of two (``CheckedLog2``)."""
    power = float(np.float32(np.log(np.float32(scale))) * np.float32(1 / np.log(np.float32(2.0))))
    return round(power) if abs(power - round(power)) < 1e-3 else None


def reduced(multiplier: int) -> int:
    """A multiplier of 31 bits as one of 15, as TFLite takes it for sums of 64 bits."""
    return min((multiplier + (1 << 15)) >> 16, 0x7FFF)


def activation_range(
    kind: str, scale: float, zero_point: int, limits: tuple[int, int] = (INT8_MIN, INT8_MAX)
) -> tuple[int, int]:
    """Smallest and largest value after a fused activation (``CalculateActivationRangeQuantized``)."""

    def quantised(real: float) -> int:
        # In single precision, rounding halves away from zero, as TFLite does.
        steps = float(np.float32(real) / np.float32(scale))
        return zero_point + int(math.copysign(math.floor(abs(steps) + 0.5), steps))

    low, high = limits
    if kind in {"RELU", "RELU6"}:
        low = max(low, quantised(0.0))
    if kind == "RELU6":
        high = min(high, quantised(6.0))
    if kind == "RELU_N1_TO_1":
        low, high = max(low, quantised(-1.0)), min(high, quantised(1.0))
    return low, high


def rounding_product(first: int, second: int) -> int:
    """Product of two fractions of 31 bits (gemmlowp's ``SaturatingRoundingDoublingHighMul``)."""
    return min((first * second + (1 << 30)) >> 31, (1 << 31) - 1)


def rounding_shift(value: int, bits: int) -> int:
    """Division by a power of two, halves away from zero (gemmlowp's ``RoundingDivideByPOT``)."""
    rest, half = value & ((1 << bits) - 1), ((1 << bits) - 1) >> 1
    return (value >> bits) + (rest > half + (value < 0))


def rescale(value: int, multiplier: int, shift: int) -> int:
    """A value times a multiplier and a power of two (TFLite's ``MultiplyByQuantizedMultiplier``)."""
    return rounding_shift(rounding_product(value << max(shift, 0), multiplier), max(-shift, 0))


_EXPONENTIALS = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)
"""exp(-1/4), exp(-1/2), exp(-1), ..., exp(-16), in steps of 2^-31."""


def exponential(value: int) -> int:
    """The exponential of a value from -32 to 0 (gemmlowp's ``exp_on_negative_values``).

    Args:
        value: In steps of 2^-26.

    Returns:
        In steps of 2^-31.
    """
    if value == 0:
        return (1 << 31) - 1
    quarter = 1 << 24
    rest = (value & (quarter - 1)) - quarter
    # A Taylor series around -1/8 of what is left of whole quarters.
    x = (rest << 5) + (1 << 28)
    square = rounding_product(x, x)
    cube, fourth = rounding_product(square, x), rounding_product(square, square)
    series = rounding_product(rounding_shift(fourth, 2) + cube, 715827883) + square
    start = 1895147668
    result = start + rounding_product(start, x + rounding_shift(series, 1))
    for bit, factor in enumerate(_EXPONENTIALS):
        if (rest - value) & (quarter << bit):
            result = rounding_product(result, factor)
    return result
