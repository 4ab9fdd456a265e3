"""What lists say of runs, kept so that a long list need not read every run again.

An entry counts only for the very file that it was made from: a file that is written, edited, restored or moved has
another time of change, size or number on its disk. The index is in the user's cache: it may be deleted at any time.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import astuple
from pathlib import Path

from edgebench.core.run import RunSummary
from edgebench.errors import StorageError
from edgebench.machine.folders import cache_folder
from edgebench.store.files import write_atomically

_SCHEMA = "edgebench.run-index/1"
Entry = tuple[str, RunSummary]
"""What tells a file from others, and what lists say of it."""


def fingerprint(path: Path) -> str:
    """What tells a file from every other, and from what it was before.

    Raises:
        OSError: It does not exist.
    """
    found = path.stat()
    return f"{found.st_mtime_ns} {found.st_ctime_ns} {found.st_size} {found.st_dev} {found.st_ino}"


def load_index(folder: Path) -> dict[str, Entry]:
    """The entries of a folder's runs by name; none if there is no index, or it is not what was written.

    Args:
        folder: Of the runs.
    """
    try:
        document = json.loads(_place(folder).read_text(encoding="utf-8"))
        if document.pop("schema") != _SCHEMA:
            return {}
        return {name: (mark, _summary(name, texts, int(count))) for name, (mark, count, *texts) in document.items()}
    except (OSError, ValueError, TypeError, AttributeError, KeyError, RecursionError):
        return {}


def save_index(folder: Path, entries: Mapping[str, Entry]) -> None:
    """Keep the entries; where that is not possible, the next list takes as long as this one.

    Args:
        folder: Of the runs.
        entries: By name.
    """
    plain: dict[str, object] = {"schema": _SCHEMA}
    for name, (mark, summary) in entries.items():
        _, count, *texts = astuple(summary)
        plain[name] = (mark, count, *texts)
    content = json.dumps(plain, ensure_ascii=False, separators=(",", ":"))
    with contextlib.suppress(StorageError, UnicodeEncodeError):
        write_atomically(_place(folder), content.encode())


def _summary(name: str, texts: list[object], count: int) -> RunSummary:
    if not all(isinstance(text, str) for text in texts):
        raise TypeError(name)
    return RunSummary(name, count, *map(str, texts))


def _place(folder: Path) -> Path:
    digest = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()
    return cache_folder("run-lists") / f"{digest[:32]}.json"
