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


def activation_range(kind: str, scale: float, zero_point: int) -> tuple[int, int]:
    """Smallest and largest int8 value after a fused activation (``CalculateActivationRangeQuantized``)."""

    def quantised(real: float) -> int:
        # In single precision, and halves away from zero, as TFLite does it.
        steps = float(np.float32(real) / np.float32(scale))
        return zero_point + int(math.copysign(math.floor(abs(steps) + 0.5), steps))

    low, high = INT8_MIN, INT8_MAX
    if kind in {"RELU", "RELU6"}:
        low = max(low, quantised(0.0))
    if kind == "RELU6":
        high = min(high, quantised(6.0))
    if kind == "RELU_N1_TO_1":
        low, high = max(low, quantised(-1.0)), min(high, quantised(1.0))
    return low, high
