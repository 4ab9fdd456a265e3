"""Lists that loops write one row at a time, assembled once and read directly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgebench.models.tflite.int8.rewrites import reshape
from edgebench.models.tflite.tree import GraphEditor, Table


@dataclass(frozen=True, slots=True)
class _Part:
    """Some rows of a tensor.

    Attributes:
        source: The tensor.
        start: The first of its rows.
        count: Number of rows.
    """

    source: int
    start: int
    count: int


def join_rows(editor: GraphEditor) -> None:
    """Let joins use the original rows, and let what reads one row read its origin."""
    writer = _Rows(editor)
    operators: list[Table] = []
    for operator in editor.operators:
        operators.extend(writer.written(operator))
    editor.operators = operators


class _Rows:
    """Which rows tensors are made of, known for those before the current operator."""

    def __init__(self, editor: GraphEditor) -> None:
        self._editor = editor
        self._parts: dict[int, list[_Part]] = {}

    def written(self, operator: Table) -> list[Table]:
        """The operators that replace one."""
        editor = self._editor
        kind = editor.kind(operator)
        if kind == "CONCATENATION" and self._joins_rows(operator):
            full = [index for index in operator.inputs if 0 not in editor.shape(index)]
            parts = _merged([part for index in full for part in self._of(index)])
            self._parts[operator.outputs[0]] = parts
            return self._joined(operator, parts)
        cut = self._cut(operator) if kind in {"SLICE", "STRIDED_SLICE"} else None
        if cut is None:
            return [operator]
        start, count = cut
        parts = _between(self._of(operator.inputs[0]), start, count)
        if editor.shape(operator.outputs[0])[:1] == (count,) and kind == "SLICE":
            self._parts[operator.outputs[0]] = parts
        whole = len(parts) == 1 and editor.shape(parts[0].source)[0] == parts[0].count and not parts[0].start
        return [reshape(editor, parts[0].source, operator.outputs[0])] if whole else [operator]

    def _of(self, index: int) -> list[_Part]:
        return self._parts.get(index) or [_Part(index, 0, self._editor.shape(index)[0])]

    def _joins_rows(self, operator: Table) -> bool:
        options, shape = operator.builtinOptions, self._editor.shape(operator.outputs[0])
        return bool(shape) and options.axis in {0, -len(shape)} and not options.fusedActivationFunction

    def _joined(self, operator: Table, parts: list[_Part]) -> list[Table]:
        """The same rows, each from its original tensor."""
        editor, slices, inputs = self._editor, [], []
        for part in parts:
            shape = editor.shape(part.source)
            if part.count == shape[0]:
                inputs.append(part.source)
                continue
            rows = editor.add_tensor(
                f"{editor.name(part.source)}_rows", (part.count, *shape[1:]), editor.dtype(part.source)
            )
            editor.tensor(rows).quantization = editor.tensor(part.source).quantization
            begin = editor.add_constant("begin", np.array([part.start, *[0] * (len(shape) - 1)], np.int32))
            size = editor.add_constant("size", np.array([part.count, *shape[1:]], np.int32))
            slices.append(editor.operator("SLICE", [part.source, begin, size], [rows], table="SliceOptions"))
            inputs.append(rows)
        if len(inputs) == 1:
            return [*slices, reshape(editor, inputs[0], operator.outputs[0])]
        operator.inputs = inputs
        return [*slices, operator]

    def _cut(self, operator: Table) -> tuple[int, int] | None:
        """First row and number of rows of what takes whole rows, one after the other."""
        editor = self._editor
        shape, taken = editor.shape(operator.inputs[0]), editor.shape(operator.outputs[0])
        begin = editor.values(operator.inputs[1])
        if begin is None or not shape or begin.size != len(shape) or begin[1:].any():
            return None
        row = int(np.prod(shape[1:]))
        values = int(np.prod(taken))
        if not row or not values or values % row:
            return None
        count, start = values // row, int(begin[0]) + (shape[0] if begin[0] < 0 else 0)
        if editor.kind(operator) == "STRIDED_SLICE" and not self._is_plain(operator, count):
            return None
        return (start, count) if 0 <= start <= shape[0] - count else None

    def _is_plain(self, operator: Table, count: int) -> bool:
        """Whether a STRIDED_SLICE takes one row, as reading from a list does."""
        strides, options = self._editor.values(operator.inputs[3]), operator.builtinOptions
        odd = options.beginMask & 1 or options.ellipsisMask or options.newAxisMask
        return count == 1 and strides is not None and bool((strides == 1).all()) and not odd


def _merged(parts: list[_Part]) -> list[_Part]:
    """Neighbours of one tensor as one part."""
    found: list[_Part] = []
    for part in parts:
        last = found[-1] if found else None
        if last is not None and last.source == part.source and last.start + last.count == part.start:
            found[-1] = _Part(part.source, last.start, last.count + part.count)
        else:
            found.append(part)
    return found


def _between(parts: list[_Part], start: int, count: int) -> list[_Part]:
    """The rows that are in a range."""
    found, before = [], 0
    for part in parts:
        first, last = max(start, before), min(start + count, before + part.count)
        if first < last:
            found.append(_Part(part.source, part.start + first - before, last - first))
        before += part.count
    return found
