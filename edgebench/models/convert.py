"""Brings a model into the form that a device takes, and reports how far the result is from the original."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count, islice
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgebench.core.model import InputSource, TensorSpec
from edgebench.models.calibration import Port, SampledInput, read_calibration
from edgebench.models.input_file import OtherNames
from edgebench.models.inputs import make_inputs
from edgebench.models.source import parse_source
from edgebench.models.tflite.inspect import inspect_tflite, other_names
from edgebench.models.tflite.int8.best_method import Method, Quantised, quantise_well
from edgebench.models.tflite.int8.layer_errors import costliest_layer
from edgebench.models.tflite.int8.plain_model import PlainModel, fix_shapes, read_plain
from edgebench.models.tflite.int8.ports import left_to_application, ports_of
from edgebench.models.tflite.int8.scale import Range
from edgebench.models.tflite.quantize import RANDOM_SAMPLES, quantise_plain

COMPARED_SAMPLES = 8
"""Number of inputs on which a conversion is compared with the original."""
_RANDOM_BYTES = 1 << 29
"""Memory that random inputs may take; there are fewer of them if they are large."""
_RANDOM_VALUES = 5_000_000
"""Values that a network may compute before fewer random inputs are run through it: its accuracy means nothing then."""
_FEWEST_RANDOM = 2
_MUCH = 0.05
"""Difference of int8 outputs above which the layer that costs most is named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """A converted model.

    Attributes:
        path: The file to run.
        notes: What was done, and how far outputs moved.
        caveats: What limits how far figures can be trusted.
    """

    path: Path
    notes: tuple[str, ...]
    caveats: tuple[str, ...] = ()


def quantise(
    path: Path,
    target: Path,
    calibration: Path | None,
    seed: int,
    *,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    signature: str | None = None,
    ranges: Mapping[str, tuple[float, float]] | None = None,
    ports: Sequence[Port] = (),
) -> Conversion:
    """Bring a TFLite model into the one form that int8 compilers take, and compare their outputs.

    Real numbers become int8. A model that is already int8 is left unchanged, unless it is written in an old or unusual
    way, or is int8 only inside: then its inputs and outputs become int8 too.

    Args:
        path: A ``.tflite`` file.
        target: File to write.
        calibration: An ``.npz`` with one array per input, samples first; by default, random inputs.
        seed: Seeds random inputs.
        shapes: Shapes of inputs, by name of the tensor, if the file leaves them open.
        signature: Which of the file's graphs; by default, the main one.
        ranges: Lowest and highest value of tensors by name, which override what inputs show.
        ports: Names and layouts of the inputs in the model that the file was made from.

    Raises:
        UnsupportedModelError: The quantiser cannot handle the model.
        InputError: The file or the calibration data is not valid.
    """
    plain = read_plain(path, signature)
    if not (plain.computes_on_reals or plain.is_open or plain.is_resized(shapes or {})):
        return _in_int8_form(plain, path, target)
    target.write_bytes(plain.content)
    specs = inspect_tflite(target, parse_source(str(path)), shapes or {}).inputs
    random = _random_inputs(specs, seed, shapes or {})
    first = next(random)
    fix_shapes(plain, first)
    if not plain.computes_on_reals:
        return _in_int8_form(plain, path, target)
    notes = list(plain.notes)
    if calibration is None:
        samples = [first, *islice(random, _random_samples(plain, first) - 1)]
    else:
        data = read_calibration(calibration, *_sampled_inputs(plain, other_names(path, signature), ports))
        samples = data.samples
        if data.held > len(samples):
            notes.append(f"of {data.held} samples {len(samples)} set the ranges, evenly spread")
    found = {name: Range(low=low, high=high) for name, (low, high) in (ranges or {}).items()}
    result = quantise_well(plain, samples, found, try_hard=calibration is not None)
    target.write_bytes(result.int8)
    notes, caveats = [*_error_notes(result), *notes], _caveats(result, calibrated=calibration is not None)
    return Conversion(path=target, notes=tuple(notes), caveats=tuple(caveats))


def _random_samples(plain: PlainModel, first: Mapping[str, NDArray[np.generic]]) -> int:
    """How many random inputs set ranges: fewer if they are large, or the network takes long."""
    size = sum(value.nbytes for value in first.values())
    editor = plain.editor
    values = sum(prod(editor.shape(index)) for operator in editor.operators for index in operator.outputs)
    that_fit = max(1, _RANDOM_BYTES // max(1, size))
    in_time = max(_FEWEST_RANDOM, RANDOM_SAMPLES * _RANDOM_VALUES // max(1, values))
    return min(RANDOM_SAMPLES, that_fit, in_time)


def _random_inputs(
    specs: Sequence[TensorSpec], seed: int, shapes: Mapping[str, tuple[int, ...]]
) -> Iterator[dict[str, NDArray[np.generic]]]:
    for number in count(seed):
        yield dict(make_inputs(specs, InputSource(seed=number, shapes=shapes)))


def _in_int8_form(plain: PlainModel, path: Path, target: Path) -> Conversion:
    """A model that computes on integers, with int8 inputs and outputs; the file itself if it already is one."""
    int8, _ = quantise_plain(plain, [])
    target.write_bytes(int8)
    inputs, outputs = ports_of(int8)
    notes = [
        *plain.notes,
        *left_to_application(plain.inputs, inputs, are_inputs=True),
        *left_to_application(plain.outputs, outputs, are_inputs=False),
    ]
    return Conversion(path=target, notes=tuple(notes)) if notes or plain.changed else Conversion(path=path, notes=())


def _sampled_inputs(
    plain: PlainModel, names: OtherNames, ports: Sequence[Port]
) -> tuple[list[SampledInput], dict[str, tuple[str, ...]]]:
    """The form of samples, and the names that users have for inputs."""
    theirs = {port.tensor: port for port in ports}
    editor = plain.editor
    inputs, known = [], {}
    for before, index in zip(plain.inputs, editor.inputs, strict=True):
        name, port = editor.name(index), theirs.get(before.name)
        given = SampledInput(name=name, shape=editor.shape(index), dtype=before.dtype, scale=before.scale)
        inputs.append(given if port is None else replace(given, layout=port.layout))
        further = [before.name, *([] if port is None else [port.name]), *names.get(before.name, ())]
        known[name] = tuple(other for other in dict.fromkeys(further) if other and other != name)
    return inputs, known


def _error_notes(result: Quantised) -> list[str]:
    """How far the outputs moved, and how scales were chosen."""
    moved = f"outputs differ from the float model's by {result.error:.1%}"
    notes = [f"quantised to int8: {moved} (root mean square over {len(result.compared)} inputs)"]
    if result.method != Method():
        ways = ["channels equalised"] * result.method.equalise + ["rare values cut off"] * result.method.narrow
        notes.append(f"scales were chosen in the best of several ways: {' and '.join(ways)}")
    return notes


def _caveats(result: Quantised, *, calibrated: bool) -> list[str]:
    """Meaningless ranges; if outputs moved far, the layer that costs most."""
    if not calibrated:
        meaningless = "the int8 ranges come from random inputs, so this model's accuracy means nothing"
        return [f"latency only: {meaningless}; give --calibration FILE.npz"]
    if result.error <= _MUCH:
        return []
    caveat = f"int8 outputs differ from the float model's by {result.error:.1%}"
    worst = costliest_layer(result.real, result.int8, result.compared)
    if worst is None:
        return [caveat]
    rise = f"from {worst.before:.1%} of its inputs to {worst.after:.1%}"
    name = worst.name.rpartition(";")[2]
    return [f"{caveat}: {worst.kind} {name!r} costs most, where the difference rises {rise}"]
