"""Runs in the order in which they were begun, whatever clocks say."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edgebench.errors import StorageError
from edgebench.store import run_names
from edgebench.store.runs import RunStore


def at(monkeypatch: pytest.MonkeyPatch, year: int) -> None:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:
            return datetime(year, 1, 1, tzinfo=UTC)

    monkeypatch.setattr(run_names, "datetime", Clock)


def begun(results: Path) -> str:
    store = RunStore(results)
    name = store.new_name()
    store.path(name).write_text("{}")
    return name


def test_a_clock_that_was_set_back_does_not_make_a_run_older(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = []
    for year in (2031, 1970, 2031, 2030):
        at(monkeypatch, year)
        names += [begun(tmp_path) for _ in range(3)]
    assert RunStore(tmp_path).names() == names
    at(monkeypatch, 2032)
    assert begun(tmp_path).startswith("20320101-000000-")


def test_a_second_that_is_full_is_followed_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, 2030)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "20300101-000000-ffff.json").write_text("{}")
    assert RunStore(tmp_path).new_name().startswith("20300101-000001-")


def test_names_are_unique_before_anything_is_saved(tmp_path: Path) -> None:
    """Threads open the lock's file themselves, as processes do."""
    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(lambda _: RunStore(tmp_path).new_name(), range(200)))
    assert len(set(names)) == 200


@pytest.mark.parametrize("last", ["", "\0" * 40, "zzz", "99999999-999999-ffff", "20300101-0000"])
def test_what_is_no_name_is_not_followed(tmp_path: Path, last: str) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / ".last-name").write_text(last)
    (tmp_path / "runs" / "zzz.json").write_text("{}")
    name = begun(tmp_path)
    assert name.startswith(f"{datetime.now(UTC):%Y%m%d}")
    assert RunStore(tmp_path).names() == ["zzz", name]


def test_a_file_in_place_of_the_folder_is_explained(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    with pytest.raises(StorageError) as caught:
        RunStore(tmp_path).new_name()
    assert "--results" in caught.value.remedy
