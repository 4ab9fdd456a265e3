"""One process of a machine at a time."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def one_process_at_a_time(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold a lock; the system releases it when a process is killed.

    Args:
        path: The lock's file, created if it is missing, and never deleted: otherwise two processes could hold two
            locks of one name.
        wait: Whether to wait while another process holds it.

    Raises:
        BlockingIOError: Another process holds it.
        OSError: It cannot be created.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold a lock whose file goes with it, for what has a name of its own each time; the system releases it, too.

    Args:
        path: The lock's file.

    Raises:
        BlockingIOError: Another process holds it, or is just releasing it.
        OSError: It cannot be created.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            held = os.fstat(file.fileno()).st_ino == path.stat().st_ino
        except FileNotFoundError:
            held = False
        if not held:
            # Between opening and locking it, who had it has removed it.
            raise BlockingIOError(errno.EWOULDBLOCK, "the lock is just released", str(path))
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


_LOOK_S = 0.2
_LONGEST_NAME = 500


@contextmanager
def wait_in_line(path: Path, owner: str, on_wait: Callable[[str], None]) -> Iterator[None]:
    """Hold a lock that says who holds it; the system releases it when a process is killed.

    Args:
        path: The lock's file, as in ``one_process_at_a_time``.
        owner: Who holds it then, in words.
        on_wait: Called again and again with the owner while another process holds it; what it raises ends the wait.

    Raises:
        OSError: It cannot be created.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                file.seek(0)
                on_wait(file.read(_LONGEST_NAME) or "another process")
                time.sleep(_LOOK_S)
        file.truncate(0)
        file.write(owner)
        file.flush()
        yield
        file.truncate(0)
