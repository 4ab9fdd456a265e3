"""SIGTERM and SIGHUP mean what Ctrl-C means: save what is done, end children, clean up, say how to go on."""

from __future__ import annotations

import os
import signal
from types import FrameType

_received: list[int] = []


def treat_as_interrupts() -> None:
    """From now on the first of these signals interrupts, and a second one ends the process at once."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        # What is ignored stays so: nohup means it.
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)


def exit_code(interrupted: int) -> int:
    """The exit code of an interrupted command: as shells write it, 128 and the number of the signal.

    Args:
        interrupted: For Ctrl-C.
    """
    return 128 + _received[0] if _received else interrupted


def _interrupt(number: int, _: FrameType | None) -> None:
    if _received:
        # Children die with this process.
        os._exit(128 + number)
    _received.append(number)
    raise KeyboardInterrupt
