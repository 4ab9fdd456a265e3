"""Device files: TOML to ``Device``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edgebench.core.board_link import LINKS, link_keys, read_link
from edgebench.core.calibration import BoardCalibration
from edgebench.core.device import Device, DeviceKind, Memory, OptionValue, PowerModel
from edgebench.core.units import Dimension, parse_quantity
from edgebench.errors import EdgebenchError, InputError
from edgebench.store.board_calibrations import CalibrationSection, board_calibration
from edgebench.store.codec import first_problem
from edgebench.store.renames import present_options
from edgebench.store.toml_files import find_toml, names_as_counted, place_in, read_toml, stands_in, toml_files
from edgebench.store.trust import require_trust

SCHEMA = "edgebench.device/1"
_Calibration = dict[str, str | float | dict[str, str | float]]
_ENTRIES = "[[calibration]]"
_IDLE_S = 2.0
"""How long the idle power is measured where a command is the meter: it sees a whole board."""
LINK_KEYS = "keys of the link"
"""Where a file's keys that belong to its link are kept while it is read."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _MemorySection(_Section):
    ram: str | None = None
    flash: str | None = None
    source: str


class _EnergySection(_Section):
    meter: str = "auto"
    meter_command: str | None = None
    meter_at: str | None = None
    idle: str | None = None
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
    cool_to: str | None = None
    cool_within: str = "5min"
    link: str = ""
    reached: dict[str, Any] = Field(default={}, alias="keys of the link")
    options: dict[str, Any] = {}
    memory: _MemorySection | None = None
    energy: _EnergySection = _EnergySection()
    calibration: _Calibration = {}
    calibrations: list[CalibrationSection] = Field(default=[], alias="[[calibration]]")


def device_names() -> list[str]:
    """Names of all devices that can be found."""
    return names_as_counted(toml_files("devices"))


def find_device(reference: str) -> Device:
    """A device by name, or by the path of its file, to be used.

    Raises:
        InputError: No device has that name, its file is not valid (file, key and line are named), or it names
            programs that the user has not allowed.
    """
    device = described_device(reference)
    require_trusted_device(device)
    return device


def described_device(reference: str) -> Device:
    """A device by name, or by the path of its file, to be looked at.

    Raises:
        InputError: No device has that name, or its file is not valid.
    """
    path = _find_file(reference)
    device = read_device(path)
    note = stands_in(path, "devices")
    return device if note is None else replace(device, notes=(*device.notes, note))


def require_trusted_device(device: Device) -> None:
    """Refuse a device whose file names programs that the user has not allowed.

    Raises:
        InputError: It was not allowed.
    """
    require_trust(Path(device.origin), "device")


def _find_file(reference: str) -> Path:
    try:
        return find_toml(reference, "devices", "device", "edgebench devices")
    except InputError:
        generic = _generic_device(reference)
        if generic is None:
            raise
        return generic


def _generic_device(core: str) -> Path | None:
    """The device that stands for a core, if the reference is the name of one."""
    for name, path in toml_files("devices").items():
        if name.startswith("generic-") and read_toml(path, "device")[1].get("options", {}).get("core") == core:
            return path
    return None


def search_devices(words: Sequence[str]) -> list[str]:
    """Names of devices whose file has all the words: in its name, description, options or sources.

    Upper and lower case are the same, and hyphens do not matter: ``stm32``, ``cortex m4``, ``nordic``.
    """
    wanted = [_plain(part) for word in words for part in word.split()]
    found = {}
    for name, path in toml_files("devices").items():
        try:
            text = _plain(" ".join([name, *_strings(read_toml(path, "device")[1])]))
        except InputError:
            text = _plain(name)
        if all(word in text for word in wanted):
            found[name] = path
    return names_as_counted(found)


def _plain(text: str) -> str:
    return text.casefold().replace("-", "")


def _strings(content: object) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, Mapping):
        for value in content.values():
            yield from _strings(value)
    elif isinstance(content, list):
        for value in content:
            yield from _strings(value)


def read_device(path: Path, _takers: tuple[Path, ...] = ()) -> Device:
    """Read one device file.

    Raises:
        InputError: It is missing or not valid; file, key and line are named.
    """
    text, content = read_toml(path, "device")
    if isinstance(content.get("calibration"), list):
        content[_ENTRIES] = content.pop("calibration")
    content[LINK_KEYS] = {key: content.pop(key) for key in link_keys(content.get("link")) if key in content}
    try:
        table = DeviceFile.model_validate(content)
    except ValidationError as error:
        keys = [str(part) for part in error.errors()[0]["loc"]]
        raise InputError(
            first_problem(error), where=place_in(path, text, keys), remedy="devices/README.md describes the format"
        ) from None
    try:
        return _device(path.stem, table, path, _takers)
    except EdgebenchError as error:
        keys = (error.where or "").split(".")
        raise InputError(error.what, where=place_in(path, text, keys), remedy=error.remedy) from None


def _device(name: str, table: DeviceFile, path: Path, takers: tuple[Path, ...]) -> Device:
    if table.format != SCHEMA:
        raise InputError(
            f"schema {table.format!r} is not {SCHEMA!r}",
            where="schema",
            remedy="update edgebench, or the file",
        )
    if table.kind not in set(DeviceKind):
        kinds = ", ".join(DeviceKind)
        raise InputError(f"{table.kind!r} is not a kind of device", where="kind", remedy=f"one of {kinds}")
    device = Device(
        name=name,
        kind=DeviceKind(table.kind),
        target=table.target,
        description=table.description,
        options=present_options(
            table.target, {key: _option(value, f"options.{key}") for key, value in table.options.items()}
        ),
        memory=_memory(table.memory),
        meter=_meter(table.energy),
        meter_at=_meter_at(table),
        idle_s=_idle_s(table.energy),
        power=_power(table.energy),
        calibration=table.calibration,
        calibrations=_calibrations(table, path, takers),
        notes=tuple(table.notes),
        origin=str(path),
        cool_to_c=None
        if table.cool_to is None
        else parse_quantity(table.cool_to, Dimension.TEMPERATURE, where="cool_to"),
        cool_within_s=parse_quantity(table.cool_within, Dimension.TIME, where="cool_within"),
        link=_link(table.link),
        reached={key: _option(value, key) for key, value in table.reached.items()},
    )
    if device.link:
        _check_link(device)
    return device


def _check_link(device: Device) -> None:
    try:
        read_link(replace(device, origin=""), LINKS[device.link])
    except InputError as error:
        # After the name of the device it names the key.
        key = (error.where or "").removeprefix(device.name).lstrip(", ")
        raise InputError(error.what, where=key or "link", remedy=error.remedy) from None


def _link(name: str) -> str:
    if name and name not in LINKS:
        raise InputError(f"there is no link {name!r}", where="link", remedy=f"one of {', '.join(LINKS)}")
    return name


def _calibrations(table: DeviceFile, path: Path, takers: tuple[Path, ...]) -> tuple[BoardCalibration, ...]:
    core = str(table.options.get("core", ""))
    found: list[BoardCalibration] = []
    for number, section in enumerate(table.calibrations, start=1):
        if section.taken_from is None:
            found.append(board_calibration(section, core, number))
            continue
        if path.resolve() in takers:
            raise InputError("the calibration is taken from the device itself", where=_ENTRIES)
        other = read_device(_find_file(section.taken_from), (*takers, path.resolve()))
        name = other.name
        found.extend(replace(entry, taken_from=entry.taken_from or name) for entry in other.calibrations)
    return tuple(found)


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


def _meter(table: _EnergySection) -> str:
    if (table.meter == "command") != (table.meter_command is not None):
        raise InputError(
            'meter = "command" and meter_command belong together',
            where="energy.meter",
            remedy='meter_command = "PROGRAM ARGUMENTS" prints lines such as 12.345 2.31W',
        )
    return table.meter if table.meter_command is None else f"command:{table.meter_command}"


def _meter_at(table: DeviceFile) -> str:
    """Where the meter is, if it is not where models run."""
    place = table.energy.meter_at
    if place not in {None, "board", "host"}:
        raise InputError(f"a meter is at the board or at the host, not at {place!r}", where="energy.meter_at")
    is_command = table.energy.meter == "command"
    if table.link == "adb" and is_command:
        raise InputError(
            "a command cannot measure an Android device: when its loops begin and end is not known here",
            where="energy.meter",
            remedy='write meter = "none", or declare its power',
        )
    if place == "host" and not (is_command and table.link in {"ssh", "serial"}):
        raise InputError(
            'meter_at = "host" is for boards with link = "ssh" or "serial" and a meter that is a command',
            where="energy.meter_at",
            remedy='remove it; or write meter = "command" and meter_command',
        )
    if place == "board" and table.link == "serial":
        raise InputError("a microcontroller runs no program that reads a meter", where="energy.meter_at")
    return "host" if place == "host" and table.link == "ssh" else ""


def _idle_s(table: _EnergySection) -> float:
    if table.idle is None:
        return _IDLE_S if table.meter == "command" else 0.0
    return parse_quantity(table.idle, Dimension.TIME, where="energy.idle")


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
