"""Power and energy sensors of boards, read through Linux's hwmon.

File names and units are those of https://docs.kernel.org/hwmon/sysfs-interface.html: energy in microjoules,
power in microwatts, current in milliamperes, voltage in millivolts. The INA3221 of many boards reports no
power; there it is the current times the voltage of the same channel. Other chips number currents and voltages
independently of each other, so nothing is multiplied for them.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from edgebench.core.suggestions import did_you_mean
from edgebench.errors import InputError, TargetUnavailableError
from edgebench.meters.base import EnergyMeter
from edgebench.meters.counter import EnergyCounter
from edgebench.meters.integrator import PowerIntegrator
from edgebench.meters.sysfs import matching, read_integer, read_label

_NOT_THE_PROCESSOR = re.compile(r"amdgpu|radeon|nouveau|i915|xe|BAT.*|.*battery.*|.*charger.*|ucsi_.*|.*psu|amd_energy")
"""Chips whose first sensor sees a graphics card, a battery, a charger or one core: only used by name."""
_INA3221_CHANNELS = ("1", "2", "3")
_DEFAULT_INTERVAL_S = 0.1
_SHORTEST_INTERVAL_S = 0.01
"""Minimum sampling interval: sampling more often would take time from what is measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HwmonSensor:
    """One sensor of one chip.

    Attributes:
        chip: Name of the driver, with the chip's address if one driver serves several.
        label: What the board's maker calls the rail, or the file's own name.
        files: One file of energy or power, or two whose product is the power.
        interval_s: Time between two updates, in seconds.
    """

    chip: str
    label: str
    files: tuple[Path, ...]
    interval_s: float

    @property
    def name(self) -> str:
        """What follows ``hwmon:``."""
        return f"{self.chip}/{self.label}"

    def read_w(self) -> float:
        """Power now, in watts."""
        return math.prod(map(read_integer, self.files)) * 1e-6


class HwmonMeter(EnergyMeter):
    """Energy of one sensor: its own counter, or its power sampled in the background until it is closed.

    Raises:
        TargetUnavailableError: The sensor cannot be read.
    """

    def __init__(self, sensor: HwmonSensor) -> None:
        self.name = f"hwmon:{sensor.name}"
        self.resolution_s = sensor.interval_s
        self.scope = f"{sensor.label} of sensor {sensor.chip}"
        self._source: EnergyCounter | PowerIntegrator
        if sensor.files[0].name.startswith("energy"):
            self._source = EnergyCounter(partial(read_integer, sensor.files[0]), unit_j=1e-6)
        else:
            self.scope += f", power sampled every {sensor.interval_s:g} s"
            self._source = PowerIntegrator(sensor.read_w, sensor.interval_s)

    @classmethod
    def selectors(cls, sysfs: Path) -> Sequence[str]:
        """Names of all sensors here."""
        return [sensor.name for sensor in find_sensors(sysfs)]

    @classmethod
    def open(cls, selector: str, sysfs: Path) -> HwmonMeter:
        """Open a sensor.

        Args:
            selector: ``CHIP/LABEL``, ``CHIP`` for its first sensor, or ``""`` for the first one
                that may see the processor.
            sysfs: Where ``/sys`` is mounted.

        Raises:
            InputError: There are sensors, but not this one.
            TargetUnavailableError: There is none, or it cannot be read.
        """
        sensors = find_sensors(sysfs)
        known = ", ".join(f"hwmon:{sensor.name}" for sensor in sensors)
        for sensor in sensors:
            if selector in {sensor.name, sensor.chip} or (
                not selector and not _NOT_THE_PROCESSOR.fullmatch(sensor.chip.partition("@")[0])
            ):
                return cls(sensor)
        if not sensors:
            raise TargetUnavailableError(
                "no power sensor",
                where=str(sysfs / "class/hwmon"),
                remedy="load the driver of the board's sensor, such as `sudo modprobe ina2xx`",
            )
        if not selector:
            raise TargetUnavailableError("no power sensor that sees the processor", remedy=f"choose one of {known}")
        raise InputError(
            f"there is no power sensor {selector!r}",
            where=f"meter hwmon:{selector}",
            remedy=did_you_mean(selector, (sensor.name for sensor in sensors)) or f"this machine has {known}",
        )

    def read_j(self) -> float:
        """Energy since the meter was opened, in joules."""
        return self._source.read_j()

    def close(self) -> None:
        """End the sampling."""
        self._source.close()


def find_sensors(sysfs: Path) -> list[HwmonSensor]:
    """All energy and power sensors, chips and channels in the order of their numbers."""
    folders = sorted(matching(sysfs / "class/hwmon", "hwmon*"), key=lambda folder: _natural(folder.name))
    chips = [read_label(folder / "name") or folder.name for folder in folders]
    occurrences = Counter(chips)
    return [
        HwmonSensor(
            # The number of a hwmon folder may change from boot to boot, the address of its chip does not.
            chip=chip if occurrences[chip] == 1 else f"{chip}@{(folder / 'device').resolve().name}",
            label=read_label(folder / f"{channel}_label") or channel,
            files=tuple(folder / file for file in files),
            interval_s=_interval_s(folder, channel),
        )
        for chip, folder in zip(chips, folders, strict=True)
        for channel, files in _channels(folder, is_ina3221=chip == "ina3221")
    ]


def _channels(folder: Path, *, is_ina3221: bool) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Channels of a chip, energy before power, each with the files that make up its reading."""
    files = {file.name for file in matching(folder, "*_*")}
    for file in sorted(files, key=_natural):
        channel, _, kind = file.partition("_")
        quantity = channel.rstrip("0123456789")
        number = channel.removeprefix(quantity)
        if (quantity in {"energy", "power"} and kind == "input") or (
            quantity == "power" and kind == "average" and f"{channel}_input" not in files
        ):
            yield channel, (file,)
        elif is_ina3221 and quantity == "in" and kind == "input" and number in _INA3221_CHANNELS:
            current = f"curr{number}_input"
            if current in files and read_label(folder / f"{channel}_enable") != "0":
                yield channel, (current, file)


def _interval_s(folder: Path, channel: str) -> float:
    for file in (f"{channel}_average_interval", "update_interval"):
        text = read_label(folder / file)
        if text.isdecimal() and int(text) > 0:
            return max(_SHORTEST_INTERVAL_S, int(text) * 1e-3)
    return _DEFAULT_INTERVAL_S


def _natural(name: str) -> list[tuple[int, str]]:
    """Sorts ``hwmon10`` after ``hwmon2``."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", name)]
