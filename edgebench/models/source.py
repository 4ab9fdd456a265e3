"""What a user types in place of a model, and which format a file really has."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

from edgebench.core.model import ModelFormat
from edgebench.core.suggestions import did_you_mean
from edgebench.errors import InputError

ZOO_PREFIX = "zoo:"
_SUFFIXES = {".onnx", ".tflite", ".pt", ".pt2", ".pth", ".ts"}
_EXPORT_AGAIN = "export the model with torch.onnx.export or torch.export.save and profile that file"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSource:
    """A model as typed: a network of the zoo, or a file.

    Attributes:
        text: What was typed.
        name: Short name for tables.
        zoo: Name in the zoo, or None for a file.
        path: The file, or None for the zoo.
    """

    text: str
    name: str
    zoo: str | None = None
    path: Path | None = None


def parse_source(text: str) -> ModelSource:
    """Tell ``zoo:NAME`` from a path. Nothing is opened."""
    if text.startswith(ZOO_PREFIX):
        name = text.removeprefix(ZOO_PREFIX)
        return ModelSource(text=text, name=name, zoo=name)
    path = Path(text)
    return ModelSource(text=text, name=path.stem or text, path=path)


def identify(path: Path) -> ModelFormat:
    """Format of a file by its content; its name decides only where the content does not.

    Raises:
        InputError: Not there, a folder, empty, unreadable, a pickle, or not a model at all.
    """
    head = _head(path)
    if head[4:8] == b"TFL3":
        return ModelFormat.TFLITE
    if head.startswith(b"PK\x03\x04"):
        return _identify_archive(path)
    if head[:1] == b"\x80" and head[1:2] in {b"\x02", b"\x03", b"\x04", b"\x05"}:
        raise InputError(
            "this is a Python pickle, which runs code when it is opened; edgebench never opens one",
            where=str(path),
            remedy=_EXPORT_AGAIN,
        )
    if _looks_like_onnx(head):
        return ModelFormat.ONNX
    raise InputError(
        "not a model that edgebench knows",
        where=str(path),
        remedy="give an .onnx, .tflite, TorchScript or torch.export file, or zoo:NAME (edgebench zoo list)",
    )


def _head(path: Path) -> bytes:
    where = str(path)
    if path.is_dir():
        models = sorted(entry.name for entry in path.iterdir() if entry.suffix in _SUFFIXES)[:5]
        remedy = f"name a file in it: {', '.join(models)}" if models else "name a model file"
        raise InputError("this is a folder, not a model file", where=where, remedy=remedy)
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except FileNotFoundError:
        siblings = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
        remedy = did_you_mean(path.name, siblings) or "check the path, or pick a built-in one: edgebench zoo list"
        raise InputError("no such file", where=where, remedy=remedy) from None
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be read: {getattr(error, 'strerror', None) or error}", where=where) from None
    if not head:
        raise InputError("the file is empty", where=where, remedy="export or download the model again")
    return head


def _identify_archive(path: Path) -> ModelFormat:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name.partition("/")[2] for name in archive.namelist()]
    except (zipfile.BadZipFile, OSError, NotImplementedError, ValueError) as error:
        raise InputError(
            f"the archive is damaged: {error}", where=str(path), remedy="export or copy the model again"
        ) from None
    if "constants.pkl" in names and any(name.startswith("code/") for name in names):
        return ModelFormat.TORCHSCRIPT
    if "archive_format" in names and any(name.startswith("models/") for name in names):
        return ModelFormat.TORCH_EXPORT
    if "data.pkl" in names:
        raise InputError(
            "this is a pickled PyTorch object, which runs code when it is opened; edgebench never opens one",
            where=str(path),
            remedy=_EXPORT_AGAIN,
        )
    raise InputError("this archive holds no model", where=str(path), remedy=_EXPORT_AGAIN)


def _looks_like_onnx(head: bytes) -> bool:
    """A ModelProto begins with a known field (1 to 8, 14, 20 or 25) of its own wire type."""
    field, wire = head[0] >> 3, head[0] & 7
    wires = {1: 0, 2: 2, 3: 2, 4: 2, 5: 0, 6: 2, 7: 2, 8: 2, 14: 2, 20: 2, 25: 2}
    return head[0] < 0x80 and wires.get(field) == wire and len(head) > 1
