"""A figure belongs to the file that it names, and an impossible one is not believed."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from edgebench.core.metric import Metric, Provenance
from edgebench.core.model import InputSource
from edgebench.core.plan import MeasurementPlan
from edgebench.core.profile import Outcome, Sample
from edgebench.errors import StorageError
from edgebench.flows.profile.preparation import Preparation, Ready
from edgebench.flows.profile.profile import ProfileProgress, ProfileRequest, profile
from edgebench.models.digest import digest_files
from edgebench.store.devices import find_device
from edgebench.store.runs import load_run
from edgebench.workers.local import LOCAL
from edgebench.workers.measuring.jobs import Load
from edgebench.workers.protocol import request_message
from tests.cli.test_cli import QUICK, edgebench
from tests.models_on_disk import write_onnx
from tests.reports.made_runs import simulated


@pytest.mark.child
@pytest.mark.slow
@pytest.mark.parametrize("device", ["fake", "host"])
def test_a_model_replaced_while_it_is_measured_has_no_figures(device: str, tmp_path: Path) -> None:
    model = write_onnx(tmp_path / "model.onnx")
    other = write_onnx(tmp_path / "other.onnx", channels=64)
    replaced = False

    def replace_it(_: ProfileProgress) -> None:
        nonlocal replaced
        if not replaced:
            shutil.copy(other, tmp_path / "new")
            (tmp_path / "new").replace(model)
        replaced = True

    request = ProfileRequest(
        models=[str(model)],
        devices=[find_device(device)],
        plan=MeasurementPlan(repetitions=2, goal=10.0, time_limit_s=20),
        inputs=InputSource(),
    )
    (found,) = profile(request, on_update=lambda _: None, on_progress=replace_it)
    assert found.outcome in {Outcome.BAD_INPUT, Outcome.OK}
    if found.outcome is Outcome.OK:
        assert found.model.size_bytes == other.stat().st_size, "it was replaced before it was read"
    else:
        assert found.failure is not None
        assert "changed while it was measured" in found.failure.message


@pytest.mark.child
@pytest.mark.slow
def test_a_file_that_changes_between_its_description_and_its_run_is_refused(tmp_path: Path) -> None:
    model = write_onnx(tmp_path / "model.onnx")
    preparation = Preparation(str(tmp_path), MeasurementPlan(), InputSource(), LOCAL)
    ready = preparation.prepare(str(model), find_device("host"))
    assert isinstance(ready, Ready)
    write_onnx(model, channels=64)
    with LOCAL.measuring() as worker, pytest.raises(Exception, match="changed while it was measured"):
        worker.ask(ready.load_request(InputSource()), timeout_s=60)


def edited(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.child
@pytest.mark.slow
def test_an_edited_run_is_a_line_of_the_list_and_refused_alone(tmp_path: Path) -> None:
    assert edgebench("profile", "zoo:tiny", "-d", "fake", *QUICK, cwd=tmp_path).returncode == 0
    (path,) = (tmp_path / "results" / "runs").glob("*.json")
    edited(path, '"size_bytes": ', '"size_bytes": -')
    alone = edgebench("report", path.stem, cwd=tmp_path)
    assert alone.returncode == 2
    assert "edited or damaged" in alone.stderr
    listed = edgebench("report", "--list", cwd=tmp_path)
    assert "edited or damaged" in listed.stdout + listed.stderr
    # Even without its checksum.
    document = json.loads(path.read_text())
    del document["checksum"]
    path.write_text(json.dumps(document))
    with pytest.raises(StorageError, match="below zero"):
        load_run(path)


@pytest.mark.parametrize("latencies", [(-1.0,), (1.0, float("nan"))])
def test_impossible_samples_are_refused(latencies: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="below zero"):
        Sample(latencies_s=latencies)


def test_impossible_figures_are_refused() -> None:
    below = Metric(value=-5e9, unit="bytes", provenance=Provenance.EXACT, method="made up")
    with pytest.raises(ValueError, match="ram_bytes cannot be below zero"):
        replace(simulated(), metrics={"ram_bytes": below})


@pytest.mark.child
def test_checking_a_models_content_takes_no_memory_of_its_process(tmp_path: Path) -> None:
    """What a figure of memory is of must not grow by how edgebench looks at the file."""
    model = write_onnx(tmp_path / "model.onnx")
    digest, _ = digest_files([model])
    load = request_message(Load(device=find_device("host"), model=str(model), inputs=InputSource(), digest=digest))
    program = (
        "import io, sys\n"
        "from edgebench.workers.measuring.server import MeasuringServer\n"
        f"MeasuringServer(io.BytesIO(), io.BytesIO({load!r} + b'\\n')).serve()\n"
        "print('onnxruntime' in sys.modules, 'onnx' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split() == ["True", "False"]
