"""Which operators of a graph have an int8 kernel as they are."""

from __future__ import annotations

from edgebench.models.tflite.int8.forms import FORMS, Form, Weights
from edgebench.models.tflite.int8.scale import Scale
from edgebench.models.tflite.tree import GraphEditor, Table

_MASK = Form(output=Scale(step=1.0, zero_point=0))
_STATE = Form(moves=True)


def form_of(editor: GraphEditor, operator: Table) -> Form | None:
    """The int8 form of an operator on real numbers, or None if it has none."""
    kind = editor.kind(operator)
    if kind == "CAST" and editor.dtype(operator.inputs[0]) == "bool":
        return _MASK
    if kind in {"READ_VARIABLE", "ASSIGN_VARIABLE"}:
        return _STATE
    if kind == "ONE_HOT":
        return Form(moves=True)
    form = FORMS.get(kind)
    if form is None or (form.weights is not None and not _has_constant_weights(editor, operator, form.weights)):
        return None
    return form


def _has_constant_weights(editor: GraphEditor, operator: Table, places: Weights) -> bool:
    """FULLY_CONNECTED also takes weights that are computed."""
    bias = operator.inputs[places.bias] if len(operator.inputs) > places.bias else -1
    if bias >= 0 and not editor.is_stored(bias):
        return False
    return editor.is_stored(operator.inputs[1]) or editor.kind(operator) == "FULLY_CONNECTED"
