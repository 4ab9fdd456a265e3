"""The link to a child on this machine."""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from edgebench.links import guard
from edgebench.links.base import Limits, Link, LinkClosedError, MessageTooLongError
from edgebench.links.local import LocalLink
from edgebench.testing.link_contract import LinkContract

pytestmark = pytest.mark.child


class TestLocalLink(LinkContract):
    @pytest.fixture
    def new_link(self) -> Callable[[], Link]:
        return LocalLink


def children() -> set[psutil.Process]:
    """What this process has started, without the guard of its children, which starts with the first."""
    return {child for child in psutil.Process().children() if guard.__file__ not in _command(child)}


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []  # It has just ended.


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
@pytest.mark.parametrize("program", ["cat", "true", "/no/such/program"])
def test_a_closed_link_holds_no_files_and_leaves_no_zombies(program: str) -> None:
    first = LocalLink()
    first.start(["true"], Limits(message_bytes=100))  # The guard starts with the first child.
    first.close()
    before, known = open_files(), children()
    for _ in range(3):
        link = LocalLink()
        try:
            link.start([program], Limits(message_bytes=100))
        except Exception:
            assert program.startswith("/no")
        link.close()
    assert open_files() <= before
    assert children() <= known


def test_a_process_that_is_killed_from_outside_is_reported() -> None:
    link, before = LocalLink(), children()
    link.start(["sleep", "1000"], Limits(message_bytes=100))
    try:
        (child,) = children() - before
        child.send_signal(signal.SIGKILL)
        with pytest.raises(LinkClosedError) as caught:
            link.receive(30)
        assert caught.value.ending.signal == "SIGKILL"
    finally:
        link.close()


def test_a_child_that_ignores_the_end_of_its_input_is_killed_soon() -> None:
    link = LocalLink()
    link.start(["sh", "-c", "trap '' TERM INT HUP; while true; do sleep 1; done"], Limits(message_bytes=100))
    begin = time.monotonic()
    link.close()
    assert time.monotonic() - begin < 10


def test_a_child_that_prints_without_end_is_ended_before_it_fills_the_disk() -> None:
    program = "import sys\nwhile True: sys.stderr.write('x' * 1_000_000)"
    link = LocalLink()
    link.start([sys.executable, "-c", program], Limits(message_bytes=1000))
    start = time.monotonic()
    with pytest.raises(MessageTooLongError, match="printed more than 64 MiB"):
        link.receive(60.0)
    link.close()
    assert time.monotonic() - start < 30
