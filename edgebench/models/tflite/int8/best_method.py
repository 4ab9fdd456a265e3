"""Tries several ways to choose scales, and keeps the one whose outputs are nearest to those on real numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgebench.models.tflite.int8.equalising import equalise
from edgebench.models.tflite.int8.narrowing import narrowed
from edgebench.models.tflite.int8.observed import Observed, observe
from edgebench.models.tflite.int8.plain_model import PlainModel
from edgebench.models.tflite.int8.running import Sample
from edgebench.models.tflite.int8.scale import Range
from edgebench.models.tflite.quantize import as_int8, relative_difference, run_content, with_int8_operators
from edgebench.models.tflite.tree import GraphEditor, pack_model, parse_tree

_COMPARED_SAMPLES = 8
_GOOD = 0.01
"""Difference of outputs below which no other way is tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """How scales are chosen; by default, from the smallest to the largest value.

    Attributes:
        equalise: Whether weights are changed first so that channels have similar ranges.
        narrow: Whether rare values are cut off if that loses less than coarser steps would.
    """

    equalise: bool = False
    narrow: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantised:
    """A model as int8.

    Attributes:
        int8: The file.
        real: The operators that were made int8, on real numbers.
        method: How its scales were chosen.
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
        ranges: By tensor name; they override what samples show.
        try_hard: Whether to try other ways if the simplest one loses more than a little. Ranges that are given or
            stated in the file are kept.

    Raises:
        UnsupportedModelError: LiteRT cannot run the model.
        InputError: Constants are not numbers.
    """
    real = with_int8_operators(plain)
    fixed = {**plain.ranges, **ranges}
    attempts = _Attempts(plain, samples, fixed)
    seen = attempts.observed(real, closely=try_hard)
    best = attempts.int8(Method(), real, seen)
    if not try_hard or fixed or best.error <= _GOOD:
        return best
    even = attempts.equalised(real, seen)
    seen_even = attempts.observed(even, closely=True)
    others = [
        attempts.int8(Method(narrow=True), real, seen),
        attempts.int8(Method(equalise=True), even, seen_even),
        attempts.int8(Method(equalise=True, narrow=True), even, seen_even),
    ]
    return min([best, *others], key=lambda result: result.error)


class _Attempts:
    """Makes one model int8 in several ways, each in its own copy."""

    def __init__(self, plain: PlainModel, samples: Sequence[Sample], ranges: Mapping[str, Range]) -> None:
        self._plain = plain
        self._samples = samples
        self._ranges = ranges
        self._compared = samples[:_COMPARED_SAMPLES]
        self._expected = run_content(plain.content, self._compared)

    def observed(self, real: bytes, *, closely: bool) -> Observed:
        return observe(self._editor(real), real, self._samples, closely=closely)

    def equalised(self, real: bytes, seen: Observed) -> bytes:
        editor = self._editor(real)
        equalise(editor, seen.largest)
        return pack_model(editor.model, len(real))

    def int8(self, method: Method, real: bytes, seen: Observed) -> Quantised:
        editor = self._editor(real)
        int8 = as_int8(editor, narrowed(editor, seen) if method.narrow else seen, self._ranges, self._plain.where)
        error = relative_difference(self._expected, run_content(int8, self._compared))
        return Quantised(int8=int8, real=real, method=method, error=error, compared=self._compared)

    def _editor(self, real: bytes) -> GraphEditor:
        return GraphEditor(parse_tree(real, self._plain.where))
