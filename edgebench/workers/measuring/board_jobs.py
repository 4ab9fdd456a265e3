"""Requests about the machine where a device is, and about files that go there; and their answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from edgebench.core.device import Device
from edgebench.core.place import Seen
from edgebench.core.record import Record
from edgebench.workers.measuring.at_device import AtDevice
from edgebench.workers.measuring.jobs import Done
from edgebench.workers.protocol import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Look(AtDevice[Seen]):
    """Find out what the machine is where a device is, and what its target finds there.

    Attributes:
        device: The device.
        meters: Whether to look for energy meters.
    """

    verb: ClassVar[str] = "look"
    step: ClassVar[str] = "while the board was looked at"
    device: Device
    meters: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockTime(Record):
    """What a machine's monotonic clock shows.

    Attributes:
        time_s: In seconds, from some moment on.
    """

    time_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadClock(Request[ClockTime]):
    """Read the clock by which bursts are timed."""

    verb: ClassVar[str] = "read clock"
    step: ClassVar[str] = "while clocks were compared"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFiles(Record):
    """Files that belong to a model.

    Attributes:
        beside: Files beside it that hold its weights, if it has any.
    """

    beside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ListFiles(Request[ModelFiles]):
    """Find out which files belong to a model.

    Attributes:
        model: Its path.
    """

    verb: ClassVar[str] = "list files"
    step: ClassVar[str] = "while the model file was read"
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored(Record):
    """Where files are kept that came from another machine.

    Attributes:
        folder: The folder.
        missing: Names of those that are not there yet.
    """

    folder: str
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FindStored(Request[Stored]):
    """Look for files by their digests.

    Attributes:
        digests: SHA-256 by name; they belong together and share a folder.
        size_bytes: Of all of them.
    """

    verb: ClassVar[str] = "find stored"
    step: ClassVar[str] = "while files were looked for"
    digests: Mapping[str, str]
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StorePart(Request[Done]):
    """Keep a part of a file.

    Attributes:
        folder: What ``FindStored`` has answered.
        name: Of the file.
        offset: Where the part begins, in bytes.
        content: The part, in base64.
        digest: SHA-256 of the whole file if this was its last part.
    """

    verb: ClassVar[str] = "store part"
    step: ClassVar[str] = "while a file was sent"
    folder: str
    name: str
    offset: int
    content: str
    digest: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cooled(Record):
    """How a wait for a cooler processor ended.

    Attributes:
        waited_s: How long it took.
        temperature_c: The processor's temperature then, in degrees Celsius; None if it cannot be read.
    """

    waited_s: float
    temperature_c: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CoolDown(AtDevice[Cooled]):
    """Wait until a device's processor is as cool as its file wants it.

    Attributes:
        device: The device.
    """

    verb: ClassVar[str] = "cool down"
    step: ClassVar[str] = "while the board cooled down"
    device: Device
