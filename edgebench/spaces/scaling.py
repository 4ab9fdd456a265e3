"""Sizes of scaled networks."""

from __future__ import annotations


def strided(size: int, *strides: int) -> int:
    """Rows or columns after layers with these strides and SAME padding."""
    for stride in strides:
        size = -(-size // stride)
    return size
