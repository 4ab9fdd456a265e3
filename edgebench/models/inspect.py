"""Reads a model file without running it: inputs, outputs, parameters, multiply-accumulates."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edgebench.core.model import ModelFormat, ModelInfo, TensorSpec
from edgebench.core.suggestions import did_you_mean
from edgebench.errors import InputError
from edgebench.models.inputs import check_shape, unset_dimensions_error
from edgebench.models.source import ModelSource, identify

Shapes = Mapping[str, tuple[int, ...]]


def inspect(path: Path, source: ModelSource, shapes: Shapes, *, shapes_from_file: bool = False) -> ModelInfo:
    """Describe a model file.

    Args:
        path: The file.
        source: What the user typed, for names and messages.
        shapes: Shapes given by the user, by input name.
        shapes_from_file: Whether arrays from a file will settle open dimensions later.

    Raises:
        InputError: The file is not a valid model, or an input's shape is open or does not fit.
    """
    format_ = identify(path)
    if format_ is ModelFormat.ONNX:
        from edgebench.models.inspect_onnx import inspect_onnx

        info = inspect_onnx(path, source, shapes)
    elif format_ is ModelFormat.TFLITE:
        from edgebench.models.inspect_tflite import inspect_tflite

        info = inspect_tflite(path, source, shapes)
    else:
        from edgebench.models.inspect_torch import inspect_torch

        info = inspect_torch(path, source, format_)
    if info.inputs:
        _check_shapes(info.inputs, shapes, shapes_from_file=shapes_from_file)
    return info


def _check_shapes(inputs: tuple[TensorSpec, ...], shapes: Shapes, *, shapes_from_file: bool) -> None:
    names = [spec.name for spec in inputs]
    unknown = [name for name in shapes if name not in names]
    # Shapes are given for several models at once: one that fits none of this model's inputs is a mistake
    # only if this model has an input without a shape.
    open_inputs = [spec for spec in inputs if None in spec.shape and spec.name not in shapes]
    for spec in inputs:
        if spec.name in shapes:
            check_shape(spec, shapes[spec.name])
    if open_inputs and not shapes_from_file:
        error = unset_dimensions_error(open_inputs)
        if unknown:
            nearest = did_you_mean(unknown[0], names) or f"its inputs are {', '.join(names)}"
            raise InputError(f"{error.what}; there is no input {unknown[0]!r}", remedy=f"{nearest} {error.remedy}")
        raise error
