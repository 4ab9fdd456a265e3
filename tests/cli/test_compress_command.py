"""``edgebench compress`` as a user meets it."""

import json
from pathlib import Path

import numpy as np
import pytest

from edgebench.models.network.weights import random_weights
from edgebench.models.onnx.writer import to_onnx
from tests.cli.test_cli import edgebench
from tests.extras import needs_torch
from tests.models.onnx.onnx_files import node, values, write
from tests.tasks.synthetic import bars, small_network

pytestmark = [pytest.mark.child, needs_torch]
BARS = ("bars.onnx", "--task", "bars.npz", "-d", "fake", "--epochs", "3", "--time-limit", "3s")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    images, labels = bars(240)
    np.savez(folder / "bars.npz", x=images, y=labels)
    network = small_network(width=8)
    to_onnx(network, random_weights(network, 0), folder / "bars.onnx")
    return folder


@pytest.mark.slow
def test_a_model_is_compressed_shown_listed_and_reported(project: Path) -> None:
    done = edgebench(
        "compress",
        *BARS,
        "--max-latency",
        "1s",
        "--strategy",
        "int8",
        "--strategy",
        "qat",
        "--study",
        "one",
        cwd=project,
    )
    assert done.returncode == 0, done.stderr
    assert "recommended" in done.stdout
    shown = edgebench("compress", "show", "one", "--json", cwd=project)
    rows = json.loads(shown.stdout)["rows"]
    assert [row["strategy"] for row in rows] == ["int8", "qat"]
    assert sum(row["recommended"] for row in rows) == 1
    manifest = json.loads((project / "results/compressions/one/strategies/qat/manifest.json").read_text())
    assert manifest["repeat"].startswith("edgebench compress bars.onnx --task bars.npz")
    assert [step["text"] for step in manifest["steps"]] == ["train", "qat"]
    assert "one" in edgebench("compress", "list", cwd=project).stdout
    assert "Strategies" in edgebench("report", cwd=project).stdout
    broken = edgebench("compress", *BARS, "--max-latency", "1ns", "--strategy", "int8", "--study", "one", cwd=project)
    assert broken.returncode == 1
    assert "what binds" in broken.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("bars.onnx", "-d", "fake", "--max-accuracy-drop", "2%"), "needs a task"),
        (("bars.onnx", "-d", "fake", "--strategy", "nope"), "no strategy"),
        (("bars.onnx", "-d", "fake", "--strategy", "prune(1) + int8"), "below 1"),
        (("bars.onnx", "-d", "fake", "--max-latency", "5kg"), "5kg"),
        (("bars.onnx", "-d", "fake", "--max-ram", "5KB"), "no device among fake has RAM"),
        (("show", "nope"), "no study"),
        (("missing.onnx", "-d", "fake"), "no such file"),
    ],
)
def test_bad_input_is_refused_with_what_to_do(
    tmp_path: Path, project: Path, arguments: tuple[str, ...], said: str
) -> None:
    (tmp_path / "bars.onnx").write_bytes((project / "bars.onnx").read_bytes())
    done = edgebench("compress", *arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr


@pytest.mark.slow
def test_a_shape_that_a_message_asks_for_is_taken(tmp_path: Path) -> None:
    look = [node("Conv", ["image", "w"], ["y"], kernel_shape=[3, 3])]
    write(tmp_path / "open.onnx", look, {"image": [1, 3, "height", "width"]}, {"w": values(4, 3, 3, 3)})
    asked = edgebench("compress", "open.onnx", "-d", "fake", "--strategy", "int8", cwd=tmp_path)
    assert asked.returncode == 2
    assert "--shape image=1,3," in asked.stderr
    done = edgebench(
        "compress", "open.onnx", "-d", "fake", "--strategy", "int8", "--shape", "image=1,3,12,12", cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (manifest,) = (tmp_path / "results").rglob("manifest.json")
    assert "--shape image=1,3,12,12" in json.loads(manifest.read_text())["repeat"]
