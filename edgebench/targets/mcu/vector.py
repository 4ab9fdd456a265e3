"""A test vector: inputs of a C model, and the results of LiteRT's reference kernels for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebench.models.tflite.quantised_graph import QuantisedGraph, QuantisedTensor, read_quantised_graph
from edgebench.targets.mcu.float_edges import without_float_edges
from edgebench.targets.mcu.generator import GeneratedModel
from edgebench.targets.mcu.reference import ReferenceModel

_RUNS_WITH_STATE = 3
_NHWC = (0, 2, 3, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vector:
    """Some runs, one after the other.

    Attributes:
        inputs: For each run the values of each input.
        outputs: For each run the values of each output.
        origin: Where the inputs come from.
    """

    inputs: tuple[tuple[NDArray[Any], ...], ...]
    outputs: tuple[tuple[NDArray[Any], ...], ...]
    origin: str


def make_vector(model: Path, generated: GeneratedModel, seed: int, calibration: Path | None) -> Vector:
    """One run, or several if the model keeps something from run to run.

    Args:
        model: The int8 file that the C code was made from.
        generated: The C code.
        seed: Seeds random inputs.
        calibration: An ``.npz`` with samples first along each array; used if it fits the C model's inputs.

    Raises:
        InputError: LiteRT refuses the model.
        NoReferenceError: It has no result for the model, or for such values.
    """
    runs = _RUNS_WITH_STATE if generated.state_bytes else 1
    graph, _ = without_float_edges(read_quantised_graph(model))
    origin = f"random values, seed {seed}"
    inputs = _samples(graph, calibration, runs) if calibration else None
    if inputs is not None and calibration is not None:
        origin = f"the first sample of {calibration.name}" if runs == 1 else f"the first samples of {calibration.name}"
    else:
        random = np.random.default_rng(seed)
        inputs = [tuple(port.random_values(random) for port in generated.inputs) for _ in range(runs)]
    reference = ReferenceModel(model)
    outputs = tuple(tuple(reference.run(values)) for values in inputs)
    return Vector(inputs=tuple(inputs), outputs=outputs, origin=origin)


def _samples(graph: QuantisedGraph, path: Path, runs: int) -> list[tuple[NDArray[Any], ...]] | None:
    """The first samples of a file in the form of the inputs, or None if an input has none that fits."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays: Mapping[str, NDArray[Any]] = {name: file[name] for name in file.files}
    except (ValueError, OSError, EOFError, KeyError):
        return None
    columns = []
    for index in graph.inputs:
        tensor = graph.tensors[index]
        array = arrays.get(tensor.name, next(iter(arrays.values())) if len(arrays) == len(graph.inputs) == 1 else None)
        fitting = None if array is None else _fitting(array, tensor, runs)
        if fitting is None:
            return None
        columns.append(fitting)
    return [tuple(column[run] for column in columns) for run in range(runs)]


def _fitting(array: NDArray[Any], tensor: QuantisedTensor, runs: int) -> list[NDArray[Any]] | None:
    """Samples as a tensor's values; images may have their channels first. The last one is repeated if there are few."""
    if array.dtype.kind not in "bfiu" or not len(array):
        return None
    found = []
    for run in range(runs):
        sample = array[min(run, len(array) - 1)][np.newaxis]
        if sample.shape != tensor.shape and sample.ndim == len(_NHWC):
            sample = sample.transpose(_NHWC)
        if sample.shape != tensor.shape:
            return None
        found.append(_levels(sample, tensor).ravel())
    return found


def _levels(values: NDArray[Any], tensor: QuantisedTensor) -> NDArray[Any]:
    if not tensor.scales or values.dtype == np.dtype(tensor.dtype):
        return values.astype(tensor.dtype)
    limits = np.iinfo(tensor.dtype)
    steps = np.round(values.astype(np.float64) / tensor.scale) + tensor.zero_point
    return np.clip(np.nan_to_num(steps), limits.min, limits.max).astype(tensor.dtype)
