"""Operators that are fused or removed: activations, fake quantisation, and what nothing reads."""

from __future__ import annotations

from collections import Counter

from edgebench.models.tflite.int8.forms import CLAMPS
from edgebench.models.tflite.int8.scale import Range
from edgebench.models.tflite.tree import GraphEditor, Table

_FUSED = {"RELU": 1, "RELU_N1_TO_1": 2, "RELU6": 3}
"""Numbers of activations in the schema."""
_FUSING = {
    "ADD", "AVERAGE_POOL_2D", "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "MAX_POOL_2D", "MUL", "SUB",
}  # fmt: skip
_LASTING = {"ASSIGN_VARIABLE", "CALL_ONCE", "CUSTOM", "HASHTABLE_IMPORT", "IF", "VAR_HANDLE", "WHILE"}
"""Operators that have an effect although nothing reads their outputs."""


def name_clamps(editor: GraphEditor) -> None:
    """Write comparisons with constants as the equivalent activation, if there is one."""
    producers, readers = editor.producers(), editor.readers()
    names = {limits: name for name, limits in CLAMPS.items()}
    for operator in editor.operators:
        limits = constant_limits(editor, operator)
        if limits is None:
            continue
        source, low, high = limits
        inner = producers.get(source)
        found = constant_limits(editor, inner) if inner is not None and readers[source] == 1 else None
        if (low, high) not in names and found is not None:
            source, low, high = found[0], max(low, found[1]), min(high, found[2])
        if (low, high) in names:
            editor.set_code(operator, names[low, high], 1)
            editor.set_options(operator, "")
            operator.inputs = [source]


def constant_limits(editor: GraphEditor, operator: Table) -> tuple[int, float, float] | None:
    """The tensor that an operator clips, and the limits; None for other operators."""
    kind = editor.kind(operator)
    if kind not in {"MAXIMUM", "MINIMUM", *CLAMPS} or not editor.is_float(operator.outputs[0]):
        return None
    if kind in CLAMPS:
        return (operator.inputs[0], *CLAMPS[kind])
    for source, other in (operator.inputs, operator.inputs[::-1]):
        values = editor.values(other)
        if values is None or not values.size or values.min() != values.max() or editor.is_stored(source):
            continue
        if editor.shape(source) == editor.shape(operator.outputs[0]):
            limit = float(values.ravel()[0])
            return (source, limit, float("inf")) if kind == "MAXIMUM" else (source, float("-inf"), limit)
    return None


def fuse_activations(editor: GraphEditor) -> None:
    """Fuse activations into the operator before them."""
    producers, readers = editor.producers(), editor.readers()
    kept = []
    for operator in editor.operators:
        kind = editor.kind(operator)
        maker = producers.get(operator.inputs[0]) if kind in _FUSED else None
        if maker is None or readers[operator.inputs[0]] > 1 or not _can_fuse(editor, maker):
            kept.append(operator)
            continue
        maker.builtinOptions.fusedActivationFunction = _FUSED[kind]
        maker.outputs = list(operator.outputs)
        producers[operator.outputs[0]] = maker
    editor.operators = kept


def _can_fuse(editor: GraphEditor, maker: Table) -> bool:
    fuses = editor.kind(maker) in _FUSING and maker.builtinOptions is not None
    return fuses and maker.builtinOptions.fusedActivationFunction == 0 and editor.is_float(maker.outputs[0])


def take_fake_quantisation(editor: GraphEditor) -> dict[str, Range]:
    """Remove 8-bit FAKE_QUANT; returns the ranges it states, by the tensors' names."""
    ranges: dict[str, Range] = {}
    same: dict[int, int] = {}
    kept = []
    for operator in editor.operators:
        options = operator.builtinOptions
        is_fake = editor.kind(operator) == "FAKE_QUANT" and options is not None and options.numBits == 8
        if not is_fake or editor.is_stored(operator.inputs[0]):
            kept.append(operator)
            continue
        source = same.get(operator.inputs[0], operator.inputs[0])
        same[operator.outputs[0]] = source
        ranges[editor.name(source)] = Range(low=float(options.min), high=float(options.max))
    editor.operators = kept
    editor.replace(same)
    return ranges


def remove_dead(editor: GraphEditor) -> None:
    """Remove operators whose results nothing reads."""
    needed: Counter[int] = Counter(editor.outputs)
    kept = []
    for operator in reversed(editor.operators):
        lasts = editor.kind(operator) in _LASTING or any(
            index >= 0 and editor.tensor(index).isVariable for index in operator.inputs
        )
        if lasts or any(needed[index] for index in operator.outputs):
            needed.update(index for index in operator.inputs if index >= 0)
            kept.append(operator)
    editor.operators = reversed(kept)
