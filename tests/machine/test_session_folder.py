"""Folders of commands: those of dead ones are removed, and a command that begins is not taken for a dead one."""

import fcntl
import os
import tempfile
from pathlib import Path

import pytest

from edgebench.machine import session_folder as sessions
from edgebench.machine.session_folder import session_folder


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("is_removed", [True, False])
def test_a_folder_that_another_command_sweeps_before_it_is_locked_is_made_again(
    place: Path, is_removed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two commands that start at the same moment: one sees the other's folder before its lock."""
    real, others = fcntl.flock, []

    def flock(descriptor: int, operation: int) -> None:
        if not others:
            (lock,) = place.glob("edgebench-session-*/.lock")
            others.append(os.open(lock, os.O_RDWR))
            if is_removed:
                sessions._sweep(place)
            else:
                real(others[0], fcntl.LOCK_EX | fcntl.LOCK_NB)
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    with session_folder():
        own = Path(tempfile.gettempdir())
        assert own.parent == place
        (own / "file").write_text("")
        # Where the other one is slow to remove the folder, it gives up the lock later.
        os.close(others[0])
        sessions._sweep(place)
        assert (own / "file").exists()
    assert not own.exists()


def test_what_killed_commands_left_is_removed(place: Path) -> None:
    left = place / "edgebench-session-dead"
    left.mkdir()
    (left / ".lock").touch()
    with session_folder():
        assert not left.exists()
