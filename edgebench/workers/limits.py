"""What a child process sets for itself before it touches a model; its memory is bounded by the link.

That it ends with its parent is the link's care as well.
"""

from __future__ import annotations

import contextlib
import signal
import sys
from pathlib import Path

_FILE_BYTES = 16 << 30
"""Longest file that a child may write: above any model, and below what fills a disk."""
_OPEN_FILES = 4096
_MORE_PROCESSES = 4096
"""Processes and threads that may be added to those of the machine: a fork bomb ends before the system does."""


def limit_this_process() -> None:
    """Ignore Ctrl-C (the parent decides), leave no core files, and bound files, descriptors and processes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "win32":
        return
    import resource

    limits = {resource.RLIMIT_CORE: 0, resource.RLIMIT_FSIZE: _FILE_BYTES, resource.RLIMIT_NOFILE: _OPEN_FILES}
    running = _processes()
    if running is not None:
        limits[resource.RLIMIT_NPROC] = running + _MORE_PROCESSES
    for kind, limit in limits.items():
        _, most = resource.getrlimit(kind)
        least = limit if most == resource.RLIM_INFINITY else min(limit, most)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (least, least))


def _processes() -> int | None:
    """Processes and threads on this machine, or None where the system does not tell."""
    try:
        return int(Path("/proc/loadavg").read_text(encoding="ascii").split()[3].partition("/")[2])
    except (OSError, ValueError, IndexError):
        return None
