"""Runs that older versions stored."""

import json
from pathlib import Path
from typing import Any

import pytest

from edgebench.core.search import SearchRecord, TrialResult
from edgebench.errors import StorageError
from edgebench.store.runs import RunStore, load_run

SEARCH: dict[str, Any] = {
    "study": "twelve-1", "storage": "results/studies/twelve-1/journal.log", "space": "twelve", "space_size": 12,
    "objectives": ["accuracy"],
    "budget": {
        "limits": [{"figure": "latency_s", "device": "fake", "value": 0.001}],
        "min_accuracy": None, "max_accuracy_drop": None,
    },
    "margins": [1.0], "accuracy": "validation accuracy after 6 epochs", "task": "", "sampler": "edgebench", "seed": 0,
    "tables": {"fake": "float32, 7 blocks, ; not validated"}, "looked_at": 16, "feasible": 16, "complete": True,
    "trials": 1, "failed": 0, "pruned": 0,
    "front": [{"number": 0, "architecture": "1011", "accuracy": 0.9, "figures": {"latency_s@fake": 2e-5}}],
    "reference": None, "finalists": [], "infeasibility": None, "seconds": 1.5, "notes": [],
}  # fmt: skip


RUN: dict[str, Any] = {
    "name": "20260101-000000-abcd", "started": "2026-01-01T00:00:00", "command": ["search"], "edgebench": "0.1.0",
    "plan": {"goal": 0.02, "repetitions": 5, "time_limit_s": 60.0, "memory_limit_bytes": None, "layers": False},
    "machine": {}, "seed": 0, "complete": True, "profiles": [], "warnings": [],
}  # fmt: skip


def stored(folder: Path, version: int, search: dict[str, Any] | None) -> Path:
    """A run as a version of the schema wrote it."""
    path = folder / "old.json"
    path.write_text(json.dumps({"schema": f"edgebench.run/{version}", **RUN, "search": search}))
    return path


def test_a_run_of_version_2_opens_without_its_notes(tmp_path: Path) -> None:
    path = stored(tmp_path, 2, SEARCH)
    run = load_run(path)
    assert isinstance(run.search, SearchRecord)
    assert run.search.front == (
        TrialResult(number=0, architecture="1011", accuracy=0.9, figures={"latency_s@fake": 2e-5}),
    )
    assert (run.search.study, run.search.seconds) == ("twelve-1", 1.5)
    store = RunStore(tmp_path / "results")
    again = store.save(run)
    assert "notes" not in json.loads(again.read_text())["search"]
    assert load_run(again) == run


def test_a_run_of_version_2_without_a_search_opens(tmp_path: Path) -> None:
    assert load_run(stored(tmp_path, 2, None)).search is None


def test_notes_are_unknown_to_the_present_version(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="notes"):
        load_run(stored(tmp_path, 3, SEARCH))


def test_options_of_a_version_2_run_are_called_as_they_are_now(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    profile = {
        "model": {"name": "m", "source": "m.tflite", "format": "tflite", "digest": "", "size_bytes": 1},
        "device": {
            "name": "npu", "kind": "npu", "target": "ethos-u", "description": "", "options": {"optimise": "Size"}
        },
        "outcome": "ok",
    }  # fmt: skip
    path = store.path("old")
    path.parent.mkdir(parents=True)
    document = {
        "schema": "edgebench.run/2", "name": "old", "started": "", "command": [], "edgebench": "0", "plan": {},
        "profiles": [profile],
    }  # fmt: skip
    path.write_text(json.dumps(document))
    (found,) = store.load("old").profiles
    assert found.device.options == {"optimization": "Size"}
