"""The example of a repository of models does what its README says."""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MISSING = [name for name in ("ethosu", "unicorn", "ziglang") if find_spec(name) is None]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.child,
    pytest.mark.skipif(bool(MISSING), reason=f"needs {' and '.join(MISSING)}"),
]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "examples" / "model-repo", tmp_path / "model-repo"))


def run(repository: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=repository,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"},
    )


def gate(repository: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run(repository, "edgebench.cli.main", "gate", *arguments, "--baseline", "main")


def test_its_models_are_as_in_the_baseline(repository: Path) -> None:
    done = gate(repository, "models/keywords.tflite")
    assert done.returncode == 0, done.stdout + done.stderr
    measured = gate(repository, "models/gestures.onnx", "--allow-inconclusive")
    assert measured.returncode == 0, measured.stdout + measured.stderr


def test_its_budgets_are_met(repository: Path) -> None:
    plugins = [] if _registered() else ["-p", "edgebench.pytest_plugin"]
    done = run(
        repository, "pytest", *plugins, "-p", "no:cacheprovider", "--rootdir", str(repository), "-c", "/dev/null"
    )
    assert "2 passed" in done.stdout, done.stdout + done.stderr


def _registered() -> bool:
    from importlib.metadata import entry_points

    return any(point.name == "edgebench" for point in entry_points(group="pytest11"))


def test_a_worse_model_and_a_lower_ceiling_are_stopped(repository: Path) -> None:
    lower = gate(repository, "models/keywords.tflite", "--limit", "ram@nucleo-l4r5zi <= 8KB")
    assert lower.returncode == 1
    assert "RAM breaks its limit" in lower.stdout
    other = ("zoo:resnet8", "--to", "int8-tflite", "-o", "models/keywords.tflite")
    assert run(repository, "edgebench.cli.main", "export", *other).returncode == 0
    changed = gate(repository)
    assert changed.returncode == 4
    assert "other inputs" in changed.stdout
