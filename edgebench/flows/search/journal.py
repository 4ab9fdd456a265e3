"""A study's journal that outlives a full disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_TAIL = 1 << 16


def open_journal(path: Path) -> Any:
    """An Optuna storage in a file of one JSON document per line; it is created if it does not exist.

    A write that is cut off (the disk is full, the process is killed) leaves half a line, and whatever was written
    after it would make the whole journal unreadable. So half a line is removed before anything is written.

    Raises:
        OSError: The file cannot be created or written.
    """
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock, JournalStorage

    class MendingLock(JournalFileOpenLock):
        """Taken before each write, by one process at a time."""

        def acquire(self) -> bool:
            acquired = super().acquire()
            try:
                _cut_half_line(path)
            except BaseException:
                self.release()
                raise
            return acquired

    path.parent.mkdir(parents=True, exist_ok=True)
    return JournalStorage(JournalFileBackend(str(path), lock_obj=MendingLock(str(path))))


def _cut_half_line(path: Path) -> None:
    with path.open("r+b") as file:
        end = whole = file.seek(0, 2)
        while whole > 0:
            start = max(0, whole - _TAIL)
            file.seek(start)
            last = file.read(whole - start).rfind(b"\n")
            whole = start + last + 1
            if last >= 0:
                break
        if whole < end:
            file.truncate(whole)
