"""Device files: TOML to ``Device``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edgebench.core.device import Device, DeviceKind, Memory, OptionValue, PowerModel
from edgebench.core.units import Dimension, parse_quantity
from edgebench.errors import EdgebenchError, InputError
from edgebench.store.codec import first_problem
from edgebench.store.files import write_atomically
from edgebench.store.renames import present_options
from edgebench.store.toml_files import NAME, find_toml, names_as_counted, place_in, read_toml, toml_files

SCHEMA = "edgebench.device/1"
_Calibration = dict[str, str | float | dict[str, str | float]]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _MemorySection(_Section):
    ram: str | None = None
    flash: str | None = None
    source: str


class _EnergySection(_Section):
    meter: str = "auto"
    active_power: str | None = None
    supply: str | None = None
    relative_error: str | None = None
    source: str | None = None


class DeviceFile(_Section):
    """The keys of a device file, before quantities and options are read."""

    format: str = Field(alias="schema")
    kind: str
    target: str
    description: str
    notes: list[str] = []
    options: dict[str, Any] = {}
    memory: _MemorySection | None = None
    energy: _EnergySection = _EnergySection()
    calibration: _Calibration = {}


def device_names() -> list[str]:
    """Names of all devices that can be found."""
    return names_as_counted(toml_files("devices"))


def find_device(reference: str) -> Device:
    """A device by name, or by the path of its file.

    Raises:
        InputError: No device has that name, or its file is not valid (file, key and line are named).
    """
    return read_device(find_toml(reference, "devices", "device", "edgebench devices"))


def read_device(path: Path) -> Device:
    """Read one device file.

    Raises:
        InputError: It is missing or not valid; file, key and line are named.
    """
    text, content = read_toml(path, "device")
    try:
        table = DeviceFile.model_validate(content)
    except ValidationError as error:
        keys = [str(part) for part in error.errors()[0]["loc"]]
        raise InputError(
            first_problem(error), where=place_in(path, text, keys), remedy="devices/README.md describes the format"
        ) from None
    try:
        return _device(path.stem, table, path)
    except EdgebenchError as error:
        keys = (error.where or "").split(".")
        raise InputError(error.what, where=place_in(path, text, keys), remedy=error.remedy) from None


def _device(name: str, table: DeviceFile, path: Path) -> Device:
    if table.format != SCHEMA:
        raise InputError(
            f"schema {table.format!r} is not {SCHEMA!r}",
            where="schema",
            remedy="update edgebench, or the file",
        )
    if table.kind not in set(DeviceKind):
        kinds = ", ".join(DeviceKind)
        raise InputError(f"{table.kind!r} is not a kind of device", where="kind", remedy=f"one of {kinds}")
    return Device(
        name=name,
        kind=DeviceKind(table.kind),
        target=table.target,
        description=table.description,
        options=present_options(
            table.target, {key: _option(value, f"options.{key}") for key, value in table.options.items()}
        ),
        memory=_memory(table.memory),
        meter=table.energy.meter,
        power=_power(table.energy),
        calibration=table.calibration,
        notes=tuple(table.notes),
        origin=str(path),
    )


def _option(value: Any, where: str) -> OptionValue:
    if isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, list) and (
        all(isinstance(item, str) for item in value) or all(type(item) is int for item in value)
    ):
        return tuple(value)
    if isinstance(value, dict) and all(isinstance(item, str) for item in value.values()):
        return dict(value)
    raise InputError("an option must be a string, a number, true or false, a list or a table of strings", where=where)


def _memory(table: _MemorySection | None) -> Memory | None:
    if table is None:
        return None
    return Memory(
        ram_bytes=None if table.ram is None else _bytes(table.ram, "memory.ram"),
        flash_bytes=None if table.flash is None else _bytes(table.flash, "memory.flash"),
        source=table.source,
    )


def _bytes(text: str, where: str) -> int:
    return round(parse_quantity(text, Dimension.SIZE, where=where))


def _power(table: _EnergySection) -> PowerModel | None:
    given = (table.active_power, table.supply, table.relative_error, table.source)
    if table.active_power is None or table.supply is None or table.relative_error is None or table.source is None:
        if any(value is not None for value in given):
            raise InputError(
                "declared power needs active_power, supply, relative_error and source together",
                where="energy",
            )
        return None
    try:
        return PowerModel(
            active_w=parse_quantity(table.active_power, Dimension.POWER, where="energy.active_power"),
            supply=table.supply,
            relative_error=parse_quantity(table.relative_error, Dimension.RATIO, where="energy.relative_error"),
            source=table.source,
        )
    except ValueError as error:
        raise InputError(str(error), where="energy") from None


def write_device_copy(name: str, source: str, folder: Path) -> Path:
    """Write a new device file with the content, comments included, of another.

    Raises:
        InputError: The name is not valid, is taken, or the source does not exist.
        StorageError: The file cannot be written.
    """
    if not NAME.fullmatch(name):
        raise InputError(f"{name!r} is not a valid device name", remedy="use lower-case letters, digits, - and .")
    original = Path(find_device(source).origin)
    path = folder / f"{name}.toml"
    if path.exists():
        raise InputError("this device file exists already", where=str(path), remedy="choose another name")
    header = (
        f"# Device {name!r}, started as a copy of {source!r}. devices/README.md describes every key.\n"
        "# Files in ./devices override those in ~/.config/edgebench/devices, and both override those of edgebench.\n\n"
    )
    write_atomically(path, (header + read_toml(original, "device")[0]).encode())
    return path
