"""Unrolls loops whose number of iterations depends on no input, as in recurrent layers."""

from __future__ import annotations

import copy
import math

from edgebench.models.tflite.tree import GraphEditor, Table

_MOST_OPERATORS = 20_000
_MOST_VALUES = 50_000_000
"""What a loop's operators and all rounds' variables may be together; beyond that a loop stays a loop."""
_MOST_DEEP = 16
"""Comparisons joined in one condition."""


def has_loops(editor: GraphEditor) -> bool:
    """Whether there is a loop."""
    return any(editor.kind(operator) == "WHILE" for operator in editor.operators)


def unroll_loops(editor: GraphEditor) -> bool:
    """Replace loops with their body, repeated for each iteration.

    Returns:
        Whether there was one with a known number of iterations.
    """
    operators: list[Table] = []
    same: dict[int, int] = {}
    changed = False
    for operator in editor.operators:
        operator.inputs = [same.get(index, index) for index in operator.inputs]
        loop = _Loop(editor, operator) if editor.kind(operator) == "WHILE" else None
        rounds = None if loop is None else loop.rounds()
        if loop is None or rounds is None or not loop.is_small(rounds, len(operators)):
            operators.append(operator)
            continue
        results = list(operator.inputs)
        for _ in range(rounds):
            results = loop.write_round(results, operators)
        same.update(zip(operator.outputs, results, strict=True))
        changed = True
    editor.operators = operators
    editor.replace(same)
    return changed


class _Loop:
    """A WHILE operator and the two graphs that it runs."""

    def __init__(self, editor: GraphEditor, operator: Table) -> None:
        self._editor = editor
        self._operator = operator
        options = operator.builtinOptions
        self._condition = GraphEditor(editor.model, options.condSubgraphIndex)
        self._body = GraphEditor(editor.model, options.bodySubgraphIndex)
        self._constants: dict[int, int] = {}

    def is_small(self, rounds: int, before: int) -> bool:
        """Whether it may be written round by round after some other operators."""
        values = sum(math.prod(self._editor.shape(index)) for index in self._operator.inputs)
        return before + rounds * len(self._body.operators) <= _MOST_OPERATORS and rounds * values <= _MOST_VALUES

    def rounds(self) -> int | None:
        """The number of iterations, if it counts from a constant to a constant."""
        (goes_on,) = self._condition.outputs
        return self._rounds_until(goes_on)

    def _rounds_until(self, goes_on: int, depth: int = 0) -> int | None:
        operator = self._condition.producers().get(goes_on)
        kind = None if operator is None else self._condition.kind(operator)
        if operator is None or kind not in {"LESS", "LOGICAL_AND"} or depth > _MOST_DEEP:
            return None
        if kind == "LOGICAL_AND":
            found = [self._rounds_until(index, depth + 1) for index in operator.inputs]
            return None if None in found else min(number for number in found if number is not None)
        counter, limit = operator.inputs
        start, end, step = self._start(counter), self._limit(limit), self._step(counter)
        if start is None or end is None or not step or step < 0:
            return None
        return max(0, math.ceil((end - start) / step))

    def _start(self, index: int) -> float | None:
        """The initial value of a variable."""
        if index not in self._condition.inputs:
            return None
        return _number(self._editor, self._operator.inputs[self._condition.inputs.index(index)])

    def _limit(self, index: int) -> float | None:
        """A constant of the condition, or a variable that the loop does not change."""
        if index not in self._condition.inputs:
            return _number(self._condition, index)
        place = self._condition.inputs.index(index)
        return self._start(index) if self._body.outputs[place] == self._body.inputs[place] else None

    def _step(self, index: int) -> float | None:
        """What is added to a variable in each iteration."""
        if index not in self._condition.inputs:
            return None
        place = self._condition.inputs.index(index)
        adds = self._body.producers().get(self._body.outputs[place])
        before = self._body.inputs[place]
        if adds is None or self._body.kind(adds) != "ADD" or before not in adds.inputs:
            return None
        return _number(self._body, next((other for other in adds.inputs if other != before), -1))

    def write_round(self, variables: list[int], operators: list[Table]) -> list[int]:
        """Add the operators of one iteration; returns the variables after it."""
        places = {**self._constants, **dict(zip(self._body.inputs, variables, strict=True))}
        for operator in self._body.operators:
            copied = copy.copy(operator)
            # Operators are modified individually later.
            copied.builtinOptions = copy.copy(operator.builtinOptions)
            copied.builtinOptions2 = copy.copy(operator.builtinOptions2)
            for field in ("inputs", "outputs", "intermediates"):
                setattr(copied, field, [self._placed(places, index) for index in getattr(operator, field)])
            operators.append(copied)
        return [self._placed(places, index) for index in self._body.outputs]

    def _placed(self, places: dict[int, int], index: int) -> int:
        """The tensor here for one of the body's; constants are the same in each iteration."""
        if index >= 0 and index not in places:
            places[index] = len(self._editor.graph.tensors)
            self._editor.graph.tensors.append(copy.copy(self._body.tensor(index)))
            if self._body.is_stored(index):
                self._constants[index] = places[index]
        return places.get(index, -1)


def _number(editor: GraphEditor, index: int) -> float | None:
    """The value of a constant that is one number."""
    values = editor.values(index) if index >= 0 else None
    return float(values.ravel()[0]) if values is not None and values.size == 1 else None
