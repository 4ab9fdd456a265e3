"""What is kept and run later is only what was written, by this user."""

import os
from pathlib import Path

import pytest

from edgebench.errors import StorageError
from edgebench.machine.kept import is_intact, require_own, seal


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    folder = tmp_path / "kernels"
    folder.mkdir()
    (folder / "a.o").write_bytes(b"one")
    (folder / "b.o").write_bytes(b"two")
    seal(folder)
    return folder


def test_what_was_sealed_is_intact(kept: Path) -> None:
    assert is_intact(kept)
    assert not is_intact(kept.parent / "missing")


@pytest.mark.parametrize("damage", ["changed", "cut", "missing", "more", "renamed", "unsealed"])
def test_what_is_damaged_is_not_used(kept: Path, damage: str) -> None:
    if damage == "changed":
        (kept / "a.o").write_bytes(b"evil")
    elif damage == "cut":
        (kept / "b.o").write_bytes(b"")
    elif damage == "missing":
        (kept / "b.o").unlink()
    elif damage == "more":
        (kept / "c.o").write_bytes(b"")
    elif damage == "renamed":
        (kept / "a.o").rename(kept / "c.o")
    else:
        (kept.parent / "kernels.sha256").unlink()
    assert not is_intact(kept)


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o722])
def test_a_folder_that_others_may_write_to_is_refused(kept: Path, mode: int) -> None:
    kept.chmod(mode)
    with pytest.raises(StorageError, match="others may write here"):
        is_intact(kept)
    kept.chmod(0o755)
    kept.parent.chmod(mode)
    with pytest.raises(StorageError, match="others may write here"):
        require_own(kept)
    # As /tmp is: others cannot replace what is in it.
    kept.parent.chmod(mode | 0o1000)
    require_own(kept)


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root may give files away")
def test_what_belongs_to_somebody_else_is_refused(kept: Path) -> None:
    os.chown(kept, 12345, 12345)
    if os.getuid() == 0:
        with pytest.raises(StorageError):
            require_own(kept)


@pytest.mark.child
@pytest.mark.slow
def test_damaged_kernels_are_compiled_again(tmp_path: Path) -> None:
    import shutil

    from tests.cli.test_cli import QUICK, edgebench

    if shutil.which("true") is None:
        pytest.skip("no shell")
    where = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    line = ("profile", "zoo:tiny", "-d", "nucleo-l4r5zi", *QUICK)
    first = edgebench(*line, cwd=tmp_path, env=where)
    if "not installed" in first.stdout:
        pytest.skip("needs the extra mcu")
    assert first.returncode == 0, first.stdout + first.stderr
    cache = tmp_path / "cache" / "edgebench"
    damaged = [*cache.rglob("*.o"), *cache.rglob("block_hook*.so")]
    for file in damaged:
        file.write_bytes(b"rubbish")
    again = edgebench(*line, cwd=tmp_path, env=where)
    assert again.returncode == 0, again.stdout + again.stderr
    assert not any(file.read_bytes() == b"rubbish" for file in damaged if file.exists())
