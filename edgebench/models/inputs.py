"""Inputs for a run: seeded random arrays that a model accepts, or arrays from a file."""

from __future__ import annotations

import math
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgebench.core.model import InputSource, TensorSpec
from edgebench.errors import InputError, UnsupportedModelError

MAX_INPUT_BYTES = 1 << 33
"""Inputs larger than this are a mistake in a shape."""

_STATE = re.compile(r"(^|[_./])(state|hidden|h0?|c0?|cache|past|memory|kv|context)([_./\d]|$)", re.IGNORECASE)
_MASK = re.compile(r"mask", re.IGNORECASE)
_RATE = re.compile(r"^(sr|sample_?rate|sampling_?rate)$", re.IGNORECASE)
_LENGTH = re.compile(r"(^|_)(len|lens|length|lengths)$", re.IGNORECASE)
_SAMPLE_RATE = 16000


def make_inputs(specs: Sequence[TensorSpec], source: InputSource) -> dict[str, NDArray[np.generic]]:
    """One array an input.

    Floats are standard normal; 8- and 16-bit integers, which are quantised values, cover their type; wider
    integers are indices below the length of the table they look up, or 0 and 1 where that is unknown.
    By name: states and caches are zero, masks one, sample rates 16000, lengths 1.

    Args:
        specs: The runtime's or the file's description of the inputs.
        source: Seed and shapes, or a file.

    Raises:
        InputError: A dimension is open, a shape does not fit, or the file lacks an input or holds another.
        UnsupportedModelError: An input is not a tensor of numbers.
    """
    if source.file is not None:
        return _read_arrays(specs, Path(source.file))
    arrays = {}
    for spec in specs:
        shape = resolve_shape(spec, source)
        seed = [source.seed, *spec.name.encode()]
        arrays[spec.name] = _random_array(spec, shape, np.random.default_rng(seed))
    return arrays


def resolve_shape(spec: TensorSpec, source: InputSource) -> tuple[int, ...]:
    """The shape an input will have.

    Raises:
        InputError: A dimension is open and not given, or what was given contradicts the model.
    """
    shape = source.shapes.get(spec.name)
    if shape is None:
        if None in spec.shape:
            raise unset_dimensions_error([spec])
        shape = tuple(size for size in spec.shape if size is not None)
    check_shape(spec, shape)
    return shape


def check_shape(spec: TensorSpec, shape: Sequence[int]) -> None:
    """Hold a shape against an input.

    Raises:
        InputError: Another rank, another size where the model fixes one, an empty or an enormous tensor.
    """
    where = f"--shape {spec.name}"
    wanted = ",".join("?" if size is None else str(size) for size in spec.shape)
    if len(shape) != len(spec.shape):
        raise InputError(
            f"input {spec.name!r} has {len(spec.shape)} dimensions ({wanted}), not {len(shape)}", where=where
        )
    if any(fixed is not None and fixed != size for fixed, size in zip(spec.shape, shape, strict=True)):
        given = ",".join(map(str, shape))
        raise InputError(f"input {spec.name!r} has the shape {wanted}, not {given}", where=where)
    if any(size < 1 for size in shape):
        raise InputError(f"input {spec.name!r} would be empty", where=where, remedy="give sizes of at least 1")
    if math.prod(shape) * _item_bytes(spec.dtype) > MAX_INPUT_BYTES:
        raise InputError(f"input {spec.name!r} would be larger than 8 GiB", where=where, remedy="give a smaller shape")


def unset_dimensions_error(specs: Sequence[TensorSpec]) -> InputError:
    """The message for inputs with open dimensions: all of them, and a command that sets them."""
    listed = []
    options = []
    for spec in specs:
        names = spec.dimensions or ("",) * len(spec.shape)
        shown = [name or "?" if size is None else str(size) for size, name in zip(spec.shape, names, strict=True)]
        listed.append(f"{spec.name}[{','.join(shown)}]")
        sizes = [
            _likely_size(name, index, len(spec.shape)) if size is None else size
            for index, (size, name) in enumerate(zip(spec.shape, names, strict=True))
        ]
        options.append(f"--shape {spec.name}={','.join(map(str, sizes))}")
    return InputError(f"inputs have open dimensions: {', '.join(listed)}", remedy=f"set them: {' '.join(options)}")


def _likely_size(name: str, index: int, rank: int) -> int:
    lowered = name.lower()
    if any(word in lowered for word in ("height", "width")) or (rank == 4 and index >= 2 and not lowered):
        return 224
    if any(word in lowered for word in ("seq", "time", "length", "token")):
        return 128
    return 1


def _item_bytes(dtype: str) -> int:
    return 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize if _is_number(dtype) else 1


def _is_number(dtype: str) -> bool:
    return re.fullmatch(r"bool|bfloat16|u?int(8|16|32|64)|float(16|32|64)", dtype) is not None


def _random_array(spec: TensorSpec, shape: tuple[int, ...], random: np.random.Generator) -> NDArray[np.generic]:
    if not _is_number(spec.dtype):
        raise UnsupportedModelError(
            f"input {spec.name!r} holds {spec.dtype} values", remedy="edgebench feeds numbers only; export the model so"
        )
    dtype = _numpy_type(spec.dtype)
    if _STATE.search(spec.name):
        return np.zeros(shape, dtype)
    if dtype.kind == "b":
        return random.integers(0, 2, shape).astype(dtype)
    if dtype.kind in "iu":
        return _integers(spec, shape, dtype, random)
    return random.standard_normal(shape, dtype=np.float32).astype(dtype)


def _integers(
    spec: TensorSpec, shape: tuple[int, ...], dtype: np.dtype[np.generic], random: np.random.Generator
) -> NDArray[np.generic]:
    if spec.upper is not None:
        return random.integers(0, max(1, spec.upper), shape).astype(dtype)
    if _MASK.search(spec.name):
        return np.ones(shape, dtype)
    if _RATE.search(spec.name):
        return np.full(shape, _SAMPLE_RATE, dtype)
    if _LENGTH.search(spec.name):
        return np.ones(shape, dtype)
    if dtype.itemsize <= 2:
        limits = np.iinfo(spec.dtype)
        return random.integers(limits.min, limits.max, shape, endpoint=True).astype(dtype)
    return random.integers(0, 2, shape).astype(dtype)


def _numpy_type(dtype: str) -> np.dtype[np.generic]:
    if dtype == "bfloat16":
        import ml_dtypes

        bfloat16: np.dtype[np.generic] = np.dtype(ml_dtypes.bfloat16)
        return bfloat16
    return np.dtype(dtype)


def _read_arrays(specs: Sequence[TensorSpec], path: Path) -> dict[str, NDArray[np.generic]]:
    where = f"--inputs {path}"
    arrays = {}
    try:
        with zipfile.ZipFile(path) as archive:
            largest = max((entry.file_size for entry in archive.infolist()), default=0)
        if largest > MAX_INPUT_BYTES:
            raise InputError("an array in the file is larger than 8 GiB", where=where)
        with np.load(path, allow_pickle=False) as file:
            for spec in specs:
                if spec.name not in file:
                    raise InputError(
                        f"no array named {spec.name!r}", where=where, remedy=f"the file holds {', '.join(file.files)}"
                    )
                arrays[spec.name] = file[spec.name]
    except (ValueError, OSError, zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise InputError(
            f"not a file of plain arrays: {error}", where=where, remedy="write it with numpy.savez(FILE, name=array)"
        ) from None
    for spec in specs:
        array = arrays[spec.name]
        check_shape(spec, array.shape)
        if _is_number(spec.dtype) and array.dtype != _numpy_type(spec.dtype):
            raise InputError(f"input {spec.name!r} takes {spec.dtype}, the file holds {array.dtype}", where=where)
    return arrays
