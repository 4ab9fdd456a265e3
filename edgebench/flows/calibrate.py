"""The verb ``devices calibrate``: cycles per instruction of a board from latencies measured on it."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from edgebench.core.device import Device
from edgebench.core.model import InputSource
from edgebench.core.plan import MeasurementPlan
from edgebench.core.profile import Outcome, Profile
from edgebench.core.units import Dimension, parse_quantity
from edgebench.errors import InputError
from edgebench.flows.profile.profile import ProfileProgress, ProfileRequest, profile
from edgebench.targets.mcu.calibration_fit import Calibration, Fit, Measurement, fit_calibration
from edgebench.workers.base import Workers
from edgebench.workers.local import LOCAL

_COLUMNS = ("model", "latency")


def calibrate(
    device: Device,
    measurements: Path,
    on_progress: Callable[[ProfileProgress], None] = lambda _: None,
    *,
    workers: Workers = LOCAL,
) -> Calibration:
    """Count instructions of the measured networks on the emulated core, and fit the board's cycles to them.

    Args:
        device: An ``mcu`` device.
        measurements: CSV with the columns ``model`` (a path or ``zoo:NAME``) and ``latency`` (``99.8ms``).
        on_progress: Called with what happens.
        workers: Starts the processes that emulate.

    Returns:
        The fit with each network's error when it is left out, and a ``[calibration]`` section for the file.

    Raises:
        InputError: The device is not a microcontroller, the file is not valid, or a network does not run.
    """
    if device.target != "mcu":
        raise InputError(f"{device.name} is not a microcontroller", where="devices calibrate")
    rows = _read(measurements)
    clock_hz = parse_quantity(str(device.options.get("clock", "")), Dimension.FREQUENCY, where="options.clock")
    request = ProfileRequest(
        models=[model for model, _ in rows],
        devices=[replace(device, calibration={})],
        plan=MeasurementPlan(layers=True, time_limit_s=300),
        inputs=InputSource(),
    )
    profiles = profile(request, on_update=lambda _: None, on_progress=on_progress, workers=workers)
    found = [_measurement(p, seconds * clock_hz) for p, (_, seconds) in zip(profiles, rows, strict=True)]
    try:
        fit = fit_calibration(found)
    except ValueError as error:
        raise InputError(str(error), where=str(measurements)) from None
    section = _section(fit, profiles[0], measurements)
    return Calibration(measurements=tuple(found), fit=fit, clock_hz=clock_hz, section=section)


def _read(path: Path) -> list[tuple[str, float]]:
    where = str(path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            if reader.fieldnames is None or set(_COLUMNS) - set(reader.fieldnames):
                raise InputError(f"the columns must be {', '.join(_COLUMNS)}", where=where)
            rows = [
                (row["model"], parse_quantity(row["latency"] or "", Dimension.TIME, where=f"{where}, line {number}"))
                for number, row in enumerate(reader, start=2)
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"cannot be read: {error}", where=where) from None
    if len({model for model, _ in rows}) < len(rows) or any(seconds <= 0 for _, seconds in rows):
        raise InputError("each model must be listed once, with a latency above 0", where=where)
    return rows


def _measurement(found: Profile, cycles: float) -> Measurement:
    if found.outcome is not Outcome.OK:
        reason = found.failure.message if found.failure else str(found.outcome)
        raise InputError(f"does not run on the emulated core: {reason}", where=found.model.source)
    counts = {False: 0, True: 0}
    for layer in found.layers:
        counts[layer.operator == "FULLY_CONNECTED"] += int(layer.metrics["instructions"].value)
    return Measurement(model=found.model.name, cycles=cycles, convolution=counts[False], fully_connected=counts[True])


def _section(fit: Fit, found: Profile, measurements: Path) -> str:
    compiler = found.versions["compiler"].split()[0]
    return (
        "[calibration]\n"
        f"convolution = {fit.convolution:.4f}\nconvolution_error = {fit.convolution_error:.4f}\n"
        f"fully_connected = {fit.fully_connected:.4f}\nfully_connected_error = {fit.fully_connected_error:.4f}\n"
        f'compiler = "{compiler}"\nsource = "{measurements.name}: say who measured it, on which board and runtime"\n'
    )
