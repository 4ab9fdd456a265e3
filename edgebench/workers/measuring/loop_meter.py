"""A power meter that sees a board which times itself: energy of whole loops.

The board says when a loop begins and ends, and how long it took by its own clock; the lines arrive here a little later.
A loop is dated by the arrival of its end. How much longer or shorter it seems from here says how well that is known.
"""

from __future__ import annotations

import time
from dataclasses import replace

from edgebench.core.profile import Sample
from edgebench.meters.command import CommandMeter

_FEWEST_READINGS = 20
_APART = 0.05
"""Share of a loop by which it may seem longer or shorter from here."""


class LoopMeter:
    """Energy of loops.

    Args:
        meter: The open meter; it is left open.
        idle_s: How long the idle power is measured, now: the board waits for a command. 0 for not at all.
    """

    def __init__(self, meter: CommandMeter, idle_s: float) -> None:
        self._meter = meter
        self._idle_w = 0.0
        self._apart_s = 0.0
        self._undated = 0
        if idle_s > 0:
            begin_s = time.monotonic()
            time.sleep(idle_s)
            end_s = time.monotonic()
            self._idle_w = meter.energy_between(begin_s, end_s) / (end_s - begin_s)

    @property
    def scope(self) -> str:
        """What is measured."""
        idle = f", less {self._idle_w:.3g} W when idle" if self._idle_w else ""
        return f"{self._meter.scope}, over loops that are dated by the arrival of their end{idle}"

    def metered(self, sample: Sample, iterations: int, heard_s: tuple[float, float]) -> Sample:
        """A loop with its energy for each inference, if it is known when it ran.

        Args:
            sample: One latency, the mean of the loop.
            iterations: Inferences of the loop.
            heard_s: When its begin and its end were heard of.

        Raises:
            TargetUnavailableError: The meter failed.
        """
        loop_s = sample.latencies_s[0] * iterations
        begin_s, end_s = heard_s
        apart_s = abs(end_s - begin_s - loop_s)
        if loop_s < _FEWEST_READINGS * self._meter.resolution_s or apart_s > _APART * loop_s:
            self._undated += 1
            return sample
        self._apart_s = max(self._apart_s, apart_s)
        energy_j = self._meter.energy_between(end_s - loop_s, end_s) - self._idle_w * loop_s
        return replace(sample, energy_j=max(0.0, energy_j) / iterations)

    def notes(self) -> tuple[str, ...]:
        """What a reader must know of the energy."""
        dated = f"for its energy, a loop was dated to ±{self._apart_s * 1e3:.2g} ms at worst"
        lost = (
            f"{self._undated} loops have no energy: they were shorter than {_FEWEST_READINGS} readings of the meter, "
            "or the board's messages did not arrive when they were sent"
        )
        return (*([dated] if self._apart_s else []), *([lost] if self._undated else []))
