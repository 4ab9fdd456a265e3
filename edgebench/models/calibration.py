"""Samples that set the ranges of quantised values, from an ``.npz`` file that is not trusted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgebench.errors import InputError
from edgebench.models.input_file import OtherNames, array_names, opened, read_array

MOST_SAMPLES = 128
"""Maximum number of samples that are used, evenly spread."""
_MOST_LISTED = 20


class Port(Protocol):
    """An input of a converted model, and how its axes relate to the original's."""

    @property
    def tensor(self) -> str:
        """Name of its tensor."""

    @property
    def name(self) -> str:
        """Name in the user's model."""

    @property
    def layout(self) -> tuple[int, ...]:
        """Axes of the user's tensor in the order they have here: (0, 2, 3, 1) for channels last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampledInput:
    """An input that needs samples.

    Attributes:
        name: Of its tensor.
        shape: Its sizes, all fixed.
        dtype: What the user's file takes, a numpy type name.
        scale: For integers that represent real numbers, the value of a step and the integer of 0.
        layout: Axes of the user's tensor in the order they have here.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"
    scale: tuple[float, int] | None = None
    layout: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationData:
    """Samples of all inputs.

    Attributes:
        samples: By name of the tensor, as real values.
        held: Number of samples in the file.
    """

    samples: list[dict[str, NDArray[np.generic]]]
    held: int


def read_calibration(path: Path, inputs: Sequence[SampledInput], names: OtherNames) -> CalibrationData:
    """Read samples; arrays have the names of the model's inputs, and samples along their first axis.

    Args:
        path: An ``.npz`` file.
        inputs: The model's inputs.
        names: Further names of inputs, by that of their tensor.

    Raises:
        InputError: Not a file of plain arrays, an array fits no input or an input has no array, or a shape is wrong.
    """
    where = f"--calibration {path}"
    with opened(path, "--calibration") as archive:
        arrays = _matched(array_names(archive), inputs, names, where)
        samples = {given.name: _samples(read_array(archive, arrays[given.name]), given, where) for given in inputs}
    counts = {name: len(array) for name, array in samples.items()}
    held = max(counts.values(), default=0)
    if any(count not in {1, held} for count in counts.values()):
        listed = ", ".join(f"{name}: {count}" for name, count in counts.items())
        raise InputError(
            f"inputs have different numbers of samples: {listed}",
            where=where,
            remedy="give equally many for each input",
        )
    chosen = np.unique(np.linspace(0, held - 1, min(held, MOST_SAMPLES)).round().astype(int))
    return CalibrationData(
        samples=[
            {name: np.asarray(array[index if len(array) > 1 else 0]) for name, array in samples.items()}
            for index in chosen
        ],
        held=held,
    )


def _matched(held: Sequence[str], inputs: Sequence[SampledInput], names: OtherNames, where: str) -> dict[str, str]:
    """The array of each input."""
    if sorted(held) == [f"arr_{number}" for number in range(len(inputs))]:
        # Arrays that were saved without names, in the order of the inputs.
        return {given.name: f"arr_{number}" for number, given in enumerate(inputs)}
    known = {given.name: (given.name, *names.get(given.name, ())) for given in inputs}
    found = {name: next((array for array in accepted if array in held), None) for name, accepted in known.items()}
    matched = {name: array for name, array in found.items() if array is not None}
    unused = [array for array in held if array not in matched.values()]
    if len(matched) < len(inputs) or unused:
        problems = [f"input {name!r} has no array" for name in known if name not in matched]
        problems += [f"array {name!r} fits no input" for name in unused]
        raise InputError(
            f"{'; '.join(problems[:_MOST_LISTED])}: the file contains {_listed(held)}, the model takes "
            f"{_listed([' or '.join(dict.fromkeys(accepted)) for accepted in known.values()])}",
            where=where,
            remedy="write it with numpy.savez(FILE, **{name: samples}), one array per input",
        )
    return matched


def _samples(array: NDArray[Any], given: SampledInput, where: str) -> NDArray[np.generic]:
    """All samples of an input, each in the shape and layout that the model takes, as real values.

    Where the shapes leave it open, samples are along the first axis.
    """
    if array.dtype.kind not in "biuf":
        raise InputError(f"array for {given.name!r} is of type {array.dtype}, which is not numbers", where=where)
    layout = given.layout or tuple(range(len(given.shape)))
    theirs = [0] * len(given.shape)
    for place, axis in enumerate(layout):
        theirs[axis] = given.shape[place]
    found = _split(array, tuple(theirs))
    if found is not None:
        found = found.transpose(0, *(axis + 1 for axis in layout))
    elif tuple(theirs) != given.shape:
        found = _split(array, given.shape)
    if found is None or not len(found):
        wanted = ",".join(map(str, theirs[1:]))
        given_shape = ",".join(map(str, array.shape))
        raise InputError(
            f"calibration data for {given.name!r} has the shape [{given_shape}]",
            where=where,
            remedy=f"give [N,{wanted}]" if theirs[:1] == [1] else f"give [N,{','.join(map(str, theirs))}]",
        )
    if found.dtype.kind == "f" and not np.isfinite(found).all():
        raise InputError(
            f"calibration data for {given.name!r} contains values that are not finite numbers", where=where
        )
    if given.scale is not None and found.dtype.name == given.dtype:
        step, zero_point = given.scale
        return (found.astype(np.float32) - np.float32(zero_point)) * np.float32(step)
    return found if found.dtype.kind in "iub" and "int" in given.dtype else found.astype(np.float32)


def _split(array: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any] | None:
    """An array as samples of a shape, along a new first axis; None if it does not fit."""
    rank = len(shape)
    if array.ndim == rank + 1 and array.shape[1:] == shape:
        return array
    if not shape:
        return array.reshape(1) if array.ndim == 0 else None
    if array.ndim == rank and array.shape[1:] == shape[1:]:
        count = array.shape[0] // shape[0] if shape[0] else 0
        return array[: count * shape[0]].reshape(count, *shape)
    if array.ndim == rank - 1 and shape[0] == 1 and array.shape == shape[1:]:
        return array.reshape(1, *shape)
    if rank == 1 and array.size == math.prod(shape):
        return array.reshape(1, *shape)
    return None


def _listed(names: Sequence[str]) -> str:
    return ", ".join([*names[:_MOST_LISTED], *(["others"] if len(names) > _MOST_LISTED else [])]) or "nothing"
