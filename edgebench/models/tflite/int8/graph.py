"""Writes a graph on real numbers as an int8 one.

Operators without an int8 form keep real numbers between a DEQUANTIZE and a QUANTIZE.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import numpy as np

from edgebench.errors import InputError
from edgebench.models.tflite.int8.constants import quantise_weights, quantised_bias, quantised_constant
from edgebench.models.tflite.int8.forms import Form
from edgebench.models.tflite.int8.observed import useful_term
from edgebench.models.tflite.int8.recurrent import FIRST_INT8_VERSION, Memory, has_int8_form, quantise
from edgebench.models.tflite.int8.scale import HIGHEST, LOWEST, Range, Scale
from edgebench.models.tflite.int8.scaling import ScalePlan, stated_scale, variable_name
from edgebench.models.tflite.int8.support import form_of
from edgebench.models.tflite.tree import GraphEditor, Table

_POSITIVE = {"RSQRT": (0, 1), "SQRT": (0, 0), "DIV": (1, 1)}
"""Operators that refuse small values: the position of the input, and its minimum in steps above zero."""
_COMPARISONS = {"EQUAL", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL", "NOT_EQUAL"}
"""Operators whose kernels take only steps below 1."""


class Int8Writer:
    """Makes one graph int8.

    Args:
        editor: The graph, which is modified.
        plan: Scales of tensors.
        memories: Memories of layers that have one, by their first output.
    """

    def __init__(self, editor: GraphEditor, plan: ScalePlan, memories: Mapping[int, Memory]) -> None:
        self._editor = editor
        self._scales = plan.scales
        self._plan = plan
        self._memories = memories
        self._written: list[Table] = []
        self._same: dict[int, int] = {}
        self._versions: dict[int, dict[Scale | None, int]] = defaultdict(dict)
        self._producers = editor.producers()
        self.on_reals: list[str] = []
        """Labels of operators that keep real numbers."""

    def write(self) -> None:
        """Modify the graph."""
        editor = self._editor
        readers = {index: [op for op in editor.operators if index in op.inputs] for index in editor.inputs}
        for index in editor.inputs:
            if not editor.is_float(index):
                continue
            if any(self._takes_int8(operator) for operator in readers[index]):
                self._become_int8(index)
            else:
                self._versions[index][None] = index
        outputs = list(editor.outputs)
        on_reals = [any(map(editor.is_float, (*operator.inputs, *operator.outputs))) for operator in editor.operators]
        for operator, is_real in zip(editor.operators, on_reals, strict=True):
            operator.inputs = [self._same.get(index, index) for index in operator.inputs]
            if is_real:
                self._write(operator)
            else:
                self._pass(operator)
        ports = [self._output(index) for index in outputs]
        editor.operators = self._written
        editor.set_ports(editor.inputs, ports)

    def _takes_int8(self, operator: Table) -> bool:
        editor = self._editor
        if editor.kind(operator) == "QUANTIZE":
            return stated_scale(editor, operator.outputs[0]) is not None
        return form_of(editor, operator) is not None or has_int8_form(editor, operator)

    def _pass(self, operator: Table) -> None:
        """Copy an operator on integers, unless it only converts a scale to the same scale."""
        editor = self._editor
        source = stated_scale(editor, operator.inputs[0]) if editor.kind(operator) == "QUANTIZE" else None
        if source is not None and source == stated_scale(editor, operator.outputs[0]):
            self._same[operator.outputs[0]] = operator.inputs[0]
        else:
            self._written.append(operator)

    def _write(self, operator: Table) -> None:
        """An operator with real numbers among its inputs or outputs."""
        editor, kind = self._editor, self._editor.kind(operator)
        if kind == "DEQUANTIZE" and stated_scale(editor, operator.inputs[0]) is not None:
            self._versions[operator.outputs[0]][stated_scale(editor, operator.inputs[0])] = operator.inputs[0]
        elif kind == "QUANTIZE" and stated_scale(editor, operator.outputs[0]) is not None:
            scale = stated_scale(editor, operator.outputs[0])
            self._same[operator.outputs[0]] = self._int8(operator.inputs[0], scale)
        elif operator.outputs and operator.outputs[0] in self._plan.absorbed:
            source = self._plan.absorbed[operator.outputs[0]]
            scale = self._scales[operator.outputs[0]]
            self._versions[operator.outputs[0]][scale] = self._int8(source, scale)
        elif operator.outputs and operator.outputs[0] in self._memories:
            self._write_recurrent(operator)
        else:
            form = form_of(editor, operator)
            if form is None:
                self._keep(operator)
            else:
                self._quantise(operator, form)

    def _quantise(self, operator: Table, form: Form) -> None:
        editor, kind = self._editor, self._editor.kind(operator)
        if form.weights is not None:
            self._quantise_weighted(operator, form)
        elif form.moves:
            scale = self._common_scale(operator)
            operator.inputs = [self._int8(index, scale) if self._is_real(index) else index for index in operator.inputs]
        else:
            if kind == "ADD":
                self._cut_constant_term(operator)
            if kind in _COMPARISONS:
                self._make_steps_fine(operator)
            operator.inputs = [self._int8(index) if self._is_real(index) else index for index in operator.inputs]
        if kind in _POSITIVE:
            self._keep_positive(operator, *_POSITIVE[kind])
        if kind == "CAST" and operator.builtinOptions is not None:
            operator.builtinOptions.outDataType = editor.schema.TensorType.INT8
        editor.set_code(operator, kind, max(editor.version(operator), form.version))
        for index in operator.outputs:
            if index in self._scales:
                self._become_int8(index)
        self._written.append(operator)

    def _cut_constant_term(self, operator: Table) -> None:
        """Limit a constant to what the sum can represent, so that the other term keeps its steps."""
        editor = self._editor
        for place, other in ((0, 1), (1, 0)):
            values, scale = editor.values(operator.inputs[place]), self._scales.get(operator.inputs[other])
            if values is None or scale is None:
                continue
            useful = useful_term(self._scales[operator.outputs[0]].range, scale.range)
            cut = np.clip(values, useful.low, useful.high).astype(np.float32)
            if (cut != values).any():
                operator.inputs[place] = editor.add_constant(editor.name(operator.inputs[place]), cut)

    def _quantise_weighted(self, operator: Table, form: Form) -> None:
        places = form.weights
        if places is None:
            return
        data = operator.inputs[places.data]
        scale = self._scales.get(data)
        if scale is None:
            scale = self._scale_of_constant(data)
        operator.inputs[places.data] = self._int8(data, scale)
        weights = operator.inputs[1]
        if self._editor.is_stored(weights):
            quantise_weights(self._editor, operator, places, scale)
            return
        operator.inputs[1] = self._int8(weights)
        bias = operator.inputs[places.bias] if len(operator.inputs) > places.bias else -1
        values = self._editor.values(bias)
        if values is not None:
            steps = np.array([scale.step * self._scales[weights].step])
            operator.inputs[places.bias] = quantised_bias(self._editor, bias, values.astype(np.float64), steps)

    def _common_scale(self, operator: Table) -> Scale:
        """The scale of what an operator moves: that of its outputs, which are written, or of what it reads."""
        editor = self._editor
        if editor.kind(operator) == "ASSIGN_VARIABLE":
            name = variable_name(self._producers, operator.inputs[0])
            return self._scales[self._plan.variables[name]]
        known = [index for index in (*operator.outputs, *operator.inputs) if index in self._scales]
        return self._scales[known[0]] if known else self._scale_of_constant(operator.inputs[0])

    def _make_steps_fine(self, operator: Table) -> None:
        """Compare fractions of both values, if a step of one is 1 or more."""
        editor = self._editor
        real = [index for index in operator.inputs if self._is_real(index)]
        scales = {index: self._scales.get(index) or self._scale_of_constant(index) for index in real}
        largest = max((scale.step for scale in scales.values()), default=0.0)
        part = np.float32(0.5 / largest) if largest >= 1 else np.float32(1)
        for place, index in enumerate(operator.inputs if largest >= 1 else ()):
            values = editor.values(index) if index in scales else None
            if values is not None:
                operator.inputs[place] = editor.add_constant(editor.name(index), (values * part).astype(np.float32))
            elif index in scales:
                factor = editor.add_constant(f"{editor.name(index)}_factor", np.array([part]))
                less = editor.add_tensor(f"{editor.name(index)}_part", editor.shape(index), "int8")
                editor.set_scales(less, [scales[index].step * float(part)], [scales[index].zero_point])
                inputs = [self._int8(index), self._int8(factor)]
                self._written.append(editor.operator("MUL", inputs, [less], version=2, table="MulOptions"))
                operator.inputs[place] = less

    def _scale_of_constant(self, index: int) -> Scale:
        values = self._editor.values(index)
        if values is None or not values.size:
            raise InputError(f"{self._editor.name(index)!r} has no values")
        return Scale.covering(Range(low=float(values.min()), high=float(values.max())))

    def _keep_positive(self, operator: Table, place: int, least: int) -> None:
        """Raise what a kernel divides by, or takes the root of, to the minimum that it can take."""
        editor = self._editor
        source = operator.inputs[place]
        scale = stated_scale(editor, source)
        if scale is None or editor.is_stored(source) or scale.zero_point + least <= LOWEST:
            return
        if scale.zero_point - LOWEST > HIGHEST - scale.zero_point and editor.kind(operator) == "DIV":
            return
        level = min(scale.zero_point + least, HIGHEST)
        limit = editor.add_constant(f"{editor.name(source)}_least", np.array([level], np.int8))
        raised = editor.add_tensor(f"{editor.name(source)}_positive", editor.shape(source), "int8")
        for index in (limit, raised):
            editor.set_scales(index, [scale.step], [scale.zero_point])
        table = "MaximumMinimumOptions"
        self._written.append(editor.operator("MAXIMUM", [source, limit], [raised], version=2, table=table))
        operator.inputs[place] = raised

    def _write_recurrent(self, operator: Table) -> None:
        editor = self._editor
        source, target = operator.inputs[0], operator.outputs[0]
        operator.inputs[0] = self._int8(source)
        quantise(editor, operator, self._scales[source], self._scales[target], self._memories[target])
        editor.set_code(operator, editor.kind(operator), max(editor.version(operator), FIRST_INT8_VERSION))
        self._become_int8(target)
        self._written.append(operator)

    def _keep(self, operator: Table) -> None:
        """Keep an operator on real numbers."""
        self.on_reals.append(self._editor.label(operator))
        operator.inputs = [self._real(index) if index in self._scales else index for index in operator.inputs]
        for index in operator.outputs:
            self._versions[index][None] = index
        self._written.append(operator)

    def _output(self, index: int) -> int:
        index = self._same.get(index, index)
        if index not in self._scales:
            return index
        return self._any_version(index) if self._versions[index] else index

    # ---- versions of tensors

    def _is_real(self, index: int) -> bool:
        return index in self._scales or self._editor.is_float(index)

    def _become_int8(self, index: int) -> None:
        scale = self._scales[index]
        self._editor.set_dtype(index, "int8")
        self._editor.set_scales(index, [scale.step], [scale.zero_point])
        self._versions[index][scale] = index

    def _int8(self, index: int, scale: Scale | None = None) -> int:
        """A tensor or constant as int8, in its own scale if none is given."""
        editor, versions = self._editor, self._versions[index]
        if editor.is_stored(index) and index not in self._scales:
            if scale not in versions:
                versions[scale] = quantised_constant(editor, index, scale)
            return versions[scale]
        scale = scale or self._scales[index]
        if scale not in versions:
            source = self._any_version(index)
            target = editor.add_tensor(f"{editor.name(index)}_int8", editor.shape(index), "int8")
            editor.set_scales(target, [scale.step], [scale.zero_point])
            self._convert("QUANTIZE", source, target, 1 if editor.is_float(source) else 2)
            versions[scale] = target
        return versions[scale]

    def _real(self, index: int) -> int:
        """A tensor as real numbers."""
        editor, versions = self._editor, self._versions[index]
        if None not in versions:
            target = editor.add_tensor(f"{editor.name(index)}_real", editor.shape(index))
            self._convert("DEQUANTIZE", self._any_version(index), target, 2)
            versions[None] = target
        return versions[None]

    def _any_version(self, index: int) -> int:
        """A tensor in its own scale, otherwise in any form in which it has been written."""
        versions = self._versions[index]
        return versions.get(self._scales[index], next(iter(versions.values())))

    def _convert(self, kind: str, source: int, target: int, version: int) -> None:
        table = f"{kind.capitalize()}Options"
        self._written.append(self._editor.operator(kind, [source], [target], version=version, table=table))
