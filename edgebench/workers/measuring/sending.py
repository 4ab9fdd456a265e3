"""Brings model files to a board, each once: they are kept there by their digests."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from pathlib import Path

from edgebench.core.profile import Outcome
from edgebench.models.digest import digest_files
from edgebench.workers.measuring.board_jobs import FindStored, StorePart
from edgebench.workers.worker import ChildError, Worker

_PART = 1 << 20
_PART_S = 120.0
_REFERS = b"\x08location"
"""What an ONNX file contains that keeps weights in further files: the key of their place."""
_ODD = re.compile(r"[^\w.+-]|^[^A-Za-z0-9]", re.ASCII)


class Sent:
    """What has been sent to one board; threads may share it."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def path(self, worker: Worker, path: str, beside: Callable[[str], tuple[str, ...]]) -> str:
        """Where a file is on the board, after sending it if it was not there.

        Args:
            worker: On the board.
            path: The file here.
            beside: Finds files that belong to an ONNX model.

        Raises:
            ChildError: The file cannot be read, or not be written there.
        """
        try:
            files = [Path(path)]
            if files[0].suffix == ".onnx" and _REFERS in files[0].read_bytes():
                files += map(Path, beside(path))
            digests = {file: digest_files([file])[0] for file in files}
            names = {file: _name(file, files[0]) for file in files}
            key = hashlib.sha256(repr([(names[file], digest) for file, digest in digests.items()]).encode()).hexdigest()
            if key not in self._known:
                self._known[key] = _sent(worker, digests, names)
        except OSError as error:
            raise ChildError(Outcome.BAD_INPUT, f"{path}: cannot be read: {error.strerror}") from None
        return f"{self._known[key]}/{names[files[0]]}"


def _sent(worker: Worker, digests: dict[Path, str], names: dict[Path, str]) -> str:
    size = sum(file.stat().st_size for file in digests)
    by_name = {names[file]: digest for file, digest in digests.items()}
    stored = worker.ask(FindStored(digests=by_name, size_bytes=size), timeout_s=_PART_S)
    for file, digest in digests.items():
        if names[file] in stored.missing:
            _send(worker, file, stored.folder, names[file], digest)
    return stored.folder


def _send(worker: Worker, file: Path, folder: str, name: str, digest: str) -> None:
    offset, size = 0, file.stat().st_size
    with file.open("rb") as content:
        while True:
            part = content.read(_PART)
            is_last = offset + len(part) >= size or not part
            request = StorePart(
                folder=folder,
                name=name,
                offset=offset,
                content=base64.b64encode(part).decode(),
                digest=digest if is_last else None,
            )
            worker.ask(request, timeout_s=_PART_S)
            if is_last:
                return
            offset += len(part)


def _name(file: Path, model: Path) -> str:
    """A model names its weights' files itself; the model's own name means nothing there."""
    return file.name if file != model else f"model-{_ODD.sub('_', file.name)[-100:]}"
