"""How a board is reached that runs models itself: the keys of a device file that belong to its link."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from edgebench.core.device import Device
from edgebench.core.options import read_settings
from edgebench.core.units import Dimension, parse_quantity
from edgebench.errors import InputError

T = TypeVar("T")
_ENVIRONMENT = "~/.local/share/edgebench/worker"
_LAST_PORT = 65535
_LONGEST_LOOP_S = 600
_MOST_LOOPS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopSettings:
    """Keys of links to boards that time themselves, in loops of inferences.

    Attributes:
        loop: Least time of one loop, such as ``10s``.
        loops: How many loops are timed.
    """

    loop: str = "10s"
    loops: int = 5

    def __post_init__(self) -> None:
        if not 1 <= self.loops <= _MOST_LOOPS:
            raise ValueError(f"loops must be 1 to {_MOST_LOOPS}")

    @property
    def loop_s(self) -> float:
        """Least time of one loop, in seconds."""
        return parse_quantity(self.loop, Dimension.TIME, where="loop")


@dataclass(frozen=True, slots=True, kw_only=True)
class SerialSettings(LoopSettings):
    """Keys of ``link = "serial"``.

    Attributes:
        port: The serial port, such as ``/dev/ttyACM0``; those in ``/dev/serial/by-id`` keep their names.
        baud: Its rate, which the firmware must have as well.
        flash: The command that writes ``{elf}`` to the board and starts it; run without a shell.
        firmware: ``built`` by edgebench for each model, or ``external`` if the board has firmware with the model.
        board: Code of the board that is linked with a model: a folder beside the device file, or one of edgebench's.
        model: What external firmware answers when it is asked for its model; by default, whatever it answers is right.
    """

    port: str
    baud: int = 115200
    flash: str = ""
    firmware: Literal["built", "external"] = "built"
    board: str = ""
    model: str = ""

    def __post_init__(self) -> None:
        LoopSettings.__post_init__(self)
        if self.firmware == "built":
            missing = [name for name in ("board", "flash") if not getattr(self, name)]
            if missing:
                raise ValueError(
                    f"{' and '.join(missing)} must say how firmware is built and written; or the board has its own, "
                    'firmware = "external"'
                )
        elif self.board or self.flash:
            raise ValueError("external firmware is neither built nor written: remove board and flash, or firmware")


@dataclass(frozen=True, slots=True, kw_only=True)
class AdbSettings(LoopSettings):
    """Keys of ``link = "adb"``.

    Attributes:
        binary: LiteRT's ``benchmark_model`` for the device's processor, or what takes the same options and prints the
            same: a file here, which is copied to the device, or one that is there, in ``/data/local/tmp``.
        serial: The device's number as ``adb devices`` lists it; by default, the only one that is attached.
        loop: Least time of one run of the binary.
    """

    binary: str
    serial: str = ""
    loop: str = "1s"

    def __post_init__(self) -> None:
        LoopSettings.__post_init__(self)
        if self.serial.startswith("-") or len(self.serial.split()) > 1:
            raise ValueError(f"serial {self.serial!r} is none: write what `adb devices` lists")
        if not self.binary:
            raise ValueError("binary must name a benchmark_model for the device's processor")


@dataclass(frozen=True, slots=True, kw_only=True)
class SshSettings:
    """Keys of ``link = "ssh"``.

    Attributes:
        host: What is typed after ``ssh``: a name, ``user@name``, or a name of the client's configuration.
        ssh_port: If it is not that of the client's configuration.
        ssh_config: Configuration file of the client instead of the user's.
        python: The board's Python interpreter, 3.11 or newer, that ``devices setup`` makes the environment with.
        environment: Folder of that environment on the board.
        cache: Folder on the board for models that are sent, such as ``/mnt/data``; by default, that of its user.
        runtime: What ``devices setup`` installs as the runtime, such as ``onnxruntime==1.20.1``; by default, what the
            target needs, in the version that is installed here.
    """

    host: str
    ssh_port: int = 0
    ssh_config: str = ""
    python: str = "python3"
    environment: str = _ENVIRONMENT
    cache: str = ""
    runtime: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not is_host(self.host):
            raise ValueError(f"host {self.host!r} is none: write a name or user@name, as after ssh")
        if not 0 <= self.ssh_port <= _LAST_PORT:
            raise ValueError(f"ssh_port {self.ssh_port} is no port")
        if not self.environment.startswith(("/", "~/")):
            raise ValueError(f"environment {self.environment!r} must begin with / or ~/")
        if self.cache and not self.cache.startswith("/"):
            raise ValueError(f"cache {self.cache!r} must begin with /")
        wrong = [text for text in (self.python, *self.runtime) if not text or text.startswith("-")]
        if wrong:
            raise ValueError(f"{wrong[0]!r} is neither a program nor a package")


def is_host(text: str) -> bool:
    """Whether a text can stand after ``ssh``: one word, which is not an option."""
    return text.isprintable() and not text.startswith("-") and text.split() == [text]


LINKS: Mapping[str, type[Any]] = {"ssh": SshSettings, "serial": SerialSettings, "adb": AdbSettings}
"""What the keys of each link are."""
_TIMED_THERE = frozenset({"serial", "adb"})


def link_keys(link: object) -> tuple[str, ...]:
    """Keys that a device file may have because of its link."""
    settings = LINKS.get(link) if isinstance(link, str) else None
    return () if settings is None else tuple(field.name for field in dataclasses.fields(settings))


def read_link(device: Device, kind: type[T]) -> T:
    """A device's settings of its link.

    Args:
        device: The device.
        kind: The dataclass of its link's keys, such as ``SshSettings``.

    Raises:
        InputError: A key is missing, or its value is not valid.
    """
    where = device.origin or device.name
    settings = read_settings(device.reached, kind, owner=f"link {device.link!r}", where=where)
    if isinstance(settings, LoopSettings):
        loop_s = parse_quantity(settings.loop, Dimension.TIME, where=f"{where}, loop")
        if not 0 < loop_s <= _LONGEST_LOOP_S:
            raise InputError(f"a loop takes more than nothing and at most {_LONGEST_LOOP_S} s", where=f"{where}, loop")
    return settings


def runs_workers(device: Device) -> bool:
    """Whether a device is a machine of its own on which edgebench's workers run."""
    return device.link == "ssh"


def times_itself(device: Device) -> bool:
    """Whether a device is a board that runs and times models without edgebench on it, one model at a time."""
    return device.link in _TIMED_THERE


def exclusive_place(device: Device) -> str | None:
    """What only one measurement may use at a time: the device's board; None if it has none."""
    if not times_itself(device):
        return None
    return f"{device.link}:{device.reached.get('port') or device.reached.get('serial') or ''}"


def reached_by(device: Device) -> str:
    """How a device is reached, in words: ``ssh pi@pi5``; empty if it is here."""
    place = device.reached.get("host") or device.reached.get("port") or device.reached.get("serial") or ""
    return f"{device.link} {place}".strip()
