"""A model that is not a network of ours as the files that runtimes take."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgebench.core.model import InputSource, TensorSpec
from edgebench.errors import EdgebenchError, UnsupportedModelError
from edgebench.models.deployment import Deployment
from edgebench.models.file_artefact import FileArtefact
from edgebench.models.inputs import make_inputs
from edgebench.models.inspect import inspect
from edgebench.models.onnx import weight_forms as onnx_forms
from edgebench.models.onnx.quantise import quantise_onnx
from edgebench.models.source import parse_source
from edgebench.models.tflite import weight_forms as tflite_forms
from edgebench.models.tflite.int8.best_method import quantise_well
from edgebench.models.tflite.int8.plain_model import fix_shapes, read_plain
from edgebench.models.tflite.quantize import quantise_plain
from edgebench.models.tflite.shared_weights import share_weights

Sample = dict[str, NDArray[np.generic]]
SampleMaker = Callable[[Path, Sequence[TensorSpec]], Sequence[Sample] | None]
"""Inputs of a file by name, which has these inputs; None for random ones."""
_RANDOM_SAMPLES = 8
_SEVEN_BITS = "weights have 7 bits, because processors without VNNI overflow with 8"
_RANDOM = "its int8 ranges come from random inputs"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where files are written, and what sets their ranges."""

    folder: Path
    name: str
    samples: SampleMaker

    def path(self, suffix: str) -> Path:
        return self.folder / f"{self.name}{suffix}"


def deploy_file(artefact: FileArtefact, samples: SampleMaker, folder: Path, name: str) -> Deployment:
    """Write a model in its form, in every format that this is possible in.

    Args:
        artefact: The model.
        samples: Inputs that set ranges for int8.
        folder: An existing folder.
        name: Of the files, before their suffix.
    """
    place = _Place(folder=folder, name=name, samples=samples)
    paths: dict[str, str] = {}
    refusals, notes = dict(artefact.refusals), dict[str, str]()
    for suffix, content in artefact.files.items():
        try:
            path, note = _written(artefact, suffix, content, place)
        except EdgebenchError as error:
            refusals[suffix] = error.what
            continue
        paths[suffix] = str(path)
        notes |= {suffix: note} if note else {}
    return Deployment(onnx=paths.get(".onnx"), tflite=paths.get(".tflite"), refusals=refusals, notes=notes)


def _written(artefact: FileArtefact, suffix: str, content: bytes, place: _Place) -> tuple[Path, str]:
    """The path of a file, and what a reader must know of it.

    Raises:
        EdgebenchError: It cannot be written in this form.
    """
    form = artefact.form
    already_int8 = form.dtype == "int8" and not any(step.text == "int8" for step in artefact.steps)
    if form.dtype == "float32" or (already_int8 and form.shared_values is None):
        path = place.path(suffix)
        path.write_bytes(content)
        return path, ""
    if suffix == ".onnx" and (form.dtype == "float16" or form.shared_values is not None):
        what = "float16 weights" if form.dtype == "float16" else "shared weights"
        raise UnsupportedModelError(f"{what} are written for LiteRT only")
    if form.dtype == "float16":
        path = place.path(".float16.tflite")
        path.write_bytes(tflite_forms.half_weights(content, place.name))
        return path, ""
    if form.dtype == "int8 weights":
        return _int8_weights(suffix, content, place)
    path = place.path(f".int8{suffix}")
    note = (_int8_onnx if suffix == ".onnx" else _int8_tflite)(content, path, place)
    if form.shared_values is not None:
        share_weights(path, form.shared_values)
    return path, note


def _int8_weights(suffix: str, content: bytes, place: _Place) -> tuple[Path, str]:
    path = place.path(f".int8-weights{suffix}")
    if suffix == ".tflite":
        path.write_bytes(tflite_forms.int8_weights(content, place.name))
        return path, ""
    with tempfile.TemporaryDirectory(prefix="edgebench-") as folder:
        source = Path(folder) / "model.onnx"
        source.write_bytes(content)
        onnx_forms.int8_weights(source, path)
    return path, _SEVEN_BITS


def _int8_onnx(content: bytes, path: Path, place: _Place) -> str:
    with tempfile.TemporaryDirectory(prefix="edgebench-") as folder:
        source = Path(folder) / "model.onnx"
        source.write_bytes(content)
        specs = inspect(source, parse_source(str(source)), {}).inputs
        samples, random = _samples(source, specs, place)
        quantise_onnx(source, path, samples)
    return f"{_SEVEN_BITS}; {_RANDOM}" if random else _SEVEN_BITS


def _int8_tflite(content: bytes, path: Path, place: _Place) -> str:
    """Our own whole-file int8: every operator that has an int8 kernel, or can be written with some that have."""
    path.write_bytes(content)
    try:
        plain = read_plain(path)
        if not plain.computes_on_reals:
            path.write_bytes(quantise_plain(plain, [])[0])
            return ""
        path.write_bytes(plain.content)
        samples, random = _samples(path, inspect(path, parse_source(str(path)), {}).inputs, place)
        fix_shapes(plain, samples[0])
        result = quantise_well(plain, samples, {}, try_hard=not random)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    path.write_bytes(result.int8)
    moved = f"outputs differ from the float model's by {result.error:.1%}"
    return f"{moved}; {_RANDOM}" if random else moved


def _samples(path: Path, specs: Sequence[TensorSpec], place: _Place) -> tuple[list[Sample], bool]:
    """Inputs that set ranges, and whether they are random."""
    given = place.samples(path, specs)
    if given is not None:
        return list(given), False
    return [dict(make_inputs(specs, InputSource(seed=number))) for number in range(_RANDOM_SAMPLES)], True


def sizes_of(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> tuple[int, int]:
    """Parameters and multiply-accumulates of a file, 0 if they cannot be counted."""
    info = inspect(path, parse_source(str(path)), shapes)
    return info.parameters or 0, info.macs or 0
