"""Names of runs: a time and four hexadecimal digits, such that they sort in the order in which runs were begun.

The order is kept when a clock was set back: a name is above every other in the folder, and above the last one that was
given, whatever the clock says. A run's ``started`` is what the clock said.
"""

from __future__ import annotations

import fcntl
import re
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from edgebench.errors import StorageError

_STAMP = "%Y%m%d-%H%M%S"
_GIVEN = re.compile(r"(\d{8}-\d{6})-([0-9a-f]{4})")
_LAST = ".last-name"
_MOST, _FIRST, _STEP = 0xFFFF, 0x8000, 0x40
"""Digits of the first run of a second are below ``_FIRST``, so that there is room for others in that second."""


def in_order(names: Iterable[str]) -> list[str]:
    """Names of runs, the oldest first; files that a user named are before those, because nothing says when they were.

    Args:
        names: Without a suffix.
    """
    return sorted(names, key=lambda name: (_GIVEN.fullmatch(name) is not None, name))


def next_name(folder: Path) -> str:
    """A name that no other run has or is given, and that is above all others of the folder.

    Args:
        folder: Of the runs.

    Raises:
        StorageError: The folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / _LAST).open("a+", encoding="ascii", errors="replace") as last:
            # Released when the file is closed, or the process killed.
            fcntl.flock(last, fcntl.LOCK_EX)
            last.seek(0)
            given = [last.read(100).strip(), *(path.stem for path in folder.glob("*.json"))]
            name = _after(max(filter(_is_usable, given), default=""), datetime.now(UTC))
            last.truncate(0)
            last.write(name)
            return name
    except OSError as error:
        raise StorageError(
            f"runs cannot be saved here: {error.strerror}",
            where=str(folder),
            remedy="choose another folder with --results, or change its permissions",
        ) from None


def _is_usable(name: str) -> bool:
    match = _GIVEN.fullmatch(name)
    try:
        return match is not None and bool(datetime.strptime(match[1], _STAMP))
    except ValueError:
        return False


def _after(newest: str, now: datetime) -> str:
    stamp = now.strftime(_STAMP)
    match = _GIVEN.fullmatch(newest)
    if match is None or stamp > match[1]:
        # Random, so that folders of several machines can be put together.
        return f"{stamp}-{secrets.randbelow(_FIRST):04x}"
    digits = int(match[2], 16) + 1 + secrets.randbelow(_STEP)
    if digits <= _MOST:
        return f"{match[1]}-{digits:04x}"
    later = datetime.strptime(match[1], _STAMP) + timedelta(seconds=1)
    return f"{later:{_STAMP}}-{secrets.randbelow(_FIRST):04x}"
