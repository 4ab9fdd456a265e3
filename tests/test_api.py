"""The Python API: what `import edgebench` gives, used as in a notebook."""

import subprocess
import sys
from pathlib import Path

import pytest

import edgebench
from edgebench.core.profile import Outcome
from tests.models_on_disk import write_onnx
from tests.small_space import write_twelve

pytestmark = pytest.mark.child

HEAVY = ("onnx", "onnxruntime", "torch", "optuna", "pandas", "ai_edge_litert", "ethosu", "rich", "typer", "pydantic")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_onnx(tmp_path / "model.onnx")


def test_importing_it_imports_no_runtime() -> None:
    script = f"import edgebench, sys; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_search_is_the_verb_although_a_package_has_its_name() -> None:
    import edgebench.search.pareto

    assert callable(edgebench.search)


def test_everything_exported_is_there_and_documented() -> None:
    for name in edgebench.__all__:
        assert getattr(edgebench, name).__doc__, name


def test_a_profile_is_a_run_a_frame_and_a_table(tmp_path: Path, model: Path) -> None:
    found = edgebench.profile(
        model, ["fake", "host"], repetitions=2, goal="1000%", options={"fake:noise": "0.5"}, results=tmp_path / "out"
    )
    assert [profile.outcome for profile in found] == [Outcome.OK, Outcome.OK]
    assert found.profiles[0].device.options["noise"] == 0.5
    assert found.path is not None
    assert found.path.is_file()
    frame = found.to_pandas()
    assert list(frame["device"]) == ["fake", "host"]
    assert (frame["latency_s"] > 0).all()
    html = found._repr_html_()
    assert "<table>" in html
    assert "fake" in html
    assert "model" in str(found)
    again = edgebench.load_run(results=tmp_path / "out")
    assert again.run == found.run
    assert edgebench.load_run(found.path).run == found.run


def test_what_fails_on_one_device_is_an_outcome_and_what_is_wrong_an_error(tmp_path: Path, model: Path) -> None:
    found = edgebench.profile(
        [model], ["fake"], options={"misbehave": "unsupported"}, repetitions=1, results=tmp_path / "out"
    )
    assert found.profiles[0].outcome is Outcome.UNSUPPORTED
    with pytest.raises(edgebench.InputError, match="hots"):
        edgebench.profile(model, "hots", results=tmp_path / "out")
    with pytest.raises(edgebench.InputError, match="2ms"):
        edgebench.profile(model, "fake", goal="2ms", results=tmp_path / "out")
    with pytest.raises(edgebench.InputError, match="no runs"):
        edgebench.load_run(results=tmp_path / "nothing")


def test_hostile_names_stay_text_in_a_notebook(tmp_path: Path) -> None:
    model = write_onnx(tmp_path / "<script>alert(1)<.onnx")
    found = edgebench.profile(model, "fake", repetitions=1, results=tmp_path / "out")
    assert "<script>" not in found._repr_html_()
    assert "&lt;script&gt;" in found._repr_html_()


def test_devices_are_listed_with_what_is_missing() -> None:
    found = edgebench.devices()
    assert "fake" in found.ready
    frame = found.to_pandas().set_index("device")
    assert frame.loc["fake", "ready"]
    assert {status.name for status in found} == set(frame.index)


@pytest.mark.slow
def test_a_table_and_a_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_twelve(tmp_path)
    monkeypatch.chdir(tmp_path)
    built = edgebench.build_table("twelve", "fake", validate=4)
    assert built.path.is_file()
    assert built.table.complete
    assert len(built.to_pandas()) == len(built.table.entries)
    assert "predicted and then profiled" in built._repr_html_()
    found = edgebench.search(
        "twelve", "fake", max_latency={"fake": "45us"}, accuracy="proxy:parameters", trials=6, finalists=1, study="s1"
    )
    assert found.record.trials == found.record.feasible
    assert found.record.front
    assert found.run.complete
    assert found.path.is_file()
    assert set(found.to_pandas()["study"]) == {"s1"}
    none = edgebench.search("twelve", "fake", max_latency="1ns", accuracy="proxy:parameters", study="s2")
    assert none.record.infeasibility is not None
    assert not none.solutions
    with pytest.raises(edgebench.InputError, match="no table for fake has energy"):
        edgebench.search("twelve", "fake", max_energy="1mJ", accuracy="proxy:parameters")
