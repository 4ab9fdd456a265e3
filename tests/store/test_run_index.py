"""Long lists of runs: fast, and never older than the files."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from edgebench.core.run import Run
from edgebench.store import runs as stored_runs
from edgebench.store.runs import RunStore
from tests.store.test_runs import stored


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of runs that are read from now on."""
    found: list[str] = []
    real = stored_runs.load_run

    def load(path: Path) -> Run:
        found.append(path.stem)
        return real(path)

    monkeypatch.setattr(stored_runs, "load_run", load)
    return found


def saved(store: RunStore, count: int) -> list[Run]:
    runs = [replace(stored(), name=f"20260101-00000{number}-0000", label=f"l{number}") for number in range(count)]
    for run in runs:
        store.save(run)
    return runs


def test_a_run_is_read_once(tmp_path: Path, read: list[str]) -> None:
    store = RunStore(tmp_path)
    runs = saved(store, 3)
    first = store.summaries()
    assert first == ([run.summary for run in runs], {})
    assert len(read) == 3
    assert store.summaries() == first
    assert len(read) == 3
    store.save(replace(runs[1], label="new"))
    store.path(runs[0].name).unlink()
    assert [summary.label for summary in store.summaries()[0]] == ["new", "l2"]
    assert read[3:] == [runs[1].name]


def test_an_edit_that_keeps_the_size_and_the_time_is_seen(tmp_path: Path, read: list[str]) -> None:
    store = RunStore(tmp_path)
    (run,) = saved(store, 1)
    store.summaries()
    path = store.path(run.name)
    before = path.stat()
    path.write_text(path.read_text().replace('"l0"', '"lx"'))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    found, damaged = store.summaries()
    assert found == []
    assert "edited or damaged" in str(damaged[run.name])
    assert store.summaries()[1].keys() == {run.name}, "what is damaged is said each time"


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"schema": "other"}', '{"schema": "edgebench.run-index/1", "x": 3}', "NaN"]
)
def test_an_index_that_is_not_one_is_not_used(tmp_path: Path, cache: Path, read: list[str], content: str) -> None:
    store = RunStore(tmp_path)
    runs = saved(store, 1)
    store.summaries()
    (place,) = cache.rglob("*.json")
    place.write_text(content)
    assert store.summaries()[0] == [runs[0].summary]
    assert len(read) == 2
    assert json.loads(place.read_text())["schema"] == "edgebench.run-index/1"


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path, cache: Path) -> None:
    cache.write_text("a file")
    store = RunStore(tmp_path)
    runs = saved(store, 2)
    assert store.summaries()[0] == [run.summary for run in runs]
