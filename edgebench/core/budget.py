"""The limits of a search, device by device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from edgebench.core.figure import column_name
from edgebench.core.record import Record

Value = TypeVar("Value", float, NDArray[np.float64])


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit(Record):
    """One figure on one device may not exceed a value: the home of "is this limit met, with its margin".

    Attributes:
        figure: ``latency_s``, ``energy_j``, ``ram_bytes`` or ``flash_bytes``.
        device: Name of the device.
        value: In SI units.
    """

    figure: str
    device: str
    value: float

    @property
    def column(self) -> str:
        """The column of a cost model that it limits."""
        return column_name(self.figure, self.device)

    def excess(self, value: Value, margin: float = 1.0) -> Value:
        """By how much a value exceeds the limit, as a share of the limit; at most 0 if the limit is met.

        Args:
            value: One figure, or an array of them.
            margin: The factor that covers the prediction error, at least 1.
        """
        return value * margin / self.value - 1

    def is_met(self, value: float, margin: float = 1.0) -> bool:
        """Whether a value, with the margin for its prediction error, is within the limit."""
        return value * margin <= self.value

    def are_met(self, values: NDArray[np.float64], margin: float = 1.0) -> NDArray[np.bool_]:
        """The same for many values at once."""
        met: NDArray[np.bool_] = values * margin <= self.value
        return met


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget(Record):
    """Everything that a solution must meet.

    Attributes:
        limits: Limits of cost.
        min_accuracy: The minimum accuracy, 0 to 1, or None.
        max_accuracy_drop: How far accuracy may be below that of the reference network, or None.
    """

    limits: tuple[Limit, ...] = ()
    min_accuracy: float | None = None
    max_accuracy_drop: float | None = None
