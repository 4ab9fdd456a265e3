"""Any TFLite network as a fully int8 one, and how far the two are apart.

The graph is brought into a plain form, its open shapes are fixed, operators without an int8 kernel are written with
others, LiteRT runs it on samples to find the ranges of all values, and then each operator becomes its int8 form.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgebench.core.record import Record
from edgebench.errors import UnsupportedModelError
from edgebench.models.tflite.int8 import plain_form
from edgebench.models.tflite.int8.constants import share_constants
from edgebench.models.tflite.int8.dilations import name_dilations
from edgebench.models.tflite.int8.fusing import fuse_activations, name_clamps, remove_dead
from edgebench.models.tflite.int8.graph import Int8Writer
from edgebench.models.tflite.int8.observed import Observed, observe
from edgebench.models.tflite.int8.plain_model import PlainModel, does_not_fit, fix_shapes, read_plain
from edgebench.models.tflite.int8.rewrites import rewrite
from edgebench.models.tflite.int8.running import Runner, Sample, to_levels, to_real
from edgebench.models.tflite.int8.scale import Range
from edgebench.models.tflite.int8.scaling import plan_scales
from edgebench.models.tflite.int8.state import quantise_variables
from edgebench.models.tflite.tree import DAMAGE, GraphEditor, pack_model, parse_tree

Samples = list[dict[str, NDArray[np.generic]]]
RANDOM_SAMPLES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantisationError(Record):
    """How far the outputs of an int8 model are from those of the float one.

    Attributes:
        relative_rms: Root mean square of the difference over that of the float outputs.
        samples: Inputs compared.
        calibrated: Whether the user's data set the ranges, rather than random values.
    """

    relative_rms: float
    samples: int
    calibrated: bool


def quantise_plain(
    plain: PlainModel, samples: Sequence[Sample], ranges: Mapping[str, Range] | None = None
) -> tuple[bytes, bytes]:
    """Make a model in plain form, with fixed shapes, int8.

    Args:
        plain: The model, which is not modified.
        samples: Inputs by tensor name, as real values; none are needed if nothing computes on real numbers.
        ranges: By tensor name; they override what samples show.

    Returns:
        The int8 file, and the float one with the operators that were made int8.

    Raises:
        UnsupportedModelError: LiteRT cannot run the model.
        InputError: Constants are not numbers.
    """
    real = with_int8_operators(plain)
    editor = GraphEditor(parse_tree(real, plain.where))
    observed = observe(editor, real, samples) if samples else Observed()
    return as_int8(editor, observed, {**plain.ranges, **(ranges or {})}, plain.where), real


def with_int8_operators(plain: PlainModel) -> bytes:
    """A model on real numbers in operators that have int8 forms, as far as possible."""
    if not plain.computes_on_reals:
        return plain.content
    editor = GraphEditor(plain.copy())
    try:
        name_dilations(editor)
        rewrite(editor)
        name_clamps(editor)
        fuse_activations(editor)
        remove_dead(editor)
    except DAMAGE as error:
        raise does_not_fit(error, plain.where) from error
    return pack_model(editor.model, len(plain.content))


def as_int8(editor: GraphEditor, observed: Observed, ranges: Mapping[str, Range], where: str) -> bytes:
    """The int8 file of a graph.

    Args:
        editor: The graph, which is modified.
        observed: What samples show of it.
        ranges: By tensor name; they take precedence.
        where: For messages.

    Raises:
        UnsupportedModelError: Values are too large for int8.
        InputError: Constants are not numbers.
    """
    try:
        names = {editor.name(index): index for index in range(len(editor.graph.tensors))}
        given = {names[name]: value for name, value in ranges.items() if name in names}
        plan = plan_scales(editor, observed.ranges, given)
        Int8Writer(editor, plan, observed.memories).write()
        quantise_variables(editor.model, plan)
        share_constants(editor)
        plain_form.make_names_unique(editor)
        plain_form.remove_unused(editor.model)
        return pack_model(editor.model, 1 << 16)
    except DAMAGE as error:
        raise does_not_fit(error, where) from error


def quantise_tflite(
    source: Path,
    target: Path,
    samples: Iterable[Mapping[str, NDArray[np.generic]]],
    ranges: Mapping[str, Range] | None = None,
) -> None:
    """Quantise to int8 weights, one scale per channel, and int8 activations, inputs and outputs.

    Args:
        source: A ``.tflite`` file.
        target: File to write.
        samples: Inputs by tensor name, as real values; from their smallest to their largest value reach the ranges of
            everything that is computed from them.
        ranges: Ranges by tensor name that override those of the samples.

    Raises:
        UnsupportedModelError: The model cannot be run to find the ranges of its values.
        InputError: Damaged.
        MissingPackageError: LiteRT is not installed.
    """
    given = [dict(sample) for sample in samples]
    plain = read_plain(source)
    fix_shapes(plain, given[0])
    target.write_bytes(quantise_plain(plain, given, ranges)[0])


def quantisation_error(float_model: Path, int8_model: Path, samples: Samples, *, calibrated: bool) -> QuantisationError:
    """Compare outputs on the same inputs; int8 outputs are compared by their real values.

    Raises:
        UnsupportedModelError: A model does not run.
    """
    expected = run_tflite(float_model, samples)
    try:
        found = run_tflite(int8_model, samples)
    except RuntimeError as error:
        raise UnsupportedModelError(
            f"the quantised model does not run: {' '.join(str(error).split())[:300]}",
            remedy="quantise it with its framework's tool and give the int8 file",
        ) from error
    return QuantisationError(
        relative_rms=relative_difference(expected, found), samples=len(samples), calibrated=calibrated
    )


def relative_difference(expected: Sequence[NDArray[np.float64]], found: Sequence[NDArray[np.float64]]) -> float:
    """Root mean square of the difference over that of what was expected."""
    difference = np.concatenate([(a - b).ravel() for a, b in zip(expected, found, strict=True)])
    reference = np.concatenate([a.ravel() for a in expected])
    size = float(np.sqrt(np.mean(reference**2)))
    rms = float(np.sqrt(np.mean(difference**2)))
    return rms / size if size > 0 else float(rms > 0)


def run_content(content: bytes, samples: Sequence[Sample]) -> list[NDArray[np.float64]]:
    """All outputs of each sample in one vector, as real values.

    Raises:
        UnsupportedModelError: LiteRT cannot run it.
    """
    runner = Runner(content)
    results = []
    for sample in samples:
        runner.run(sample)
        results.append(runner.outputs())
    return results


def run_tflite(model: Path, samples: Samples, *, reference: bool = False) -> list[NDArray[np.float64]]:
    """All outputs of each sample in one vector, as real values.

    Args:
        model: A ``.tflite`` file with float32 or quantised inputs.
        samples: Inputs in the order of the model's own, as real values.
        reference: Whether to use LiteRT's reference kernels.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    resolver = OpResolverType.BUILTIN_REF if reference else OpResolverType.AUTO
    interpreter = Interpreter(model_path=str(model), num_threads=1, experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    results = []
    for sample in samples:
        for detail, value in zip(inputs, sample.values(), strict=True):
            interpreter.set_tensor(detail["index"], to_levels(value, detail))
        interpreter.invoke()
        values = [to_real(interpreter.get_tensor(detail["index"]), detail) for detail in outputs]
        results.append(np.concatenate([value.ravel() for value in values]))
    return results
