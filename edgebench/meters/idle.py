"""Energy beyond what an idle machine draws."""

from __future__ import annotations

import time

from edgebench.meters.base import EnergyMeter


class NetOfIdle(EnergyMeter):
    """A meter less what the machine draws when it does nothing.

    Args:
        meter: The meter.
        idle_s: How long the idle power is measured, now.

    Raises:
        TargetUnavailableError: The meter cannot be read.
    """

    def __init__(self, meter: EnergyMeter, idle_s: float) -> None:
        self._meter = meter
        self.name = meter.name
        self.resolution_s = meter.resolution_s
        begin_j, begin_s = meter.read_j(), time.monotonic()
        time.sleep(idle_s)
        self._begin_s = time.monotonic()
        self._begin_j = meter.read_j()
        self.idle_w = (self._begin_j - begin_j) / max(self._begin_s - begin_s, 1e-9)
        self._last_j = 0.0
        self.scope = f"{meter.scope}, less {self.idle_w:.3g} W when idle"

    def read_j(self) -> float:
        """Energy since the meter was opened beyond that of the idle machine, in joules.

        Raises:
            TargetUnavailableError: The meter cannot be read any more.
        """
        read_j = self._meter.read_j() - self._begin_j
        net_j = read_j - self.idle_w * (time.monotonic() - self._begin_s)
        # Noise around the idle power is not negative energy.
        self._last_j = max(self._last_j, net_j)
        return self._last_j

    def close(self) -> None:
        """Close the meter."""
        self._meter.close()
