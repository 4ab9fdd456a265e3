"""One process of a machine at a time."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
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
