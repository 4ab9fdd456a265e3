"""One measurement on a machine at a time."""

import json
import os
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from edgebench.machine import machine_lock
from edgebench.machine.machine_lock import PLACE, Lock


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "lock"
    monkeypatch.setenv(PLACE, str(path))
    return path


def lock(token: str, who: str = "") -> Lock:
    return Lock({"token": token, "who": who or f"{token}@machine: edgebench"})


class GiveUpError(Exception):
    pass


def told(waiting: Lock) -> str:
    """Whom it waits for."""
    found: list[str] = []

    def give_up(holder: str) -> None:
        found.append(holder)
        raise GiveUpError

    with pytest.raises(GiveUpError):
        waiting.take(give_up)
    return found[0]


def nobody(holder: str) -> None:
    pytest.fail(f"waits for {holder}")


def test_the_second_waits_and_is_told_for_whom(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = lock("anna"), lock("ben")
    first.take(nobody)
    assert told(second) == "anna@machine: edgebench"
    now = time.monotonic()
    monkeypatch.setattr(machine_lock.time, "monotonic", lambda: now + 300)
    assert told(second) == "anna@machine: edgebench, for 5 min"
    first.release()
    second.take(nobody)
    assert told(first).startswith("ben@")


def test_who_waits_comes_before_who_comes_again() -> None:
    """Otherwise a command that measures process after process would never let another one in."""
    first, second = lock("anna"), lock("ben")
    first.take(nobody)
    order: list[str] = []
    waiting = threading.Event()

    def wait() -> None:
        second.take(lambda _: waiting.set())
        order.append("ben")
        second.release()

    thread = threading.Thread(target=wait)
    thread.start()
    assert waiting.wait(10)
    first.release()
    first.take(lambda _: None)
    order.append("anna")
    thread.join(10)
    assert order == ["ben", "anna"]


def test_one_command_reaches_a_machine_in_two_ways() -> None:
    first, again, other = lock("anna"), lock("anna"), lock("ben")
    first.take(nobody)
    again.take(nobody)
    again.release()
    assert told(other).startswith("anna@")
    first.release()
    other.take(nobody)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"[1]", b'{"who": 3, "since": "x"}', b"[" * 1900, b"\xff\xfe"])
def test_what_another_wrote_into_it_is_not_trusted(place: Path, content: bytes) -> None:
    first, second = lock("anna"), lock("ben")
    first.take(nobody)
    place.write_bytes(content)
    assert told(second) == "another command"
    place.write_bytes(json.dumps({"who": "x\x1b[2J\ny" * 200}).encode())
    assert told(second).isprintable()
    assert len(told(second)) <= 200


def test_all_users_of_the_machine_may_queue(place: Path) -> None:
    mask = os.umask(0o077)
    try:
        lock("anna")
    finally:
        os.umask(mask)
    assert stat.S_IMODE(place.stat().st_mode) == 0o666


def test_a_link_in_its_place_is_not_followed(place: Path, tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("kept")
    place.symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match=r"symbolic links|Too many"):
        lock("anna").take(nobody)
    assert (tmp_path / "victim").read_text() == "kept"


def test_its_usual_place_is_one_that_all_may_write_to(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, mode in (("a", 0o755), ("b", 0o1777)):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(mode)
    monkeypatch.delenv(PLACE)
    monkeypatch.setattr(machine_lock, "_FOLDERS", (str(tmp_path / "gone"), str(tmp_path / "a"), str(tmp_path / "b")))
    lock("anna").take(nobody)
    assert sorted(path.name for path in (tmp_path / "b").iterdir()) == [
        "edgebench-measuring.lock",
        "edgebench-measuring.lock.next",
    ]


@pytest.mark.child
def test_a_process_that_is_killed_holds_it_no_longer() -> None:
    source = Path(machine_lock.__file__).read_text()
    about = json.dumps({"token": "there", "who": "there"}).encode().hex()
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-u", "-c", source, about], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as there:
        assert there.stdin is not None
        assert there.stdout is not None
        for word, answer in ((b"take\n", b"taken\n"), (b"release\n", b"free\n"), (b"take\n", b"taken\n")):
            there.stdin.write(word)
            there.stdin.flush()
            assert there.stdout.readline() == answer
        second = lock("ben")
        assert told(second) == "there"
        there.kill()
        there.wait()
        second.take(nobody)
