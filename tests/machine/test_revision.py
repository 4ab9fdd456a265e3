"""The revision of a repository, as runs record it."""

import shutil
import subprocess
from pathlib import Path

import pytest

from edgebench.machine.revision import git_revision

pytestmark = [
    pytest.mark.child,
    pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed"),
]


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_a_folder_without_a_repository_or_a_commit_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_revision(tmp_path) is None
    git(tmp_path, "init", "-q")
    assert git_revision(tmp_path) is None


def test_changes_of_tracked_files_make_it_dirty(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "model.onnx").write_bytes(b"1")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    clean = git_revision(tmp_path)
    assert clean is not None
    assert clean.commit == git(tmp_path, "rev-parse", "HEAD")
    assert not clean.dirty
    (tmp_path / "untracked").write_bytes(b"1")
    assert git_revision(tmp_path) == clean
    (tmp_path / "model.onnx").write_bytes(b"2")
    dirty = git_revision(tmp_path)
    assert dirty is not None
    assert dirty.dirty


def test_no_git_is_no_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_revision(tmp_path) is None
