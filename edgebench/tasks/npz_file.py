"""A task from an ``.npz`` file of arrays."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgebench.core.suggestions import did_you_mean
from edgebench.errors import InputError
from edgebench.models.input_file import array_shapes
from edgebench.models.source import DAMAGED_ARCHIVE
from edgebench.tasks.splitting import checked_split, task_from_arrays, task_from_splits
from edgebench.tasks.task import Task

MAX_BYTES = 4 * 2**30
_PARTS = ("train", "validation", "test")
_NAMES = ("x", "y", *(f"{axis}_{part}" for part in _PARTS for axis in "xy"))
_WRITE = "write it with numpy.savez(FILE, x_train=..., y_train=..., x_test=..., y_test=...), or with x and y to split"


def load_npz(path: Path, *, seed: int) -> Task:
    """A task from the arrays in a file.

    Args:
        path: Holds ``x_train``, ``y_train``, ``x_test``, ``y_test`` and perhaps ``x_validation``,
            ``y_validation``, or ``x`` and ``y``, which are split.
        seed: Decides what goes where.

    Raises:
        InputError: The file is damaged or contains other arrays, or they do not make a task.
    """
    arrays = _read(path)
    where = str(path)
    given = [part for part in _PARTS if f"x_{part}" in arrays or f"y_{part}" in arrays]
    if "x" in arrays or "y" in arrays:
        if given:
            raise InputError(
                f"there are both arrays to be split (x, y) and arrays of {given[0]}", where=where, remedy=_WRITE
            )
        return task_from_arrays(path.stem, *_pair(arrays, "x", "y", where), seed=seed)
    for part in ("train", "test"):
        if part not in given:
            raise InputError(
                f"there are no arrays x_{part} and y_{part}",
                where=where,
                remedy="add them, or name the arrays x and y to have them split: accuracy is stated on samples that "
                "were not used for training or choosing",
            )
    parts = {part: checked_split(f"{where}, {part}", *_pair(arrays, f"x_{part}", f"y_{part}", where)) for part in given}
    return task_from_splits(path.stem, parts, seed=seed)


def _pair(
    arrays: dict[str, NDArray[np.generic]], images: str, labels: str, where: str
) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
    for present, missing in ((images, labels), (labels, images)):
        if missing not in arrays:
            raise InputError(f"there is an array {present} but no {missing}", where=where, remedy=_WRITE)
    return arrays[images], arrays[labels]


def _read(path: Path) -> dict[str, NDArray[np.generic]]:
    """All arrays of a file, which may contain only those of a task."""
    if not path.is_file():
        raise InputError("no such file", where=str(path), remedy=_WRITE)
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
            names = [name.removesuffix(".npy") for name in archive.namelist()]
        _check_names(names, path)
        _check_size(size, path)
        array_shapes(path)
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in names}
    except (*DAMAGED_ARCHIVE, KeyError, TypeError, SyntaxError, MemoryError) as error:
        raise InputError(f"not an .npz file of plain arrays: {error}", where=str(path), remedy=_WRITE) from None
    # Once scaled, each value takes four bytes, whatever its size in the file.
    _check_size(4 * sum(array.size for array in arrays.values()), path)
    return arrays


def _check_size(size: int, path: Path) -> None:
    if size > MAX_BYTES:
        raise InputError(
            f"the arrays take {size / 2**30:.1f} GiB; edgebench loads at most {MAX_BYTES / 2**30:.0f} GiB",
            where=str(path),
            remedy="store smaller images, or fewer",
        )


def _check_names(names: list[str], path: Path) -> None:
    unknown = [name for name in names if name not in _NAMES]
    if unknown:
        question = did_you_mean(unknown[0], _NAMES)
        raise InputError(
            f"an array {unknown[0]!r} is not part of a task",
            where=str(path),
            remedy=f"{question} " * bool(question) + f"known: {', '.join(_NAMES)}",
        )
