"""What a meter has counted at moments of its own clock, so that it can be asked about times that have passed."""

from __future__ import annotations

from collections import deque

import numpy as np

_KEPT = 200_000
"""Readings that are kept: the last three minutes at 1 kHz."""


class Readings:
    """Energy at moments of the meter's clock, and how that clock compares with this machine's.

    A reading arrives some time after it was taken. What arrived with the least delay says most about the difference of
    the clocks; that delay itself is not known, and small where the meter is attached to this machine.
    """

    def __init__(self) -> None:
        self._moments: deque[tuple[float, float]] = deque(maxlen=_KEPT)
        self._ahead_s = float("inf")

    def add(self, time_s: float, energy_j: float, arrived_s: float) -> None:
        """Keep a reading.

        Args:
            time_s: When it was taken, by the meter's clock, which goes forward.
            energy_j: Energy counted until then.
            arrived_s: When it arrived here, by this machine's monotonic clock.
        """
        self._moments.append((time_s, energy_j))
        self._ahead_s = min(self._ahead_s, arrived_s - time_s)

    def covers(self, moment_s: float) -> bool:
        """Whether a reading was taken at or after a moment of this machine's clock."""
        return bool(self._moments) and self._moments[-1][0] + self._ahead_s >= moment_s

    def between(self, begin_s: float, end_s: float) -> float:
        """Energy between two moments of this machine's clock, in joules; between readings it grows evenly.

        Raises:
            ValueError: No readings of that time are kept.
        """
        if not self._moments or self._moments[0][0] + self._ahead_s > begin_s or not self.covers(end_s):
            raise ValueError("no readings of that time")
        times, joules = np.array(self._moments).T
        first, last = np.interp([begin_s - self._ahead_s, end_s - self._ahead_s], times, joules)
        return float(max(0.0, last - first))
