"""One measurement on a machine at a time, whoever measures: commands queue, and are told for whom they wait.

This file is also sent to boards as text and runs there before anything is installed: it uses nothing but Python's
standard library, from Python 3.8 on. There it reads ``take`` and ``release``, each on a line, from standard input, and
writes what happens to standard output; its lock ends with it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

PLACE = "EDGEBENCH_MACHINE_LOCK"
"""Environment variable with the path of another lock, such as one that containers of a machine share."""
_FOLDERS = ("/run/lock", "/dev/shm", "/tmp")  # noqa: S108 - whoever measures on the machine has to find it
_NAME = "edgebench-measuring.lock"
_NEXT = ".next"
_LOOK_S = 0.1
_TELL_S = 1.0
_LONGEST = 2000
TAKEN, FREE, WAITING, UNLOCKED = "taken", "free", "waiting", "unlocked"


class Lock:
    """The machine's lock, open but not taken.

    Args:
        about: Who wants it: ``token`` tells commands apart, ``who`` is for people.

    Raises:
        OSError: It cannot be opened.
    """

    def __init__(self, about: dict[str, Any]) -> None:
        self._about = about
        path = os.environ.get(PLACE) or os.path.join(_folder(), _NAME)  # noqa: PTH118 - cheaper than pathlib there
        self._lock, self._next = _opened(path), _opened(path + _NEXT)
        self._taken = False

    def take(self, on_wait: Callable[[str], None]) -> None:
        """Have it, after those who came before.

        Args:
            on_wait: Called at once and each second with who has it and for how long; what it raises ends the wait.
        """
        # Who waits holds the second lock: without it, who releases the first and wants it again would always win.
        with _locked(self._next, lambda: self._waits(on_wait)), contextlib.suppress(_OwnError):
            _lock(self._lock, lambda: self._waits(on_wait))
            self._taken = True
            text = json.dumps({**self._about, "since": time.monotonic()}).encode()[:_LONGEST]
            # A full disk does not keep anybody from measuring.
            with contextlib.suppress(OSError):
                os.ftruncate(self._lock, 0)
                os.pwrite(self._lock, text, 0)

    def release(self) -> None:
        """Let the next have it."""
        if self._taken:
            self._taken = False
            with contextlib.suppress(OSError):
                os.ftruncate(self._lock, 0)
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    def close(self) -> None:
        """Release it for good."""
        self.release()
        os.close(self._lock)
        os.close(self._next)

    def _waits(self, on_wait: Callable[[str], None]) -> None:
        holder = _read(self._lock)
        if holder.get("token") == self._about["token"]:
            # The same command reaches this machine in two ways.
            raise _OwnError
        on_wait(_described(holder))


class _OwnError(Exception):
    """The command has the lock already."""


def _lock(descriptor: int, on_wait: Callable[[], None]) -> None:
    told = -_TELL_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() - told >= _TELL_S:
                told = time.monotonic()
                on_wait()
            time.sleep(_LOOK_S)
        else:
            return


@contextmanager
def _locked(descriptor: int, on_wait: Callable[[], None]) -> Iterator[None]:
    try:
        _lock(descriptor, on_wait)
    except _OwnError:
        # Others wait for this very command.
        yield
        return
    try:
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def _folder() -> str:
    """The first folder that all users of the machine may write to."""
    for folder in _FOLDERS:
        with contextlib.suppress(OSError):
            if os.stat(folder).st_mode & 0o1777 == 0o1777:  # noqa: PTH116 - cheaper than pathlib there
                return folder
    return _FOLDERS[-1]


def _opened(path: str) -> int:
    """The lock's file, which is never deleted: otherwise two could hold two locks of one name."""
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        # Without O_CREAT, which Linux refuses for another user's file in a folder that all may write to.
        return os.open(path, flags)
    except FileNotFoundError:
        pass
    try:
        descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError:
        # Made by somebody else since.
        return os.open(path, flags)
    with contextlib.suppress(OSError):
        # Other users queue as well, whatever this one's mask is.
        os.fchmod(descriptor, 0o666)
    return descriptor


def _read(descriptor: int) -> dict[str, Any]:
    """What the holder says of itself; anybody could have written it."""
    try:
        found = json.loads(os.pread(descriptor, _LONGEST, 0).decode("utf-8", "replace"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _described(holder: dict[str, Any]) -> str:
    who, since = holder.get("who"), holder.get("since")
    text = "".join(letter for letter in who if letter.isprintable())[:200] if isinstance(who, str) else ""
    passed = time.monotonic() - since if isinstance(since, (int, float)) else 0.0
    return (text or "another command") + (f", for {_duration(passed)}" if passed >= 1 else "")


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def main() -> None:
    """Entry point on a board: the last argument says who wants the lock, as JSON in hexadecimal digits."""
    about = json.loads(bytes.fromhex(sys.argv[-1]))
    try:
        lock = Lock(about)
    except OSError as error:
        _say(UNLOCKED, error.strerror or str(error))
        return
    for line in sys.stdin:
        if line.strip() == "take":
            lock.take(lambda holder: _say(WAITING, holder))
            _say(TAKEN)
        else:
            lock.release()
            _say(FREE)


def _say(what: str, text: str = "") -> None:
    sys.stdout.write(f"{what} {text}".rstrip() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
