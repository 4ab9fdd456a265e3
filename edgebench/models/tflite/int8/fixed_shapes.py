"""Fixes what a file leaves open: shapes of all tensors, and values that depend only on constants."""

from __future__ import annotations

from edgebench.models.tflite.int8.running import Runner, Sample
from edgebench.models.tflite.tree import GraphEditor, Table

_KEPT = {
    "ASSIGN_VARIABLE", "CALL", "CALL_ONCE", "CUSTOM", "HASHTABLE", "HASHTABLE_FIND", "HASHTABLE_IMPORT",
    "HASHTABLE_SIZE", "IF", "MULTINOMIAL", "RANDOM_STANDARD_NORMAL", "RANDOM_UNIFORM", "READ_VARIABLE",
    "STABLEHLO_COMPOSITE", "STABLEHLO_WHILE", "VAR_HANDLE", "WHILE",
}  # fmt: skip
"""Operators that may return something else the next time."""
_SHAPES = {"RANK", "SHAPE", "ZEROS_LIKE"}
"""Operators that use only the shape of their input."""


def has_open_shapes(editor: GraphEditor) -> bool:
    """Whether a size other than the batch is open."""
    tensors = (editor.tensor(index) for index in range(len(editor.graph.tensors)))
    signatures = (tensor.shapeSignature for tensor in tensors if tensor.shapeSignature is not None)
    return any(size < 0 for signature in signatures for size in signature[1:])


def has_foldable(editor: GraphEditor) -> bool:
    """Whether an operator depends on constants only."""
    return any(_is_foldable(editor, operator) for operator in editor.operators)


def fix(editor: GraphEditor, content: bytes, sample: Sample) -> None:
    """Give every tensor the shape it has for an input, and replace what depends only on constants with constants.

    Args:
        editor: The graph.
        content: The file that it is the main graph of.
        sample: One input, of the shapes to fix.

    Raises:
        UnsupportedModelError: LiteRT cannot run the model.
    """
    runner = Runner(content, {name: value.shape for name, value in sample.items()})
    runner.run(sample)
    for index, shape in runner.shapes().items():
        if index < len(editor.graph.tensors):
            editor.tensor(index).shape = list(shape)
            editor.tensor(index).shapeSignature = None
    kept = []
    for operator in editor.operators:
        values = [runner.value(index) for index in operator.outputs] if _is_foldable(editor, operator) else [None]
        if any(value is None for value in values):
            kept.append(operator)
            continue
        for index, value in zip(operator.outputs, values, strict=True):
            if value is not None:
                editor.set_values(index, value)
    editor.operators = kept


def _is_foldable(editor: GraphEditor, operator: Table) -> bool:
    kind = editor.kind(operator)
    if kind in _KEPT or not set(operator.outputs).isdisjoint(editor.outputs) or not operator.inputs:
        return False
    return kind in _SHAPES or all(index < 0 or _is_constant(editor, index) for index in operator.inputs)


def _is_constant(editor: GraphEditor, index: int) -> bool:
    """Whether a tensor's values lie in the file; those of a shape without axes are none, as of ``RESHAPE(x, [])``."""
    if editor.is_stored(index):
        return True
    is_plain = editor.shape(index) == (0,) and not editor.tensor(index).isVariable and index not in editor.inputs
    return is_plain and all(index not in operator.outputs for operator in editor.operators)
