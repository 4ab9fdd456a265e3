"""Reads arrays from an ``.npz`` file that anyone may have written."""

from __future__ import annotations

import math
import tokenize
import zipfile
from collections.abc import Iterator, Sequence
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
_SUFFIX = ".npy"
_MAX_LISTED = 20


def array_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Shapes of all arrays in a file, by name; the arrays are not read.

    Raises:
        InputError: Not a file of plain arrays.
    """
    with _opened(path) as archive:
        return {name: _header(archive, name)[0] for name in _names(archive)}


def read_arrays(specs: Sequence[TensorSpec], path: Path) -> dict[str, NDArray[np.generic]]:
    """Arrays for a model's inputs. What else the file holds is not read.

    Raises:
        InputError: Not a file of plain arrays, or an array is missing or has another type or shape than the
            model takes.
    """
    where = f"--inputs {path}"
    arrays = {}
    with _opened(path) as archive:
        names = _names(archive)
        for spec in specs:
            if spec.name not in names:
                listed = ", ".join([*names[:_MAX_LISTED], *(["others"] if len(names) > _MAX_LISTED else [])])
                raise InputError(
                    f"no array named {spec.name!r}",
                    where=where,
                    remedy=f"the file holds {listed}; write it with numpy.savez(FILE, **{{{spec.name!r}: array}})",
                )
            # The header is held against the model before memory is taken for the data.
            shape, dtype = _header(archive, spec.name)
            _check_dtype(spec, dtype, where)
            check_shape(spec, shape)
            with archive.open(spec.name + _SUFFIX) as file:
                array = np.lib.format.read_array(file, allow_pickle=False)
            arrays[spec.name] = np.ascontiguousarray(array).reshape(shape)
    return arrays


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    where = f"--inputs {path}"
    try:
        if not path.is_file():
            raise InputError("no such file", where=where, remedy="give an .npz with one array an input")
        with zipfile.ZipFile(path) as archive:
            yield archive
    except _DAMAGE as error:
        raise InputError(
            f"not an .npz file of plain arrays: {error}",
            where=where,
            remedy="write it with numpy.savez(FILE, name=array)",
        ) from None


def _names(archive: zipfile.ZipFile) -> list[str]:
    return [name.removesuffix(_SUFFIX) for name in archive.namelist() if name.endswith(_SUFFIX)]


def _header(archive: zipfile.ZipFile, name: str) -> tuple[tuple[int, ...], np.dtype[np.generic]]:
    """Shape and type of an array, whose data is as large as they say.

    Raises:
        ValueError: It holds Python objects, or its header and the archive disagree about its size.
    """
    entry = archive.getinfo(name + _SUFFIX)
    with archive.open(entry) as file:
        shape, dtype = _parsed_header(file)
        header_bytes = file.tell()
    if dtype.hasobject:
        raise ValueError(f"array {name!r} holds Python objects")
    if math.prod(shape) * dtype.itemsize != entry.file_size - header_bytes:
        raise ValueError(f"array {name!r} is not as large as its header says")
    return shape, dtype


def _parsed_header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[np.generic]]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    else:
        raise ValueError(f"version {version} of the array format is for structured arrays")
    return tuple(int(size) for size in shape), dtype


def _check_dtype(spec: TensorSpec, dtype: np.dtype[np.generic], where: str) -> None:
    if not is_number(spec.dtype):
        raise InputError(f"input {spec.name!r} takes {spec.dtype} values, edgebench feeds numbers only", where=where)
    if dtype.name != spec.dtype or not dtype.isnative:
        given = dtype.name if dtype.isnative else f"{dtype.name} of another byte order"
        raise InputError(
            f"input {spec.name!r} takes {spec.dtype}, the file holds {given}",
            where=where,
            remedy=f"convert it: array.astype({spec.dtype!r})",
        )
