"""Files that came from another machine: kept by their digests, so that each is sent once."""

from __future__ import annotations

import base64
import binascii
import errno
import hashlib
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from edgebench.errors import InputError, StorageError
from edgebench.machine.folders import cache_folder
from edgebench.workers.measuring.board_jobs import FindStored, Stored, StorePart
from edgebench.workers.measuring.jobs import Done

MOST_BYTES = 4 << 30
"""What is kept altogether; what has not been used for longest goes first."""
_SPARE_BYTES = 64 << 20
_NAME = re.compile(r"[A-Za-z0-9][\w.+-]{0,199}")
_PIECE = 1 << 20

_ELSEWHERE = 'free some space there, or write cache = "/FOLDER" on another disk of the board into the device file'


def find_stored(request: FindStored) -> Stored:
    """Which files of a set are here, and whole.

    Raises:
        InputError: A name is not one of a file.
        StorageError: There is no room for what is missing.
    """
    key = hashlib.sha256(repr(sorted(request.digests.items())).encode()).hexdigest()
    folder = cache_folder("models") / key[:32]
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.utime(folder)
        _without_dead(folder)
        missing = tuple(name for name, digest in request.digests.items() if _digest(folder / _checked(name)) != digest)
        if missing:
            _make_room(folder, request.size_bytes)
    except OSError as error:
        raise _explained(error, folder) from error
    return Stored(folder=str(folder), missing=missing)


def store_part(request: StorePart) -> Done:
    """Keep a part; the file has its name only when it is whole.

    Nothing waits for the disk, which takes long on memory cards: each use begins with the file's digest.

    Raises:
        InputError: A name is not one of a file, or the content is not what was announced.
        StorageError: It cannot be written.
    """
    folder = cache_folder("models") / _checked(Path(request.folder).name)
    place = folder / _checked(request.name)
    # Of this process alone: another one may be sent the same file.
    partial = place.with_name(f".{place.name}.{os.getpid()}")
    try:
        content = base64.b64decode(request.content, validate=True)
        with partial.open("r+b" if request.offset else "wb") as file:
            file.seek(request.offset)
            file.write(content)
        if request.digest is None:
            return Done()
        if _digest(partial) != request.digest:
            partial.unlink()
            raise InputError("a file has changed on its way", where=request.name, remedy="run the command again")
        partial.replace(place)
    except binascii.Error as error:
        raise InputError("a part of a file is damaged", where=request.name) from error
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise _explained(error, place) from error
    return Done()


def _make_room(folder: Path, size_bytes: int) -> None:
    """Delete what has not been used for longest, and check that there is room on the disk."""
    folders = sorted((item for item in folder.parent.iterdir() if item.is_dir()), key=lambda item: item.stat().st_mtime)
    sizes: Mapping[Path, int] = {item: sum(file.stat().st_size for file in item.iterdir()) for item in folders}
    total = sum(sizes.values()) + size_bytes
    for item, size in sizes.items():
        full = shutil.disk_usage(folder).free < size_bytes + _SPARE_BYTES
        if item == folder or not (total > MOST_BYTES or full):
            continue
        shutil.rmtree(item, ignore_errors=True)
        total -= size
    if shutil.disk_usage(folder).free < size_bytes + _SPARE_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise InputError(f"{name!r} is not the name of a file that can be sent")
    return name


def _digest(path: Path) -> str | None:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
    except OSError:
        return None
    return digest.hexdigest()


def _without_dead(folder: Path) -> None:
    """Delete what processes were sent that have been killed since."""
    for partial in folder.glob(".*.*"):
        pid = partial.name.rpartition(".")[2]
        if pid.isdecimal() and not Path(f"/proc/{pid}").exists():
            partial.unlink(missing_ok=True)


def _explained(error: OSError, path: Path) -> StorageError:
    what, remedy = {
        errno.ENOSPC: ("the board's disk is full", _ELSEWHERE),
        errno.EDQUOT: ("the disk quota on the board is used up", _ELSEWHERE),
        errno.EROFS: ("the board's file system is read-only", _ELSEWHERE),
        errno.EACCES: ("the board's user may not write there", _ELSEWHERE),
    }.get(error.errno or 0, (error.strerror or str(error), "check the board's disk"))
    return StorageError(what, where=str(path), remedy=remedy)
