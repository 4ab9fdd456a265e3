"""What a user types for a model, and which format a file really has."""

from __future__ import annotations

import mmap
import stat
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from edgebench.core.model import SUFFIXES, ModelFormat
from edgebench.core.named_function import FUNCTION
from edgebench.core.suggestions import did_you_mean
from edgebench.errors import InputError
from edgebench.models.onnx.protobuf_wire import LENGTH_DELIMITED, WireError, walk_fields

ZOO_PREFIX = "zoo:"
DAMAGED_ARCHIVE = (
    zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError, ValueError, EOFError, IndexError, OverflowError,
    struct.error, zlib.error,
)  # fmt: skip
"""What ``zipfile`` raises for damaged, encrypted and unusual archives."""
_MODEL_SUFFIXES = {suffix for suffixes in SUFFIXES.values() for suffix in suffixes}
_EXPORT_AGAIN = "export the model with torch.onnx.export or torch.export.save and give that file"
_ANY_MODEL = (
    "give an .onnx, .tflite, TorchScript or torch.export file, module:function of PyTorch, "
    "or zoo:NAME (edgebench zoo list)"
)
_ONNX_FIELDS = {1: 0, 2: 2, 3: 2, 4: 2, 5: 0, 6: 2, 7: 2, 8: 2, 14: 2, 20: 2, 25: 2, 26: 2}
"""Wire types of the fields of a ``ModelProto``, by number."""
_ONNX_GRAPH = 7
_MAX_ONNX_FIELDS = 100_000
_OTHER_FILES = (
    (0, b"version https://git-lfs", "a Git LFS pointer instead of the model", "fetch the model: git lfs pull"),
    (0, b"<!DOCTYPE", "a web page", "download the model itself, not the page that shows it"),
    (0, b"<html", "a web page", "download the model itself, not the page that shows it"),
    (0, b"\x1f\x8b", "compressed with gzip", "unpack it first"),
    (0, b"\x89HDF", "a Keras or HDF5 file", "convert it with tf.lite.TFLiteConverter or tf2onnx"),
    (4, b"ORTM", "ONNX Runtime's own format", "give the .onnx file it was made from"),
    (4, b"ET12", "an ExecuTorch program", "give the torch.export file it was made from"),
    (0, b"GGUF", "a GGUF file, which contains weights without a graph", _EXPORT_AGAIN),
    (8, b'{"', "a safetensors file, which contains weights without a graph", _EXPORT_AGAIN),
)
"""Files that are often mistaken for a model: offset and bytes that identify them, what they are, what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSource:
    """A model as typed: a network of the zoo, a file, or a function that makes a PyTorch module.

    Attributes:
        text: What was typed.
        name: Short name for tables.
        zoo: Name in the zoo, or None.
        path: The file, or None.
        function: ``module:function`` of Python that returns a PyTorch module, or None.
    """

    text: str
    name: str
    zoo: str | None = None
    path: Path | None = None
    function: str | None = None


def parse_source(text: str) -> ModelSource:
    """Tell ``zoo:NAME`` and ``module:function`` from a path. Nothing is opened or imported."""
    if text.startswith(ZOO_PREFIX):
        name = text.removeprefix(ZOO_PREFIX)
        return ModelSource(text=text, name=name, zoo=name)
    path = Path(text)
    if FUNCTION.fullmatch(text) and not path.exists():
        return ModelSource(text=text, name=text.rpartition(":")[2], function=text)
    return ModelSource(text=text, name=path.stem or text, path=path)


def identify(path: Path) -> ModelFormat:
    """Format of a file by its content; its name decides only if the content does not.

    Raises:
        InputError: Missing, a folder, empty, unreadable, a pickle, or not a model at all.
    """
    _require_file(path)
    try:
        with path.open("rb") as file:
            head = file.read(4096)
            if not head:
                raise InputError("the file is empty", where=str(path), remedy="export or download the model again")
            if head[4:8] == b"TFL3":
                return ModelFormat.TFLITE
            if head[:4] in {b"PK\x03\x04", b"PK\x05\x06"}:
                return _identify_archive(path)
            _refuse_other_files(path, head)
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                onnx = _is_onnx(content, named_so=path.suffix.lower() == ".onnx")
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", where=str(path)) from None
    if onnx:
        return ModelFormat.ONNX
    raise InputError(_unknown(path), where=str(path), remedy=_ANY_MODEL)


def _require_file(path: Path) -> None:
    where = str(path)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise InputError("this is a folder, not a model file", where=where, remedy=_pick_from(path))
        # Opening a pipe would wait for its other end.
        if not stat.S_ISREG(mode):
            raise InputError("this is not a regular file", where=where, remedy=_ANY_MODEL)
    except (FileNotFoundError, NotADirectoryError):
        raise InputError("no such file", where=where, remedy=_nearest(path)) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot be read: {reason}", where=where) from None


def _pick_from(folder: Path) -> str:
    entries = sorted(entry.name for entry in folder.iterdir())
    if "saved_model.pb" in entries:
        return "a TensorFlow SavedModel: convert it with tf.lite.TFLiteConverter.from_saved_model"
    models = [name for name in entries if Path(name).suffix.lower() in _MODEL_SUFFIXES]
    if len(models) == 1:
        return f"did you mean {str(folder / models[0])!r}?"
    return f"choose a file in it: {', '.join(models[:5])}" if models else _ANY_MODEL


def _nearest(path: Path) -> str:
    try:
        siblings = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return f"there is no folder {str(path.parent)!r}"
    return did_you_mean(path.name, siblings) or f"check the path, or {_ANY_MODEL}"


def _refuse_other_files(path: Path, head: bytes) -> None:
    if head[:1] == b"\x80" and head[1:2] in {b"\x02", b"\x03", b"\x04", b"\x05"}:
        raise InputError(
            "this is a Python pickle, which runs code when it is opened; edgebench never opens one",
            where=str(path),
            remedy=_EXPORT_AGAIN,
        )
    for offset, signature, what, remedy in _OTHER_FILES:
        if head[offset : offset + len(signature)] == signature:
            raise InputError(f"this is {what}", where=str(path), remedy=remedy)


def _identify_archive(path: Path) -> ModelFormat:
    where = str(path)
    try:
        with zipfile.ZipFile(path) as archive:
            full_names = archive.namelist()
    except DAMAGED_ARCHIVE as error:
        raise InputError(f"the archive is damaged: {error}", where=where, remedy="export or copy it again") from None
    names = {name.partition("/")[2] for name in full_names}
    if "constants.pkl" in names and any(name.startswith("code/") for name in names):
        return ModelFormat.TORCHSCRIPT
    if "archive_format" in names and any(name.startswith("models/") for name in names):
        return ModelFormat.TORCH_EXPORT
    if "serialized_exported_program.json" in full_names:
        raise InputError(
            "an older PyTorch wrote this torch.export file",
            where=where,
            remedy="load it there, and save it again with torch 2.8 or newer",
        )
    if "data.pkl" in names:
        raise InputError(
            "this is a pickled PyTorch object, which runs code when it is opened; edgebench never opens one",
            where=where,
            remedy=_EXPORT_AGAIN,
        )
    models = [name for name in full_names if Path(name).suffix.lower() in _MODEL_SUFFIXES]
    remedy = f"unpack it first; it contains {', '.join(models[:5])}" if models else _ANY_MODEL
    raise InputError("this archive is not a model", where=where, remedy=remedy)


def _is_onnx(content: mmap.mmap, *, named_so: bool) -> bool:
    """Whether the content is a ``ModelProto`` with a graph; the name decides if it only begins like one."""
    fields = 0
    graph = False
    try:
        for field in walk_fields(content, 0, len(content)):
            fields += 1
            if _ONNX_FIELDS.get(field.number) != field.wire or fields > _MAX_ONNX_FIELDS:
                return False
            graph |= field.number == _ONNX_GRAPH and field.wire == LENGTH_DELIMITED
    except WireError:
        # Cut off, damaged, or something else.
        first = content[0]
        return named_so and _ONNX_FIELDS.get(first >> 3) == first & 7
    return graph


def _unknown(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix in _MODEL_SUFFIXES:
        return f"the name ends in {suffix}, but the content is not a model, or is cut off or damaged"
    return "not a model that edgebench knows"
