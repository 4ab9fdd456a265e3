"""What the system refused: no room, too many files, too many processes. Neither edgebench nor the model is at fault."""

from __future__ import annotations

import errno
import shutil
import tempfile
from pathlib import Path

from edgebench.errors import EdgebenchError, StorageError, UnavailableError

_DISK = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the file system is read-only",
    errno.EFBIG: "a file became larger than the limit",
    errno.EIO: "the disk does not work",
}
_ROOM = {
    errno.EMFILE: ("too many files are open in one process", "ulimit -n 4096"),
    errno.ENFILE: ("too many files are open on this machine", "end what else runs"),
    errno.EAGAIN: ("the system starts no further process", "ulimit -u says how many there may be; end what else runs"),
    errno.ENOMEM: ("the system has no memory left", "end what else runs, or use smaller input shapes"),
}
# Runtimes written in C++ tell the same in words.
_WORDS = {
    "No space left on device": errno.ENOSPC,
    "Disk quota exceeded": errno.EDQUOT,
    "Read-only file system": errno.EROFS,
    "Too many open files": errno.EMFILE,
}


_LEAST_FREE = 1 << 18
"""Bytes on a disk that is taken to be full."""


def full_disk(folder: Path) -> StorageError | None:
    """What to say if there is no room where something failed; None if there is.

    Runtimes and compilers call it a wrong model, or say nothing, when a file cannot be written.
    """
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        return None
    return _of_disk(errno.ENOSPC, str(folder)) if free < _LEAST_FREE else None


def refusal(error: BaseException) -> EdgebenchError | None:
    """What to say if it was the system that refused something; None for any other error."""
    number = error.errno if isinstance(error, OSError) else _in_words(str(error))
    place = error.filename if isinstance(error, OSError) else None
    where = place if isinstance(place, str) else None
    if number in _DISK:
        return _of_disk(number, where or tempfile.gettempdir())
    if number in _ROOM:
        what, remedy = _ROOM[number]
        return UnavailableError(what, where=where, remedy=remedy)
    return None


def _of_disk(number: int, where: str) -> StorageError:
    return StorageError(
        _DISK[number],
        where=where,
        remedy="free some space and run again, or set TMPDIR to a folder with room for temporary files",
    )


def _in_words(text: str) -> int | None:
    return next((number for words, number in _WORDS.items() if words in text), None)
