"""One temporary folder for a command and all its children, gone when the command ends, however it ends."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NAME = re.compile(r"edgebench-session-\w+")
_LOCK = ".lock"
_TRIES = 5


@contextmanager
def session_folder() -> Iterator[None]:
    """Put all temporary files of this process, and of its children, into one folder while the block runs.

    A lock in it says that the command lives. What commands left behind that were killed is removed first.
    """
    base = Path(tempfile.gettempdir())
    _sweep(base)
    before, variable = tempfile.tempdir, os.environ.get("TMPDIR")
    try:
        folder, lock = _made()
    except OSError:
        # Without room for a folder, whatever needs one says so.
        yield
        return
    tempfile.tempdir = str(folder)
    os.environ["TMPDIR"] = str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before
        os.environ.pop("TMPDIR")
        if variable is not None:
            os.environ["TMPDIR"] = variable
        shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _made() -> tuple[Path, int | None]:
    """A new folder and what holds its lock.

    A command that starts at the same moment may take it for one that was left behind, until it is locked.

    Raises:
        OSError: There is no room for it.
    """
    folder, lock = Path(tempfile.mkdtemp(prefix="edgebench-session-")), None
    for _ in range(_TRIES):
        lock = _locked(folder / _LOCK, create=True)
        if lock is not None and (folder / _LOCK).exists():
            break
        if lock is not None:
            os.close(lock)
        shutil.rmtree(folder, ignore_errors=True)
        folder, lock = Path(tempfile.mkdtemp(prefix="edgebench-session-")), None
    return folder, lock


def _sweep(base: Path) -> None:
    """Remove the folders of commands that no longer live."""
    with contextlib.suppress(OSError):
        for folder in base.iterdir():
            if not _NAME.fullmatch(folder.name):
                continue
            with contextlib.suppress(OSError):
                if folder.is_symlink() or folder.lstat().st_uid != os.getuid():
                    continue
                lock = _locked(folder / _LOCK, create=False)
                if lock is not None:
                    shutil.rmtree(folder, ignore_errors=True)
                    os.close(lock)


def _locked(path: Path, *, create: bool) -> int | None:
    """A descriptor that holds the lock of a folder, or None if another process holds it."""
    try:
        import fcntl
    except ModuleNotFoundError:
        return None
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | (os.O_CREAT if create else 0), 0o600)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
