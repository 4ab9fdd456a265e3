"""Baselines on disk: sorted, checked on the way in, and inside their folder."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebench.core.baseline import Baseline, BaselineChange, BaselineEntry, BaselineFigure
from edgebench.core.metric import Provenance
from edgebench.core.run import Revision
from edgebench.errors import EdgebenchError, InputError, StorageError
from edgebench.store.baselines import BaselineStore

FIGURE = BaselineFigure(value=4096.0, unit="bytes", provenance=Provenance.EXACT)
ENTRY = BaselineEntry(
    model="net",
    source="models/net.onnx",
    model_digest="ab",
    device="board",
    target="mcu",
    options={"b": 2, "a": (1, 2)},
    versions={"z": "1", "a": "2"},
    sampled=False,
    figures={"ram_bytes": FIGURE, "flash_bytes": replace(FIGURE, value=1.5)},
    fallbacks={},
    layers={"second": 2.0, "first": 1.0},
    layer_unit="cycles",
)
BASELINE = Baseline(
    name="main",
    edgebench="0.1.0",
    machine={"cpu": "c"},
    limits=("latency 2%",),
    changes=(BaselineChange(date="2026-01-01", reason="why", revision=Revision(commit="c" * 40)),),
    entries=(replace(ENTRY, model="z"), replace(ENTRY, device="another"), ENTRY),
)


def edited(path: Path, change: Any) -> None:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def test_what_is_saved_is_loaded_sorted(tmp_path: Path) -> None:
    store = BaselineStore(tmp_path)
    path = store.save(BASELINE)
    assert path == tmp_path / "baselines" / "main.json"
    loaded = store.load("main")
    assert [(entry.model, entry.device) for entry in loaded.entries] == [
        ("net", "another"),
        ("net", "board"),
        ("z", "board"),
    ]
    assert loaded.entries[1] == ENTRY
    assert replace(loaded, entries=()) == replace(BASELINE, entries=())
    assert store.load(str(path)) == loaded
    assert store.names() == ["main"]


def test_saving_again_changes_nothing(tmp_path: Path) -> None:
    store = BaselineStore(tmp_path)
    first = store.save(BASELINE).read_bytes()
    assert store.save(store.load("main")).read_bytes() == first


def test_a_figure_takes_one_line_and_layers_keep_their_order(tmp_path: Path) -> None:
    text = BaselineStore(tmp_path).save(replace(BASELINE, entries=(ENTRY,))).read_text()
    assert '"flash_bytes": {"value": 1.5, "unit": "bytes", "provenance": "exact"},' in text
    assert text.index("flash_bytes") < text.index("ram_bytes")
    assert text.index('"second"') < text.index('"first"')
    assert "null" not in text


def test_absent_and_empty_fallbacks_are_told_apart(tmp_path: Path) -> None:
    store = BaselineStore(tmp_path)
    store.save(replace(BASELINE, entries=(ENTRY, replace(ENTRY, model="other", fallbacks=None))))
    assert [entry.fallbacks for entry in store.load("main").entries] == [{}, None]


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../x", "a/b", "a\\b", "/etc/passwd", "x\x00y", "x\ny", ".hidden", "a b", "näme", "x" * 101, "-x"],
)
def test_names_stay_in_their_folder(tmp_path: Path, name: str) -> None:
    store = BaselineStore(tmp_path)
    for action in (lambda: store.save(replace(BASELINE, name=name)), lambda: store.load(name)):
        with pytest.raises(InputError, match="not a name"):
            action()
    assert not list(tmp_path.rglob("*"))


@given(st.text(max_size=30))
def test_any_name_is_a_file_in_the_folder_or_refused(name: str) -> None:
    store = BaselineStore(Path("results"))
    try:
        path = store.path(name)
    except InputError:
        return
    assert path.parent == Path("results/baselines")


def test_a_missing_baseline_names_those_that_exist(tmp_path: Path) -> None:
    store = BaselineStore(tmp_path)
    with pytest.raises(InputError) as caught:
        store.load("main")
    assert "baseline save main" in (caught.value.remedy or "")
    store.save(BASELINE)
    with pytest.raises(InputError) as caught:
        store.load("mian")
    assert caught.value.remedy == "did you mean 'main'?"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "not a JSON document"),
        ("{", "not a JSON document"),
        ("[]", "no schema"),
        ("{}", "no schema"),
        ('{"schema": "edgebench.baseline/999"}', "newer edgebench"),
        ('{"schema": "edgebench.run/4"}', "this is a run file"),
        ('{"schema": "edgebench.baseline/1"}', "is missing"),
        ("\x00\xff", "not a JSON document"),
    ],
)
def test_damaged_files_are_explained(tmp_path: Path, content: str, message: str) -> None:
    path = BaselineStore(tmp_path).path("main")
    path.parent.mkdir(parents=True)
    path.write_text(content)
    with pytest.raises(StorageError, match=message):
        BaselineStore(tmp_path).load("main")


def test_figures_that_were_edited_by_hand_are_refused(tmp_path: Path) -> None:
    store = BaselineStore(tmp_path)
    path = store.save(BASELINE)
    edited(path, lambda document: document["entries"][0]["figures"]["flash_bytes"].update(value=9e9))
    with pytest.raises(StorageError, match="edited by hand"):
        store.load("main")
    assert store.load("main", trusted=False).name == "main"
    path = store.save(BASELINE)
    edited(path, lambda document: document.pop("digest"))
    with pytest.raises(StorageError, match="edited by hand"):
        store.load("main")


def test_limits_and_reasons_may_be_edited(tmp_path: Path) -> None:
    store = BaselineStore(tmp_path)
    path = store.save(BASELINE)
    edited(path, lambda document: document.update(limits=["latency 5%"]))
    assert store.load("main").limits == ("latency 5%",)


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=5))
def test_any_entry_is_refused_or_read(tmp_path_factory: pytest.TempPathFactory, value: object) -> None:
    store = BaselineStore(tmp_path_factory.mktemp("baseline"))
    path = store.save(BASELINE)
    edited(path, lambda document: document["entries"][0].update(figures=value))
    with pytest.raises(EdgebenchError):
        store.load("main")


def test_entries_are_found_by_path_then_by_name() -> None:
    twice = replace(BASELINE, entries=(ENTRY, replace(ENTRY, source="other/net.onnx")))
    assert twice.entry("other/net.onnx", "net", "board") is twice.entries[1]
    assert twice.entry("new/net.onnx", "net", "board") is None
    assert BASELINE.entry("new/net.onnx", "net", "board") is BASELINE.entries[2]
    assert BASELINE.entry("models/net.onnx", "net", "nowhere") is None
