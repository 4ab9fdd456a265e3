"""New device files from others, and changes to files that users own, with comments kept."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path

from edgebench.core.calibration import BoardCalibration
from edgebench.core.device import Device, PowerModel
from edgebench.core.measured_power import UNKNOWN_POWER_ERROR
from edgebench.errors import InputError
from edgebench.store.board_calibrations import calibration_toml
from edgebench.store.devices import described_device
from edgebench.store.files import write_atomically
from edgebench.store.locations import packaged_folder
from edgebench.store.toml_files import new_toml, read_toml
from edgebench.store.trust import allow, is_trusted

_HEADER = re.compile(r"^\s*(\[\[?)\s*([\w.-]+)\s*\]\]?", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDevice:
    """A device file that was written.

    Attributes:
        path: Where.
        to_fill_in: What its owner should look at, one sentence for each section.
    """

    path: Path
    to_fill_in: tuple[str, ...]


def write_device_copy(name: str, source: str, folder: Path) -> NewDevice:
    """Write a new device file with the content, comments included, of another.

    What was measured on another board does not become the new one's own: its calibration is referred to as taken
    from there, and its power keeps the figure with a wide band, so that estimates say what they rest on.

    Raises:
        InputError: The name is not valid, is taken, or the source does not exist.
        StorageError: The file cannot be written.
    """
    path = new_toml(name, folder, "device")
    original = described_device(source)
    header = (
        f"# Device {name!r}, started as a copy of {original.name!r}. devices/README.md describes every key.\n"
        "# Files in ./devices override those in ~/.config/edgebench/devices, and both override those of edgebench.\n\n"
    )
    text = read_toml(Path(original.origin), "device")[0]
    if original.target == "mcu":
        text = _without_own_figures(text, original)
    write_atomically(path, (header + text).encode())
    if is_trusted(Path(original.origin), "device"):
        allow(path, "device")
    return NewDevice(path=path, to_fill_in=tuple(_to_fill_in(original)))


def _without_own_figures(text: str, original: Device) -> str:
    for section in ("calibration", "energy"):
        text = _without(text, section)
    origin = next((entry.taken_from for entry in original.calibrations if entry.taken_from), original.name)
    if original.calibrations:
        text += (
            f"\n# Measured on {origin}, not on this board: the band is wider until `edgebench devices calibrate` fits "
            f'yours.\n[[calibration]]\ntaken_from = "{origin}"\n'
        )
    else:
        text += "\n# No [[calibration]]: latency is a range until `edgebench devices calibrate` fits one.\n"
    text += '\n[energy]\nmeter = "none"\n'
    power = original.power
    if power is not None:
        error = max(power.relative_error, UNKNOWN_POWER_ERROR)
        taken = (
            power.source if power.source.startswith("taken from ") else f"taken from {original.name}: {power.source}"
        )
        text += f"# Of {original.name}, not of this board: replace it with yours, or delete the four lines.\n"
        text += power_toml(replace(power, relative_error=error, source=taken)).partition('meter = "none"\n')[2]
    return text


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _without(text: str, section: str) -> str:
    """A file without all tables of a name, the comments directly above them included."""
    kept: list[str] = []
    above: list[str] = []
    inside = False
    for line in text.splitlines():
        header = _HEADER.match(line)
        if header:
            inside = header[2].split(".")[0] == section
        elif line.startswith("#"):
            above.append(line)
            continue
        # Comments belong to what follows them.
        if not inside:
            kept += [*above, line]
        elif not line.strip() and not header:
            kept += [line] if kept and kept[-1].strip() else []
        above = []
    return "\n".join(kept + ([] if inside else above)).rstrip() + "\n"


def _to_fill_in(original: Device) -> list[str]:
    if original.target != "mcu":
        keys = ", ".join(original.options)
        return [
            f"[options]: {keys}" if keys else "[options]: what the target needs",
            "[memory]: ram and flash with their source, if the device has limits",
            "[energy]: active_power with supply, relative_error and source, if it is known and there is no meter",
        ]
    return [
        "description: the board's name, core and clock",
        "[options]: core and clock of the board, and the compiler that the product uses",
        "[memory]: ram and flash with their source, so that a profile says whether a model fits",
        "[[calibration]]: run networks on the board, then edgebench devices calibrate NAME --measurements FILE --write",
        "[energy]: active_power, supply, relative_error and source of your board, or delete them",
    ]


def power_toml(power: PowerModel) -> str:
    """Declared power as a device file writes it."""
    return (
        f'[energy]\nmeter = "none"\nactive_power = "{power.active_w * 1e3:.4g}mW"\nsupply = {_quoted(power.supply)}\n'
        f'relative_error = "{power.relative_error:.1%}"\nsource = {_quoted(power.source)}\n'
    )


def write_calibration(device: Device, entry: BoardCalibration, power: PowerModel | None = None) -> Path:
    """Put a calibration into a device's file: it takes the place of one for the same compiler and level.

    Entries that were taken from another device are removed. A power takes the place of the file's.

    Raises:
        InputError: The file is not the user's to write, or would not be valid afterwards.
        StorageError: It cannot be written.
    """
    path = Path(device.origin)
    if path.resolve().parent == packaged_folder("devices").resolve():
        raise InputError(
            f"{device.name} comes with edgebench; its file is not changed",
            remedy=f"edgebench devices new my-{device.name} --from {device.name}, and calibrate that",
        )
    others = [
        other
        for other in device.calibrations
        if not other.taken_from
        and (other.compiler_name, other.optimization) != (entry.compiler_name, entry.optimization)
    ]
    text = _without(read_toml(path, "device")[0], "calibration")
    sections = [*map(calibration_toml, [*others, entry])]
    if power is not None:
        text = _without(text, "energy")
        sections.append(power_toml(power))
    text = "\n".join([text, *sections])
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(
            f"the calibration cannot be put into the file: {error}",
            where=str(path),
            remedy="remove its [calibration] sections first",
        ) from None
    write_atomically(path, text.encode())
    return path
