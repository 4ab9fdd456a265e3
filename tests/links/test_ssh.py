"""The link to a child on a board that a real OpenSSH server on loopback stands for."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from edgebench.links.base import Limits, Link, LinkClosedError, LinkError
from edgebench.links.ssh import SshLink
from edgebench.links.ssh_client import Address, refusal, ssh_command
from edgebench.links.supervisor import Unframed
from edgebench.testing.link_contract import LinkContract
from tests.ssh_server import SshServer, ssh_server

pytestmark = [pytest.mark.child, pytest.mark.slow]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    with ssh_server(tmp_path_factory.mktemp("sshd")) as running:
        yield running


class TestSshLink(LinkContract):
    @pytest.fixture
    def new_link(self, server: SshServer) -> Callable[[], Link]:
        return lambda: SshLink(server.address, python=sys.executable)


LIMITS = Limits(message_bytes=1 << 16)


def started(address: Address, program: str, **more: object) -> SshLink:
    link = SshLink(address, python=sys.executable, **more)  # type: ignore[arg-type]
    link.start([sys.executable, "-u", "-c", program], LIMITS)
    return link


def refused(address: Address, *, python: str = sys.executable) -> LinkError:
    link = SshLink(address, python=python)
    try:
        link.start([sys.executable, "-c", "print('hello')"], LIMITS)
        with pytest.raises(LinkError) as caught:
            link.receive(30)
    finally:
        link.close()
    assert caught.value.remedy
    return caught.value


@pytest.mark.parametrize("host", ["-oProxyCommand=id", "", "two words", "line\nbreak", "bell\a"])
def test_what_is_no_host_is_refused(host: str) -> None:
    with pytest.raises(ValueError, match="not a host"):
        Address(host=host)


def test_arguments_reach_the_board_as_they_are(server: SshServer) -> None:
    words = ["a b", "$HOME", "`id`", "'", '"', "\\", "*", "!x", "", "\u00b5", ";true", "-n"]
    link = SshLink(server.address, python=sys.executable, environment={"OWN": "a $b"})
    program = "import os, sys; print(ascii(sys.argv[1:])); print(os.environ['OWN'])"
    link.start([sys.executable, "-c", program, *words], LIMITS)
    try:
        assert link.receive(30).decode() == ascii(words)
        assert link.receive(30) == b"a $b"
    finally:
        link.close()


def test_the_clients_checks_are_those_of_the_user() -> None:
    words = " ".join(ssh_command(Address(host="board"), ["true"]))
    assert "StrictHostKeyChecking" not in words
    assert "UserKnownHostsFile" not in words
    assert "BatchMode=yes" in words


def test_a_program_in_the_home_folder_is_found(server: SshServer) -> None:
    link = SshLink(server.address, python=sys.executable)
    link.start(["~/no-such-program-of-edgebench"], LIMITS)
    try:
        with pytest.raises(LinkError, match="cannot be started") as caught:
            link.receive(30)
        assert str(Path.home()) in str(caught.value)
    finally:
        link.close()


def test_a_share_of_the_boards_memory_is_a_limit(server: SshServer) -> None:
    program = "import resource; print(resource.getrlimit(resource.RLIMIT_DATA)[0])"
    link = started(server.address, program, memory_share=0.5)
    try:
        assert 0 < int(link.receive(30)) < psutil.virtual_memory().total
    finally:
        link.close()


def test_shared_memory_counts_on_a_board(server: SshServer) -> None:
    program = (
        "import mmap, time\n"
        "held = mmap.mmap(-1, 300 << 20)\n"
        "for _ in range(300): held.write(bytes(1 << 20))\n"
        "time.sleep(600)\n"
    )
    link = SshLink(server.address, python=sys.executable)
    link.start([sys.executable, "-c", program], Limits(message_bytes=1000, memory_bytes=200 << 20))
    try:
        with pytest.raises(LinkClosedError) as caught:
            link.receive(30)
        assert "MemoryError" in caught.value.ending.last_words
    finally:
        link.close()


class TestComplaints:
    """What goes wrong on the way is said in a sentence, with a remedy that is true."""

    def test_a_board_that_is_not_known(self, server: SshServer, tmp_path: Path) -> None:
        address = self._with(server, tmp_path, f"UserKnownHostsFile {tmp_path}/none")
        assert "not known yet" in refused(address).what

    def test_a_key_that_has_changed(self, server: SshServer, tmp_path: Path) -> None:
        other = server.folder / "client_key.pub"
        known = tmp_path / "known"
        known.write_text(f"[127.0.0.1]:{server.port} {other.read_text()}")
        address = self._with(server, tmp_path, f"UserKnownHostsFile {known}")
        error = refused(address)
        assert "not the one that is known" in error.what
        assert "ssh-keygen -R" in (error.remedy or "")

    def test_a_user_who_is_not_let_in(self, server: SshServer, tmp_path: Path) -> None:
        error = refused(self._with(server, tmp_path, "User nobody-of-edgebench"))
        assert "refuses this user" in error.what
        assert "ssh-copy-id" in (error.remedy or "")

    def test_a_port_where_nobody_listens(self, server: SshServer) -> None:
        address = Address(host="board", port=9, config=str(server.config))
        assert "no SSH server listens" in refused(address).what

    def test_a_name_that_is_none(self, tmp_path: Path) -> None:
        (tmp_path / "empty").touch()
        address = Address(host="no-such-board.invalid", config=str(tmp_path / "empty"))
        assert "no host of this name" in refused(address).what

    def test_no_python(self, server: SshServer) -> None:
        error = refused(server.address, python="/no/such/python")
        assert "no Python interpreter" in error.what
        assert "apt install python3" in (error.remedy or "")

    def test_what_is_no_python(self, server: SshServer) -> None:
        assert "does not work" in refused(server.address, python="false").what

    def test_what_nobody_has_foreseen(self) -> None:
        error = refusal(Address(host="pi@board"), ["something \x1b[31mnew"], 255)
        assert "something" in error.what
        assert error.what.isprintable()
        assert "ssh pi@board" in (error.remedy or "")

    @staticmethod
    def _with(server: SshServer, folder: Path, line: str) -> Address:
        config = folder / "config"
        config.write_text(f"Host board\n  {line}\n{server.config.read_text()}")
        return Address(host="board", config=str(config))


def test_a_connection_that_breaks_is_told_as_such(server: SshServer) -> None:
    link = started(server.address, "import time; print('here'); time.sleep(1000)")
    try:
        assert link.receive(30) == b"here"
        server.cut()
        with pytest.raises(LinkError) as caught:
            link.receive(30)
        assert not isinstance(caught.value, LinkClosedError), "the child may have had no part in it"
        assert caught.value.remedy
    finally:
        link.close()


def test_frames_may_arrive_in_any_pieces() -> None:
    sent = b"mone\nk\nm\nk\nmtwo\xff\nmkk\n"
    for seed in range(200):
        rest, frames, found = sent, Unframed(), b""
        while rest:
            size = random.Random(seed * len(rest)).randint(1, 4)
            found += frames.feed(rest[:size])
            rest = rest[size:]
        assert found == b"one\n\ntwo\xff\nkk\n"


REST_S = 1_000_000 + os.getpid()
"""By how long they sleep, this test's processes are told from all others."""
FAMILY = f"""
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep({REST_S})'])
print(os.getpid(), child.pid, os.getppid(), flush=True)
time.sleep({REST_S})
"""
CLIENT = """
import sys, time
from edgebench.links.base import Limits
from edgebench.links.ssh import SshLink
from edgebench.links.ssh_client import Address
link = SshLink(Address(host="board", config=sys.argv[1]), python=sys.executable)
link.start([sys.executable, "-u", "-c", sys.argv[2]], Limits(message_bytes=1000))
print(link.receive(60).decode(), flush=True)
time.sleep(1000)
"""


def gone(pids: list[int], within_s: float) -> bool:
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        if not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" for pid in pids):
            return True
        time.sleep(0.1)
    return False


@pytest.mark.slow
class TestKilled:
    """Nothing lives on the board ten seconds later, whoever was killed, and whenever."""

    def test_the_parent_is_killed(self, server: SshServer) -> None:
        for _ in range(3):
            client = subprocess.Popen(
                [sys.executable, "-c", CLIENT, str(server.config), FAMILY], stdout=subprocess.PIPE
            )
            try:
                assert client.stdout is not None
                pids = [int(pid) for pid in client.stdout.readline().split()]
                time.sleep(random.random())
            finally:
                client.kill()
                client.wait()
                client.stdout.close()
            assert gone(pids, 10), "the board's processes outlive their parent"

    def test_the_network_falls_silent(self, server: SshServer) -> None:
        link = started(server.address, FAMILY)
        stopped: list[int] = []
        try:
            pids = [int(pid) for pid in link.receive(30).split()]
            stopped = server.sessions()
            # A connection that carries nothing and is not closed: its server no longer reads or writes.
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)
            assert gone(pids, 10), "the board's processes outlive the network"
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
            link.close()

    def test_the_connection_is_cut(self, server: SshServer) -> None:
        for _ in range(3):
            link = started(server.address, FAMILY)
            try:
                pids = [int(pid) for pid in link.receive(30).split()]
                time.sleep(random.random())
                server.cut()
                assert gone(pids, 10)
            finally:
                link.close()

    def test_the_supervisor_is_killed(self, server: SshServer) -> None:
        link = started(server.address, FAMILY)
        try:
            pids = [int(pid) for pid in link.receive(30).split()]
            os.kill(pids[-1], signal.SIGKILL)
            assert gone(pids, 10)
        finally:
            link.close()

    def test_it_is_killed_at_random_moments(self, server: SshServer) -> None:
        for moment in range(20):
            command = [sys.executable, "-c", CLIENT, str(server.config), FAMILY]
            client = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            time.sleep(random.Random(moment).random())
            client.kill()
            client.wait()
        end = time.monotonic() + 10
        while (left := sleepers()) and time.monotonic() < end:
            time.sleep(0.2)
        assert not left


def sleepers() -> list[int]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if f"time.sleep({REST_S})" in " ".join(process.cmdline()):
                found.append(process.pid)
    return found
