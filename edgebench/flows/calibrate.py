"""The verb ``devices calibrate``: cycles of a board from latencies measured on it."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from edgebench.core.board_fit import BoardFit, CalibratedNetwork
from edgebench.core.calibration import INTERPRETER, BoardCalibration, BoardMeasurement, LayerWork, Work
from edgebench.core.device import Device
from edgebench.core.model import InputSource
from edgebench.core.plan import MeasurementPlan
from edgebench.core.profile import Outcome, Profile
from edgebench.core.units import Dimension, parse_quantity
from edgebench.errors import InputError
from edgebench.flows.profile.profile import ProfileProgress, ProfileRequest, profile
from edgebench.store.board_calibrations import calibration_toml
from edgebench.store.device_copies import write_calibration
from edgebench.targets.mcu.cycle_model import Sample, fit_cycles, left_out, merged, outliers
from edgebench.workers.base import Workers
from edgebench.workers.local import LOCAL

_LATENCIES = {"latency": "", "latency_s": "s", "latency_ms": "ms", "latency_us": "us"}
_INTERPRETERS = {
    "tflm",
    "tflite micro",
    "tensorflow lite micro",
    "tensorflow lite for microcontrollers",
    "litert micro",
}
_SOURCE = "say who measured it, on which board and with which supply"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    model: str
    latency_s: float
    runtime: str


def calibrate(
    device: Device,
    measurements: Path,
    on_progress: Callable[[ProfileProgress], None] = lambda _: None,
    *,
    workers: Workers = LOCAL,
) -> BoardFit:
    """Count instructions of the measured networks on the emulated core, and fit the board's cycles to them.

    Args:
        device: An ``mcu`` device.
        measurements: CSV with the columns ``model`` (a path or ``zoo:NAME``), ``latency`` (``99.8ms``) or
            ``latency_s``, ``latency_ms``, ``latency_us`` (numbers), and, if an interpreter ran them, ``runtime``.
        on_progress: Called with what happens.
        workers: Starts the processes that emulate.

    Returns:
        The fit with each network's error when it is left out, and a ``[[calibration]]`` section for the file.

    Raises:
        InputError: The device is not a microcontroller, the file is not valid, or a network does not run.
    """
    if device.target != "mcu":
        raise InputError(f"{device.name} is not a microcontroller", where="devices calibrate")
    rows = _read(measurements)
    clock_hz = parse_quantity(str(device.options.get("clock", "")), Dimension.FREQUENCY, where="options.clock")
    request = ProfileRequest(
        models=[row.model for row in rows],
        devices=[replace(device, calibration={}, calibrations=())],
        plan=MeasurementPlan(layers=True, time_limit_s=300),
        inputs=InputSource(),
    )
    profiles = profile(request, on_update=lambda _: None, on_progress=on_progress, workers=workers)
    measured = [_measurement(found, row) for found, row in zip(profiles, rows, strict=True)]
    calibration = BoardCalibration(
        compiler=profiles[0].versions["compiler"],
        optimization=str(device.options.get("optimization", "O2")),
        clock_hz=clock_hz,
        source=f"{measurements.name}: {_SOURCE}",
        networks=tuple(measured),
        core=str(device.options.get("core", "")),
    )
    return _fitted(device.name, calibration)


def write_fit(device: Device, fit: BoardFit) -> Path:
    """Put a fit into the device's file.

    Raises:
        InputError: A measurement is an outlier, or the file is not the user's to write.
        StorageError: It cannot be written.
    """
    if fit.outliers:
        raise InputError(
            f"{', '.join(network.name for network in fit.outliers)}: far from the other networks, nothing was written",
            where=device.origin,
            remedy="check the latency and its unit, or remove the row",
        )
    return write_calibration(device, fit.calibration)


def _fitted(device: str, calibration: BoardCalibration) -> BoardFit:
    every = [Sample.of(network, calibration.clock_hz) for network in calibration.networks]
    samples = merged(every)
    model = fit_cycles(samples)
    off = {sample.name: factor for sample, factor in outliers(samples)}
    networks = []
    for sample, others in zip(samples, left_out(samples), strict=True):
        fitted = model.estimate(sample.work, interpreted=sample.interpreted)
        networks.append(
            CalibratedNetwork(
                name=sample.name,
                measured_s=sample.cycles / calibration.clock_hz,
                fitted_s=fitted.cycles / calibration.clock_hz,
                left_out=None if others is None else others.cycles / sample.cycles - 1,
                band=None if others is None else others.factor - 1,
                off=off.get(sample.name),
            )
        )
    return BoardFit(
        device=device,
        networks=tuple(networks),
        calibration=calibration,
        section=calibration_toml(calibration),
        corrections=model.corrections,
        noise=model.noise,
        repeated=len(every) - len(samples),
    )


def _read(path: Path) -> list[_Row]:
    where = str(path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            column = _latency_column(reader.fieldnames or (), where)
            rows = [_row(row, column, f"{where}, line {number}") for number, row in enumerate(reader, start=2)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"cannot be read: {error}", where=where) from None
    if not rows:
        raise InputError("no network is listed", where=where)
    if len({(row.model, row.runtime) for row in rows}) < len(rows):
        raise InputError("each model must be listed once per runtime", where=where)
    return rows


def _latency_column(names: object, where: str) -> str:
    given = list(names) if isinstance(names, (list, tuple)) else []
    found = [name for name in _LATENCIES if name in given]
    if "model" not in given or len(found) != 1:
        raise InputError(
            "the columns must be model and one of " + ", ".join(_LATENCIES),
            where=where,
            remedy='for example "model,latency_ms", or "model,latency" with units in each row',
        )
    return found[0]


def _row(row: dict[str, str | None], column: str, where: str) -> _Row:
    model, text, unit = (row.get("model") or "").strip(), (row.get(column) or "").strip(), _LATENCIES[column]
    if not model:
        raise InputError("there is no model", where=where)
    # A unit in the row is understood in any column.
    latency_s = parse_quantity(text if text[-1:].isalpha() else text + unit, Dimension.TIME, where=where)
    if latency_s <= 0:
        raise InputError("a latency must be above 0", where=where)
    runtime = (row.get("runtime") or "").strip()
    return _Row(
        model=model, latency_s=latency_s, runtime=INTERPRETER if runtime.casefold() in _INTERPRETERS else runtime
    )


def _measurement(found: Profile, row: _Row) -> BoardMeasurement:
    if found.outcome is not Outcome.OK:
        reason = found.failure.message if found.failure else str(found.outcome)
        raise InputError(f"does not run on the emulated core: {reason}", where=found.model.source)
    layers = [
        LayerWork(
            operator=layer.operator,
            instructions=int(layer.metrics["instructions"].value),
            macs=int(layer.metrics["macs"].value),
        )
        for layer in found.layers
    ]
    rest = int(found.metrics["instructions"].value) - sum(layer.instructions for layer in layers)
    work = Work.of([*layers, LayerWork(operator="", instructions=rest)])
    return BoardMeasurement(name=found.model.name, latency_s=row.latency_s, work=work, runtime=row.runtime)
