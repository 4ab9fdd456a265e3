"""Fits cycles per instruction to latencies measured on a board, and says how far to trust the fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One network on the board.

    Attributes:
        model: Its name.
        cycles: Measured latency x clock.
        convolution: Instructions outside fully connected layers.
        fully_connected: Instructions in fully connected layers.
    """

    model: str
    cycles: float
    convolution: int
    fully_connected: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """A fit and its errors.

    Attributes:
        convolution: Cycles per instruction outside fully connected layers.
        fully_connected: Cycles per instruction in them.
        left_out: For each measurement, the relative error of predicting it from the others.
        convolution_error: Largest of these among networks that are mostly convolutions.
        fully_connected_error: Largest of these among the others.
    """

    convolution: float
    fully_connected: float
    left_out: tuple[float, ...]
    convolution_error: float
    fully_connected_error: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """The result of a board's calibration.

    Attributes:
        measurements: Networks that were measured on the board.
        fit: What was fitted to them.
        clock_hz: Of the board.
        section: The ``[calibration]`` section for its device file.
    """

    measurements: tuple[Measurement, ...]
    fit: Fit
    clock_hz: float
    section: str

    def fitted_s(self, measurement: Measurement) -> float:
        """The latency of a network according to the fit, in seconds."""
        instructions = measurement.convolution, measurement.fully_connected
        cycles = instructions[0] * self.fit.convolution + instructions[1] * self.fit.fully_connected
        return cycles / self.clock_hz


def fit_calibration(measurements: Sequence[Measurement]) -> Fit:
    """Least squares of relative errors. If no network has a kind, it gets the ratio of the other.

    Raises:
        ValueError: Fewer than two measurements: nothing could check the fit.
    """
    if len(measurements) < 2:
        raise ValueError("a fit needs at least two measured networks, so that one can check the other")
    ratios = _fit(measurements)
    left_out = []
    for index, measurement in enumerate(measurements):
        others = _fit([*measurements[:index], *measurements[index + 1 :]])
        left_out.append(float(_instructions(measurement) @ others) / measurement.cycles - 1)
    mostly = [m.fully_connected > m.convolution for m in measurements]
    worst = max(abs(error) for error in left_out)
    errors = [
        max((abs(e) for e, dense in zip(left_out, mostly, strict=True) if dense is kind), default=worst)
        for kind in (False, True)
    ]
    return Fit(
        convolution=float(ratios[0]),
        fully_connected=float(ratios[1]),
        left_out=tuple(left_out),
        convolution_error=errors[0],
        fully_connected_error=errors[1],
    )


def _instructions(measurement: Measurement) -> NDArray[np.float64]:
    return np.array([measurement.convolution, measurement.fully_connected], dtype=np.float64)


def _fit(measurements: Sequence[Measurement]) -> NDArray[np.float64]:
    rows = np.array([_instructions(m) / m.cycles for m in measurements])
    totals = rows.sum(axis=1)
    together = float(totals @ np.ones(len(rows)) / (totals @ totals))
    shares = rows / totals[:, None]
    # Networks of one kind say nothing about the other, which then gets the same ratio.
    if len(rows) > 1 and all(shares[:, kind].max() > 0.5 for kind in (0, 1)):
        ratios, *_ = np.linalg.lstsq(rows, np.ones(len(rows)), rcond=None)
        if (ratios > 0).all():
            return np.asarray(ratios, dtype=np.float64)
    return np.array([together, together])
