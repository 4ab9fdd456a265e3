"""Lookup tables on disk, and tables that somebody else measured."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from edgebench.core.metric import Provenance
from edgebench.core.table import LookupTable, TableFigure, TableKey, Validation
from edgebench.errors import InputError, StorageError
from edgebench.store.table_csv import read_table_csv
from edgebench.store.tables import VERSION, TableStore

KEY = TableKey(device="board", target="fake", versions={"fake": "1"}, dtype="int8")
TABLE = LookupTable(
    space="toy",
    key=KEY,
    figures={"latency_s": TableFigure(provenance=Provenance.MEASURED, method="a test", base=1e-5)},
    entries={"conv 3x3": {"latency_s": 1.5e-3}, "dense": {"latency_s": -2e-9}},
    validation={
        "latency_s": Validation(
            networks=3, seed=0, mean_error=0.01, within_5_percent=1.0, within_10_percent=1.0, rank_correlation=None,
            low=0.99, high=1.02, when="2026-01-01", architectures=("00", "01", "10"), found=(1.0, 2.0, 3.0),
            predicted=(1.0, 2.0, 3.0),
        )
    },
)  # fmt: skip


@pytest.fixture(autouse=True)
def nothing_comes_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgebench.store.tables.packaged_folder", lambda name: tmp_path / "package" / name)


def test_what_is_saved_is_what_is_read(tmp_path: Path) -> None:
    store = TableStore(tmp_path)
    path = store.save(TABLE)
    assert path == tmp_path / "tables" / "board" / "toy.int8.json"
    assert store.load("board", "toy", "int8") == TABLE
    assert store.all() == [TABLE]
    assert store.load("board", "toy", "float32") is None


def test_tables_that_come_along_are_found_and_never_written(tmp_path: Path) -> None:
    come_along = TableStore(tmp_path / "package" / "results")
    come_along.save(TABLE)
    store = TableStore(tmp_path / "own")
    assert store.load("board", "toy", "int8") == TABLE
    assert store.load_own("board", "toy", "int8") is None
    own = replace(TABLE, notes=("mine",))
    store.save(own)
    assert store.load("board", "toy", "int8") == own
    assert store.all() == [own]
    assert come_along.load("board", "toy", "int8") == TABLE


def test_types_do_not_overwrite_each_other(tmp_path: Path) -> None:
    store = TableStore(tmp_path)
    store.save(TABLE)
    store.save(replace(TABLE, key=replace(KEY, dtype="float32")))
    assert len(store.all()) == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema": "edgebench.table/99"}, "newer"),
        ({"schema": "edgebench.run/1"}, "table"),
        ({"entries": {"dense": {"latency_s": float("nan")}}}, ""),
        ({"entries": {"dense": {"speed": 1.0}}}, "speed"),
        ({"entries": 7}, ""),
    ],
)
def test_damaged_tables_are_refused(change: dict[str, object], words: str, tmp_path: Path) -> None:
    store = TableStore(tmp_path)
    path = store.save(TABLE)
    document = json.loads(path.read_text())
    del document["checksum"]
    path.write_text(json.dumps({**document, **change}))
    with pytest.raises((StorageError, InputError)) as caught:
        store.load("board", "toy", "int8")
    assert words in str(caught.value)


def test_half_a_file_is_refused(tmp_path: Path) -> None:
    store = TableStore(tmp_path)
    path = store.save(TABLE)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(StorageError):
        store.load("board", "toy", "int8")


def test_one_process_at_a_time_writes_a_table(tmp_path: Path) -> None:
    store = TableStore(tmp_path)
    with store.writing("board", "toy", "int8"):
        with pytest.raises(StorageError, match="another process"), store.writing("board", "toy", "int8"):
            pass
        with store.writing("board", "toy", "float32"):
            pass
    with store.writing("board", "toy", "int8"):
        pass


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "tables").write_text("a file")
    with pytest.raises(StorageError, match="cannot be written"), TableStore(tmp_path).writing("board", "toy", "int8"):
        pass


def imported(text: str, tmp_path: Path) -> LookupTable:
    path = tmp_path / "theirs.csv"
    path.write_text(text)
    told = read_table_csv(path)
    figures = {
        name: told.figure(
            name, provenance=Provenance.MEASURED, method=f"imported from {path.name}", source="a colleague"
        )
        for name in next(iter(told.rows.values()))
    }
    return LookupTable(space="toy", key=KEY, figures=figures, entries=told.rows)


def test_a_table_from_elsewhere_says_so(tmp_path: Path) -> None:
    table = imported('block,latency_s,ram_bytes\nconv 3x3,0.0015,1024\n"a, b",2e-3,7\n', tmp_path)
    assert table.entries == {
        "conv 3x3": {"latency_s": 0.0015, "ram_bytes": 1024.0},
        "a, b": {"latency_s": 0.002, "ram_bytes": 7.0},
    }
    assert {figure.source for figure in table.figures.values()} == {"a colleague"}
    assert "theirs.csv" in table.figures["latency_s"].method


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "columns are none"),
        ("block\nconv\n", "columns are block"),
        ("latency_s\n1\n", "columns are latency_s"),
        ("block,speed\nconv,1\n", "speed"),
        ("block,latency_s\n", "no lines"),
        ("block,latency_s\nconv,fast\n", "which is not a number"),
        ("block,latency_s\nconv,nan\n", "nan"),
        ("block,latency_s\nconv,1\nconv,2\n", "has other figures than in line 2"),
        ("block,latency_s\n,1\n", "line 2"),
        ("block,latency_s\nconv,1,2\n", "line 2"),
        ("block,latency_s\nconv\n", "line 2"),
    ],
)
def test_bad_lines_are_named(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        imported(text, tmp_path)
    assert words in str(caught.value)


def test_files_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    for prepare in (lambda: None, lambda: path.write_bytes(b"\xff\xfe\x00\x81"), lambda: path.unlink() or path.mkdir()):
        prepare()
        with pytest.raises(InputError):
            read_table_csv(path)


def test_a_table_of_version_1_opens_with_the_options_as_they_are_called_now(tmp_path: Path) -> None:
    store = TableStore(tmp_path)
    key = replace(KEY, target="ethos-u", options={"optimization": "Size", "accelerator": "ethos-u55-128"})
    path = store.save(replace(TABLE, key=key))
    text = (
        path.read_text()
        .replace(f'"edgebench.table/{VERSION}"', '"edgebench.table/1"')
        .replace("optimization", "optimise")
    )
    path.write_text(re.sub(r'"checksum": "[^"]*"', '"checksum": null', text))
    assert "optimise" in text
    found = store.load("board", "toy", "int8")
    assert found is not None
    assert found.key == key


def test_a_table_of_version_2_opens_without_what_was_not_known_then(tmp_path: Path) -> None:
    store = TableStore(tmp_path)
    path = store.save(TABLE)
    document = json.loads(path.read_text())
    del document["checksum"]
    for name in ("wholes", "left_out", "disturbed"):
        document.pop(name, None)
    for figure in document["figures"].values():
        figure.pop("corrections", None)
        figure.pop("weights", None)
    path.write_text(json.dumps({**document, "schema": "edgebench.table/2"}))
    assert store.load("board", "toy", "int8") == TABLE


def test_what_whole_networks_taught_survives(tmp_path: Path) -> None:
    known = Validation(
        networks=2,
        seed=0,
        mean_error=0.01,
        within_5_percent=1.0,
        within_10_percent=1.0,
        rank_correlation=None,
        low=0.9,
        high=1.1,
        when="2026-11-26",
        median_low=1.0,
        median_high=1.2,
    )
    figure = next(iter(TABLE.figures))
    taught = replace(
        TABLE,
        figures={**TABLE.figures, figure: replace(TABLE.figures[figure], corrections={"separable 4x4x8": -1e-6})},
        wholes={"01": {figure: 1e-3}},
        left_out={figure: known},
        disturbed=(next(iter(TABLE.entries)),),
    )
    store = TableStore(tmp_path)
    store.save(taught)
    assert store.load("board", "toy", "int8") == taught
