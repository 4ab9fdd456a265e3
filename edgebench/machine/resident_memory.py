"""Resident memory of this process."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import psutil

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


class ResidentMemory:
    """Growth of this process's resident memory since ``start``.

    On Linux the kernel keeps the highest value, and forgets the one before ``start`` if it allows that.
    Elsewhere the current value is used instead of the highest.
    """

    def __init__(self) -> None:
        self._start = 0

    def start(self) -> None:
        """Remember the current value and begin a new peak."""
        # Not allowed in every container; the peak then includes the start of the process.
        with contextlib.suppress(OSError):
            _CLEAR.write_text("5", encoding="ascii")
        self._start = self._read("VmRSS:")

    def peak_growth_bytes(self) -> int:
        """Bytes between the value at ``start`` and the highest since."""
        return max(0, self._read("VmHWM:") - self._start)

    @staticmethod
    def _read(field: str) -> int:
        if sys.platform == "linux":
            for line in _STATUS.read_text(encoding="ascii").splitlines():
                if line.startswith(field):
                    return int(line.split()[1]) * 1024
        return int(psutil.Process().memory_info().rss)
