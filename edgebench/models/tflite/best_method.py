"""Tries several ways to choose scales, and keeps the one whose outputs lie nearest to those on real numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgebench.models.tflite.plain_model import PlainModel
from edgebench.models.tflite.quantize import Method, quantise_plain, relative_difference, run_content
from edgebench.models.tflite.running import Sample
from edgebench.models.tflite.scale import Range

_COMPARED_SAMPLES = 8
_GOOD = 0.01
"""Difference of outputs below which no other way is tried."""
_METHODS = (Method(equalise=True), Method(narrow=True), Method(equalise=True, narrow=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantised:
    """A model as int8.

    Attributes:
        int8: The file.
        real: The operators that were made int8, on real numbers.
        method: How its scales came about.
        error: Root mean square difference of its outputs over that of the outputs on real numbers.
        compared: Inputs that they were compared on.
    """

    int8: bytes
    real: bytes
    method: Method
    error: float
    compared: Sequence[Sample]


def quantise_well(
    plain: PlainModel, samples: Sequence[Sample], ranges: Mapping[str, Range], *, try_hard: bool
) -> Quantised:
    """Make a model int8.

    Args:
        plain: The model, with fixed shapes.
        samples: Inputs by tensor name, as real values.
        ranges: By tensor name; they win over what samples show.
        try_hard: Whether to try other ways where the simplest one loses more than a little. Ranges that are given or
            that the file states are kept as they are.

    Raises:
        UnsupportedModelError: LiteRT cannot run the model.
        InputError: Constants are not numbers.
    """
    compared = samples[:_COMPARED_SAMPLES]
    expected = run_content(plain.content, compared)

    def quantised(method: Method) -> Quantised:
        int8, real = quantise_plain(plain, samples, ranges, method)
        error = relative_difference(expected, run_content(int8, compared))
        return Quantised(int8=int8, real=real, method=method, error=error, compared=compared)

    best = quantised(Method())
    if not try_hard or best.error <= _GOOD or ranges or plain.ranges:
        return best
    return min([best, *map(quantised, _METHODS)], key=lambda result: result.error)
