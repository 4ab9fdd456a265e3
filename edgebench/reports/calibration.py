"""The calibration of a board as a table."""

from __future__ import annotations

from edgebench.reports.report import Cell, Report, plain_table
from edgebench.targets.mcu.calibration_fit import Calibration


def calibration_report(calibration: Calibration) -> Report:
    """Each network as measured and as fitted, with its error when it is left out of the fit."""
    rows: list[dict[str, Cell]] = [
        {
            "model": measurement.model,
            "measured": f"{measurement.cycles / calibration.clock_hz * 1e3:.4g} ms",
            "fitted": f"{calibration.fitted_s(measurement) * 1e3:.4g} ms",
            "left_out": f"{error:+.1%}",
        }
        for measurement, error in zip(calibration.measurements, calibration.fit.left_out, strict=True)
    ]
    table = plain_table("Calibration", rows, {"left_out": "error when left out"})
    return Report(tables=(table,), records=tuple(rows))
