"""From what a user typed to a file that a target takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edgebench.core.model import ModelFormat, ModelInfo
from edgebench.core.record import Record
from edgebench.errors import UnsupportedModelError
from edgebench.models.inspect import inspect
from edgebench.models.source import identify, parse_source

_RUNS_ON: Mapping[ModelFormat, str] = {
    ModelFormat.ONNX: "host",
    ModelFormat.TFLITE: "host-litert",
    ModelFormat.TORCHSCRIPT: "host-torch",
    ModelFormat.TORCH_EXPORT: "host-torch",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareRequest(Record):
    """What a target needs of a model.

    Attributes:
        source: What the user typed: a path or ``zoo:NAME``.
        formats: Formats the target takes, the preferred one first.
        dtype: ``int8`` or ``float32`` where the target takes only that, else None.
        shapes: Input shapes given by the user.
        shapes_from_file: Whether arrays from a file will settle open dimensions.
        seed: Seeds the weights of networks from the zoo.
        folder: Where files may be written.
    """

    source: str
    formats: tuple[ModelFormat, ...]
    dtype: str | None = None
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    shapes_from_file: bool = False
    seed: int = 0
    folder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared(Record):
    """A model ready for a target.

    Attributes:
        info: The model as given.
        path: The file to load.
        deployed: The file's description where the model had to be converted, else None.
        notes: What the conversion did.
    """

    info: ModelInfo
    path: str
    deployed: ModelInfo | None = None
    notes: tuple[str, ...] = ()


def prepare(request: PrepareRequest) -> Prepared:
    """Inspect a model, after writing it out if it comes from the zoo.

    Raises:
        InputError: The model is not valid, or a shape is missing or wrong.
        UnsupportedModelError: The target does not take this format.
    """
    source = parse_source(request.source)
    if source.zoo is not None:
        from edgebench.models.zoo import export

        format_ = request.formats[0]
        path = Path(request.folder) / f"{source.name}.{_SUFFIX[format_]}"
        export(source.zoo, format_, path, seed=request.seed)
    elif source.path is not None:
        path = source.path
        format_ = identify(path)
        if format_ not in request.formats:
            wanted = " or ".join(request.formats)
            raise UnsupportedModelError(
                f"the device takes {wanted} files, this is {format_}",
                where=request.source,
                remedy=f"profile it with -d {_RUNS_ON[format_]}, or convert it to {wanted} first",
            )
    info = inspect(path, source, request.shapes, shapes_from_file=request.shapes_from_file)
    return Prepared(info=info, path=str(path))


_SUFFIX: Mapping[ModelFormat, str] = {
    ModelFormat.ONNX: "onnx",
    ModelFormat.TFLITE: "tflite",
    ModelFormat.TORCHSCRIPT: "pt",
    ModelFormat.TORCH_EXPORT: "pt2",
}
