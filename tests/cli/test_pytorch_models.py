"""PyTorch models on every kind of device, as a user meets them; and the optional converter before it is there."""

import json
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest

from tests.cli.test_cli import edgebench
from tests.extras import needs_torch
from tests.models.pytorch.test_to_devices import exported, made

ROOT = Path(__file__).parent.parent.parent
needs_emulator = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("ziglang", "unicorn", "elftools", "bakenn")), reason="needs edgebench[mcu]"
)
pytestmark = pytest.mark.child


@needs_emulator
@pytest.mark.slow
@pytest.mark.parametrize("model", ["gru.pt2", "tests.models.pytorch.families:ds_cnn"])
def test_a_compiled_and_an_emulated_network(model: str, torch: ModuleType, tmp_path: Path) -> None:
    if model == "gru.pt2":
        module, inputs = made(torch, "gru")
        exported(torch, module, inputs, tmp_path / model)
    done = edgebench(
        "profile", model, "-d", "ethos-u55-128", "-d", "nucleo-l4r5zi", "--json",
        cwd=tmp_path, env={"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = {row["device"]: row for row in json.loads(done.stdout)["rows"]}
    assert {row["outcome"] for row in rows.values()} == {"ok"}
    assert rows["ethos-u55-128"]["latency_s.provenance"] == "estimated"
    assert rows["ethos-u55-128"]["latency_s"] > 0
    assert rows["nucleo-l4r5zi"]["flash_bytes.provenance"] == "exact"
    assert rows["nucleo-l4r5zi"]["latency_s"] > 0
    assert "exported from PyTorch to ONNX by torch.onnx.export" in done.stdout
    assert "Warning" not in done.stderr


@pytest.mark.heavy
def test_a_module_is_found_in_the_folder_where_one_stands(torch: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "mynets.py").write_text("import torch\nnet = torch.nn.Linear(4, 2)\n")
    done = edgebench("profile", "mynets:net", "-d", "fake", "--shape", "input=1,4", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)["rows"]
    assert (row["model"], row["outcome"]) == ("net", "ok")


@needs_torch
def test_names_with_colons_stay_as_they_are(tmp_path: Path) -> None:
    done = edgebench("profile", "no_such_module:x", "-d", "fake", cwd=tmp_path)
    assert done.returncode == 2
    assert "no_such_module:x: it cannot be imported" in done.stdout


@pytest.mark.slow
def test_a_converter_that_is_not_set_up(torch: ModuleType, tmp_path: Path) -> None:
    module, inputs = made(torch, "auto_encoder")
    exported(torch, module, inputs, tmp_path / "model.pt2")
    env = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = edgebench(
        "profile", "model.pt2", "-d", "ethos-u55-128", "--converter", "litert-torch", cwd=tmp_path, env=env
    )
    assert done.returncode == 3
    assert "edgebench setup litert-torch (2.2 GB of disk space)" in done.stdout
    done = edgebench("setup", "litert-torch", cwd=tmp_path, env=env)
    assert done.returncode == 2
    assert "2.2 GB of disk space" in done.stderr
    assert "edgebench setup litert-torch --yes" in done.stderr
    (row,) = json.loads(edgebench("setup", "list", "--json", cwd=tmp_path, env=env).stdout)["rows"]
    assert (row["name"], row["state"], row["size_bytes"]) == ("litert-torch", "missing", None)
    assert {path.name for path in (tmp_path / "cache" / "edgebench").iterdir()} <= {"run-lists"}
    done = edgebench("setup", "remove", "litert-torch", cwd=tmp_path, env=env)
    assert done.returncode == 2
    assert "does not exist" in done.stderr
    assert edgebench("export", "model.pt2", "--to", "tflite", "-o", "m.tflite", cwd=tmp_path).returncode == 0
    assert (tmp_path / "m.tflite").read_bytes()[4:8] == b"TFL3"
