"""Which machine this command may measure on now: one command at a time, all its processes together."""

from __future__ import annotations

import getpass
import json
import os
import secrets
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Protocol

from edgebench.core.board_link import SshSettings, read_link, runs_workers
from edgebench.core.device import Device
from edgebench.core.secrets import redacted
from edgebench.links.base import Limits, Link, LinkClosedError, LinkError
from edgebench.machine.machine_lock import FREE, TAKEN, UNLOCKED, WAITING, Lock

_ANSWER_S = 30.0
_LINE = 4000
_LONGEST_COMMAND = 100

OnWait = Callable[[str], None]


class _Turn(Protocol):
    def take(self, on_wait: OnWait) -> None: ...

    def release(self) -> None: ...

    def close(self) -> None: ...


class _ThereTurn:
    """The lock of a board, held by a process there that ends with the link."""

    def __init__(self, link: Link, python: str) -> None:
        self._link = link
        self._is_locking = True
        source = resources.files("edgebench.machine").joinpath("machine_lock.py").read_text(encoding="utf-8")
        about = json.dumps(_about()).encode().hex()
        link.start([python, "-I", "-S", "-u", "-c", source, about], Limits(message_bytes=_LINE))

    def take(self, on_wait: OnWait) -> None:
        self._say(b"take", TAKEN, on_wait)

    def release(self) -> None:
        self._say(b"release", FREE, lambda _: None)

    def close(self) -> None:
        self._link.close()

    def _say(self, message: bytes, expected: str, on_wait: OnWait) -> None:
        if not self._is_locking:
            return
        self._link.send(message)
        while True:
            what, _, text = self._link.receive(_ANSWER_S).decode("utf-8", "replace").partition(" ")
            if what == WAITING:
                on_wait("".join(letter for letter in text if letter.isprintable()))
            elif what == UNLOCKED:
                # A board without a place for locks is measured all the same.
                self._is_locking = False
                return
            elif what == expected:
                return


@dataclass(slots=True)
class _Place:
    turn: _Turn | None = None
    holders: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class MachineTurns:
    """The machines that this command has for itself; threads may share it.

    Args:
        open_link: Makes a link to a board.
    """

    def __init__(self, open_link: Callable[[SshSettings], Link]) -> None:
        self._open_link = open_link
        self._places: dict[str, _Place] = {}
        self._lock = threading.Lock()

    def take(self, device: Device, on_wait: OnWait) -> str:
        """Have a device's machine for this command, after those who came before.

        Args:
            device: The device: on a board, or here.
            on_wait: Called each second with who has it; what it raises ends the wait.

        Returns:
            What to give to ``release``.

        Raises:
            LinkError: The board cannot be reached.
        """
        key = _key(device)
        with self._lock:
            place = self._places.setdefault(key, _Place())
        with place.lock:
            if place.holders == 0:
                self._taken(place, device, on_wait)
            place.holders += 1
        return key

    def release(self, key: str) -> None:
        """Let others have a machine, as soon as nobody in this command has it."""
        place = self._places[key]
        with place.lock:
            place.holders -= 1
            if place.holders == 0 and place.turn is not None:
                try:
                    place.turn.release()
                except LinkError:
                    self._drop(place)

    def _taken(self, place: _Place, device: Device, on_wait: OnWait) -> None:
        known = place.turn is not None
        try:
            place.turn = place.turn or self._turn(device)
            if place.turn is not None:
                place.turn.take(on_wait)
        except LinkError as error:
            self._drop(place)
            if known:
                # The connection was lost since.
                self._taken(place, device, on_wait)
            elif not isinstance(error, LinkClosedError):
                raise
        except BaseException:
            self._drop(place)
            raise

    def _turn(self, device: Device) -> _Turn | None:
        if runs_workers(device):
            settings = read_link(device, SshSettings)
            return _ThereTurn(self._open_link(settings), settings.python)
        try:
            return Lock(_about())
        except OSError:
            return None

    @staticmethod
    def _drop(place: _Place) -> None:
        if place.turn is not None:
            place.turn.close()
        place.turn = None


@cache
def _token() -> str:
    return secrets.token_hex(8)


def _about() -> dict[str, str]:
    return {"token": _token(), "who": this_command()}


def this_command() -> str:
    """Who runs this command, for those who wait for it: user, machine, command, process."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    name = os.path.basename(sys.argv[0]) if sys.argv and sys.argv[0] else "python"  # noqa: PTH119 - a word, not a file
    words = ["edgebench" if name.startswith(("edgebench", "__main__")) else name, *sys.argv[1:]]
    command = redacted(" ".join(words))[:_LONGEST_COMMAND]
    return f"{user}@{socket.gethostname()}: {command} (process {os.getpid()})"


def _key(device: Device) -> str:
    return f"{device.link} {sorted(device.reached.items())}" if runs_workers(device) else ""
