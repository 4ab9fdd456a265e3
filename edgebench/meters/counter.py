"""Makes a counter that starts again from zero into one that never decreases."""

from __future__ import annotations

from collections.abc import Callable


class EnergyCounter:
    """Adds up the steps of a hardware counter since it was first read.

    It must be read at least once per round, or the round is missed. A counter that was reset, as by a
    suspended machine, cannot be distinguished from one that wrapped around.

    Args:
        read: Reads the hardware.
        unit_j: Joules per step.
        size: Steps after which the hardware starts again from zero, or None if it only does so when it is
            reset.
    """

    def __init__(self, read: Callable[[], int], *, unit_j: float, size: int | None = None) -> None:
        self._read = read
        self._unit_j = unit_j
        self._size = size
        self._last = read()
        self._steps = 0

    def read_j(self) -> float:
        """Energy since the first reading, in joules."""
        reading = self._read()
        step = reading - self._last
        if step < 0:
            step = reading if self._size is None else step + self._size
        self._last = reading
        self._steps += max(0, step)
        return self._steps * self._unit_j

    def close(self) -> None:
        """Nothing runs in the background."""
