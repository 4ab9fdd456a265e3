"""Stored runs, of this version and of older ones."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from edgebench.core.model import ModelFormat, ModelInfo
from edgebench.core.plan import MeasurementPlan
from edgebench.core.profile import Failure, Outcome, ProcessRun, Profile, Sample
from edgebench.core.run import Run
from edgebench.errors import StorageError
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
    document["schema"] = f"edgebench.run/{version}"
    if version < 3:
        for profile in document["profiles"]:
            profile["model"]["format"] = profile["model"]["format"] or "onnx"
    if version < 2:
        del document["search"]
    path.write_text(json.dumps(document))
    return path


def test_a_run_is_read_as_it_was_saved(tmp_path: Path) -> None:
    path = RunStore(tmp_path).save(stored())
    assert json.loads(path.read_text())["schema"] == f"edgebench.run/{VERSION}" == "edgebench.run/3"
    assert load_run(path) == stored()
    assert load_run(path).profiles[1].model.format is None


@pytest.mark.parametrize("version", [1, 2])
def test_older_runs_open_as_they_are(tmp_path: Path, version: int) -> None:
    path = as_version(RunStore(tmp_path).save(stored()), version)
    found = load_run(path)
    # What an older edgebench said of a file that it could not read is kept; nobody knows any better.
    unread = replace(stored().profiles[1], model=replace(UNREAD, format=ModelFormat.ONNX))
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
    path.write_text(path.read_text().replace('"started"', '"begun"'))
    with pytest.raises(StorageError, match="started") as caught:
        load_run(path)
    assert caught.value.where == str(path)
    assert "restore the file" in str(caught.value.remedy)
