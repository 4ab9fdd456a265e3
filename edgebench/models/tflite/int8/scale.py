"""Which real numbers the 256 values of an int8 tensor represent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LOWEST, HIGHEST = -128, 127
_STEPS = HIGHEST - LOWEST
_STEP_OF_NOTHING = 1 / 128
"""Step of what is always zero; kernels that compare take only steps below 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """The smallest and the largest value of a tensor."""

    low: float
    high: float

    def __or__(self, other: Range) -> Range:
        return Range(low=min(self.low, other.low), high=max(self.high, other.high))

    @property
    def width(self) -> float:
        """Distance between smallest and largest, including 0."""
        return max(self.high, 0.0) - min(self.low, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """A step and the integer that represents 0.

    Attributes:
        step: Real value of one step, as the float32 that a file stores.
        zero_point: From -128 to 127.
    """

    step: float
    zero_point: int

    @classmethod
    def covering(cls, values: Range, least_step: float = 0.0) -> Scale:
        """The finest scale that covers 0 and a range, with a minimum step."""
        low, high = min(values.low, 0.0), max(values.high, 0.0)
        step = float(np.float32((high - low) / _STEPS))
        if step < np.finfo(np.float32).tiny:
            step = _STEP_OF_NOTHING
        step = float(np.float32(max(step, least_step)))
        return cls(step=step, zero_point=int(np.clip(round(LOWEST - low / step), LOWEST, HIGHEST)))

    @property
    def range(self) -> Range:
        """What it can represent."""
        return Range(low=(LOWEST - self.zero_point) * self.step, high=(HIGHEST - self.zero_point) * self.step)

    def holds(self, values: Range) -> bool:
        """Whether a range is within it, except for the rounding of one step."""
        own = self.range
        return own.low - self.step <= values.low and values.high <= own.high + self.step

    def quantised(self, values: NDArray[Any]) -> NDArray[np.int8]:
        """The nearest integers; what is outside becomes the nearest end."""
        levels = np.rint(np.asarray(values, np.float64) / self.step) + self.zero_point
        found: NDArray[np.int8] = np.clip(levels, LOWEST, HIGHEST).astype(np.int8)
        return found
