"""The user's own OpenSSH client: how it is called, and what its complaints mean."""

from __future__ import annotations

import atexit
import hashlib
import re
import shlex
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from edgebench.core.board_link import is_host
from edgebench.links.base import LinkError

CONNECT_S = 10
_ALIVE_S, _ALIVE_TIMES = 5, 3
"""An unanswered question each so many seconds, and so often, end a connection."""
_PERSIST_S = 30
_LONGEST_SOCKET = 86
"""Bytes of a socket's path: 108 on Linux and 104 elsewhere, less what the client appends while it makes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a board is.

    Attributes:
        host: What a user types after ``ssh``: a name, ``user@name``, or a name of the client's configuration.
        port: If it is not that of the configuration.
        config: Configuration file of the client instead of the user's.
    """

    host: str
    port: int | None = None
    config: str | None = None

    def __post_init__(self) -> None:
        if not is_host(self.host):
            raise ValueError(f"{self.host!r} is not a host: write a name or user@name, as after ssh")
        if self.port is not None and not 0 < self.port < 65536:
            raise ValueError(f"{self.port} is not a port")

    @property
    def words(self) -> list[str]:
        """What a user types after ``ssh`` to get there."""
        port = [] if self.port is None else ["-p", str(self.port)]
        return [*port, *([] if self.config is None else ["-F", self.config]), self.host]

    @property
    def command(self) -> str:
        """The command with which a user gets there."""
        return shlex.join(["ssh", *self.words])


def ssh_command(address: Address, remote: Sequence[str], *, shared: bool = True) -> list[str]:
    """The client's command line; what the user configured applies.

    Whether host keys are checked is the user's configuration: strictly, unless it says otherwise.

    Args:
        address: Where to.
        remote: Program and arguments there. The user's shell there reads them: they are quoted.
        shared: Whether commands share a connection.
    """
    settings = {
        "BatchMode": "yes",
        "ControlMaster": "auto" if shared else "no",
        "ControlPath": _socket(address) if shared else "none",
        "ControlPersist": str(_PERSIST_S),
        "ConnectTimeout": str(CONNECT_S),
        "ServerAliveInterval": str(_ALIVE_S),
        "ServerAliveCountMax": str(_ALIVE_TIMES),
        "ClearAllForwardings": "yes",
        "ForwardAgent": "no",
        "ForwardX11": "no",
        "PermitLocalCommand": "no",
        "RemoteCommand": "none",
        "RequestTTY": "no",
        "EscapeChar": "none",
        "LogLevel": "ERROR",
    }
    options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
    return ["ssh", *options, *address.words[:-1], "--", address.host, shlex.join(remote)]


def _socket(address: Address) -> str:
    name = "ssh-" + hashlib.sha256(repr(address).encode()).hexdigest()[:10]
    place = str(_folder(len(name) + 1, tempfile.gettempdir()) / name)
    # The client reads % as the start of a name.
    return place.replace("%", "%%") if len(place) <= _LONGEST_SOCKET else "none"


@cache
def _folder(name_bytes: int, temporary: str) -> Path:
    """A folder of this user alone: what lies in a shared one could be somebody else's."""
    folder = Path(temporary)
    if folder.stat().st_mode & 0o077 or len(temporary) + name_bytes > _LONGEST_SOCKET:
        base = temporary if len(temporary) + name_bytes + 20 <= _LONGEST_SOCKET else None
        folder = Path(tempfile.mkdtemp(prefix="edgebench-", dir=base or "/tmp"))  # noqa: S108 # nosec B108 - its own
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def refusal(address: Address, lines: Sequence[str], exit_code: int | None) -> LinkError:
    """Why the client got nowhere, or lost the connection.

    Args:
        address: Where to.
        lines: What it printed.
        exit_code: What it returned.
    """
    host, text = address.host, " ".join(lines)
    for pattern, what, remedy in _COMPLAINTS:
        if re.search(pattern, text):
            name = host.rpartition("@")[2]
            filled = {"host": host, "name": name, "ssh": address.command, "said": _said(lines)}
            return LinkError(what.format(**filled), where=host, remedy=remedy.format(**filled))
    detail = f": {_said(lines)}" if lines else ""
    return LinkError(
        f"the connection was closed{detail}" if exit_code == _BROKEN else f"ssh ended with {exit_code}{detail}",
        where=host,
        remedy=f"check that `{address.command} true` works and that the board is switched on, and run it again",
    )


_BROKEN = 255
"""What the client returns for errors of its own."""
_COMPLAINTS = (
    (
        r"IDENTIFICATION HAS CHANGED|[Hh]ost key for .* has changed",
        "the board's host key is not the one that is known: it was installed anew, or another machine answers",
        (
            "compare the fingerprint on the board (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub); if it is right, "
            "ssh-keygen -R {name}, then {ssh}"
        ),
    ),
    (
        r"Host key verification failed|No .* host key is known",
        "the board's host key is not known yet",
        "run `{ssh}` once, compare the fingerprint and accept it",
    ),
    (
        r"Could not resolve hostname|Name or service not known",
        "there is no host of this name",
        "check `host` in the device file, or try the board's IP address",
    ),
    (
        r"Permission denied|Too many authentication failures|No supported authentication",
        "the board refuses this user or key",
        "check the user in `host` (USER@HOST); if it is right, ssh-copy-id {host}",
    ),
    (
        r"Connection refused",
        "no SSH server listens there",
        "start it on the board (sudo systemctl enable --now ssh), or check the port",
    ),
    (
        r"timed out|No route to host|Network is unreachable|Host is down",
        "the board does not answer",
        "check that it is switched on and in this network: {ssh} true",
    ),
    (
        r"Bad configuration option|Bad owner or permissions|Can't open user config file",
        "the SSH client's configuration is not valid: {said}",
        "correct it: {ssh} true",
    ),
)
"""By what the client prints: what it means, and what to do; the first that fits counts."""


def _said(lines: Sequence[str]) -> str:
    line = next((line for line in reversed(lines) if line.strip()), "")
    return "".join(character for character in line if character.isprintable())[:200]
