"""Limits that a child process sets for itself before it touches a model."""

from __future__ import annotations

import contextlib
import ctypes
import signal
import sys

_PR_SET_PDEATHSIG = 1


def limit_this_process(*, memory_bytes: int | None) -> None:
    """Bound memory, leave no core files, ignore Ctrl-C (the parent decides) and die with the parent.

    Args:
        memory_bytes: Data the process may allocate, or None for no bound. Only Linux enforces it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "win32":
        return
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory_bytes is not None and sys.platform == "linux":
        with contextlib.suppress(ValueError, OSError):
            # The address space would count mapped files and reserved but unused ranges; data does not.
            resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
