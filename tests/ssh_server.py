"""A real OpenSSH server on loopback, with keys and a configuration of its own."""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from edgebench.links.ssh_client import Address
from edgebench.machine.machine_lock import PLACE

_PLACES = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", "/usr/libexec", "/sbin"])
_SEPARATION = Path("/run/sshd")
"""A server that root starts insists on this folder."""
SSHD = shutil.which("sshd", path=_PLACES)


def need_sshd() -> str:
    """The server's program; skips the test where there is none."""
    if SSHD is None or shutil.which("ssh") is None:
        pytest.skip("needs OpenSSH's client and server (apt install openssh-server)")
    if os.getuid() == 0:
        try:
            _SEPARATION.mkdir(exist_ok=True)
        except OSError:
            pytest.skip(f"a server that root starts needs {_SEPARATION}")
    return SSHD


@dataclass(frozen=True, kw_only=True)
class SshServer:
    """A running server.

    Attributes:
        folder: Its configuration and keys.
        port: Where it listens.
        config: The client's configuration, in which the server is called ``board``.
        process: The server.
    """

    folder: Path
    port: int
    config: Path
    process: subprocess.Popen[bytes]

    @property
    def address(self) -> Address:
        return Address(host="board", config=str(self.config))

    def sessions(self) -> list[int]:
        """Process ids of the server's children: one for each connection."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in children.read_text().split()] if children.exists() else []

    def cut(self) -> None:
        """End all connections, as a board does that reboots."""
        for pid in self.sessions():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def make_key(path: Path) -> str:
    """A new key without a passphrase; returns its public part."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path.with_suffix(".pub").read_text()


@contextmanager
def ssh_server(folder: Path, *, key: Path | None = None, settings: str = "", client: str = "") -> Iterator[SshServer]:
    """Start a server, and end it with all its connections.

    Args:
        folder: An empty folder.
        key: The client's key; by default, a new one.
        settings: Further lines of the server's configuration.
        client: Further lines of the client's.
    """
    program = need_sshd()
    folder.mkdir(parents=True, exist_ok=True)
    if PLACE not in settings:
        # Tests do not wait for others on this machine. Of several lines with SetEnv a server reads the first.
        first, name, rest = settings.partition("SetEnv ")
        settings = f"{first}{name}{PLACE}={folder}/lock {rest}" if name else f"{settings}\nSetEnv {PLACE}={folder}/lock"
    host_key = make_key(folder / "host_key")
    if key is None:
        key = folder / "client_key"
        make_key(key)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "authorized_keys").write_text(key.with_suffix(".pub").read_text())
    (folder / "authorized_keys").chmod(0o600)
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {host_key}")
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host_key\nPidFile none\nUsePAM no\n"
        f"AuthorizedKeysFile {folder}/authorized_keys\nStrictModes no\nPasswordAuthentication no\n"
        f"KbdInteractiveAuthentication no\nPermitRootLogin yes\nMaxSessions 20\n{settings}\n"
    )
    config = folder / "client_config"
    config.write_text(
        f"Host board\n  HostName 127.0.0.1\n  Port {port}\n  User {getpass.getuser()}\n  IdentityFile {key}\n"
        f"  IdentitiesOnly yes\n  UserKnownHostsFile {folder}/known_hosts\n  GlobalKnownHostsFile none\n{client}\n"
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [program, "-D", "-e", "-f", str(folder / "sshd_config")], stderr=log, start_new_session=True
        )
    server = SshServer(folder=folder, port=port, config=config, process=process)
    try:
        _wait(server)
        yield server
    finally:
        server.cut()
        process.kill()
        process.wait()


def _wait(server: SshServer) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end and server.process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", server.port)) == 0:
                return
        time.sleep(0.02)
    pytest.fail(f"the server does not start: {(server.folder / 'log').read_text()}")
