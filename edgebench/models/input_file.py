"""Reads arrays from an ``.npz`` file that is not trusted."""

from __future__ import annotations

import math
import tokenize
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from edgebench.core.model import TensorSpec
from edgebench.errors import InputError
from edgebench.models.input_shapes import check_shape, is_number
from edgebench.models.source import DAMAGED_ARCHIVE

_DAMAGE = (*DAMAGED_ARCHIVE, SyntaxError, TypeError, KeyError, MemoryError, tokenize.TokenError)
OtherNames = Mapping[str, Sequence[str]]
"""Other names of inputs, by the name of their tensor."""
_SUFFIX = ".npy"
_MAX_LISTED = 20
_MAX_HEADER_BYTES = 1 << 16


def array_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Shapes of all arrays in a file, by name; the arrays are not read.

    Raises:
        InputError: Not a file of plain arrays.
    """
    with opened(path) as archive:
        return {name: _header(archive, name)[0] for name in array_names(archive)}


def array_types(path: Path) -> dict[str, str]:
    """Numpy type names of all arrays in a file, by name; the arrays are not read.

    Raises:
        InputError: Not a file of plain arrays.
    """
    with opened(path) as archive:
        return {name: _header(archive, name)[1].name for name in array_names(archive)}


def read_arrays(
    specs: Sequence[TensorSpec], path: Path, names: OtherNames | None = None, *, samples_first: bool = False
) -> dict[str, NDArray[np.generic]]:
    """Arrays for a model's inputs. Other arrays of the file are not read.

    If an array contains several samples, one after the other, the first is taken.

    Args:
        specs: The model's inputs.
        path: An ``.npz`` file.
        names: Further names of inputs.
        samples_first: Whether an array of several rows contains several samples even if the batch is open.

    Raises:
        InputError: Not a file of plain arrays, or an array is missing or has another type or shape than the
            model takes.
    """
    where = f"--inputs {path}"
    arrays = {}
    with opened(path) as archive:
        held = array_names(archive)
        for spec in specs:
            name = find_name(spec.name, held, names)
            if name is None:
                listed = ", ".join([*held[:_MAX_LISTED], *(["others"] if len(held) > _MAX_LISTED else [])])
                raise InputError(
                    f"no array named {spec.name!r}",
                    where=where,
                    remedy=f"the file contains {listed}; write it with numpy.savez(FILE, **{{{spec.name!r}: array}})",
                )
            # The header is compared with the model before memory is allocated for the data.
            shape, dtype = _header(archive, name)
            _check_dtype(spec, dtype, where)
            one = one_of(spec, shape, samples_first=samples_first)
            array = read_array(archive, name)
            arrays[spec.name] = np.ascontiguousarray(array.reshape(-1)[: math.prod(one)]).reshape(one)
    return arrays


def input_shapes(
    specs: Sequence[TensorSpec], path: Path, names: OtherNames | None = None, *, samples_first: bool = False
) -> dict[str, tuple[int, ...]]:
    """Shapes that a model's inputs have with the arrays of a file, as far as it contains them.

    Raises:
        InputError: Not a file of plain arrays, or an array does not fit the model.
    """
    with opened(path) as archive:
        held = array_names(archive)
        found = {spec: find_name(spec.name, held, names) for spec in specs}
        return {
            spec.name: one_of(spec, _header(archive, name)[0], samples_first=samples_first)
            for spec, name in found.items()
            if name is not None
        }


def find_name(name: str, held: Sequence[str], names: OtherNames | None) -> str | None:
    """The array for an input: the one with its name, otherwise with another name of it."""
    return next((known for known in (name, *(names or {}).get(name, ())) if known in held), None)


def one_of(spec: TensorSpec, shape: tuple[int, ...], *, samples_first: bool) -> tuple[int, ...]:
    """Shape of one input; an array may contain several samples, or one without the batch.

    Raises:
        InputError: The array does not fit.
    """
    first = (1, *shape[1:])
    batch_is_one = len(spec.shape) > 1 and spec.shape[0] in {1, None}
    if _fits(spec, shape) and not (samples_first and batch_is_one and spec.shape[0] is None):
        return shape
    if batch_is_one and shape[:1] > (0,) and _fits(spec, first):
        return first
    if batch_is_one and _fits(spec, (1, *shape)):
        return (1, *shape)
    if spec.shape and shape[:1] > (0,) and _fits(spec, shape[1:]):
        return shape[1:]
    check_shape(spec, shape)
    return shape


def _fits(spec: TensorSpec, shape: tuple[int, ...]) -> bool:
    return len(spec.shape) == len(shape) and all(
        wanted in {None, size} for wanted, size in zip(spec.shape, shape, strict=True)
    )


def read_array(archive: zipfile.ZipFile, name: str) -> NDArray[np.generic]:
    """One array of an open file, whose size has been checked against its header."""
    _header(archive, name)
    with archive.open(name + _SUFFIX) as file:
        array: NDArray[np.generic] = np.lib.format.read_array(file, allow_pickle=False)
    return array


@contextmanager
def opened(path: Path, option: str = "--inputs") -> Iterator[zipfile.ZipFile]:
    """A file of arrays, open.

    Raises:
        InputError: It is not one, or turns out not to be one while it is read.
    """
    where = f"{option} {path}"
    try:
        if not path.is_file():
            raise InputError("no such file", where=where, remedy="give an .npz with one array per input")
        with zipfile.ZipFile(path) as archive:
            yield archive
    except _DAMAGE as error:
        raise InputError(
            f"not an .npz file of plain arrays: {error}",
            where=where,
            remedy="write it with numpy.savez(FILE, name=array)",
        ) from None


def array_names(archive: zipfile.ZipFile) -> list[str]:
    """Names of the arrays in a file."""
    return [name.removesuffix(_SUFFIX) for name in archive.namelist() if name.endswith(_SUFFIX)]


def _header(archive: zipfile.ZipFile, name: str) -> tuple[tuple[int, ...], np.dtype[np.generic]]:
    """Shape and type of an array, with the size of its data checked against them.

    Raises:
        ValueError: It contains Python objects, or its header and the archive disagree about its size.
    """
    entry = archive.getinfo(name + _SUFFIX)
    with archive.open(entry) as file:
        shape, dtype = _parsed_header(file)
        header_bytes = file.tell()
    if dtype.hasobject:
        raise ValueError(f"array {name!r} contains Python objects")
    if math.prod(shape) * dtype.itemsize != entry.file_size - header_bytes:
        raise ValueError(f"array {name!r} is not as large as its header says")
    return shape, dtype


def _parsed_header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[np.generic]]:
    version = np.lib.format.read_magic(file)
    _check_header_length(file, version)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    else:
        raise ValueError(f"version {version} of the array format is for structured arrays")
    return tuple(int(size) for size in shape), dtype


def _check_header_length(file: IO[bytes], version: tuple[int, int]) -> None:
    """Numpy reads a header of whatever length it says before it finds it too long: gigabytes, from a small archive."""
    start = file.tell()
    size = 2 if version == (1, 0) else 4
    if int.from_bytes(file.read(size), "little") > _MAX_HEADER_BYTES:
        raise ValueError("the header of an array is too long")
    file.seek(start)


def _check_dtype(spec: TensorSpec, dtype: np.dtype[np.generic], where: str) -> None:
    if not is_number(spec.dtype):
        raise InputError(
            f"input {spec.name!r} takes {spec.dtype} values, but edgebench feeds only numbers", where=where
        )
    if dtype.name != spec.dtype or not dtype.isnative:
        given = dtype.name if dtype.isnative else f"{dtype.name} with another byte order"
        raise InputError(
            f"input {spec.name!r} takes {spec.dtype}, but the file contains {given}",
            where=where,
            remedy=f"convert it: array.astype({spec.dtype!r})",
        )
