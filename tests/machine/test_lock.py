"""Locks: held by one process, released when it dies, and clear about who holds them."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from edgebench.machine.lock import wait_in_line

HOLDER = """\
import sys, pathlib
from edgebench.machine.lock import wait_in_line
with wait_in_line(pathlib.Path(sys.argv[1]), "the other one", lambda _: None):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_free_lock_is_had_at_once_and_again(tmp_path: Path) -> None:
    for _ in range(2):
        with wait_in_line(tmp_path / "locks" / "board.lock", "me", lambda _: pytest.fail("nobody has it")):
            pass


def test_those_who_wait_are_told_for_whom_and_may_give_up(tmp_path: Path) -> None:
    place = tmp_path / "board.lock"

    def gives_up(owner: str) -> None:
        raise TimeoutError(owner)

    with (
        wait_in_line(place, "kws on mine", lambda _: None),
        pytest.raises(TimeoutError, match="kws on mine"),
        wait_in_line(place, "me", gives_up),
    ):
        pass
    with wait_in_line(place, "me", gives_up):
        pass


@pytest.mark.child
def test_a_process_that_is_killed_releases_it(tmp_path: Path) -> None:
    place, told, had = tmp_path / "board.lock", threading.Event(), threading.Event()
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(place)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        owners = []

        def waits(owner: str) -> None:
            owners.append(owner)
            told.set()

        def takes() -> None:
            with wait_in_line(place, "me", waits):
                had.set()

        thread = threading.Thread(target=takes)
        thread.start()
        assert told.wait(20)
        assert not had.is_set()
        os.kill(holder.pid, signal.SIGKILL)
        thread.join(20)
        assert had.is_set()
        assert owners[0] == "the other one"
        holder.communicate()
