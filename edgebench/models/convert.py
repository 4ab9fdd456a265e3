"""Brings a model into the form that a device takes, and says how far the result lies from the original."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebench.core.model import InputSource, TensorSpec
from edgebench.errors import InputError, UnsupportedModelError
from edgebench.models.inputs import make_inputs
from edgebench.models.source import parse_source
from edgebench.models.tflite.file import Graph, read_graphs
from edgebench.models.tflite.inspect import inspect_tflite
from edgebench.models.tflite.quantize import (
    RANDOM_SAMPLES,
    Samples,
    quantisation_error,
    quantise_tflite,
    run_tflite,
)

COMPARED_SAMPLES = 8
"""Inputs on which a conversion is compared with the original."""
_TOLERANCE = 1e-3
"""Relative difference of float outputs above which a conversion is wrong, not rounded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """A converted model.

    Attributes:
        path: The file to run.
        notes: What was done, and how far outputs moved.
    """

    path: Path
    notes: tuple[str, ...]


def onnx_to_tflite(path: Path, target: Path, shapes: Mapping[str, tuple[int, ...]]) -> Conversion:
    """Convert a float ONNX model to float TFLite and compare their outputs.

    Raises:
        UnsupportedModelError: An operator cannot be converted, or the outputs differ.
        InputError: The file is not valid.
    """
    from edgebench.models.onnx.reader import import_onnx
    from edgebench.models.tflite.writer import to_tflite

    network, weights = import_onnx(path, shapes)
    to_tflite(network, weights, target)
    random = np.random.default_rng(0)
    images = [random.standard_normal((1, *network.input_shape), dtype=np.float32) for _ in range(COMPARED_SAMPLES)]
    difference = _relative_difference(
        [_run_onnx(path, image) for image in images], run_tflite(target, [{"input": image} for image in images])
    )
    if difference > _TOLERANCE:
        raise UnsupportedModelError(
            f"the conversion to TFLite is not faithful: outputs differ by {difference:.1%}",
            where=path.name,
            remedy="please report this model; until then convert it with the tool of its framework",
        )
    return Conversion(
        path=target, notes=(f"converted from ONNX to TFLite, outputs differ by {difference:.1e} of their size",)
    )


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


def _run_onnx(path: Path, image: NDArray[np.float32]) -> NDArray[np.float64]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    value: Any = np.ascontiguousarray(image.transpose(0, 3, 1, 2)) if image.ndim == 4 else image
    output = session.run(None, {session.get_inputs()[0].name: value})[0]
    last = output.transpose(0, 2, 3, 1) if output.ndim == 4 else output
    return np.asarray(last, dtype=np.float64).ravel()


def _relative_difference(expected: list[NDArray[np.float64]], found: list[NDArray[np.float64]]) -> float:
    size = max(float(np.abs(value).max()) for value in expected)
    worst = max(float(np.abs(a - b).max()) for a, b in zip(expected, found, strict=True))
    return worst / size if size > 0 else worst
