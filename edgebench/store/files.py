"""Versioned JSON files: written whole or not at all, read with their schema checked."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import re
import stat
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from edgebench.errors import StorageError

Migration = Callable[[dict[str, Any]], dict[str, Any]]
_CHECKSUM = "checksum"
_CANNOT_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF, errno.EROFS}
"""What file systems answer that have no way to flush a folder."""
_FLAT_NUMBERS = re.compile(r"\[\s+(-?[\d.eE+-]+(?:,\s+-?[\d.eE+-]+)*)\s+\]")


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Write a document to a temporary file and rename it, so that readers see the old or the new one, complete.

    Its last key is a checksum, which is compared when the document is read. Lists of numbers take one line each, so
    that a diff shows what changed.

    Raises:
        StorageError: The folder is read-only, the disk is full, or the path is not a file.
    """
    document = {**document, _CHECKSUM: _checksum(document)}
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    text = _FLAT_NUMBERS.sub(lambda match: "[" + " ".join(match[1].split()) + "]", text)
    write_atomically(path, (text + "\n").encode())


def _checksum(document: Mapping[str, Any]) -> str:
    """Of what a document says, however it is laid out; a figure that is edited shows."""
    plain = json.dumps(document, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(plain.encode()).hexdigest()}"


def _is_intact(document: dict[str, Any]) -> bool:
    """Whether a document is what was written; takes its checksum away. Older documents have none."""
    checksum = document.pop(_CHECKSUM, None)
    return checksum is None or checksum == _checksum(document)


def write_atomically(path: Path, content: bytes) -> None:
    """Write bytes to a temporary file in the same folder, flush them to disk and rename.

    When this returns, the file is on the disk under its name: the folder is flushed, too, without which a power cut
    may bring back the old file, or none.

    Raises:
        StorageError: The folder is read-only, the disk is full, or the path is not a file.
    """
    temporary = ""
    try:
        made = [folder for folder in path.parents if not folder.exists()]
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o666 & ~_umask())
        Path(temporary).replace(path)
        for folder in (path.parent, *(folder.parent for folder in made)):
            sync_folder(folder)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise _explained(error, path) from error


def sync_folder(folder: Path) -> None:
    """Flush the names in a folder to disk.

    Raises:
        OSError: The disk fails. File systems that cannot flush a folder are left to themselves.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise
    finally:
        os.close(descriptor)


@cache
def _umask() -> int:
    """What the user takes away from the rights of new files; temporary files have only the owner's."""
    before = os.umask(0o077)
    os.umask(before)
    return before


def require_file(path: Path) -> None:
    """Refuse folders, and what would never end when it is read: pipes, devices, sockets.

    Raises:
        StorageError: It is one of these; what does not exist is not.
    """
    try:
        mode = path.stat().st_mode
    except OSError:
        return
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise StorageError("this is not a regular file", where=str(path), remedy="name a file, or remove this one")


def read_json(
    path: Path, *, kind: str, version: int, migrations: Mapping[int, Migration] | None = None
) -> dict[str, Any]:
    """Read a document and migrate it to the current version of its schema.

    Args:
        path: File to read.
        kind: What the file must be, such as ``run``.
        version: Version of the schema that the caller understands.
        migrations: For each older version, the step to the next.

    Returns:
        The document without its ``schema`` key.

    Raises:
        StorageError: Missing, not JSON, of another kind, newer than this edgebench, or not what was written.
    """
    require_file(path)
    try:
        document = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refused, parse_float=_finite)
    except OSError as error:
        raise _explained(error, path) from error
    except _NotFiniteError as error:
        raise StorageError(
            f"{error} is not a number that edgebench writes: it was edited or damaged",
            where=str(path),
            remedy="restore the file, or run again",
        ) from None
    except (ValueError, RecursionError) as error:
        raise StorageError(
            f"not a JSON document: {error}", where=str(path), remedy="restore the file, or run again"
        ) from error
    is_intact = not isinstance(document, dict) or _is_intact(document)
    schema = document.pop("schema", None) if isinstance(document, dict) else None
    match = re.fullmatch(r"edgebench\.([a-z-]+)/(\d{1,6})", schema) if isinstance(schema, str) else None
    if match is None:
        raise StorageError("not an edgebench file: it has no schema", where=str(path))
    if match[1] != kind:
        raise StorageError(f"this is a {match[1]} file, not a {kind} file", where=str(path))
    found = int(match[2])
    if found > version:
        raise StorageError(
            f"written by a newer edgebench ({schema}; this one reads up to {version})",
            where=str(path),
            remedy="update edgebench: pip install --upgrade edgebench",
        )
    if not is_intact:
        raise StorageError(
            "its content is not what edgebench wrote: it was edited or damaged",
            where=str(path),
            remedy=f"restore the file, or run again (remove the key {_CHECKSUM!r} if an edit is meant)",
        )
    while found < version:
        step = (migrations or {}).get(found)
        if step is None:
            raise StorageError(f"cannot migrate {kind} schema {found} to {version}", where=str(path))
        document = step(document)
        found += 1
    return dict(document)


class _NotFiniteError(Exception):
    """A document holds what JSON has no number for, or one that is too large."""


def _refused(text: str) -> float:
    raise _NotFiniteError(text)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _NotFiniteError(text)
    return value


def _explained(error: OSError, path: Path) -> StorageError:
    what, remedy = {
        errno.ENOSPC: ("the disk is full", "free some space and run again"),
        errno.EDQUOT: ("the disk quota is used up", "free some space and run again"),
        errno.EROFS: ("the file system is read-only", "choose another folder with --results"),
        errno.EACCES: (
            "permission denied",
            "choose another folder with --results, or change its permissions",
        ),
        errno.EPERM: ("permission denied", "choose another folder with --results, or change its permissions"),
        errno.ENOENT: ("no such file", "check the path"),
        errno.EISDIR: ("this is a folder, not a file", "give the name of a file in it"),
        errno.ENOTDIR: ("there is a file where a folder is needed", "choose another folder with --results"),
    }.get(error.errno or 0, (error.strerror or str(error), "check the path and the disk"))
    return StorageError(what, where=str(path), remedy=remedy)
