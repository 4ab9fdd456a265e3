"""Sizes and channels of scaled networks."""

from __future__ import annotations


def rounded_channels(channels: float, multiple: int = 8) -> int:
    """The nearest multiple, at least one, and not below nine tenths of what was asked (MobileNetV2's rule)."""
    rounded = max(multiple, int(channels + multiple / 2) // multiple * multiple)
    return rounded + multiple if rounded < 0.9 * channels else rounded


def strided(size: int, *strides: int) -> int:
    """Rows or columns after layers with these strides and SAME padding."""
    for stride in strides:
        size = -(-size // stride)
    return size
