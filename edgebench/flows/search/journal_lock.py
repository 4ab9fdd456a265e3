"""The lock of a journal: Optuna's, with the name of its holder, so that nobody waits for a process that is gone.

Optuna's lock is a file that is there while somebody writes. It is made so that other programs with Optuna respect it.
A killed process leaves it, and Optuna takes it for a lock for another 30 seconds. Before it, edgebench takes a lock
of the kernel, which goes with its process; so whoever has that one, and finds Optuna's lock with the name of an
edgebench on the same kernel, knows that its holder is gone.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from edgebench.machine.this_process import boot_id, is_here, owner, runs

_LONGEST = 1000


def journal_lock(path: Path, when_held: Callable[[], None]) -> Any:
    """A lock for ``JournalFileBackend``.

    Args:
        path: Of the journal.
        when_held: Called each time after it was taken, before anything is written.
    """
    from optuna.storages.journal import JournalFileOpenLock

    place = path.with_name(path.name + ".lock")
    mine = owner()

    class NamedLock(JournalFileOpenLock):
        """Taken before each write, by one thread of one process at a time."""

        _kernel: IO[bytes] | None = None

        def acquire(self) -> bool:
            kernel = path.with_name(f".{path.name}.kernel-lock").open("ab")
            try:
                if _locked(kernel) and _is_left_behind(place):
                    place.unlink(missing_ok=True)
                super().acquire()
            except BaseException:
                kernel.close()
                raise
            self._kernel = kernel
            try:
                place.write_text(mine, encoding="utf-8")
                when_held()
            except BaseException:
                self.release()
                raise
            return True

        def release(self) -> None:
            kernel, self._kernel = self._kernel, None
            try:
                # Another program may have taken it for one that was left behind.
                with contextlib.suppress(RuntimeError):
                    super().release()
            finally:
                if kernel is not None:
                    kernel.close()

    return NamedLock(str(path))


def _locked(file: IO[bytes]) -> bool:
    """Wait for the kernel's lock; False on file systems that have none."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError:
        return False
    return True


def _is_left_behind(place: Path) -> bool:
    """Whether Optuna's lock is there and its holder is gone, for whoever has the kernel's lock."""
    try:
        with place.open(encoding="utf-8", errors="replace") as file:
            where, number, created = json.loads(file.read(_LONGEST))
        # Without a name of the kernel, it takes the number of the process.
        return boot_id() in str(where) if boot_id() else is_here(str(where)) and not runs(int(number), float(created))
    except (OSError, ValueError, TypeError):
        return False  # There is none, or it is another program's.
