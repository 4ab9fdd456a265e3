"""Digest and size of model files, read in pieces."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from edgebench.errors import InputError

_PIECE = 1 << 20


def digest_files(paths: Iterable[Path]) -> tuple[str, int]:
    """SHA-256 over the contents of files, in order, and their size together in bytes.

    Raises:
        InputError: A file cannot be read.
    """
    digest, size = hashlib.sha256(), 0
    for path in paths:
        try:
            with path.open("rb") as file:
                while piece := file.read(_PIECE):
                    digest.update(piece)
                    size += len(piece)
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror}", where=str(path)) from None
    return digest.hexdigest(), size
