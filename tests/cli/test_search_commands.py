"""Spaces, tables and searches from the command line, on a device that needs no hardware."""

import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_cli import edgebench
from tests.small_space import write_twelve

pytestmark = pytest.mark.child


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with its own space and a table of it."""
    folder = tmp_path_factory.mktemp("project")
    write_twelve(folder)
    done = edgebench("lut", "build", "twelve", "-d", "fake", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "saved: results/tables/fake/twelve.json" in done.stderr
    return folder


def printed(folder: Path, *arguments: str) -> Any:
    done = edgebench(*arguments, "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_space_of_ones_own_is_listed_shown_and_sampled(project: Path) -> None:
    listed = edgebench("spaces", "list", cwd=project)
    assert "twelve" in listed.stdout
    assert "nas-bench-macro" in listed.stdout
    shown = edgebench("spaces", "show", "twelve", cwd=project)
    assert "kernel" in shown.stdout
    one = edgebench("spaces", "show", "twelve", "1011", cwd=project)
    assert "stem" in one.stdout
    assert edgebench("spaces", "show", "twelve", "9", cwd=project).returncode == 2
    rows = printed(project, "spaces", "sample", "twelve", "-n", "4", "--seed", "3")
    assert rows == printed(project, "spaces", "sample", "twelve", "-n", "4", "--seed", "3")
    assert len(json.dumps(rows)) > 50


@pytest.mark.slow
def test_a_table_is_validated_shown_and_exported(project: Path) -> None:
    done = edgebench("lut", "validate", "twelve", "-d", "fake", "-n", "3", cwd=project)
    assert done.returncode == 0, done.stderr
    assert "mean error" in done.stdout
    assert "twelve" in edgebench("lut", "show", cwd=project).stdout
    assert "blocks" in edgebench("lut", "show", "twelve", "-d", "fake", cwd=project).stdout
    text = edgebench("lut", "export", "twelve", "-d", "fake", cwd=project).stdout
    rows = list(csv.DictReader(text.splitlines()))
    assert {"block", "latency_s"} <= set(rows[0])
    parquet = edgebench(
        "lut", "export", "twelve", "-d", "fake", "--format", "parquet", "--output", "table.parquet", cwd=project
    )
    assert parquet.returncode == 0, parquet.stderr
    assert (project / "table.parquet").read_bytes()[:4] == b"PAR1"


def test_an_exported_table_can_be_taken_in_elsewhere(project: Path, tmp_path: Path) -> None:
    write_twelve(tmp_path)
    text = edgebench("lut", "export", "twelve", "-d", "fake", cwd=project).stdout
    (tmp_path / "theirs.csv").write_text(text)
    done = edgebench(
        *("lut", "import", "theirs.csv", "--space", "twelve", "-d", "fake", "--source", "a colleague, 2026"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    front = edgebench("lut", "front", "twelve", "-d", "fake", cwd=tmp_path)
    assert front.returncode == 0, front.stderr
    assert "looked at all 16 combinations" in front.stdout
    again = ("lut", "import", "theirs.csv", "--space", "twelve", "-d", "fake", "--source", "x", "--version", "fake=0")
    kept = edgebench(*again, cwd=tmp_path)
    assert kept.returncode == 2
    assert "--force" in kept.stderr
    assert edgebench(*again, "--force", cwd=tmp_path).returncode == 0
    refused = edgebench("lut", "front", "twelve", "-d", "fake", cwd=tmp_path)
    assert refused.returncode == 4
    assert "version of fake: 0, not 1" in refused.stderr


def test_the_front_meets_the_limit(project: Path) -> None:
    rows = printed(project, "lut", "front", "twelve", "-d", "fake", "--max-latency", "45us")["rows"]
    latencies = [row["latency_s@fake"] for row in rows]
    assert 0 < len(rows) < 12
    assert all(0 < latency <= 45e-6 for latency in latencies)
    assert {row["latency_s@fake.provenance"] for row in rows} == {"estimated"}
    everything = printed(project, "lut", "front", "twelve", "-d", "fake")["rows"]
    assert max(row["macs@network"] for row in everything) >= max(row["macs@network"] for row in rows)
    none = edgebench("lut", "front", "twelve", "-d", "fake", "--max-latency", "1ns", cwd=project)
    assert none.returncode == 1
    assert "No network meets these limits" in none.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["spaces", "show", "twelv"], "twelve"),
        (["lut", "build", "twelve", "-d", "fak"], "fake"),
        (["lut", "build", "twelve", "-d", "fake", "--dtype", "int4"], "float32 or int8"),
        (["lut", "show", "mobile", "-d", "fake"], "edgebench lut build mobile -d fake"),
        (["lut", "front", "twelve", "-d", "fake", "--max-latency", "5MB"], "5MB"),
        (["lut", "front", "twelve", "-d", "fake", "--max-latency", "0ms"], "above 0"),
        (["lut", "front", "twelve", "-d", "fake", "--objective", "accuracy"], "nothing is trained"),
        (["lut", "front", "twelve", "-d", "fake", "--objective", "macs@fake"], "has no MACs"),
        (["search", "twelve", "-d", "fake", "--accuracy", "proxy:macs", "--min-accuracy", "9%"], "--task"),
        (["search", "twelve", "-d", "fake", "--accuracy", "proxy:macs", "--study", "../x"], "not a valid name"),
        (["search", "twelve", "-d", "fake", "--sampler", "cmaes", "--objective", "accuracy,latency@fake"], "cmaes"),
        (["lut", "front", "twelve", "-d", "fake", "--max-ram", "5MB"], "has RAM"),
        (["lut", "import", "absent.csv", "--space", "twelve", "-d", "fake", "--source", "x"], "absent.csv"),
        (["search", "twelve", "-d", "fake", "--max-latency", "host=5ms", "--accuracy", "proxy:macs"], "host"),
    ],
)
def test_mistakes_are_explained(project: Path, arguments: list[str], words: str) -> None:
    done = edgebench(*arguments, cwd=project)
    assert done.returncode == 2, done.stdout + done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_search_prints_its_front_and_can_be_shown_again(project: Path) -> None:
    arguments = [
        *("search", "twelve", "-d", "fake", "--max-latency", "50us", "--accuracy", "proxy:parameters"),
        *("--trials", "6", "--finalists", "1", "--study", "s1"),
    ]
    done = edgebench(*arguments, cwd=project)
    # Which of the 12 networks is measured depends on none of chance: it meets the limit by a tenth.
    assert done.returncode == 0, done.stdout + done.stderr
    again = edgebench("search", "show", "s1", cwd=project)
    assert again.returncode == 0
    assert again.stdout.strip() in done.stdout
    other = edgebench(*arguments, "--seed", "5", cwd=project)
    assert other.returncode == 4
    assert "seed was 0, is now 5" in other.stderr


@pytest.mark.slow
def test_a_killed_build_resumes(project: Path, tmp_path: Path) -> None:
    """Killed once something is saved; the second run measures only what is left, and nothing is lost."""
    command = [sys.executable, "-m", "edgebench.cli.main", "lut", "build", "dscnn", "-d", "fake"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    path = tmp_path / "results" / "tables" / "fake" / "dscnn.json"
    deadline = time.monotonic() + 60
    while not path.is_file() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = json.loads(path.read_text())["entries"]
    assert kept
    done = edgebench("lut", "build", "dscnn", "-d", "fake", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    entries = json.loads(path.read_text())["entries"]
    assert {key: entries[key] for key in kept} == kept
    assert len(entries) > len(kept)
