"""The GitHub action, the GitLab job and the hooks of pre-commit, tried by running what they run."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.gate_models import write_network

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
needs_command = pytest.mark.skipif(not (BIN / "edgebench").exists(), reason="the command edgebench is not installed")
ACTION = ROOT / "action.yml"
GITLAB = ROOT / ".gitlab" / "edgebench-gate.yml"
HOOKS = ROOT / ".pre-commit-hooks.yaml"
GH = """#!/bin/sh
# Writes down what it was asked; the first question is which comment there is.
echo "$@" >> "$CALLS"
case "$*" in *--paginate*) cat "$KNOWN" 2> /dev/null;; esac
exit 0
"""


def run(command: list[str], folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PATH": path, "COLUMNS": "200", **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )


def git(folder: Path, *arguments: str) -> None:
    settings = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *settings, *arguments], cwd=folder, capture_output=True, check=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with a network and a baseline of it, in a folder of its own."""
    root = tmp_path / "a repository"
    folder = root / "models here"
    folder.mkdir(parents=True)
    write_network(folder / "net.onnx", hidden=4, layers=1, size=8)
    git(root, "init")
    saved = run(["edgebench", "baseline", "save", "main", "net.onnx", "-d", "fake"], folder)
    assert saved.returncode == 0, saved.stderr
    git(root, "add", ".")
    git(root, "commit", "-m", "a network")
    return root


def steps() -> dict[str, dict[str, Any]]:
    """The steps of the action that run something, by name."""
    action = yaml.safe_load(ACTION.read_text())
    return {step["name"]: step for step in action["runs"]["steps"] if "run" in step}


def run_step(name: str, root: Path, runner: Path, **inputs: str) -> subprocess.CompletedProcess[str]:
    """Run a step of the action as the runner does: in its folder, with its expressions replaced."""
    action = yaml.safe_load(ACTION.read_text())
    given = {key: str(item.get("default", "")) for key, item in action["inputs"].items()} | inputs
    known = {f"inputs.{key}": value for key, value in given.items()}
    outputs = dict(line.split("=", 1) for line in _lines(runner / "output"))
    known |= {f"steps.gate.outputs.{key}": value for key, value in outputs.items()}
    known["github.event.pull_request.number"] = "7"

    def filled(text: str) -> str:
        return re.sub(r"\$\{\{ (.*?) \}\}", lambda match: known[match[1]], text)

    step = steps()[name]
    folder = root / filled(step.get("working-directory", "."))
    environment = {key: filled(value) for key, value in step["env"].items()}
    script = runner / "script.sh"
    script.write_text(step["run"])
    return run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
        folder,
        RUNNER_TEMP=str(runner),
        GITHUB_OUTPUT=str(runner / "output"),
        GITHUB_STEP_SUMMARY=str(runner / "summary.md"),
        GITHUB_REPOSITORY="owner/name",
        **environment,
    )


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def runner(tmp_path: Path) -> Path:
    """Where a runner of GitHub keeps its files."""
    folder = tmp_path / "runner temp"
    folder.mkdir()
    return folder


def test_no_input_is_pasted_into_a_script() -> None:
    for step in steps().values():
        assert "${{" not in step["run"]


def test_other_actions_are_pinned() -> None:
    files = [ACTION, *(ROOT / ".github" / "workflows").glob("*.yml")]
    used = [
        name
        for file in files
        for name in re.findall(r"^ *(?:- )?uses: (\S+)", file.read_text(), re.MULTILINE)
        if not name.startswith("./")
    ]
    assert used
    assert [name for name in used if not re.fullmatch(r"[\w/.-]+@[0-9a-f]{40}", name)] == []


@pytest.mark.child
@pytest.mark.slow
@needs_command
def test_the_action_passes_comments_and_keeps_reports(repository: Path, runner: Path) -> None:
    place = {"working-directory": "models here", "baseline": "main"}
    limits = {"limits": "latency 2%\nflash@fake <= 1MB\n", "devices": "fake\n", "models": "net.onnx\n"}
    gate = run_step("Gate", repository, runner, **place, **limits)
    assert gate.returncode == 0, gate.stderr
    assert "::notice title=edgebench::" in gate.stdout
    assert sorted(path.suffix for path in (runner / "edgebench-reports").iterdir()) == [
        ".html",
        ".json",
        ".md",
        ".sarif",
        ".xml",
    ]
    assert "### Gate" in (runner / "summary.md").read_text()
    assert run_step("Verdict", repository, runner).returncode == 0
    comment(repository, runner, known="", expected="api --silent repos/owner/name/issues/7/comments -F body=@")
    comment(repository, runner, known="42\n", expected="-X PATCH repos/owner/name/issues/comments/42")


def comment(repository: Path, runner: Path, *, known: str, expected: str) -> None:
    """Write a comment with a program that stands for ``gh``, which needs GitHub."""
    tools = runner / "tools"
    tools.mkdir(exist_ok=True)
    (tools / "gh").write_text(GH)
    (tools / "gh").chmod(0o755)
    (runner / "known").write_text(known)
    (runner / "calls").unlink(missing_ok=True)
    step = steps()["Comment"]
    script = runner / "script.sh"
    script.write_text(f'export PATH="{tools}:$PATH" CALLS="{runner}/calls" KNOWN="{runner}/known"\n{step["run"]}')
    done = run(
        ["bash", "-eo", "pipefail", str(script)],
        repository,
        GH_TOKEN="x",
        NUMBER="7",
        PLACE="models here",
        REPORTS=str(runner / "edgebench-reports"),
        GITHUB_REPOSITORY="owner/name",
    )
    assert done.returncode == 0, done.stderr
    assert expected in (runner / "calls").read_text()
    assert (runner / "edgebench-reports" / "comment.md").read_text().startswith("<!-- edgebench gate in modelshere -->")


@pytest.mark.child
@pytest.mark.slow
@needs_command
def test_the_action_fails_with_the_code_of_the_gate(repository: Path, runner: Path) -> None:
    place = {"working-directory": "models here", "baseline": "main"}
    gate = run_step("Gate", repository, runner, **place, limits="latency@fake <= 1ns")
    assert gate.returncode == 0
    assert "::error file=models here/net.onnx,title=latency ceiling of net on fake::" in gate.stdout
    assert run_step("Verdict", repository, runner).returncode == 1
    (runner / "output").unlink()
    # What ends before it has an answer does not pass either.
    assert run_step("Gate", repository, runner, **place, limits="nonsense").returncode == 0
    assert run_step("Verdict", repository, runner).returncode == 2


@pytest.mark.child
@pytest.mark.slow
@needs_command
def test_the_action_fetches_the_base_that_a_checkout_lacks(repository: Path, runner: Path, tmp_path: Path) -> None:
    base = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=repository, text=True).strip()
    (repository / "more").touch()
    git(repository, "add", ".")
    git(repository, "commit", "-m", "more")
    git(repository, "config", "uploadpack.allowAnySHA1InWant", "true")
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "--depth=1", f"file://{repository}", str(shallow))
    inputs = {"working-directory": "models here", "baseline-ref": base, "models": "net.onnx", "devices": "fake"}
    gate = run_step("Gate", shallow, runner, **inputs)
    assert "passed" in gate.stdout, gate.stdout + gate.stderr
    assert run_step("Verdict", shallow, runner).returncode == 0


@pytest.mark.child
@pytest.mark.slow
@needs_command
@pytest.mark.parametrize(("limits", "code"), [("flash@fake <= 1MB", 0), ("latency@fake <= 1ns", 1)])
def test_the_job_of_gitlab(repository: Path, limits: str, code: int) -> None:
    spec, jobs = yaml.safe_load_all(GITLAB.read_text())
    inputs = {key: str(item["default"]) for key, item in spec["spec"]["inputs"].items()}
    inputs |= {"baseline": "main", "directory": "models here", "limits": f"latency 2%\n{limits}", "devices": "fake"}
    job = jobs["edgebench-gate"]

    def filled(text: str) -> str:
        text = re.sub(r"\$\[\[ inputs\.(.*?) \]\]", lambda match: inputs[match[1]], text)
        return text.replace("$CI_PROJECT_DIR", str(repository))

    variables = {key: filled(value) for key, value in job["variables"].items() if key.startswith("EDGEBENCH")}
    (script,) = job["script"]
    done = run(["sh", "-ec", script], repository, CI_PROJECT_DIR=str(repository), **variables)
    assert done.returncode == code, done.stdout + done.stderr
    report = repository / job["artifacts"]["reports"]["junit"]
    assert ElementTree.parse(report).getroot().get("failures") == str(code)


@pytest.mark.child
@pytest.mark.slow
@needs_command
def test_the_hooks_of_pre_commit(repository: Path) -> None:
    program = BIN / "pre-commit"
    if not program.exists():
        pytest.skip("pre-commit is not installed")
    hooks = yaml.safe_load(HOOKS.read_text())
    assert {hook["language"] for hook in hooks} == {"python"}
    # The package is installed already: what pre-commit runs in an environment of its own is run in this one.
    local = [{**hook, "language": "system"} for hook in hooks]
    folder = repository / "models here"
    for hook in local:
        if hook["id"] == "edgebench-check":
            hook["args"] = ["-d", "fake"]
    config = {"repos": [{"repo": "local", "hooks": local}]}
    for path in folder.iterdir():
        shutil.move(path, repository / path.name)
    (repository / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config))
    git(repository, "add", "-A")
    done = run(
        [str(program), "run", "--all-files", "--verbose"], repository, PRE_COMMIT_HOME=str(repository / ".git/pc")
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("Passed") == 2
    write_network(repository / "net.onnx", hidden=4, layers=3, size=8)
    git(repository, "add", "-A")
    broken = run([str(program), "run", "edgebench-gate"], repository, PRE_COMMIT_HOME=str(repository / ".git/pc"))
    assert broken.returncode == 1
    assert "edgebench gate" in broken.stdout


def test_what_is_locked_is_what_was_tested() -> None:
    """``make lock`` after a change of constraints.txt."""
    tested = dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    locked = re.findall(r"^([\w.-]+)(?:\[.*\])?==([^\s;]+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert len(locked) > 20
    names = {name.lower().replace("_", "-"): version for name, version in tested.items()}
    assert [item for item in locked if names.get(item[0], item[1]) != item[1]] == []


def test_everything_that_is_locked_has_hashes() -> None:
    entries = re.split(r"^(?=[\w.-]+(?:\[.*\])?==)", (ROOT / "requirements.lock").read_text(), flags=re.MULTILINE)[1:]
    assert entries
    assert [entry.splitlines()[0] for entry in entries if "--hash=sha256:" not in entry] == []


def test_all_dependencies_are_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    locked = set(re.findall(r"^([\w.-]+)(?:\[.*\])?==", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    wanted = {re.split(r"[^\w.-]", text)[0].lower() for text in project["dependencies"]}
    assert wanted <= locked
