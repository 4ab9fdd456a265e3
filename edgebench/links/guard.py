"""A small process that ends children if this process is killed before it could.

The file is also the program of that process: it uses nothing but Python's standard library, so that it starts quickly.
It reads lines: ``+`` and the number of a process group when a child starts, ``-`` when it has ended. At the end of its
input, which comes when the process that wrote is gone, it kills what is left. A child's own means
(``PR_SET_PDEATHSIG``) would spare what the child itself started, such as a compiler, and strike when a *thread* ends.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

_PARENT = re.compile(r"\) \S (\d+) ")
_FAREWELL_S = 1.0
_process: subprocess.Popen[bytes] | None = None
_using = threading.Lock()


def watch(group: int) -> None:
    """Have a process group ended if this process is killed; the guard starts with the first."""
    _tell(f"+{group}\n", start=True)


def release(group: int) -> None:
    """A process group has ended."""
    _tell(f"-{group}\n", start=False)


def _tell(line: str, *, start: bool) -> None:
    global _process  # noqa: PLW0603 - one guard a process
    with _using, contextlib.suppress(OSError):
        if _process is None or _process.poll() is not None:
            if not start:
                return
            _process = subprocess.Popen(
                [sys.executable, "-I", "-S", __file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                start_new_session=True,
            )
        if _process.stdin is not None:
            _process.stdin.write(line.encode())


def _part() -> None:
    """At the end of this process: the guard ends what is left, and then is gone itself."""
    if _process is not None and _process.stdin is not None:
        with contextlib.suppress(OSError, subprocess.TimeoutExpired, KeyboardInterrupt):
            _process.stdin.close()
            _process.wait(_FAREWELL_S)


def _forget() -> None:
    """In a process that was forked: the guard is its parent's."""
    global _process, _using
    _process, _using = None, threading.Lock()


def _end(group: int) -> None:
    """Kill a child with all below it; it is stopped first, so that it starts nothing more and loses no descendants."""
    with contextlib.suppress(OSError):
        os.kill(group, signal.SIGSTOP)
    below, found = _tree(), [group]
    for parent in found:
        found += [child for child, its_parent in below.items() if its_parent == parent]
    for pid in reversed(found):
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(OSError):
        os.killpg(group, signal.SIGKILL)


def _tree() -> dict[int, int]:
    """The parent of every process."""
    parents = {}
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            match = _PARENT.search((place / "stat").read_text(errors="replace"))
            if match:
                parents[int(place.name)] = int(match[1])
    return parents


def main() -> None:
    """Entry point of the guard."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin.buffer:
        group = int(line[1:])
        if line.startswith(b"+"):
            groups.add(group)
        else:
            groups.discard(group)
    for group in groups:
        _end(group)


if __name__ == "__main__":
    main()
else:
    os.register_at_fork(after_in_child=_forget)
    atexit.register(_part)
