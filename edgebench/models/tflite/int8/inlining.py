"""Replaces calls of graphs, as composite operators make them, with the called graph."""

from __future__ import annotations

import copy

from edgebench.errors import InputError
from edgebench.models.tflite.tree import GraphEditor, Table

_MOST_OPERATORS, _MOST_DEEP = 100_000, 64
_READING = {"CUSTOM", "HASHTABLE", "IF", "READ_VARIABLE", "VAR_HANDLE", "WHILE"}
"""Operators that may read what a graph has set up."""


def inline_calls(editor: GraphEditor) -> bool:
    """Replace calls with what they call, including nested calls.

    Raises:
        InputError: Graphs call each other in a circle, or are too large together.
    """
    for depth in range(_MOST_DEEP):
        if all(_called(editor, operator) is None for operator in editor.operators):
            return depth > 0
        operators: list[Table] = []
        same: dict[int, int] = {}
        for operator in editor.operators:
            number = _called(editor, operator)
            operators.extend([operator] if number is None else _body(editor, operator, number, same))
            if len(operators) > _MOST_OPERATORS:
                raise _too_many()
        editor.operators = operators
        editor.replace(same)
    raise _too_many()


def remove_idle_calls(editor: GraphEditor) -> bool:
    """Leave out calls of graphs that set up variables where nothing reads any.

    As signatures that compute a loss have them, in files that train.
    """
    kinds = {editor.kind(operator) for operator in editor.operators}
    if "CALL_ONCE" not in kinds or kinds & _READING:
        return False
    editor.operators = [operator for operator in editor.operators if editor.kind(operator) != "CALL_ONCE"]
    return True


def _called(editor: GraphEditor, operator: Table) -> int | None:
    kind = editor.kind(operator)
    if kind == "CALL" and operator.builtinOptions is not None:
        return int(operator.builtinOptions.subgraph)
    if kind == "STABLEHLO_COMPOSITE" and operator.builtinOptions2 is not None:
        return int(operator.builtinOptions2.decompositionSubgraphIndex)
    return None


def _body(editor: GraphEditor, call: Table, number: int, same: dict[int, int]) -> list[Table]:
    """Copies of the operators of a graph on the caller's tensors; outputs that are inputs go into ``same``."""
    other = GraphEditor(editor.model, number)
    places = dict(zip(other.inputs, call.inputs, strict=True))
    for index, output in zip(other.outputs, call.outputs, strict=True):
        if index in places:
            same[output] = places[index]
        else:
            places[index] = output
    operators = []
    for operator in other.operators:
        copied = copy.copy(operator)
        for field in ("inputs", "outputs", "intermediates"):
            setattr(copied, field, [_placed(editor, other, places, index) for index in getattr(operator, field)])
        operators.append(copied)
    return operators


def _placed(editor: GraphEditor, other: GraphEditor, places: dict[int, int], index: int) -> int:
    """The caller's tensor for one of the called graph."""
    if index >= 0 and index not in places:
        places[index] = len(editor.graph.tensors)
        editor.graph.tensors.append(copy.copy(other.tensor(index)))
    return places.get(index, -1)


def _too_many() -> InputError:
    return InputError("its graphs call each other in a circle, or are too large", remedy="export the model again")
