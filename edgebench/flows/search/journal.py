"""A study's journal that outlives a full disk, a killed process and a damaged line."""

from __future__ import annotations

import json
import shlex
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgebench.errors import StorageError
from edgebench.flows.search.journal_lock import journal_lock

if TYPE_CHECKING:
    from optuna.storages.journal import JournalFileBackend, JournalStorage

_TAIL = 1 << 16


def open_journal(path: Path) -> Any:
    """An Optuna storage in a file of one JSON document per line; it is created if it does not exist.

    A write that is cut off (the disk is full, the process is killed) leaves half a line, and whatever was written
    after it would make the whole journal unreadable. So half a line is removed before anything is written.

    Raises:
        OSError: The file cannot be created or written.
        StorageError: A line of it is not what Optuna writes; so does every later step that meets one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    return _storage(_backend(path), path)


def _storage(backend: JournalFileBackend, path: Path) -> JournalStorage:
    from optuna.exceptions import OptunaError
    from optuna.storages.journal import JournalStorage

    class ToldStorage(JournalStorage):
        """Names the line that does not make sense, instead of whatever it makes Optuna trip over."""

        def _sync_with_backend(self) -> None:
            try:
                super()._sync_with_backend()
            except (OSError, OptunaError, StorageError):
                raise
            except Exception as error:
                raise _damaged(path, self._replay_result.log_number_read, _in_words(error)) from error

    return ToldStorage(backend)


def _backend(path: Path) -> JournalFileBackend:
    from optuna.storages.journal import JournalFileBackend

    class CheckedBackend(JournalFileBackend):
        """Yields lines that are objects, and none that another process is just writing."""

        def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
            line = log_number_from
            try:
                for log in super().read_logs(log_number_from):
                    line += 1
                    if not isinstance(log, dict):
                        raise _damaged(path, line, "it is not an object")
                    yield log
            except (ValueError, RecursionError) as error:
                raise _damaged(path, line + 1, _in_words(error)) from error

    return CheckedBackend(str(path), lock_obj=journal_lock(path, lambda: _cut_half_line(path)))


def _in_words(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return "it is not a JSON document"
    if isinstance(error, KeyError):
        return f"{error} is missing or unknown"
    return f"{type(error).__name__}: {error}"[:200] if str(error) else type(error).__name__


def _damaged(path: Path, line: int, why: str) -> StorageError:
    kept = path.with_name(f"{path.name}.before-line-{line}")
    return StorageError(
        f"line {line} of this journal was damaged or edited: {why}",
        where=str(path),
        remedy=f"what is before it can be kept: head -n {line - 1} {shlex.quote(str(path))} > {shlex.quote(str(kept))} "
        f"and rename that; or begin another study with --study NAME",
    )


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
