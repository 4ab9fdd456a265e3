"""Journals that were cut, edited, or belong to something else: a message and a remedy, never a traceback."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgebench.errors import EdgebenchError, StorageError
from edgebench.flows.search.journal import open_journal
from edgebench.machine.this_process import owner
from edgebench.spaces.space import SearchSpace
from tests.flows.search.test_search import request, run, tried
from tests.small_space import open_twelve

Lines = list[dict[str, Any]]


@pytest.fixture
def space(tmp_path: Path) -> SearchSpace:
    return open_twelve(tmp_path)


@pytest.mark.child
@pytest.mark.parametrize(
    "rubbish",
    [
        b"garbage", b"[]", b"3", b"null", b'{"op_code": 99, "worker_id": ""}', b'{"op_code": 4}', b"\xff\xfe\x00",
        b"[" * 9999,
        b'{"op_code": 0, "worker_id": "", "study_name": "other", "directions": "x"}',
        b'{"op_code": 5, "worker_id": "", "trial_id": 0, "param_name": 3, "distribution": "{}"}',
        b'{"op_code": 4, "worker_id": "", "study_id": 0, "datetime_start": "yesterday"}', b"",
    ],
)  # fmt: skip
def test_a_line_that_makes_no_sense_is_named(space: SearchSpace, tmp_path: Path, rubbish: bytes) -> None:
    wanted = request(space, tmp_path, trials=2)
    run(wanted)
    journal = wanted.folder / "journal.log"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:5], rubbish + b"\n", *lines[5:]]))
    started = time.monotonic()
    with pytest.raises(StorageError, match="line 6 of this journal was damaged") as caught:
        run(request(space, tmp_path, trials=4))
    assert time.monotonic() - started < 5, "nothing is waited for"
    assert caught.value.where == str(journal)
    # The remedy keeps what is before that line.
    command = caught.value.remedy.partition(": ")[2].partition(" and rename")[0]
    subprocess.run(["bash", "-c", command], check=True, timeout=20)
    journal.with_name("journal.log.before-line-6").rename(journal)
    assert run(request(space, tmp_path, trials=4)).trials == 4


def poisoned(journal: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Every line of a journal changed in the same way."""
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    for line in lines:
        change(line)
    journal.write_text("".join(json.dumps(line) + "\n" for line in lines))


def attribute(key: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(line: dict[str, Any]) -> None:
        if key in line.get("user_attr", {}):
            line["user_attr"][key] = value

    return change


def other_choices(line: dict[str, Any]) -> None:
    if "distribution" in line:
        line["distribution"] = json.dumps({"name": "CategoricalDistribution", "attributes": {"choices": ["a", "b"]}})
        line["param_value_internal"] = 1


def other_dimension(line: dict[str, Any]) -> None:
    if "param_name" in line:
        line["param_name"] += "-of-another-space"


def other_values(value: object) -> Callable[[dict[str, Any]], None]:
    def change(line: dict[str, Any]) -> None:
        if line.get("values") is not None:
            line["values"] = value

    return change


def other_directions(line: dict[str, Any]) -> None:
    if "directions" in line:
        line["directions"] = [1, 1]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (attribute("architecture", "9999"), "not an architecture"),
        (attribute("architecture", 3), "not an architecture"),
        (attribute("architecture", ["1"]), "not an architecture"),
        (attribute("accuracy", "high"), "accuracy is not one"),
        (attribute("accuracy", float("nan")), "accuracy is not one"),
        (attribute("predicted", [1]), "predicted are not numbers"),
        (attribute("predicted", {"latency_s@fake": "fast"}), "predicted are not numbers"),
        (attribute("owner", "me"), "owner is not one"),
        (attribute("owner", [1]), "owner is not one"),
        (attribute("edgebench", {"space": 3}), "missing|valid"),
        (attribute("edgebench", "x"), "should be an object"),
        (other_choices, "not a choice of this space"),
        (other_dimension, "not a choice of this space"),
        (other_values([]), "1 finite values"),
        (other_values([1.0, 2.0]), "1 finite values"),
        (other_values(["x"]), "1 finite values|line"),
        (other_values("x"), "1 finite values|line"),
        (other_values([float("inf")]), "1 finite values|line"),
        (other_directions, "directions"),
    ],
)
def test_values_of_something_else_are_refused(
    space: SearchSpace, tmp_path: Path, change: Callable[[dict[str, Any]], None], named: str
) -> None:
    wanted = request(space, tmp_path, trials=3)
    run(wanted)
    poisoned(wanted.folder / "journal.log", change)
    with pytest.raises(EdgebenchError, match=named) as caught:
        run(request(space, tmp_path, trials=5))
    assert caught.value.remedy


@pytest.mark.child
def test_the_lock_of_a_killed_process_is_recognised_at_once(space: SearchSpace, tmp_path: Path) -> None:
    wanted = request(space, tmp_path, trials=2)
    run(wanted)
    journal = wanted.folder / "journal.log"
    dies = (
        "import os, sys; from pathlib import Path; from edgebench.flows.search.journal_lock import journal_lock; "
        "journal_lock(Path(sys.argv[1]), lambda: None).acquire(); os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run([sys.executable, "-c", dies, str(journal)], timeout=60, check=False)
    lock = journal.with_name("journal.log.lock")
    assert killed.returncode == -9
    assert lock.exists()
    started = time.monotonic()
    run(request(space, tmp_path, trials=4))
    assert time.monotonic() - started < 10
    assert not lock.exists()
    assert len(tried(wanted)) == 4


def test_the_lock_of_another_machine_or_program_is_waited_for(
    space: SearchSpace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = request(space, tmp_path, trials=2)
    run(wanted)
    lock = wanted.folder / "journal.log.lock"
    elsewhere = json.dumps(["other 0000-boot pid:[1]", *json.loads(owner())[1:]])
    for name in ("", elsewhere, "garbage"):
        lock.write_text(name)
        waited: list[float] = []

        def sleep(seconds: float, waited: list[float] = waited) -> None:
            waited.append(seconds)
            if len(waited) == 3:
                lock.unlink()

        monkeypatch.setattr("optuna.storages.journal._file.time.sleep", sleep)
        open_journal(wanted.folder / "journal.log").set_study_user_attr(0, "x", 1)
        assert len(waited) == 3


@pytest.mark.child
@pytest.mark.slow
def test_processes_that_write_at_once_lose_nothing(space: SearchSpace, tmp_path: Path) -> None:
    """Some of them are killed as they write."""
    journal = tmp_path / "journal.log"
    open_journal(journal).create_new_study([1], "s")  # type: ignore[list-item]
    writes = (
        "import sys; from pathlib import Path; from edgebench.flows.search.journal import open_journal\n"
        "storage = open_journal(Path(sys.argv[1]))\n"
        "for n in range(int(sys.argv[3])): storage.set_study_user_attr(0, f'{sys.argv[2]}-{n}', n)\n"
    )

    def start(name: str, count: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", writes, str(journal), name, str(count)])

    lasting = [start(name, 40) for name in "abc"]
    for number in range(4):
        victim = start(f"killed-{number}", 10_000)
        time.sleep(2.5)
        victim.kill()
        victim.wait()
    started = time.monotonic()
    assert [process.wait(timeout=100) for process in lasting] == [0, 0, 0]
    kept = open_journal(journal).get_study_user_attrs(0)
    assert {f"{name}-{n}" for name in "abc" for n in range(40)} <= set(kept)
    assert time.monotonic() - started < 25
