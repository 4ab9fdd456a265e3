"""The ``[[calibration]]`` sections of device files: TOML to records and back."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict

from edgebench.core.calibration import BoardCalibration, BoardMeasurement, Work
from edgebench.core.units import Dimension, parse_quantity
from edgebench.errors import InputError

_MOST_NETWORKS = 1000


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _NetworkSection(_Section):
    name: str
    runtime: str = ""
    latency: str
    layers: int
    instructions: dict[str, int]
    macs: dict[str, int] = {}


class CalibrationSection(_Section):
    """One entry of ``[[calibration]]``: measurements, or the name of the device that they are taken from."""

    taken_from: str | None = None
    compiler: str | None = None
    optimization: str = "O2"
    clock: str | None = None
    source: str | None = None
    networks: list[_NetworkSection] = []


def board_calibration(section: CalibrationSection, core: str, number: int) -> BoardCalibration:
    """An entry with measurements.

    Args:
        section: The entry; not one that takes its measurements from another device.
        core: The core that its instructions were counted on.
        number: Which entry of the file it is, from 1, for messages.

    Raises:
        InputError: A key is missing or its value is not valid.
    """
    where = f"[[calibration]] {number}"
    if section.compiler is None or section.clock is None or section.source is None:
        key = next(name for name in ("compiler", "clock", "source") if getattr(section, name) is None)
        raise InputError(f"{key!r} is missing", where=where, remedy="devices/README.md describes the format")
    if len(section.networks) > _MOST_NETWORKS:
        raise InputError(f"more than {_MOST_NETWORKS} networks", where=where)
    try:
        return BoardCalibration(
            compiler=section.compiler,
            optimization=section.optimization,
            clock_hz=parse_quantity(section.clock, Dimension.FREQUENCY, where=f"{where}, clock"),
            source=section.source,
            networks=tuple(_measurement(network, where) for network in section.networks),
            core=core,
        )
    except ValueError as error:
        raise InputError(str(error), where=where) from None


def _measurement(section: _NetworkSection, where: str) -> BoardMeasurement:
    latency_s = parse_quantity(section.latency, Dimension.TIME, where=f"{where}, latency of {section.name}")
    work = Work(layers=section.layers, instructions=section.instructions, macs=section.macs)
    return BoardMeasurement(name=section.name, latency_s=latency_s, work=work, runtime=section.runtime)


def calibration_toml(entry: BoardCalibration) -> str:
    """An entry as a device file writes it."""
    lines = [
        "[[calibration]]",
        f"compiler = {_string(entry.compiler)}",
        f"optimization = {_string(entry.optimization)}",
        f'clock = "{entry.clock_hz / 1e6:g}MHz"',
        f"source = {_string(entry.source)}",
        "networks = [",
    ]
    for network in entry.networks:
        runtime = f"runtime = {_string(network.runtime)}, " if network.runtime else ""
        lines.append(
            f'  {{name = {_string(network.name)}, {runtime}latency = "{network.latency_s * 1e3:.6g}ms", '
            f"layers = {network.work.layers}, "
            f"instructions = {_counts(network.work.instructions)}, macs = {_counts(network.work.macs)}}},"
        )
    return "\n".join([*lines, "]\n"])


def _counts(values: Mapping[str, int]) -> str:
    return "{" + ", ".join(f"{key} = {value}" for key, value in values.items() if value) + "}"


def _string(text: str) -> str:
    """A basic string of TOML; JSON's escapes are among TOML's."""
    return json.dumps(text, ensure_ascii=False)
