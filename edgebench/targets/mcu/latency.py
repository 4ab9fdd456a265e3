"""Latency of a program from what it executes: a figure with a band, or a range if nothing calibrates the board."""

from __future__ import annotations

from dataclasses import dataclass

from edgebench.core.calibration import INTERPRETER, LayerWork, Work
from edgebench.core.metric import Metric, Provenance
from edgebench.targets.mcu.calibration import Calibration, Estimate
from edgebench.targets.mcu.cores import Core

MOST_CYCLES = 2.5
"""Maximum cycles per instruction, on average, if nothing is known about a board."""
_RANGE_SOURCE = (
    "no measurement of this core: from the fewest cycles that its pipeline allows to a little above the maximum "
    "found on a calibrated board (1.03 to 2.2 cycles per instruction); slow memory may take longer"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyModel:
    """What turns a program's work into seconds.

    Attributes:
        calibration: Of the board, or None.
        core: Its core.
        clock: As its device file writes it.
        clock_hz: In hertz.
    """

    calibration: Calibration | None
    core: Core
    clock: str
    clock_hz: float

    def metrics(self, work: Work, method: str) -> dict[str, Metric]:
        """Latency with its band and, where interpreted networks were measured, latency in an interpreter.

        Args:
            work: What the network executes.
            method: How that was counted.
        """
        calibration = self.calibration
        if calibration is None:
            return {
                f"latency_at_{end}_s": self._range_end(work, cycles, method)
                for end, cycles in (("least", self.core.least_cycles), ("most", MOST_CYCLES))
            }
        how = f"instructions x {calibration.description}"
        if "fitted" in calibration.description:
            how = calibration.description
        figures = {"latency_s": self._seconds(calibration.estimate(work), f"{how} / {self.clock}; {method}")}
        interpreted = calibration.interpreted(work)
        if interpreted is not None:
            figures["interpreted_latency_s"] = self._seconds(
                interpreted, f"the same network in {INTERPRETER}: {how} / {self.clock}; {method}"
            )
        return figures

    def of_layer(self, operator: str, instructions: int, macs: int, method: str) -> dict[str, Metric]:
        """A layer's part of the latency, without a band of its own; nothing if the core is not calibrated.

        Args:
            operator: Its name in TFLite's schema.
            instructions: What it executes.
            macs: Its multiply-accumulates.
            method: How the instructions were counted.
        """
        if self.calibration is None or instructions <= 0:
            return {}
        work = Work.of([LayerWork(operator=operator, instructions=instructions, macs=macs)])
        seconds = self.calibration.estimate(work).cycles / self.clock_hz
        how = f"cycles of the operator's instructions, as the calibration has them, / {self.clock}; {method}"
        return {
            "latency_s": Metric(
                value=seconds,
                unit="s",
                provenance=Provenance.ESTIMATED,
                method=how,
                source=self.calibration.source,
            )
        }

    def notes(self, work: Work) -> list[str]:
        """What to know about the figures."""
        if self.calibration is None:
            return ["nothing calibrates this core with its memory: latency is a range, not a figure"]
        return self.calibration.notes(work)

    def _seconds(self, cycles: Estimate, method: str) -> Metric:
        return Metric(
            value=cycles.cycles / self.clock_hz,
            unit="s",
            provenance=Provenance.ESTIMATED,
            method=method,
            low=cycles.low / self.clock_hz,
            high=cycles.high / self.clock_hz,
            source=self.calibration.source if self.calibration else _RANGE_SOURCE,
        )

    def _range_end(self, work: Work, cycles: float, method: str) -> Metric:
        return Metric(
            value=work.total * cycles / self.clock_hz,
            unit="s",
            provenance=Provenance.ESTIMATED,
            method=f"instructions x {cycles:g} cycles / {self.clock}; {method}",
            source=_RANGE_SOURCE,
        )
