"""Inputs for a run: seeded random arrays that a model accepts, or arrays from a file."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgebench.core.model import InputSource, TensorSpec
from edgebench.errors import InputError
from edgebench.models.input_file import OtherNames, read_arrays
from edgebench.models.input_shapes import MAX_INPUT_BYTES, is_number, item_bytes, resolve_shape, with_batch_of_one

_SAMPLE_RATE_HZ = 16000
_ROLES = (
    (re.compile(r"(^|[_./])(states?|hidden|[hc][0n]?|cache|past|memory)([_./\d]|$)", re.IGNORECASE), 0),
    (re.compile(r"mask", re.IGNORECASE), 1),
    (re.compile(r"(^|[_./])(sr|sample_?rate|sampling_?rate)([_./\d]|$)", re.IGNORECASE), _SAMPLE_RATE_HZ),
    (re.compile(r"(^|[_./])(len|length)s?([_./\d]|$)", re.IGNORECASE), 1),
)
"""Names that say what an integer input is for, and the value it then gets."""


def make_inputs(
    specs: Sequence[TensorSpec], source: InputSource, names: OtherNames | None = None
) -> dict[str, NDArray[np.generic]]:
    """One array per input.

    Floats are standard normal, or whole numbers where they are positions in a table; 8- and 16-bit integers, which are
    quantised values, cover their type; wider integers are indices below the length of the table they look up, or 0 and
    1 where that is unknown. By name, states and caches are zero, and wide integers and booleans that are masks or
    lengths one and sample rates 16000.
    An input's values depend on the seed, its name, type and shape, not on the other inputs.

    Args:
        specs: The description of the inputs, from the runtime or the file.
        source: Seed and shapes, or a file.
        names: Other names that arrays of inputs may have in a file.

    Raises:
        InputError: A dimension is open, a shape does not fit, an input is not a tensor of numbers, or the file
            lacks an input or has it in another type or shape.
    """
    if source.file is not None:
        return read_arrays(specs, Path(source.file), names, samples_first=source.file == source.calibration)
    specs = [replace(spec, upper=source.upper.get(spec.name, spec.upper)) for spec in specs]
    if source.seed < 0:
        raise InputError(f"the seed must be at least 0, not {source.seed}", where="--seed")
    source = replace(source, shapes=with_batch_of_one(specs, source.shapes))
    shapes = {spec.name: resolve_shape(spec, source) for spec in specs}
    total_bytes = sum(math.prod(shapes[spec.name]) * item_bytes(spec.dtype) for spec in specs)
    too_large = InputError(
        f"the inputs take {total_bytes / 2**30:.1f} GiB together, which is more than the available memory",
        where="--shape",
        remedy="give smaller shapes",
    )
    if total_bytes > MAX_INPUT_BYTES:
        raise too_large
    try:
        return {spec.name: _array(spec, shapes[spec.name], source.seed) for spec in specs}
    except MemoryError:
        raise too_large from None


def usual_value(spec: TensorSpec) -> int | None:
    """The one value that all elements of an input get for its name, or None if they vary."""
    if _is_state(spec.name):
        return 0
    wide = spec.dtype in {"int32", "int64", "uint32", "uint64"}
    if not wide and spec.dtype != "bool":
        return None
    value = next((value for pattern, value in _ROLES if pattern.search(spec.name)), None)
    return None if wide and spec.upper is not None else value


def _is_state(name: str) -> bool:
    return _ROLES[0][0].search(name) is not None


def _array(spec: TensorSpec, shape: tuple[int, ...], seed: int) -> NDArray[np.generic]:
    if not is_number(spec.dtype):
        raise InputError(
            f"input {spec.name!r} takes {spec.dtype} values",
            remedy="edgebench feeds only tensors of numbers; export the model with such inputs",
        )
    dtype = _numpy_type(spec.dtype)
    value = usual_value(spec)
    if value is not None:
        return np.full(shape, value, dtype)
    random = np.random.default_rng([seed, *spec.name.encode("utf-8", "surrogatepass")])
    if dtype.kind == "f" and spec.upper is not None:
        return random.integers(0, max(1, spec.upper), shape).astype(dtype)
    if dtype.kind in "biu":
        lowest, highest = _range(spec, dtype)
        return random.integers(lowest, highest, shape, dtype=spec.dtype, endpoint=True)
    if spec.dtype == "float64":
        return random.standard_normal(shape)
    return random.standard_normal(shape, dtype=np.float32).astype(dtype, copy=False)


def _range(spec: TensorSpec, dtype: np.dtype[np.generic]) -> tuple[int, int]:
    """Lowest and highest value of a random integer input."""
    if dtype.kind == "b":
        return 0, 1
    limits = np.iinfo(spec.dtype)
    if spec.upper is not None:
        return 0, max(0, min(spec.upper - 1, limits.max))
    return (limits.min, limits.max) if dtype.itemsize <= 2 else (0, 1)


def _numpy_type(dtype: str) -> np.dtype[np.generic]:
    if dtype == "bfloat16":
        import ml_dtypes

        bfloat16: np.dtype[np.generic] = np.dtype(ml_dtypes.bfloat16)
        return bfloat16
    return np.dtype(dtype)
