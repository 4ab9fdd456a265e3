"""Stored runs, of this version and of older ones."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from edgebench.core.model import ModelFormat, ModelInfo
from edgebench.core.plan import MeasurementPlan
from edgebench.core.profile import Failure, Outcome, ProcessRun, Profile, Sample
from edgebench.core.run import Revision, Run
from edgebench.errors import InputError, StorageError
from edgebench.reports.profiles import report
from edgebench.store.devices import find_device
from edgebench.store.runs import VERSION, RunStore, load_run

READ = ModelInfo(name="m", source="m.onnx", format=ModelFormat.TFLITE, digest="ab", size_bytes=3)
UNREAD = ModelInfo(name="broken.tflite", source="broken.tflite", format=None, digest="", size_bytes=0)
SAMPLES = (ProcessRun(bursts=(Sample(latencies_s=(1e-3, 2e-3)),)),)


def stored() -> Run:
    device = find_device("fake")
    failure = Failure(message="it is no model")
    return Run(
        name="20260101-000000-abcd",
        started="2026-01-01T00:00:00+00:00",
        command=("edgebench", "profile"),
        edgebench="0.1.0",
        plan=MeasurementPlan(),
        profiles=(
            Profile(model=READ, device=device, outcome=Outcome.OK, processes=SAMPLES),
            Profile(model=UNREAD, device=device, outcome=Outcome.BAD_INPUT, failure=failure),
        ),
    )


def as_version(path: Path, version: int) -> Path:
    """A run as an older edgebench wrote it."""
    document = json.loads(path.read_text())
    del document["checksum"]
    document["schema"] = f"edgebench.run/{version}"
    if version < 6:
        del document["call"]
    if version < 4:
        del document["label"], document["revision"]
    if version < 3:
        for profile in document["profiles"]:
            profile["model"]["format"] = profile["model"]["format"] or "onnx"
    if version < 2:
        del document["search"]
    path.write_text(json.dumps(document))
    return path


def test_a_run_is_read_as_it_was_saved(tmp_path: Path) -> None:
    path = RunStore(tmp_path).save(stored())
    assert json.loads(path.read_text())["schema"] == f"edgebench.run/{VERSION}" == "edgebench.run/6"
    assert load_run(path) == stored()
    assert load_run(path).profiles[1].model.format is None


@pytest.mark.parametrize("version", [1, 2, 3])
def test_older_runs_open_as_they_are(tmp_path: Path, version: int) -> None:
    path = as_version(RunStore(tmp_path).save(stored()), version)
    found = load_run(path)
    # What an older edgebench said of a file that it could not read is kept; nobody knows any better.
    form = ModelFormat.ONNX if version < 3 else None
    unread = replace(stored().profiles[1], model=replace(UNREAD, format=form))
    assert found == replace(stored(), profiles=(stored().profiles[0], unread))
    assert report([found]).tables


def test_a_report_shows_the_format_of_a_model_that_was_read_only() -> None:
    (models,) = (table for table in report([stored()]).tables if table.title == "Models")
    assert [(row["model"], row["format"]) for row in models.rows] == [("m", "tflite")]


def test_a_newer_run_asks_for_an_update(tmp_path: Path) -> None:
    path = as_version(RunStore(tmp_path).save(stored()), VERSION + 1)
    with pytest.raises(StorageError, match="newer edgebench"):
        load_run(path)


def test_a_damaged_run_asks_to_restore_the_file(tmp_path: Path) -> None:
    path = RunStore(tmp_path).save(stored())
    whole = path.read_text()
    path.write_text(whole.replace("0.001", "0.0001"))
    assert path.read_text() != whole
    with pytest.raises(StorageError, match="edited or damaged"):
        load_run(path)
    path.write_text(re.sub(r'"checksum": "[^"]*"', '"checksum": null', whole).replace('"started"', '"begun"'))
    with pytest.raises(StorageError, match="started") as caught:
        load_run(path)
    assert caught.value.where == str(path)
    assert "restore the file" in str(caught.value.remedy)


VERSION_3 = """{
 "schema": "edgebench.run/3",
 "name": "20260101-000000-abcd", "started": "2026-01-01T00:00:00+00:00",
 "command": ["edgebench", "search", "small"], "edgebench": "0.1.0",
 "plan": {"goal": 0.02, "repetitions": 5, "time_limit_s": 60.0, "memory_limit_bytes": null, "layers": false},
 "machine": {"cpu": "x"}, "seed": 0, "complete": true, "profiles": [], "warnings": [],
 "search": {
  "study": "s", "storage": "journal", "space": "small", "space_size": 4, "objectives": ["accuracy"],
  "budget": {"limits": [], "min_accuracy": null, "max_accuracy_drop": null}, "margins": [], "accuracy": "train",
  "task": "digits", "sampler": "random", "seed": 0, "tables": {}, "intervals": {}, "looked_at": 4, "feasible": 4,
  "complete": true, "trials": 1, "failed": 0, "pruned": 0,
  "front": [{"number": 0, "architecture": "a", "accuracy": 0.5, "figures": {"macs": 10.0}}],
  "reference": null, "finalists": [], "infeasibility": null, "seconds": 1.5
 }
}"""


def test_a_search_of_version_3_opens_without_the_networks_that_it_tried(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text(VERSION_3)
    found = load_run(path)
    assert (found.label, found.revision) == ("", None)
    assert found.search is not None
    assert found.search.tried == ()
    assert found.search.front[0].accuracy == 0.5
    assert found.has_figures


def test_label_and_revision_are_kept(tmp_path: Path) -> None:
    run = replace(stored(), label="before the change", revision=Revision(commit="ab" * 20, dirty=True))
    found = load_run(RunStore(tmp_path).save(run))
    assert found == run
    assert str(found.revision) == "ababababa+"


def test_the_newest_run_is_one_that_came_to_something(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    with pytest.raises(InputError, match="there are no runs yet"):
        store.latest()
    failed = replace(stored(), name="20260102-000000-abcd", profiles=stored().profiles[1:])
    store.save(failed)
    with pytest.raises(InputError, match="nothing was measured"):
        store.latest()
    store.save(stored())
    assert store.latest() == stored()


def test_a_label_names_its_newest_run(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    runs = [replace(stored(), name=f"2026010{day}-000000-abcd", label="main") for day in (1, 2)]
    for run in runs:
        store.save(run)
    assert store.load("main") == runs[1]
    with pytest.raises(InputError, match="no run 'mai'"):
        store.load("mai")
