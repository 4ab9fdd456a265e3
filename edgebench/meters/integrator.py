"""Turns power into energy: samples a power sensor in the background."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from edgebench.errors import TargetUnavailableError


class TrapezoidSum:
    """Integral of samples over time by the trapezoidal rule; it never decreases.

    Negative samples, which sensors give around zero current, count as zero.
    """

    def __init__(self, time_s: float, power_w: float) -> None:
        self._time_s = time_s
        self._power_w = max(0.0, power_w)
        self.energy_j = 0.0

    def add(self, time_s: float, power_w: float) -> None:
        """Add a sample. One that is not later than the last is ignored."""
        power_w = max(0.0, power_w)
        elapsed_s = max(0.0, time_s - self._time_s)
        self.energy_j += elapsed_s * (self._power_w + power_w) / 2
        self._time_s = max(self._time_s, time_s)
        self._power_w = power_w


class PowerIntegrator:
    """Samples a power sensor from its own thread, and at each reading, until it is closed.

    Args:
        read_w: Reads the sensor, in watts.
        interval_s: Time between two samples of the thread.

    Raises:
        TargetUnavailableError: The sensor does not answer.
    """

    def __init__(self, read_w: Callable[[], float], interval_s: float) -> None:
        self._read_w = read_w
        self._interval_s = interval_s
        self._sum = TrapezoidSum(time.monotonic(), read_w())
        self._failure: TargetUnavailableError | None = None
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._sample_until_closed, name="power sampling", daemon=True)
        self._thread.start()

    def read_j(self) -> float:
        """Energy from the start to this moment, in joules.

        Raises:
            TargetUnavailableError: The sensor failed now or at any time since the start.
        """
        with self._lock:
            if self._failure is None:
                try:
                    self._sum.add(time.monotonic(), self._read_w())
                except TargetUnavailableError as error:
                    # A gap in the samples would be filled with a guess, so the meter cannot be used any more.
                    self._failure = error
            if self._failure is not None:
                raise self._failure
            return self._sum.energy_j

    def close(self) -> None:
        """End the thread."""
        self._closed.set()
        self._thread.join(timeout=self._interval_s + 1.0)

    def _sample_until_closed(self) -> None:
        while not self._closed.wait(self._interval_s):
            try:
                self.read_j()
            except TargetUnavailableError:
                return  # the next reading raises it where someone listens
