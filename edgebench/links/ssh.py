"""A child on a board that SSH reaches, under a supervisor there that ends it with the link."""

from __future__ import annotations

import base64
import json
import secrets
import threading
import zlib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

from edgebench.links.base import Ending, Limits, LinkClosedError, LinkError, MessageTooLongError, NoProgramError
from edgebench.links.local import LocalLink, last_words, signal_name
from edgebench.links.ssh_client import Address, refusal, ssh_command

LEASE_S = 7.0
"""Silence after which the board ends a child: nothing lives there ten seconds after its parent or the network died."""
_SIGN_OF_LIFE_S = 2.0
_FAREWELL_S = 5.0
_LOADER = "import sys,zlib,base64;exec(zlib.decompress(base64.b64decode(sys.argv[1])))"
_NOT_FOUND, _NOT_EXECUTABLE = 127, 126


class SshLink:
    """A process on a board, in a session of its own; its memory is limited there, and it dies with the link.

    Args:
        address: Where the board is.
        python: A Python interpreter there, 3.8 or newer, that runs the supervisor.
        environment: Variables of the child, in addition to those that the board gives it.
        memory_share: Share of the board's available memory that the child may allocate if its limits name none.
    """

    def __init__(
        self,
        address: Address,
        *,
        python: str = "python3",
        environment: Mapping[str, str] | None = None,
        memory_share: float | None = None,
    ) -> None:
        self._address = address
        self._python = python
        self._environment = dict(environment or {})
        self._memory_share = memory_share
        self._client = LocalLink(farewell_s=_FAREWELL_S)
        self._mark = secrets.token_hex(8)
        self._limits = Limits(message_bytes=0)
        self._end: LinkError | None = None
        self._closed = threading.Event()

    def start(self, command: Sequence[str], limits: Limits) -> None:
        """Start the client; what goes wrong on the way or on the board is reported by ``receive``.

        Raises:
            LinkError: There is no SSH client on this machine.
        """
        self._limits = limits
        spec = {
            "mark": self._mark,
            "command": list(command),
            "environment": self._environment,
            "lease_s": LEASE_S,
            "message_bytes": limits.message_bytes,
            "memory_bytes": limits.memory_bytes,
            "memory_share": self._memory_share,
        }
        remote = [self._python, "-I", "-S", "-c", _LOADER, _supervisor(), _packed(json.dumps(spec).encode())]
        self._client.start(ssh_command(self._address, remote), limits)
        threading.Thread(target=self._live, name="ssh sign of life", daemon=True).start()

    def send(self, message: bytes) -> None:
        """Hand over a message without waiting.

        Raises:
            ValueError: The message contains a line break, or is longer than the limit.
        """
        if b"\n" in message or len(message) > self._limits.message_bytes:
            raise ValueError(f"not a message: {len(message)} bytes, or more than one line")
        self._client.put(b"m" + message)

    def receive(self, timeout_s: float) -> bytes:
        """Wait for the next message.

        Raises:
            LinkTimeoutError: None has arrived in time.
            MessageTooLongError: The message is longer than the limit; the child is being ended.
            LinkClosedError: The child has ended.
            LinkError: The board cannot be reached, has no such program, or the connection was lost.
        """
        if self._end is None:
            try:
                return self._client.receive(timeout_s)
            except MessageTooLongError:
                self._closed.set()
                self._end = LinkClosedError("the child has been ended", Ending())
                raise
            except LinkClosedError as error:
                self._closed.set()
                self._end = self._explained(error.ending)
        raise self._end

    def close(self) -> None:
        """End the child and all that it started; the board does it by itself if it cannot be reached."""
        self._closed.set()
        self._client.close()
        self._end = self._end or LinkClosedError("the child has ended", Ending())

    def _live(self) -> None:
        while not self._closed.wait(_SIGN_OF_LIFE_S):
            self._client.put(b"k")

    def _explained(self, client: Ending) -> LinkError:
        """What happened, by the supervisor's last report, or by what the client printed."""
        lines, reports = [], []
        for line in self._client.printed():
            mark, _, content = line.partition(" ")
            if mark == self._mark:
                reports.append(_read(content))
            elif line.strip():
                lines.append(line)
        last: Mapping[str, Any] = reports[-1] if reports else {}
        if "failed" in last:
            return NoProgramError(
                f"{last['program']} cannot be started: {last['failed']}",
                where=self._address.host,
                remedy="install it on the board, or check the path in the device file",
            )
        if "last_words" in last:
            return LinkClosedError("the child has ended", _ending(last))
        if not reports:
            return _without_supervisor(self._address, self._python, lines, client.exit_code)
        return refusal(self._address, lines, client.exit_code)


def _without_supervisor(address: Address, python: str, lines: Sequence[str], exit_code: int | None) -> LinkError:
    """Why the supervisor, or any program of the board's Python, did not even begin."""
    if exit_code in {_NOT_FOUND, _NOT_EXECUTABLE}:
        return LinkError(
            f"there is no Python interpreter {python!r} on the board",
            where=address.host,
            remedy="install it (sudo apt install python3 python3-venv), or name another one as `python` in the "
            "device file",
        )
    if exit_code == 1:
        return LinkError(
            f"{python!r} on the board does not work: {last_words(lines)}",
            where=address.host,
            remedy="name a Python interpreter, 3.11 or newer, as `python` in the device file",
        )
    return refusal(address, lines, exit_code)


def python_version(address: Address, python: str, timeout_s: float) -> str:
    """Ask a board for the version of its Python, over a connection of its own: a sign of life.

    Raises:
        LinkTimeoutError: There is no answer in time.
        LinkError: The board cannot be reached, or has no such Python.
    """
    client = LocalLink(farewell_s=0.0)
    remote = [python, "-I", "-S", "-c", "import sys;print('%d.%d.%d'%sys.version_info[:3])"]
    try:
        client.start(ssh_command(address, remote, shared=False), Limits(message_bytes=100))
        return client.receive(timeout_s).decode("ascii", "replace")
    except LinkClosedError as error:
        raise _without_supervisor(address, python, client.printed(), error.ending.exit_code) from None
    finally:
        client.close()


def _ending(report: Mapping[str, Any]) -> Ending:
    exit_code, number, words = report.get("exit_code"), report.get("signal"), report.get("last_words")
    return Ending(
        exit_code=exit_code if isinstance(exit_code, int) else None,
        signal=signal_name(number) if isinstance(number, int) else None,
        last_words=last_words(str(words).strip().splitlines()),
    )


def _read(content: str) -> Mapping[str, Any]:
    try:
        report = json.loads(content)
    except ValueError:
        return {}
    return report if isinstance(report, dict) else {}


@cache
def _supervisor() -> str:
    """The supervisor's source in letters that no shell changes."""
    return _packed(zlib.compress(resources.files("edgebench.links").joinpath("supervisor.py").read_bytes(), 9))


def _packed(content: bytes) -> str:
    return base64.b64encode(content).decode()
