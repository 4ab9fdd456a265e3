"""What ``make quick`` runs starts no process and imports no PyTorch; a test that does says so by a marker."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy.testing  # noqa: F401 - some versions start a process when they are imported
import pytest

MARKERS = ("child", "heavy", "slow")
"""A test with one of them is not quick."""
_STARTS = {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system", "os.exec"}
_watched: list[list[str]] = []
"""What was found in each block that must be quick; the innermost last."""


@contextmanager
def quick(test: str) -> Iterator[None]:
    """Makes a test fail that starts a process or imports PyTorch, even where what it tests catches exceptions."""
    _install()
    found: list[str] = []
    had_torch = "torch" in sys.modules
    _watched.append(found)
    try:
        yield
    finally:
        _watched.pop()
    if not had_torch and "torch" in sys.modules:
        found.append("imports PyTorch: let it take the fixture `torch`, or mark it with @pytest.mark.heavy")
    if found:
        pytest.fail(f"{test} {found[0]}", pytrace=False)


@cache
def _install() -> None:
    """Python calls the hook before each start, whichever library asks for it; a hook stays for good."""
    import _posixsubprocess

    start = _posixsubprocess.fork_exec

    def fork_exec(*arguments: Any) -> int:
        # multiprocessing calls this without telling the hook.
        sys.audit("subprocess.Popen", *arguments[1:2])
        return start(*arguments)

    sys.addaudithook(_hook)
    _posixsubprocess.fork_exec = fork_exec


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if event in _STARTS and _watched:
        what = f"starts a process ({arguments[0] if arguments else event}): mark it with @pytest.mark.child"
        _watched[-1].append(what)
        pytest.fail(f"a quick test {what}")
