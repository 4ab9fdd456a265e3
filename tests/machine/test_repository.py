"""Files out of git's history, with Git LFS pointers, and what is refused."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from edgebench.errors import InputError
from edgebench.machine.repository import Repository

pytestmark = pytest.mark.child


def git(folder: Path, *arguments: str) -> str:
    environment = {
        **os.environ,
        **{f"GIT_{who}_{what}": "x@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
        "GIT_CONFIG_GLOBAL": os.devnull,
    }
    done = subprocess.run(["git", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A repository with two states of a model in a folder with an awkward name."""
    root = tmp_path / "the repository"
    models = root / "models ünd 'more'"
    models.mkdir(parents=True)
    git(root, "init", "-q", "-b", "main")
    for content in (b"old", b"new"):
        (models / "a b.onnx").write_bytes(content)
        (models / "a b.onnx.data").write_bytes(content * 1000)
        (models / "a bc.onnx").write_bytes(b"another")
        git(root, "add", "-A")
        git(root, "commit", "-qm", content.decode())
    return models


def test_a_file_is_as_it_was_with_its_external_data(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    repository = Repository(folder)
    path = repository.extract("HEAD~1", Path("a b.onnx"), out)
    assert path.read_bytes() == b"old"
    assert {item.name: item.stat().st_size for item in out.iterdir()} == {"a b.onnx": 3, "a b.onnx.data": 3000}
    assert (folder / "a b.onnx").read_bytes() == b"new"
    assert git(folder, "status", "--porcelain") == ""
    assert repository.extract("main", folder / "a b.onnx", out).read_bytes() == b"new"


def test_commits_of_a_file_are_listed_newest_first(folder: Path) -> None:
    repository = Repository(folder)
    assert repository.commits_of(Path("a b.onnx"), 10) == git(folder, "rev-list", "HEAD").split()
    assert repository.commits_of(Path("a bc.onnx"), 10) == [git(folder, "rev-parse", "HEAD~1")]
    assert repository.commits_of(Path("absent"), 10) == []


@pytest.mark.parametrize(
    "revision", ["", "no-such", "-x", "--output=x", "HEAD:models", "HEAD\n", "HEAD~99", "$(touch x)", "a..b", "0" * 40]
)
def test_what_is_no_revision_is_refused(folder: Path, tmp_path: Path, revision: str) -> None:
    with pytest.raises(InputError, match="no git revision") as caught:
        Repository(folder).extract(revision, Path("a b.onnx"), tmp_path)
    assert caught.value.remedy
    assert not list(folder.glob("x"))


@pytest.mark.parametrize("path", ["absent.onnx", ".", "../models ünd 'more'"])
def test_a_revision_without_the_file_is_refused(folder: Path, tmp_path: Path, path: str) -> None:
    with pytest.raises(InputError, match="no such file"):
        Repository(folder).extract("HEAD", Path(path), tmp_path)


@pytest.mark.parametrize("path", ["../../outside.onnx", "/etc/passwd", "../.."])
def test_files_outside_the_repository_are_refused(folder: Path, tmp_path: Path, path: str) -> None:
    with pytest.raises(InputError, match="outside"):
        Repository(folder).extract("HEAD", Path(path), tmp_path)


def test_outside_of_a_repository_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="git repository"):
        Repository(tmp_path)


def pointer(content: bytes, *, oid: str | None = None) -> bytes:
    digest = oid or hashlib.sha256(content).hexdigest()
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {len(content)}\n".encode()


def with_pointer(folder: Path, content: bytes) -> None:
    (folder / "big.onnx").write_bytes(content)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "pointer")


def stored(folder: Path, oid: str, content: bytes) -> None:
    place = folder.parent / ".git/lfs/objects" / oid[:2] / oid[2:4] / oid
    place.parent.mkdir(parents=True)
    place.write_bytes(content)


def test_a_pointer_is_followed_if_its_content_is_here(folder: Path, tmp_path: Path) -> None:
    content = os.urandom(5000)
    with_pointer(folder, pointer(content))
    with pytest.raises(InputError, match="Git LFS pointer") as caught:
        Repository(folder).extract("HEAD", Path("big.onnx"), tmp_path)
    assert caught.value.remedy == "git lfs fetch origin HEAD"
    stored(folder, hashlib.sha256(content).hexdigest(), content)
    assert Repository(folder).extract("HEAD", Path("big.onnx"), tmp_path).read_bytes() == content


def test_a_damaged_object_is_not_used(folder: Path, tmp_path: Path) -> None:
    content = b"content"
    with_pointer(folder, pointer(content))
    stored(folder, hashlib.sha256(content).hexdigest(), b"CONTENT")
    with pytest.raises(InputError, match="damaged"):
        Repository(folder).extract("HEAD", Path("big.onnx"), tmp_path)


def test_what_only_looks_like_a_pointer_is_a_file(folder: Path, tmp_path: Path) -> None:
    content = pointer(b"x", oid="../" + "a" * 61)
    with_pointer(folder, content)
    assert Repository(folder).extract("HEAD", Path("big.onnx"), tmp_path).read_bytes() == content
