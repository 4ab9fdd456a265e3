"""The program that comes with an exported project runs on this machine, and tells the truth."""

import platform
import re
import shutil
import subprocess
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from edgebench.core.model import InputSource
from edgebench.store.devices import find_device
from edgebench.targets.mcu.project import write_project
from tests.targets.mcu import (
    random_arithmetic,
    random_convolutions,
    random_logic,
    random_movement,
    random_recurrent,
    random_wide,
)
from tests.targets.mcu.random_graphs import RandomGraph
from tests.targets.mcu.small_graphs import Operator, Tensor, write_graph
from tests.targets.mcu.streaming import write_streaming

pytestmark = [
    pytest.mark.child,
    pytest.mark.skipif(find_spec("bakenn") is None or find_spec("ziglang") is None, reason="needs edgebench[mcu]"),
]
needs_compiler = pytest.mark.skipif(
    any(shutil.which(name) is None for name in ("make", "cc")), reason="needs make and a compiler for this machine (cc)"
)
needs_known_host = pytest.mark.skipif(platform.system() != "Linux", reason="the host build is made for Linux")
FAMILIES = (
    *(random_arithmetic, random_convolutions, random_logic),
    *(random_movement, random_recurrent, random_wide),
)
AGREES = "the outputs agree with LiteRT's reference kernels to the bit"


def written(model: Path, folder: Path, inputs: InputSource | None = None, device: str = "nucleo-l4r5zi") -> Path:
    folder.mkdir()
    files, _ = write_project(model, find_device(device), inputs or InputSource(), folder)
    assert {"main.c", "test_vector.c", "test_vector.h"} <= set(files)
    return folder


def run(project: Path, expected: int = 0, arguments: Sequence[str] = ()) -> str:
    done = subprocess.run(
        ["make", "-s", "run-host", "HOST_CFLAGS=-O1", *arguments],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == expected, done.stdout + done.stderr
    return done.stdout


@needs_compiler
@needs_known_host
@pytest.mark.parametrize("device", ["nucleo-l4r5zi", "generic-m55"])
def test_random_operators_give_the_same_bits_on_the_host(device: str, tmp_path: Path) -> None:
    graph = RandomGraph(np.random.default_rng(11))
    for family in FAMILIES:
        for operator in family.KINDS.values():
            operator(graph)
    project = written(graph.write(tmp_path / "g.tflite"), tmp_path / "project", device=device)
    assert AGREES in run(project)


@needs_compiler
@needs_known_host
def test_what_is_kept_from_run_to_run_is_tried_over_several_runs(tmp_path: Path) -> None:
    project = written(write_streaming(tmp_path / "g.tflite"), tmp_path / "project")
    answer = run(project)
    assert answer.count("9 of 9 values agree") == 3
    assert AGREES in answer


@needs_compiler
@needs_known_host
def test_outputs_that_differ_are_reported(tmp_path: Path) -> None:
    project = written(write_streaming(tmp_path / "g.tflite"), tmp_path / "project")
    vector = project / "test_vector.c"
    first = re.search(r"(test_output_0\[TEST_RUNS\]\[9\] = \{\s*\{)(-?\d+)", vector.read_text())
    assert first is not None
    wrong = str((int(first[2]) + 1) % 100)
    vector.write_text(vector.read_text().replace(first[0], first[1] + wrong))
    answer = run(project, expected=2)
    assert "8 of 9 values agree" in answer
    assert "DIFFER" in answer


def test_the_readme_names_where_the_inputs_come_from(tmp_path: Path) -> None:
    tensors = [Tensor(shape=(1, 2, 3, 4), zero_point=1), Tensor(shape=(1, 2, 3, 4))]
    relu = Operator(kind="RELU", inputs=(0,), outputs=(1,))
    model = write_graph(tmp_path / "g.tflite", tensors, [relu], [0], [1])
    images = np.arange(48, dtype=np.float32).reshape(2, 4, 2, 3) / 10
    np.savez(tmp_path / "images.npz", t0=images)
    inputs = InputSource(calibration=str(tmp_path / "images.npz"))
    project = written(model, tmp_path / "calibrated", inputs)
    assert "make run-host" in (project / "README.md").read_text()
    assert "the first sample of images.npz" in (project / "README.md").read_text()
    # Channels first, as many users' files have them, in steps of 0.05 from 1.
    levels = np.clip(np.round(images[:1].transpose(0, 2, 3, 1) / 0.05) + 1, -128, 127).astype(int).ravel()
    content = (project / "test_vector.c").read_text()
    first = content[content.index("= {") + 3 : content.index("};")]
    assert [int(number) for number in re.findall(r"-?\d+", first)] == levels.tolist()

    seeded = written(model, tmp_path / "seeded", InputSource(seed=5))
    assert "random values, seed 5" in (seeded / "README.md").read_text()


def test_calibration_that_does_not_fit_leaves_random_inputs(tmp_path: Path) -> None:
    tensors = [Tensor(shape=(1, 4)), Tensor(shape=(1, 4))]
    relu = Operator(kind="RELU", inputs=(0,), outputs=(1,))
    model = write_graph(tmp_path / "g.tflite", tensors, [relu], [0], [1])
    np.savez(tmp_path / "wrong.npz", t0=np.zeros((3, 5), np.float32))
    project = written(model, tmp_path / "project", InputSource(calibration=str(tmp_path / "wrong.npz")))
    assert "random values, seed 0" in (project / "README.md").read_text()


def test_a_model_without_a_reference_is_written_without_a_vector(tmp_path: Path) -> None:
    """LiteRT refuses roots of values below 0, and some of random ones are."""
    tensors = [Tensor(shape=(1, 64)), Tensor(shape=(1, 64))]
    root = Operator(kind="SQRT", inputs=(0,), outputs=(1,), version=1)
    model = write_graph(tmp_path / "g.tflite", tensors, [root], [0], [1])
    (tmp_path / "project").mkdir()
    files, notes = write_project(model, find_device("nucleo-l4r5zi"), InputSource(), tmp_path / "project")
    assert not {"main.c", "test_vector.c"} & set(files)
    assert any("no test vector" in note for note in notes)
    assert "run-host" not in (tmp_path / "project" / "README.md").read_text()
