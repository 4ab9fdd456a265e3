import errno
import json
import os
import stat
from pathlib import Path

import pytest

from edgebench.errors import StorageError
from edgebench.store.files import read_json, write_json

DOCUMENT = {"schema": "edgebench.thing/2", "numbers": [1.5, 2, 3e-9], "text": "µs"}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "thing.json"
    write_json(path, dict(DOCUMENT))
    assert read_json(path, kind="thing", version=2) == {"numbers": [1.5, 2, 3e-9], "text": "µs"}
    assert "[1.5, 2, 3e-09]" in path.read_text()
    assert list(path.parent.iterdir()) == [path]


def test_older_documents_are_migrated_step_by_step(tmp_path: Path) -> None:
    path = tmp_path / "thing.json"
    write_json(path, {"schema": "edgebench.thing/1", "old": 1})
    steps = {1: lambda d: {"middle": d["old"] + 1}, 2: lambda d: {"new": d["middle"] + 1}}
    assert read_json(path, kind="thing", version=3, migrations=steps) == {"new": 3}


def test_newer_documents_ask_for_an_update(tmp_path: Path) -> None:
    path = tmp_path / "thing.json"
    write_json(path, dict(DOCUMENT))
    with pytest.raises(StorageError, match="newer edgebench") as caught:
        read_json(path, kind="thing", version=1)
    assert "update edgebench" in caught.value.remedy


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "{}", '{"schema": 3}', '{"schema": "other/1"}', '{"schema": "edgebench.run/1"}', "[" * 100_000],
)
def test_damaged_documents_are_refused_by_name(tmp_path: Path, content: str) -> None:
    path = tmp_path / "thing.json"
    path.write_text(content)
    with pytest.raises(StorageError) as caught:
        read_json(path, kind="thing", version=1)
    assert caught.value.where == str(path)


def test_a_failed_write_keeps_the_old_document(tmp_path: Path) -> None:
    path = tmp_path / "thing.json"
    write_json(path, {"schema": "edgebench.thing/1", "value": 1})
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"schema": "edgebench.thing/1", "value": float("nan")})
    assert json.loads(path.read_text())["value"] == 1


def test_a_file_in_place_of_the_folder_is_explained(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("not a folder")
    with pytest.raises(StorageError) as caught:
        write_json(tmp_path / "results" / "thing.json", {"schema": "edgebench.thing/1"})
    assert caught.value.remedy


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The temporary file is made on a device that is always full."""
    monkeypatch.setattr("tempfile.mkstemp", lambda **_: (os.open("/dev/full", os.O_WRONLY), str(tmp_path / "gone")))
    with pytest.raises(StorageError, match="disk is full"):
        write_json(tmp_path / "thing.json", {"schema": "edgebench.thing/1"})


def test_a_file_is_saved_when_its_folders_are_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[Path] = []
    monkeypatch.setattr("edgebench.store.files.sync_folder", flushed.append)
    path = tmp_path / "new" / "deep" / "thing.json"
    write_json(path, {"schema": "edgebench.thing/1"})
    assert flushed == [path.parent, tmp_path / "new", tmp_path]


def test_a_disk_that_fails_at_the_end_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.fsync

    def failing(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EIO, "Input/output error")
        real(descriptor)

    monkeypatch.setattr("os.fsync", failing)
    with pytest.raises(StorageError, match="Input/output error"):
        write_json(tmp_path / "thing.json", {"schema": "edgebench.thing/1"})


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_not_finite_are_refused(tmp_path: Path, number: str) -> None:
    path = tmp_path / "thing.json"
    path.write_text(f'{{"schema": "edgebench.thing/1", "deep": [{{"value": {number}}}]}}')
    with pytest.raises(StorageError, match=f"^{path}: {number} is not a number") as caught:
        read_json(path, kind="thing", version=1)
    assert caught.value.remedy
