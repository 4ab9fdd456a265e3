"""What is compiled once and kept: used only if nobody else could have written it, and if it is what was written."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from edgebench.errors import StorageError

_SEAL = ".sha256"


def seal(path: Path) -> None:
    """Write the digest of a file, or of all files in a folder, beside it.

    Raises:
        OSError: It cannot be written.
    """
    place = path.with_name(path.name + _SEAL)
    temporary = place.with_name(f"{place.name}.{os.getpid()}")
    temporary.write_text(_digest(path), encoding="ascii")
    temporary.replace(place)


def is_intact(path: Path) -> bool:
    """Whether something is there and is what was sealed.

    Raises:
        StorageError: Somebody else could have written it.
    """
    if not path.exists():
        return False
    require_own(path)
    place = path.with_name(path.name + _SEAL)
    try:
        return place.read_text(encoding="ascii").strip() == _digest(path)
    except (OSError, ValueError):
        return False


def require_own(path: Path) -> None:
    """Check that a path, and every folder above it, belongs to this user or to root, and that nobody else may write.

    Others may write into a folder above if it is sticky, as ``/tmp`` is: then they cannot replace what is in it.

    Raises:
        StorageError: It does not.
    """
    if not hasattr(os, "getuid"):
        return
    mine = {os.getuid(), 0}
    resolved = path.resolve()
    for place in (resolved, *resolved.parents):
        try:
            found = place.stat()
        except OSError:
            continue
        others = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        sticky = place != resolved and found.st_mode & stat.S_ISVTX
        if found.st_uid not in mine or (others and not sticky):
            raise StorageError(
                "others may write here, and what is kept here is run",
                where=str(place),
                remedy=f"chmod go-w {place}, or set XDG_CACHE_HOME to a folder of your own",
            )


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    files = [path] if path.is_file() else sorted(item for item in path.rglob("*") if item.is_file())
    for file in files:
        content = file.read_bytes()
        digest.update(f"{file.relative_to(path.parent)} {len(content)}\n".encode("utf-8", "surrogateescape"))
        digest.update(content)
    return digest.hexdigest()
