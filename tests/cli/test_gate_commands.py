"""Baselines, gates, comparisons and limits as a user meets them: real processes, files, repositories and exit codes."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import edgebench as api
from edgebench.errors import InputError
from tests.gate_models import write_network

pytestmark = pytest.mark.child

QUICK = ["--repetitions", "2", "--goal", "1000%"]
NPU = "ethos-u55-128"
needs_vela = pytest.mark.skipif(find_spec("ethosu") is None, reason="ethos-u-vela is not installed")


def edgebench(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edgebench.cli.main", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=300,
        env={**os.environ, "COLUMNS": "200"},
    )


def git(folder: Path, *arguments: str) -> None:
    settings = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    subprocess.run(["git", *settings, *arguments], cwd=folder, capture_output=True, check=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a small network."""
    write_network(tmp_path / "net.onnx", hidden=4, layers=1, size=8)
    return tmp_path


@pytest.mark.parametrize(
    ("limits", "code", "words"),
    [
        (["--max-latency", "1s", "--max-flash", "fake=1MB"], 0, "Limits: 2 passed"),
        (["--max-latency", "1ns"], 1, "latency breaks its limit"),
        (["--max-energy", "1J"], 4, "energy not measured"),
        (["--max-flash", "1MB", "--max-ram", "fake=1B"], 1, "RAM breaks its limit"),
    ],
)
def test_a_profile_with_limits_is_a_gate(folder: Path, limits: list[str], code: int, words: str) -> None:
    done = edgebench("profile", "net.onnx", "-d", "fake", *QUICK, *limits, cwd=folder)
    assert done.returncode == code, done.stdout + done.stderr
    assert words in done.stdout


@pytest.mark.parametrize(
    ("limits", "words"),
    [(["--max-flash", "host=1MB"], "'host' is not among the devices"), (["--max-ram", "1s"], "is a time")],
)
def test_limits_that_make_no_sense_are_refused_before_anything_runs(
    folder: Path, limits: list[str], words: str
) -> None:
    done = edgebench("profile", "net.onnx", "-d", "fake", *limits, cwd=folder)
    assert done.returncode == 2
    assert words in done.stderr
    assert not (folder / "results").exists()


def test_a_crash_under_a_limit_is_not_measured(folder: Path) -> None:
    arguments = ["-d", "fake", "-O", "misbehave=crash", "--max-latency", "1s"]
    done = edgebench("profile", "net.onnx", *arguments, cwd=folder)
    assert done.returncode == 4, done.stdout
    assert "latency not measured" in done.stdout


@needs_vela
@pytest.mark.slow
def test_from_a_first_baseline_to_an_update(folder: Path) -> None:
    limits = ["--limit", "flash 0", "--limit", "ram@nucleo-l4r5zi <= 1KB"]
    done = edgebench("baseline", "save", "main", "net.onnx", "-d", NPU, *limits, cwd=folder)
    assert done.returncode == 0, done.stderr
    file = folder / "results/baselines/main.json"
    assert edgebench("baseline", "save", "main", "net.onnx", "-d", NPU, cwd=folder).returncode == 2
    done = edgebench("gate", "--baseline", "main", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr

    write_network(folder / "net.onnx", hidden=4, layers=2, size=8)
    done = edgebench("gate", "--baseline", str(file), "--json", cwd=folder)
    assert done.returncode == 1, done.stdout + done.stderr
    rows = {row["figure"]: row for row in json.loads(done.stdout)["rows"]}
    assert (rows["flash_bytes"]["verdict"], rows["flash_bytes"]["limit"]) == ("regressed", "flash 0")
    assert (rows["latency_s"]["verdict"], rows["latency_s"]["mode"]) == ("regressed", "stored")
    assert "conv2" in {layer["layer"] for layer in rows["latency_s"]["layers"]}
    looser = ["--limit", "flash 50%", "--limit", "latency 90%", "--limit", "ram 90%", "--limit", "file 90%"]
    assert edgebench("gate", "net.onnx", "--baseline", "main", *looser, cwd=folder).returncode == 0

    assert edgebench("baseline", "update", "main", cwd=folder).returncode == 2
    done = edgebench("baseline", "update", "main", "--reason", "one more layer <b>", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert edgebench("gate", "--baseline", "main", cwd=folder).returncode == 0
    shown = edgebench("baseline", "show", "main", cwd=folder).stdout
    assert "one more layer <b>" in shown
    assert "flash 0" in shown
    assert "one more layer" in edgebench("baseline", "list", cwd=folder).stdout


@needs_vela
@pytest.mark.slow
def test_baselines_that_cannot_be_used_are_explained(folder: Path) -> None:
    done = edgebench("gate", "net.onnx", "--baseline", "main", cwd=folder)
    assert (done.returncode, "there is no baseline" in done.stderr) == (2, True)
    assert edgebench("baseline", "save", "main", "net.onnx", "-d", NPU, cwd=folder).returncode == 0
    file = folder / "results/baselines/main.json"
    file.write_text(file.read_text().replace('"value": ', '"value": 1'))
    done = edgebench("gate", "--baseline", "main", cwd=folder)
    assert (done.returncode, "edited by hand" in done.stderr) == (2, True)
    done = edgebench("baseline", "update", "main", "--reason", "measured again", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert edgebench("gate", "--baseline", "main", cwd=folder).returncode == 0
    done = edgebench("gate", "net.onnx", "--baseline", "main", "-d", "fake", cwd=folder)
    assert (done.returncode, "main has no net on fake" in done.stdout) == (4, True)
    file.write_text("")
    assert edgebench("gate", "--baseline", "main", cwd=folder).returncode == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["gate", "net.onnx"], "nothing to compare with"),
        (["gate", "net.onnx", "--baseline", "../x"], "not a name for a baseline"),
        (["gate", "net.onnx", "--baseline-model", "absent.onnx"], "no such file"),
        (["gate", "net.onnx", "--baseline-ref", "main"], "git repository"),
        (["gate", "net.onnx", "--baseline-model", "net.onnx", "--limit", "speed 2%"], "no figure"),
        (["gate", "net.onnx", "--baseline-model", "net.onnx", "--limit", "ram@x <= 1KB"], "not among the devices"),
        (["gate", "net.onnx", "--baseline-model", "net.onnx", "--baseline-ref", "x"], "exclude each other"),
        (["gate", "--baseline-model", "net.onnx"], "no model is given"),
        (["baseline", "save", "a/b", "net.onnx"], "not a name"),
        (["baseline", "save", "main"], "no model is given"),
        (["compare", "net.onnx"], "two things are needed"),
        (["compare", "net.onnx", "net.onnx"], "given twice"),
        (["compare", "net.onnx", "nothing"], "cannot be compared with each other"),
        (["compare", "one", "two"], "there is no run"),
        (["compare", "HEAD:net.onnx", "net.onnx"], "git repository"),
    ],
)
def test_mistakes_get_a_message_and_code_2(folder: Path, arguments: list[str], words: str) -> None:
    done = edgebench(*arguments, cwd=folder)
    assert done.returncode == 2, done.stdout + done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_run_with_a_crashed_cell_makes_no_baseline(folder: Path) -> None:
    edgebench("profile", "net.onnx", "-d", "fake", "-O", "misbehave=crash", "--label", "bad", cwd=folder)
    done = edgebench("baseline", "save", "main", "--run", "bad", cwd=folder)
    assert done.returncode == 4
    assert "crashed" in done.stderr
    assert not (folder / "results/baselines").exists()


@pytest.mark.slow
def test_runs_are_compared_unless_their_conditions_differ(folder: Path) -> None:
    for label, option in (("one", "noise=0.01"), ("two", "noise=0.01"), ("other", "noise=0.02")):
        profiled = ["profile", "net.onnx", "-d", "fake", *QUICK, "-O", option, "--label", label]
        assert edgebench(*profiled, cwd=folder).returncode == 0
    done = edgebench("compare", "one", "two", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    rows = {row["figure"]: row for row in json.loads(done.stdout)["rows"]}
    assert (rows["latency_p5_s"]["change"], rows["latency_p5_s"]["significant"]) == (0, False)
    done = edgebench("compare", "one", "other", cwd=folder)
    assert done.returncode == 4
    assert "cannot be compared because of option noise 0.01 | 0.02" in done.stdout
    done = edgebench("compare", "one", "other", "--force", cwd=folder)
    assert done.returncode == 0
    assert "NOT COMPARABLE" in done.stdout


@pytest.mark.slow
def test_a_model_is_held_to_the_same_file_at_a_revision(folder: Path) -> None:
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "first")
    done = edgebench("gate", "net.onnx", "--baseline-ref", "HEAD", "-d", "fake", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "net.onnx at HEAD (" in done.stdout
    write_network(folder / "net.onnx", hidden=4, layers=2, size=8)
    done = edgebench("gate", "net.onnx", "--baseline-ref", "HEAD", "-d", "fake", cwd=folder)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "slower: first (Conv)" in done.stdout
    done = edgebench("compare", "HEAD:net.onnx", "net.onnx", "-d", "fake", "--pairs", "2", "--json", cwd=folder)
    rows = {row["figure"]: row for row in json.loads(done.stdout)["rows"]}
    assert rows["latency_p5_s"]["paired"] is True
    assert rows["latency_p5_s"]["change"] > 0.05
    done = edgebench("compare", "HEAD", "HEAD~0", "--model", "net.onnx", "-d", "fake", "--pairs", "2", cwd=folder)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_baseline_finds_its_file_in_the_history(folder: Path) -> None:
    git(folder, "init", "-q")
    assert edgebench("baseline", "save", "main", "net.onnx", "-d", "fake", cwd=folder).returncode == 0
    # As users do it: model and baseline in one commit, so that the baseline cannot know its own commit.
    git(folder, "add", "net.onnx", "results/baselines")
    git(folder, "commit", "-qm", "model and baseline")
    write_network(folder / "net.onnx", hidden=4, layers=2, size=8)
    git(folder, "commit", "-qam", "slower")
    done = edgebench("gate", "--baseline", "main", "--json", cwd=folder)
    assert done.returncode == 1, done.stdout + done.stderr
    rows = {row["figure"]: row for row in json.loads(done.stdout)["rows"]}
    assert (rows["latency_s"]["mode"], rows["latency_s"]["verdict"]) == ("paired", "regressed")


@pytest.mark.slow
def test_outputs_of_a_real_runtime_are_compared(folder: Path) -> None:
    write_network(folder / "same.onnx", hidden=4, layers=1, size=8, scale=1.01)
    outcome = api.gate(
        folder / "same.onnx", "host", baseline_models=folder / "net.onnx", limits=["outputs 0.001", "latency 500%"]
    )
    found = {finding.figure: finding for finding in outcome}
    assert found["output_difference"].after is not None
    assert found["output_difference"].after.value == pytest.approx(0.01, rel=0.05)
    assert not outcome.passed
    assert outcome.exit_code() == 1
    assert "regressed" in str(outcome)


def test_the_python_functions_refuse_what_the_command_line_refuses(folder: Path) -> None:
    with pytest.raises(InputError, match="nothing to compare with"):
        api.gate(folder / "net.onnx", results=folder)
    with pytest.raises(InputError, match="two things"):
        api.compare([folder / "net.onnx"], results=folder)
