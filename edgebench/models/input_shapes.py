"""Shapes of inputs: which are open, and whether those a user gives fit the model."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Mapping, Sequence

from edgebench.core.model import InputSource, TensorSpec
from edgebench.errors import InputError

MAX_INPUT_BYTES = 1 << 33
"""Inputs larger than this are a mistake in a shape."""

_NUMBER = re.compile(r"bool|bfloat16|u?int(8|16|32|64)|float(16|32|64)")
_BATCH = re.compile(r"batch|(^|_)(n|bs)(_|$)", re.IGNORECASE)
_IMAGE_SIDE = re.compile(r"height|width|(^|_)[hw](_|$)", re.IGNORECASE)
_SEQUENCE = re.compile(r"seq|token|time|length|frames", re.IGNORECASE)
_AUDIO = re.compile(r"audio|wave|speech|sound|signal|pcm|samples", re.IGNORECASE)
_IMAGE_SIDE_SIZE = 224
_SEQUENCE_SIZE = 128
_AUDIO_SIZE = 16000
"""A second of audio."""


def with_name(shapes: Mapping[str, tuple[int, ...]], names: Sequence[str]) -> Mapping[str, tuple[int, ...]]:
    """Shapes by name; one without a name is that of the only input.

    Raises:
        InputError: There are several inputs.
    """
    # Of files that do not name their inputs, whoever loads them knows the names.
    if "" not in shapes or not names:
        return shapes
    if len(names) != 1:
        raise InputError(
            f"the model has {len(names)} inputs, so a shape needs a name",
            where="--shape",
            remedy=" ".join(f"--shape {name}=..." for name in names) or None,
        )
    return {**{name: shape for name, shape in shapes.items() if name}, names[0]: shapes[""]}


def with_batch_of_one(specs: Sequence[TensorSpec], shapes: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """The user's shapes, and those of inputs whose only open size is the batch.

    Such a batch is 1, or what the user gave another input whose batch has the same name. A batch is a dimension that
    is named so, otherwise the first of several, unless it is named as a side of an image or the length of a sequence.
    """
    shapes = with_name(shapes, [spec.name for spec in specs])
    known: dict[str, int] = {}
    for spec in specs:
        for name, given in zip(_names(spec), shapes.get(spec.name, ()), strict=False):
            known.setdefault(name, given)
    batches = {_names(spec)[0] for spec in specs if spec.shape and spec.shape[0] is None and _is_batch(spec, 0)}
    found = dict(shapes)
    for spec in specs:
        if spec.name in shapes or None not in spec.shape:
            continue
        sizes = []
        for index, (size, name) in enumerate(zip(spec.shape, _names(spec), strict=True)):
            is_batch = size is None and (_is_batch(spec, index) or (name in batches and bool(name)))
            sizes.append((known.get(name, 1) if name else 1) if is_batch else size)
        shape = tuple(size for size in sizes if size is not None)
        if len(shape) == len(sizes):
            found[spec.name] = shape
    return found


def _is_batch(spec: TensorSpec, index: int) -> bool:
    name = _names(spec)[index]
    if _BATCH.search(name):
        return True
    other = _IMAGE_SIDE.search(name) or _SEQUENCE.search(name)
    return index == 0 and len(spec.shape) > 1 and not other


def batch_note(specs: Sequence[TensorSpec], shapes: Mapping[str, tuple[int, ...]]) -> str | None:
    """The note about inputs whose batch is taken as 1; None if there are none."""
    found = with_batch_of_one(specs, shapes)
    ones = [spec for spec in specs if spec.name in found and spec.name not in shapes]
    if not ones:
        return None
    listed = ", ".join(f"{spec.name}[{','.join(_shown(spec))}]" for spec in ones)
    first = ones[0]
    larger = ",".join("4" if size is None else str(size) for size in first.shape)
    return f"an open batch is taken as 1: {listed} (another: --shape {shlex.quote(f'{first.name}={larger}')})"


def unset_dimensions_error(specs: Sequence[TensorSpec]) -> InputError:
    """The message for inputs with open dimensions: all of them, and a command that sets them."""
    listed = ", ".join(f"{spec.name}[{','.join(_shown(spec))}]" for spec in specs)
    options = " ".join(
        f"--shape {shlex.quote(f'{spec.name}=' + ','.join(map(str, _likely_shape(spec))))}" for spec in specs
    )
    return InputError(f"inputs have open dimensions: {listed}", remedy=f"set them, for example {options}")


def resolve_shape(spec: TensorSpec, source: InputSource) -> tuple[int, ...]:
    """The shape an input will have.

    Raises:
        InputError: A dimension is open and not given, or the given shape contradicts the model.
    """
    shape = source.shapes.get(spec.name)
    if shape is None:
        if None in spec.shape:
            raise unset_dimensions_error([spec])
        shape = tuple(size for size in spec.shape if size is not None)
    check_shape(spec, shape)
    return shape


def shapes_by_tensor(
    shapes: Mapping[str, tuple[int, ...]], names: Mapping[str, Sequence[str]]
) -> dict[str, tuple[int, ...]]:
    """Shapes by the names of tensors, if they are given under other names of inputs."""
    tensors = {other: tensor for tensor, others in names.items() for other in others}
    return {tensors.get(name, name): shape for name, shape in shapes.items()}


def check_shape(spec: TensorSpec, shape: Sequence[int]) -> None:
    """Check a shape against an input.

    Raises:
        InputError: The rank is wrong, a size contradicts a fixed one, or the tensor is empty or enormous.
    """
    where = f"--shape {spec.name}"
    wanted, given = ",".join(_shown(spec)), ",".join(map(str, shape))
    if len(shape) != len(spec.shape):
        raise InputError(
            f"input {spec.name!r} has {len(spec.shape)} dimensions, [{wanted}], not {len(shape)}, [{given}]",
            where=where,
        )
    if any(fixed is not None and fixed != size for fixed, size in zip(spec.shape, shape, strict=True)):
        raise InputError(
            f"input {spec.name!r} has the shape [{wanted}], not [{given}]",
            where=where,
            remedy="keep the sizes that the model fixes, or export it with dynamic ones",
        )
    if any(size < 0 for size in shape):
        raise InputError(
            f"input {spec.name!r} has a size below 0 in [{given}]", where=where, remedy="give sizes of at least 0"
        )
    if math.prod(shape) * item_bytes(spec.dtype) > MAX_INPUT_BYTES:
        raise InputError(
            f"input {spec.name!r} would be larger than 8 GiB with the shape [{given}]",
            where=where,
            remedy="give a smaller shape",
        )


def is_number(dtype: str) -> bool:
    """Whether edgebench can feed values of a type."""
    return _NUMBER.fullmatch(dtype) is not None


def item_bytes(dtype: str) -> int:
    """Size of one value; 1 for types that are not numbers."""
    if dtype == "bool" or not is_number(dtype):
        return 1
    return int(re.sub(r"\D", "", dtype)) // 8


def _shown(spec: TensorSpec) -> list[str]:
    return [name or "?" if size is None else str(size) for size, name in zip(spec.shape, _names(spec), strict=True)]


def _names(spec: TensorSpec) -> Sequence[str]:
    return spec.dimensions if len(spec.dimensions) == len(spec.shape) else ("",) * len(spec.shape)


def _likely_shape(spec: TensorSpec) -> list[int]:
    return [
        _likely_size(spec, index, name) if size is None else size
        for index, (size, name) in enumerate(zip(spec.shape, _names(spec), strict=True))
    ]


def _likely_size(spec: TensorSpec, index: int, name: str) -> int:
    if _BATCH.search(name):
        return 1
    if _IMAGE_SIDE.search(name):
        return _IMAGE_SIDE_SIZE
    is_last = index == len(spec.shape) - 1
    if _AUDIO.search(name) or (is_last and _AUDIO.search(spec.name) and "float" in spec.dtype):
        return _AUDIO_SIZE
    if _SEQUENCE.search(name) or (len(spec.shape) in {1, 2, 3} and index > 0):
        return _SEQUENCE_SIZE
    if len(spec.shape) != 4 or index == 0:
        return 1
    channels = 3 if spec.shape[3] in {1, 3, 4} and spec.shape[1] is None else 1
    return 3 if index == channels else _IMAGE_SIDE_SIZE
