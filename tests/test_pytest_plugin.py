"""The plug-in for pytest as a user of it sees it: tests of their own, run by a pytest of their own."""

import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

import pytest

import edgebench
from edgebench.errors import InputError
from tests.gate_models import write_network

HEAVY = ("numpy", "onnx", "onnxruntime", "torch", "optuna", "pandas", "rich", "typer")
TESTS = """
import pytest

def test_fits(assert_within_budget):
    run = assert_within_budget("net.onnx", "fake", flash="1MB", latency={"fake": "1s"})
    assert run.profiles[0].model.name == "net"

def test_too_slow(assert_within_budget):
    assert_within_budget("net.onnx", "fake", latency="1ns")

def test_unknown(assert_within_budget):
    assert_within_budget("net.onnx", "fake", energy="1mJ")

def test_is_measured_once(edgebench_profile):
    assert edgebench_profile("net.onnx", "fake") is edgebench_profile("net.onnx", "fake")
"""


def run_pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    plugin = () if _registered() else ("-p", "edgebench.pytest_plugin")
    return subprocess.run(
        [sys.executable, "-m", "pytest", *plugin, "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        env={**os.environ, "COLUMNS": "160"},
        capture_output=True,
        text=True,
        timeout=300,
    )


def _registered() -> bool:
    return any(point.name == "edgebench" for point in importlib.metadata.entry_points(group="pytest11"))


@pytest.mark.child
@pytest.mark.slow
def test_budgets_in_tests(tmp_path: Path) -> None:
    write_network(tmp_path / "net.onnx", hidden=4, layers=1, size=8)
    (tmp_path / "test_models.py").write_text(TESTS)
    done = run_pytest(tmp_path, "test_models.py", "--edgebench-results", "kept")
    assert "2 failed, 2 passed" in done.stdout, done.stdout + done.stderr
    assert "AssertionError: not within its budget: net on fake: latency breaks its limit" in done.stdout
    assert "energy not measured" in done.stdout
    assert "Limits: 1 ceiling broken" in done.stdout
    # What a reader sees is their own test.
    assert "api_budget.py" not in done.stdout
    # Three questions: those of the budgets are equal but for their limits.
    assert len(list((tmp_path / "kept" / "runs").glob("*.json"))) == 2


@pytest.mark.child
def test_it_costs_a_session_nothing_that_does_not_use_it(tmp_path: Path) -> None:
    script = f"import edgebench.pytest_plugin, sys; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    (tmp_path / "test_nothing.py").write_text("def test_nothing(): pass\n")
    assert "1 passed" in run_pytest(tmp_path, "test_nothing.py").stdout


@pytest.mark.child
def test_the_function_without_pytest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_network(tmp_path / "net.onnx", hidden=4, layers=1, size=8)
    assert edgebench.assert_within_budget("net.onnx", "fake", flash="1MB", repetitions=1).path is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.onnx"]
    with pytest.raises(AssertionError, match=r"not within its budget: none.onnx on fake: bad input"):
        edgebench.assert_within_budget("none.onnx", "fake", flash="1MB")


def test_a_budget_without_a_limit_is_refused() -> None:
    with pytest.raises(InputError, match="no limit"):
        edgebench.assert_within_budget("net.onnx", "fake")
