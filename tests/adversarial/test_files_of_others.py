"""Secrets stay out of files, and no file is opened that may hang or be somebody else's."""

import json
import os
import stat
import subprocess
from pathlib import Path

import pytest

from edgebench.core.secrets import redacted
from tests.adversarial.test_odd_surroundings import COMMAND
from tests.cli.test_cli import QUICK, edgebench
from tests.extras import needs_storages


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:pw@host/db", "postgresql://...@host/db"),
        ("--storage=postgresql+pg8000://me:p%40w@host", "--storage=postgresql+pg8000://...@host"),
        ("mysql://host/db?user=me&password=pw", "mysql://host/db?user=me&password=..."),
        ("could not connect (password=pw)", "could not connect (password=pw)"),
        ("https://host/path", "https://host/path"),
        ("latency@host", "latency@host"),
    ],
)
def test_passwords_are_not_shown(text: str, shown: str) -> None:
    assert redacted(text) == shown


@pytest.mark.child
@pytest.mark.slow
@needs_storages
def test_a_password_that_is_typed_is_not_kept(tmp_path: Path) -> None:
    secret = "postgresql://me:hunter2@127.0.0.1:1/db"
    done = edgebench(
        "search", "mobile", "-d", "ethos-u55-128", "--accuracy", "proxy:macs", "--storage", secret, cwd=tmp_path
    )
    assert done.returncode == 2
    assert "hunter2" not in done.stdout + done.stderr
    kept = "".join(path.read_text(errors="replace") for path in tmp_path.rglob("*") if path.is_file())
    assert "hunter2" not in kept


@pytest.mark.child
@pytest.mark.slow
@pytest.mark.parametrize("url", ["postgresql//me:pw@host/db", "me@host"])
def test_what_is_meant_as_a_url_makes_no_folder(url: str, tmp_path: Path) -> None:
    done = edgebench(
        "search", "mobile", "-d", "ethos-u55-128", "--accuracy", "proxy:macs", "--storage", url, cwd=tmp_path
    )
    assert done.returncode == 2
    assert "not the URL of a storage" in done.stderr
    assert not [path for path in tmp_path.iterdir() if path.name != "results"]


@pytest.mark.child
@pytest.mark.slow
def test_a_users_file_is_not_taken_for_a_journal(tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("my notes\nmore of them")
    line = ("search", "mobile", "-d", "ethos-u55-128", "--accuracy", "proxy:macs", "--storage", "notes.txt")
    done = edgebench(*line, cwd=tmp_path)
    assert done.returncode == 2
    assert "not a journal" in done.stderr
    assert notes.read_text() == "my notes\nmore of them"


@pytest.mark.child
@pytest.mark.slow
def test_files_have_the_rights_that_the_user_gives(tmp_path: Path) -> None:
    line = f"umask 077; {COMMAND} profile zoo:tiny -d fake {' '.join(QUICK)}"
    subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, timeout=100)
    (path,) = (tmp_path / "results" / "runs").glob("*.json")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.child
@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "arguments"),
    [
        ("results/runs/20260101-000000-aaaa.json", ("runs", "list")),
        ("results/runs/20260101-000000-aaaa.json", ("report", "20260101")),
        ("results/tables/host/mobile.json", ("lut", "show", "mobile", "-d", "host")),
        ("devices/board.toml", ("devices", "list")),
        ("devices/board.toml", ("profile", "zoo:tiny", "-d", "board")),
        ("search_spaces/mine.toml", ("spaces", "list")),
        ("data.npz", ("tasks", "check", "data.npz")),
        ("model.onnx", ("profile", "model.onnx", "-d", "fake")),
    ],
)
def test_pipes_are_refused_at_once(place: str, arguments: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / place
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)
    done = subprocess.run([COMMAND, *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    said = done.stdout + done.stderr
    assert any(words in said for words in ("regular file", "no such file", "there is no")), said
    assert "Traceback" not in said


@pytest.mark.child
@pytest.mark.slow
def test_one_damaged_run_is_a_line_of_the_list(tmp_path: Path) -> None:
    assert edgebench("profile", "zoo:tiny", "-d", "fake", *QUICK, cwd=tmp_path).returncode == 0
    runs = tmp_path / "results" / "runs"
    (runs / "20990101-000000-aaaa.json").write_text("{")
    (runs / "20990101-000001-bbbb.json").write_text(json.dumps({"schema": "edgebench.run/4"}))
    done = edgebench("runs", "list", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "tiny" in done.stdout
    assert "20990101-000000-aaaa" in done.stdout
    assert edgebench("search", "list", cwd=tmp_path).returncode == 0
