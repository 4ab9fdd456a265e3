"""Which edgebench this is: two machines that measure together must run the same code."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent.parent
_LENGTH = 12


def package_files() -> list[Path]:
    """The files of the installed package that are code, in the order of their names."""
    return sorted(path for path in _FOLDER.rglob("*") if path.suffix in {".py", ".typed", ".txt", ".c", ".h"})


@cache
def package_digest() -> str:
    """The beginning of a SHA-256 over the package's code."""
    digest = hashlib.sha256()
    for path in package_files():
        if path.suffix == ".py":
            content = path.read_bytes()
            digest.update(f"{path.relative_to(_FOLDER).as_posix()} {len(content)}\n".encode())
            digest.update(content)
    return digest.hexdigest()[:_LENGTH]
