"""Brings a model into the form that a device takes, and says how far the result lies from the original."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgebench.core.model import InputSource, TensorSpec
from edgebench.errors import InputError
from edgebench.models.inputs import make_inputs
from edgebench.models.source import parse_source
from edgebench.models.tflite.file import Graph, read_graphs
from edgebench.models.tflite.inspect import inspect_tflite
from edgebench.models.tflite.quantize import (
    RANDOM_SAMPLES,
    Samples,
    quantisation_error,
    quantise_tflite,
)

COMPARED_SAMPLES = 8
"""Inputs on which a conversion is compared with the original."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """A converted model.

    Attributes:
        path: The file to run.
        notes: What was done, and how far outputs moved.
    """

    path: Path
    notes: tuple[str, ...]


def quantise(path: Path, target: Path, calibration: Path | None, seed: int) -> Conversion:
    """Quantise a float TFLite model to int8, unless it is quantised already, and compare their outputs.

    Args:
        path: A ``.tflite`` file.
        target: File to write.
        calibration: An ``.npz`` with one array an input, samples first; random inputs otherwise.
        seed: Seeds random inputs.

    Raises:
        UnsupportedModelError: The quantiser cannot handle the model.
        InputError: The file or the calibration data is not valid.
    """
    if is_quantised(read_graphs(path)[0]):
        return Conversion(path=path, notes=())
    specs = inspect_tflite(path, parse_source(str(path)), {}).inputs
    samples = _calibration_samples(specs, calibration) if calibration else _random_samples(specs, seed)
    quantise_tflite(path, target, samples)
    compared = samples[:COMPARED_SAMPLES]
    error = quantisation_error(path, target, compared, calibrated=calibration is not None)
    moved = f"outputs differ from the float model's by {error.relative_rms:.1%}"
    notes = [f"quantised to int8: {moved} (root mean square over {error.samples} inputs)"]
    if calibration is None:
        meaningless = "the int8 ranges come from random inputs, so this model's accuracy means nothing"
        notes.append(f"latency only: {meaningless}; give --calibration FILE.npz")
    return Conversion(path=target, notes=tuple(notes))


def is_quantised(graph: Graph) -> bool:
    """Whether most operators compute on integers; a float model has none that does."""
    outputs = [graph.tensors[index].dtype for operator in graph.operators for index in operator.outputs]
    return sum(dtype in {"int8", "uint8", "int16"} for dtype in outputs) > len(outputs) / 2


def _random_samples(specs: Sequence[TensorSpec], seed: int) -> Samples:
    return [dict(make_inputs(specs, InputSource(seed=seed + index))) for index in range(RANDOM_SAMPLES)]


def _calibration_samples(specs: Sequence[TensorSpec], path: Path) -> Samples:
    """Slices of the arrays, in the order of the model's inputs."""
    where = f"--calibration {path}"
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {spec.name: file[spec.name if spec.name in file else file.files[0]] for spec in specs}
    except (ValueError, OSError, EOFError, IndexError, KeyError) as error:
        raise InputError(f"not a file of plain arrays: {error}", where=where) from None
    for spec in specs:
        array = arrays[spec.name]
        if array.ndim != len(spec.shape) or array.shape[1:] != spec.shape[1:] or not len(array):
            wanted = "N," + ",".join(map(str, spec.shape[1:]))
            raise InputError(
                f"calibration data for {spec.name!r} has the shape {array.shape}", where=where, remedy=f"give {wanted}"
            )
    count = min(len(array) for array in arrays.values())
    return [
        {name: array[index : index + 1].astype(np.float32) for name, array in arrays.items()} for index in range(count)
    ]
