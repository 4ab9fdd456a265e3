"""Which layer of an int8 network contributes most to the error of its outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgebench.models.tflite.int8.running import Runner, Sample
from edgebench.models.tflite.tree import GraphEditor, parse_tree


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerError:
    """A layer and how far its values are from those on real numbers.

    Attributes:
        name: Name of its output.
        kind: Its operator.
        before: Root mean square difference of what it reads over that of the values, the largest of its inputs.
        after: The same for its output.
    """

    name: str
    kind: str
    before: float
    after: float


def costliest_layer(real: bytes, int8: bytes, samples: Sequence[Sample]) -> LayerError | None:
    """The layer in which the difference between two forms of a network rises most.

    Args:
        real: The network on real numbers.
        int8: The same as int8; tensors in both have the same names.
        samples: Inputs by name, as real values.

    Raises:
        UnsupportedModelError: LiteRT cannot run one of them.
    """
    editor, other = (GraphEditor(parse_tree(content, "the network")) for content in (real, int8))
    places = {other.name(index): index for index in range(len(other.graph.tensors))}
    pairs = {
        index: places[editor.name(index)]
        for operator in editor.operators
        for index in operator.outputs
        if editor.is_float(index) and editor.name(index) in places
    }
    errors = _errors(pairs, Runner(real), Runner(int8), samples)
    worst: LayerError | None = None
    for operator in editor.operators:
        for index in operator.outputs:
            before = max((errors.get(source, 0.0) for source in operator.inputs), default=0.0)
            after = errors.get(index, 0.0)
            if after > before and (worst is None or after - before > worst.after - worst.before):
                name, kind = editor.name(index), editor.label(operator)
                worst = LayerError(name=name, kind=kind, before=before, after=after)
    return worst


def _errors(pairs: dict[int, int], real: Runner, int8: Runner, samples: Sequence[Sample]) -> dict[int, float]:
    """Root mean square difference over that of the values, by tensor of the real network."""
    sums = {index: np.zeros(2) for index in pairs}
    for sample in samples:
        real.run(sample)
        int8.run(sample)
        for index, place in pairs.items():
            expected, found = real.real(index), int8.real(place)
            if expected is not None and found is not None and expected.shape == found.shape:
                sums[index] += [float(((expected - found) ** 2).sum()), float((expected**2).sum())]
    return {index: float(np.sqrt(lost / whole)) for index, (lost, whole) in sums.items() if whole > 0}
