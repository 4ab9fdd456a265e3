"""``edgebench check``: the first command of a new user, on real files and devices."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli.test_cli import edgebench
from tests.extras import needs_mcu
from tests.models.onnx.onnx_files import node, values, write
from tests.models_on_disk import write_onnx

pytestmark = pytest.mark.child


def rows(folder: Path, *arguments: str) -> dict[tuple[str, str], dict[str, Any]]:
    done = edgebench("check", *arguments, "--json", cwd=folder)
    document = json.loads(done.stdout)
    assert document["schema"] == "edgebench.report/1"
    assert document["command"] == "check"
    return {(Path(row["model"]).name, row.get("device", "")): row for row in document["rows"]}


@pytest.mark.slow
@needs_mcu
def test_what_is_in_a_file_and_where_it_runs(tmp_path: Path) -> None:
    write_onnx(tmp_path / "model.onnx", batch="batch")
    done = edgebench("check", "model.onnx", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    for words in ("image [batch,3,16,16] float32", "2 Conv, 1 Relu", "ethos-u55-128", "nucleo-l4r5zi", "whole"):
        assert words in done.stdout
    assert os.listdir(tmp_path) == ["model.onnx"]
    found = rows(tmp_path, "model.onnx")
    assert {device for _, device in found} == {"host", "host-litert", "ethos-u55-128", "nucleo-l4r5zi"}
    board = found["model.onnx", "nucleo-l4r5zi"]
    # Two convolutions of 8 channels: their weights and biases, and at least one feature map.
    assert board["flash_bytes.at_least"] >= 8 * 27 + 8 * 72
    assert board["ram_bytes.at_least"] >= 16 * 16 * 8
    assert board["form"] == "tflite, int8"


@needs_mcu
def test_operators_in_the_way_are_named_with_what_helps(tmp_path: Path) -> None:
    curve = [node("Conv", ["x", "w"], ["c"], kernel_shape=[1, 1]), node("Erf", ["c"], ["y"], name="curve")]
    write(tmp_path / "curve.onnx", curve, {"x": [1, 3, 8, 8]}, {"w": values(4, 3, 1, 1)})
    done = edgebench("check", "curve.onnx", cwd=tmp_path)
    assert done.returncode == 2
    assert "'curve'" in done.stdout
    assert "-d host" in done.stdout
    found = rows(tmp_path, "curve.onnx")
    assert found["curve.onnx", "host"]["runs"] == "whole"
    for device in ("ethos-u55-128", "nucleo-l4r5zi"):
        assert found["curve.onnx", device]["runs"] == "no"
        assert [left["operator"] for left in found["curve.onnx", device]["left"]] == ["Erf"]


@needs_mcu
def test_a_folder_has_a_line_per_file_and_counts_operators(tmp_path: Path) -> None:
    (tmp_path / "models/deep").mkdir(parents=True)
    write_onnx(tmp_path / "models/good.onnx")
    for name in ("first", "deep/second"):
        write(tmp_path / f"models/{name}.onnx", [node("Erf", ["x"], ["y"])], {"x": [1, 4]})
    (tmp_path / "models/damaged.onnx").write_bytes(os.urandom(500))
    (tmp_path / "models/notes.txt").write_text("no model")
    done = edgebench("check", "models", "-d", "host", "-d", "nucleo-l4r5zi", cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "cannot be read" in done.stdout
    assert "whole: host 3 of 4, nucleo-l4r5zi 1 of 4" in done.stdout
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("Erf")]
    assert line.split()[:3] == ["Erf", "nucleo-l4r5zi", "2"]


def test_a_device_that_takes_no_form_of_a_model_is_left_out_unless_named(tmp_path: Path) -> None:
    assert edgebench("zoo", "export", "tiny", "-o", "tiny.tflite", cwd=tmp_path).returncode == 0
    assert ("tiny.tflite", "host") not in rows(tmp_path, "tiny.tflite")
    assert rows(tmp_path, "tiny.tflite", "-d", "host")["tiny.tflite", "host"]["runs"] == "no"


@pytest.mark.parametrize("path", ["nothing.onnx", "empty"])
def test_nothing_to_check_is_said(path: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = edgebench("check", path, cwd=tmp_path)
    assert done.returncode == 2
    assert path in done.stdout + done.stderr


def test_a_model_that_hangs_or_eats_memory_is_a_line(tmp_path: Path) -> None:
    write(tmp_path / "huge.onnx", [node("Expand", ["x", "s"], ["y"])], {"x": [1]}, {"s": np.array([1 << 38])})
    write_onnx(tmp_path / "model.onnx")
    found = rows(tmp_path, "huge.onnx", "model.onnx", "-d", "host-litert", "--memory-limit", "1GB")
    assert found["huge.onnx", "host-litert"]["runs"] == "no"
    assert found["model.onnx", "host-litert"]["runs"] == "whole"


@needs_mcu
def test_the_same_from_python(tmp_path: Path) -> None:
    import edgebench as eb

    write_onnx(tmp_path / "model.onnx")
    found = eb.check(tmp_path / "model.onnx", ["host", "nucleo-l4r5zi"])
    (model,) = found.models
    assert [device.verdict for device in model.devices] == ["whole", "whole"]
    assert set(found.to_pandas()["device"]) == {"host", "nucleo-l4r5zi"}
