"""The verb ``devices calibrate``: cycles of a board from latencies measured on it."""

from __future__ import annotations

import csv
import hashlib
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from edgebench.core.begun import BegunCalibration
from edgebench.core.board_fit import BoardFit, CalibratedNetwork
from edgebench.core.calibration import INTERPRETER, BoardCalibration, BoardMeasurement, LayerWork, Work
from edgebench.core.device import Device
from edgebench.core.measured_power import measured_power
from edgebench.core.model import InputSource
from edgebench.core.plan import MeasurementPlan
from edgebench.core.profile import Outcome, Profile
from edgebench.core.summary import summarise
from edgebench.core.units import Dimension, parse_quantity
from edgebench.errors import InputError, TargetUnavailableError
from edgebench.flows.profile.profile import ProfileProgress, ProfileRequest, is_finished, profile
from edgebench.models.digest import digest_files
from edgebench.store.begun import BegunFile
from edgebench.store.board_calibrations import calibration_toml
from edgebench.store.codec import to_plain
from edgebench.store.device_copies import power_toml, write_calibration
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
_ENERGIES = {"energy": "", "energy_j": "J", "energy_mj": "mJ", "energy_uj": "uJ"}
BOARD_NETWORKS = ("zoo:tiny", "zoo:ds-cnn", "zoo:resnet8", "zoo:fc-autoencoder", "zoo:mobilenet-v1-0.25-96")
"""Networks of different kinds and sizes, which most boards have room for."""
_SUPPLY = "say what was measured, board or core, and at which voltage"
_SOURCE = "say who measured it, on which board and with which supply"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    model: str
    latency_s: float
    runtime: str
    energy_j: float | None


def calibrate(
    device: Device,
    measurements: Path,
    on_progress: Callable[[ProfileProgress], None] = lambda _: None,
    *,
    kept: BegunFile[BegunCalibration] | None = None,
    workers: Workers = LOCAL,
) -> BoardFit:
    """Count instructions of the measured networks on the emulated core, and fit the board's cycles to them.

    Args:
        device: An ``mcu`` device.
        measurements: CSV with the columns ``model`` (a path or ``zoo:NAME``), ``latency`` (``99.8ms``) or
            ``latency_s``, ``latency_ms``, ``latency_us`` (numbers); if an interpreter ran them, ``runtime``; if it was
            measured, ``energy`` (``5.2mJ``), ``energy_j``, ``energy_mj`` or ``energy_uj``.
        on_progress: Called with what happens.
        kept: Saves each network, and has those of a calibration that was interrupted.
        workers: Starts the processes that emulate.

    Returns:
        The fit with each network's error when it is left out, and a ``[[calibration]]`` section for the file.

    Raises:
        InputError: The device is not a microcontroller, the file is not valid, or a network does not run.
    """
    _require_microcontroller(device)
    rows = _read(measurements)
    known = _Known(device, None, kept)
    profiles = _emulated(replace(device, calibration={}, calibrations=()), rows, known, on_progress, workers)
    calibration = _calibration(device, rows, profiles, f"{measurements.name}: {_SOURCE}")
    energies = [(row.energy_j, row.latency_s) for row in rows if row.energy_j is not None]
    power = measured_power(energies, supply=_SUPPLY, source=calibration.source)
    fit = _fitted(device.name, calibration)
    if power is None:
        return fit
    return replace(fit, power=power, section=f"{fit.section}\n{power_toml(power)}")


def calibrate_from_board(
    device: Device,
    board: Device,
    models: Sequence[str] = (),
    on_progress: Callable[[ProfileProgress], None] = lambda _: None,
    *,
    kept: BegunFile[BegunCalibration] | None = None,
    workers: Workers = LOCAL,
) -> BoardFit:
    """Measure networks on a board, count their instructions on the emulated core, and fit the board's cycles to them.

    Args:
        device: An ``mcu`` device, which may be the board itself.
        board: A device at a serial port.
        models: Paths or ``zoo:NAME``; by default, ``BOARD_NETWORKS``.
        on_progress: Called with what happens.
        kept: Saves each network, and has those of a calibration that was interrupted.
        workers: Starts the processes that measure and emulate.

    Returns:
        The fit with each network's error before, after and when it is left out, and a section for the file.

    Raises:
        InputError: A device is not what it should be, or no network runs on both.
        TargetUnavailableError: The board cannot be measured.
    """
    _require_microcontroller(device)
    if board.target != "mcu" or board.link != "serial":
        raise InputError(
            f"{board.name} is not a microcontroller at a serial port",
            where="--from-board",
            remedy='name a device of target mcu with link = "serial"',
        )
    wanted = list(dict.fromkeys(models or BOARD_NETWORKS))
    known = _Known(device, board, kept)
    plan = MeasurementPlan(time_limit_s=300)
    measured = known.profiled("measured", wanted, board, plan, on_progress, workers)
    rows, left_behind = _measured_rows(wanted, measured)
    emulated = replace(device, link="", reached={})
    profiles = _emulated(emulated, rows, known, on_progress, workers)
    source = f"measured by edgebench on {board.name} ({board.description}), by the board's own counter"
    fit = _fitted(device.name, _calibration(device, rows, profiles, source))
    before = {
        found.model.name: found.metrics["latency_s"].value / row.latency_s - 1
        for found, row in zip(profiles, rows, strict=True)
        if "latency_s" in found.metrics
    }
    networks = tuple(replace(network, before=before.get(network.name)) for network in fit.networks)
    return replace(fit, networks=networks, left_behind=left_behind, from_board=True)


def _require_microcontroller(device: Device) -> None:
    if device.target != "mcu":
        raise InputError(f"{device.name} is not a microcontroller", where="devices calibrate")


def _measured_rows(models: Sequence[str], profiles: Sequence[Profile]) -> tuple[list[_Row], tuple[str, ...]]:
    """What was measured, and which networks the board could not run; if the board itself fails, that is an error."""
    rows, left_behind = [], []
    for model, found in zip(models, profiles, strict=True):
        failure = found.failure
        if failure is None:
            latency_s = summarise(found)["latency_s"].value
            rows.append(_Row(model=model, latency_s=latency_s, runtime="", energy_j=None))
        elif found.outcome is Outcome.UNAVAILABLE:
            raise TargetUnavailableError(failure.message, where=model, remedy=failure.remedy)
        else:
            left_behind.append(f"{model}: {found.outcome}: {failure.message[:200]}")
    if not rows:
        raise InputError(f"no network runs on the board: {'; '.join(left_behind)}", where="devices calibrate")
    return rows, tuple(left_behind)


def _emulated(
    device: Device,
    rows: Sequence[_Row],
    known: _Known,
    on_progress: Callable[[ProfileProgress], None],
    workers: Workers,
) -> tuple[Profile, ...]:
    plan = MeasurementPlan(layers=True, time_limit_s=300)
    return known.profiled("counted", [row.model for row in rows], device, plan, on_progress, workers)


class _Known:
    """Networks that are measured and counted one after the other, each saved at once.

    Args:
        device: What is calibrated.
        board: What measures, if it is not a list.
        kept: Where they are saved, or None.
    """

    def __init__(self, device: Device, board: Device | None, kept: BegunFile[BegunCalibration] | None) -> None:
        self._kept = kept
        self._begun = BegunCalibration(
            edgebench=version("edgebench"), device=_digest(device), board="" if board is None else _digest(board)
        )
        before = None if kept is None else kept.load()
        if before is not None and replace(before, measured={}, counted={}) == self._begun:
            self._begun = before

    def profiled(
        self,
        part: Literal["measured", "counted"],
        models: Sequence[str],
        device: Device,
        plan: MeasurementPlan,
        on_progress: Callable[[ProfileProgress], None],
        workers: Workers,
    ) -> tuple[Profile, ...]:
        """A profile of each model; those that are known are not made again."""
        found = []
        for number, model in enumerate(models):
            key = _content(model)
            known = getattr(self._begun, part).get(key)
            if known is None or not is_finished(known):
                known = self._made(model, device, plan, _shared(on_progress, number, len(models)), workers)
                changes: dict[str, Any] = {part: {**getattr(self._begun, part), key: known}}
                self._begun = replace(self._begun, **changes)
                if self._kept is not None:
                    self._kept.save(self._begun)
            found.append(known)
        return tuple(found)

    @staticmethod
    def _made(
        model: str,
        device: Device,
        plan: MeasurementPlan,
        on_progress: Callable[[ProfileProgress], None],
        workers: Workers,
    ) -> Profile:
        request = ProfileRequest(models=[model], devices=[device], plan=plan, inputs=InputSource())
        (found,) = profile(request, on_update=lambda _: None, on_progress=on_progress, workers=workers)
        return found


def _shared(
    on_progress: Callable[[ProfileProgress], None], number: int, count: int
) -> Callable[[ProfileProgress], None]:
    """The progress of one of several."""
    return lambda part: on_progress(ProfileProgress(done=(number + part.done) / count, text=part.text))


def _digest(device: Device) -> str:
    """Of a description; without the fits, which change when one is written."""
    plain = to_plain(replace(device, calibration={}, calibrations=(), power=None))
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def _content(model: str) -> str:
    """Of what was typed and of the file: one that has changed is another model."""
    path = Path(model)
    if not path.is_file() and not model.startswith("zoo:"):
        # A function may return another network each time.
        return secrets.token_hex()
    content = digest_files([path])[0] if path.is_file() else ""
    return hashlib.sha256(f"{model}\n{content}".encode()).hexdigest()


def _calibration(device: Device, rows: Sequence[_Row], profiles: Sequence[Profile], source: str) -> BoardCalibration:
    measured = [_measurement(found, row) for found, row in zip(profiles, rows, strict=True)]
    return BoardCalibration(
        compiler=profiles[0].versions["compiler"],
        optimization=str(device.options.get("optimization", "O2")),
        clock_hz=parse_quantity(str(device.options.get("clock", "")), Dimension.FREQUENCY, where="options.clock"),
        source=source,
        networks=tuple(measured),
        core=str(device.options.get("core", "")),
    )


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
    return write_calibration(device, fit.calibration, fit.power)


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
            columns = _columns(reader.fieldnames or (), where)
            rows = [_row(row, *columns, f"{where}, line {number}") for number, row in enumerate(reader, start=2)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"cannot be read: {error}", where=where) from None
    if not rows:
        raise InputError("no network is listed", where=where)
    if len({(row.model, row.runtime) for row in rows}) < len(rows):
        raise InputError("each model must be listed once per runtime", where=where)
    return rows


def _columns(names: Sequence[str], where: str) -> tuple[str, str | None]:
    """The columns of latency and energy."""
    latencies, energies = ([name for name in known if name in names] for known in (_LATENCIES, _ENERGIES))
    if "model" not in names or len(latencies) != 1 or len(energies) > 1:
        raise InputError(
            f"the columns must be model, one of {', '.join(_LATENCIES)}, and at most one of {', '.join(_ENERGIES)}",
            where=where,
            remedy='for example "model,latency_ms", or "model,latency" with units in each row',
        )
    return latencies[0], energies[0] if energies else None


def _row(row: Mapping[str, str | None], latency: str, energy: str | None, where: str) -> _Row:
    model, runtime = (row.get("model") or "").strip(), (row.get("runtime") or "").strip()
    if not model:
        raise InputError("there is no model", where=where)
    if runtime.casefold() in _INTERPRETERS:
        runtime = INTERPRETER
    return _Row(
        model=model,
        latency_s=_quantity(row.get(latency), _LATENCIES[latency], Dimension.TIME, where),
        runtime=runtime,
        energy_j=_quantity(row[energy], _ENERGIES[energy], Dimension.ENERGY, where) if energy and row[energy] else None,
    )


def _quantity(text: str | None, unit: str, dimension: Dimension, where: str) -> float:
    given = (text or "").strip()
    # A unit in the row is understood in any column.
    value = parse_quantity(given if given[-1:].isalpha() else given + unit, dimension, where=where)
    if value <= 0:
        raise InputError("a figure must be above 0", where=where)
    return value


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
