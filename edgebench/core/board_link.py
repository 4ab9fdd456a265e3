"""How a board is reached that runs models itself: the keys of a device file that belong to its link."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from edgebench.core.device import Device
from edgebench.core.options import read_settings

T = TypeVar("T")
_ENVIRONMENT = "~/.local/share/edgebench/worker"


@dataclass(frozen=True, slots=True, kw_only=True)
class SshSettings:
    """Keys of ``link = "ssh"``.

    Attributes:
        host: What is typed after ``ssh``: a name, ``user@name``, or a name of the client's configuration.
        ssh_port: If it is not that of the client's configuration.
        ssh_config: Configuration file of the client instead of the user's.
        python: The board's Python interpreter, 3.11 or newer, that ``devices setup`` makes the environment with.
        environment: Folder of that environment on the board.
        runtime: What ``devices setup`` installs as the runtime, such as ``onnxruntime==1.20.1``; by default, what the
            target needs, in the version that is installed here.
    """

    host: str
    ssh_port: int = 0
    ssh_config: str = ""
    python: str = "python3"
    environment: str = _ENVIRONMENT
    runtime: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.host.isprintable() or not self.host or self.host.startswith("-") or len(self.host.split()) != 1:
            raise ValueError(f"host {self.host!r} is none: write a name or user@name, as after ssh")
        if not 0 <= self.ssh_port < 65536:
            raise ValueError(f"ssh_port {self.ssh_port} is no port")
        if not self.environment.startswith(("/", "~/")):
            raise ValueError(f"environment {self.environment!r} must begin with / or ~/")
        wrong = [text for text in (self.python, *self.runtime) if not text or text.startswith("-")]
        if wrong:
            raise ValueError(f"{wrong[0]!r} is neither a program nor a package")


LINKS: Mapping[str, type[SshSettings]] = {"ssh": SshSettings}
"""What the keys of each link are."""


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
    return read_settings(device.reached, kind, owner=f"link {device.link!r}", where=device.origin or device.name)


def reached_by(device: Device) -> str:
    """How a device is reached, in words: ``ssh pi@pi5``; empty if it is here."""
    place = device.reached.get("host") or device.reached.get("port") or device.reached.get("serial") or ""
    return f"{device.link} {place}".strip()
