"""Reads a model file without running it: inputs, outputs, parameters, multiply-accumulates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from edgebench.core.model import ModelFormat, ModelInfo
from edgebench.core.suggestions import did_you_mean
from edgebench.errors import InputError
from edgebench.models.digest import digest_files
from edgebench.models.input_shapes import batch_note, check_shape, unset_dimensions_error, with_batch_of_one, with_name
from edgebench.models.source import ModelSource, identify

Shapes = Mapping[str, tuple[int, ...]]


def inspect(
    path: Path, source: ModelSource, shapes: Shapes, signature: str | None = None, *, open_shapes: bool = False
) -> ModelInfo:
    """Describe a model file.

    Args:
        path: The file.
        source: What the user typed, for names and messages.
        shapes: Shapes given by the user, by input name.
        signature: Which signature of a ``.tflite`` file; by default, that of its main graph.
        open_shapes: Whether shapes may stay open.

    Raises:
        InputError: The file is not a valid model, or an input's shape is open or does not fit.
    """
    if "" in shapes:
        named = inspect(path, source, {}, signature, open_shapes=True).inputs
        shapes = with_name(shapes, [spec.name for spec in named])
    format_ = identify(path)
    if signature is not None and format_ is not ModelFormat.TFLITE:
        raise InputError(f"{format_} files have no signatures", where=f"--signature {signature}", remedy="leave it out")
    if format_ is ModelFormat.ONNX:
        from edgebench.models.onnx.inspect import inspect_onnx

        info = inspect_onnx(path, source, shapes)
    elif format_ is ModelFormat.TFLITE:
        from edgebench.models.tflite.inspect import inspect_tflite

        info = inspect_tflite(path, source, shapes, signature)
    else:
        from edgebench.models.pytorch.inspect import inspect_torch

        info = inspect_torch(path, source, format_, shapes)
    return _checked(info, shapes, open_shapes=open_shapes) if info.inputs else info


def require_digest(path: Path, beside: Sequence[Path], digest: str) -> None:
    """Check that a file is still the one that was described.

    Nothing is imported or parsed for this: it is done in processes whose memory is measured.

    Args:
        path: The file.
        beside: Further files with its weights, in the order in which it names them.
        digest: Of its description.

    Raises:
        InputError: It has changed, or is gone.
    """
    if digest_files([path, *beside])[0] != digest:
        raise InputError(
            "the model file changed while it was measured", where=str(path), remedy="run again once nothing writes it"
        )


def _checked(info: ModelInfo, shapes: Shapes, *, open_shapes: bool) -> ModelInfo:
    for spec in info.inputs:
        if spec.name in shapes:
            check_shape(spec, shapes[spec.name])
    names = [spec.name for spec in info.inputs]
    unknown = [name for name in shapes if name not in names]
    set_ = with_batch_of_one(info.inputs, shapes)
    unset = [] if open_shapes else [spec for spec in info.inputs if None in spec.shape and spec.name not in set_]
    if unset:
        error = unset_dimensions_error(unset)
        if not unknown:
            raise error
        nearest = did_you_mean(unknown[0], names) or f"the inputs are {', '.join(names)};"
        raise InputError(f"{error.what}; there is no input {unknown[0]!r}", remedy=f"{nearest} {error.remedy}")
    # One command profiles several models, and a shape may be meant for another of them.
    notes = [f"--shape {name}: there is no such input; the inputs are {', '.join(names)}" for name in unknown]
    batch = None if open_shapes else batch_note(info.inputs, shapes)
    caveats = (*info.caveats, batch) if batch else info.caveats
    return replace(info, notes=(*info.notes, *notes), caveats=caveats)
