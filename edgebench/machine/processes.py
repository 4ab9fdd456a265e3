"""Processes and what they started: Linux's files about them, and how to end them all.

A process that starts a session of its own leaves its parent's group, but stays below it in the tree; one whose parent
has ended hangs below the nearest subreaper above, or below the first process of the system.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import signal
import sys
from pathlib import Path

import psutil

_PR_SET_CHILD_SUBREAPER = 36
_ROUNDS = 20
"""Looks for further descendants: what starts processes faster than they are found is stopped first."""
_HELD = re.compile(r"^(?:RssAnon|RssShmem|VmSwap):\s*(\d{1,15}) kB$", re.MULTILINE)


def adopt_orphans() -> None:
    """From now on, what is started below this process stays below it when its own parent ends."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_descendants(pid: int) -> None:
    """Kill all that a process has started, in whatever session it is now; the process itself is left."""
    for _ in range(_ROUNDS):
        try:
            found = [child for child in psutil.Process(pid).children(recursive=True) if not _is_dead(child)]
        except psutil.Error:
            return
        if not found:
            return
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for child in found:
                with contextlib.suppress(psutil.Error):
                    child.send_signal(number)


def end_marked(variable: str, value: str) -> None:
    """Kill the processes of this user that have an environment variable of that value, wherever they hang."""
    wanted = f"{variable}={value}".encode()
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if wanted in (place / "environ").read_bytes().split(b"\0") and int(place.name) != os.getpid():
                os.kill(int(place.name), signal.SIGKILL)


def held_bytes(pid: int) -> int:
    """Memory that a process holds and that is not a file's: its own, what it shares, and what was swapped out.

    0 where the system does not tell.
    """
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    return 1024 * sum(map(int, _HELD.findall(text)))


def _is_dead(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return True
