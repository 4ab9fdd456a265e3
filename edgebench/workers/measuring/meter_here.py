"""A power meter at this machine that sees a board elsewhere: whose energy belongs to which inferences.

The board says by its own clock when a burst began and ended. How far that clock is from this machine's is measured over
the link, as NTP does it: of several questions the one that was answered fastest counts, and half its time is the
uncertainty.
"""

from __future__ import annotations

import math
import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgebench.core.device import Device
from edgebench.core.profile import Sample
from edgebench.meters.command import CommandMeter
from edgebench.workers.measuring.jobs import Loaded, Moment
from edgebench.workers.measuring.race_jobs import RaceResult
from edgebench.workers.measuring.session import METER_UPDATES

_QUESTIONS = 15
_AGAIN = 3
_LOSS = 0.05
"""Share of a burst that the clocks may be apart before a reader is told."""


@dataclass(frozen=True, slots=True)
class ClockDifference:
    """How far a board's clock is from this machine's.

    Attributes:
        ahead_s: What the board's clock shows when this one shows 0.
        uncertainty_s: How far that may be off.
    """

    ahead_s: float
    uncertainty_s: float


def clock_difference(ask: Callable[[], float], questions: int = _QUESTIONS) -> ClockDifference:
    """Compare a board's clock with this machine's.

    Args:
        ask: Asks the board for its time in seconds.
        questions: How often it is asked.
    """
    found = []
    for _ in range(questions):
        begin_s = time.monotonic()
        there_s = ask()
        end_s = time.monotonic()
        found.append(ClockDifference(there_s - (begin_s + end_s) / 2, (end_s - begin_s) / 2))
    return min(found, key=lambda one: one.uncertainty_s)


class MeterHere:
    """The meter of one device whose board is elsewhere; it runs until it is closed.

    Args:
        device: Its meter is a command.
        ask: Asks the board for its time.

    Raises:
        InputError: The command is not valid, or what it prints is not a reading.
        TargetUnavailableError: It cannot be started, or prints nothing.
    """

    def __init__(self, device: Device, ask: Callable[[], float]) -> None:
        self._ask = ask
        self._meter = CommandMeter(shlex.split(device.meter.partition(":")[2]))
        self._clock = clock_difference(ask)
        self._worst_s = self._clock.uncertainty_s
        self._shortest_s = math.inf
        self._idle_w = 0.0
        if device.idle_s > 0:
            begin_s = time.monotonic()
            time.sleep(device.idle_s)
            end_s = time.monotonic()
            self._idle_w = self._meter.energy_between(begin_s, end_s) / (end_s - begin_s)

    @property
    def least_burst_s(self) -> float:
        """Bursts must last so long."""
        return METER_UPDATES * self._meter.resolution_s

    @property
    def scope(self) -> str:
        """What is measured, and how well the clocks agree."""
        idle = f", less {self._idle_w:.3g} W when idle" if self._idle_w else ""
        clocks = f"the board's clock known to ±{self._clock.uncertainty_s * 1e3:.2g} ms"
        return f"{self._meter.scope}, at this machine, {clocks}{idle}"

    def attached(self, loaded: Loaded) -> Loaded:
        """A loaded model whose bursts are long enough for the meter."""
        inference_s = loaded.burst_s / loaded.iterations
        count = max(loaded.iterations, math.ceil(self.least_burst_s / inference_s)) if inference_s > 0 else 1
        return replace(loaded, iterations=count, burst_s=count * inference_s, energy_scope=self.scope)

    def metered(self, sample: Sample, moment: Moment) -> Sample:
        """A burst with its energy.

        Raises:
            TargetUnavailableError: The meter failed.
        """
        self._compare_clocks()
        return replace(sample, energy_j=self._energy_j(moment))

    def raced(self, results: Sequence[RaceResult]) -> tuple[RaceResult, ...]:
        """Results of a race with their energies.

        Raises:
            TargetUnavailableError: The meter failed.
        """
        self._compare_clocks()
        found = []
        for result in results:
            energies = [self._energy_j(moment) / moment.inferences for moment in result.moments]
            energy_j = float(np.median(energies)) if energies else None
            found.append(replace(result, energy_j=energy_j, moments=()))
        return tuple(found)

    def notes(self) -> tuple[str, ...]:
        """What a reader must know of the energy."""
        if self._worst_s <= _LOSS * self._shortest_s:
            return ()
        note = (
            f"the clocks of board and meter were compared to no better than ±{self._worst_s * 1e3:.2g} ms, and the "
            f"shortest burst took {self._shortest_s * 1e3:.2g} ms: its energy is that uncertain"
        )
        return (note,)

    def close(self) -> None:
        """End the program."""
        self._meter.close()

    def _compare_clocks(self) -> None:
        """Quartz clocks drift by milliseconds in a minute."""
        self._clock = clock_difference(self._ask, _AGAIN)
        self._worst_s = max(self._worst_s, self._clock.uncertainty_s)

    def _energy_j(self, moment: Moment) -> float:
        begin_s, end_s = moment.begin_s - self._clock.ahead_s, moment.end_s - self._clock.ahead_s
        self._shortest_s = min(self._shortest_s, end_s - begin_s)
        return max(0.0, self._meter.energy_between(begin_s, end_s) - self._idle_w * (end_s - begin_s))
