"""Variables, which keep their values from one inference to the next, in an int8 network."""

from __future__ import annotations

from collections.abc import Mapping

from edgebench.models.tflite.constants import quantised_constant
from edgebench.models.tflite.scale import Scale
from edgebench.models.tflite.scaling import ScalePlan, variable_name
from edgebench.models.tflite.tree import GraphEditor, Table


def quantise_variables(model: Table, plan: ScalePlan) -> None:
    """Let the graphs that initialise variables give them int8 values in the scale that the main graph reads."""
    scales = {name: plan.scales[index] for name, index in plan.variables.items()}
    for number in range(1, len(model.subgraphs)) if scales else ():
        _quantise_assignments(GraphEditor(model, number), scales)


def _quantise_assignments(editor: GraphEditor, scales: Mapping[str, Scale]) -> None:
    producers = editor.producers()
    operators = []
    for operator in editor.operators:
        is_assignment = editor.kind(operator) == "ASSIGN_VARIABLE"
        scale = scales.get(variable_name(producers, operator.inputs[0])) if is_assignment else None
        if scale is not None and editor.is_float(operator.inputs[1]):
            value = operator.inputs[1]
            if editor.is_stored(value):
                operator.inputs[1] = quantised_constant(editor, value, scale)
            else:
                level = editor.add_tensor(f"{editor.name(value)}_int8", editor.shape(value), "int8")
                editor.set_scales(level, [scale.step], [scale.zero_point])
                operators.append(editor.operator("QUANTIZE", [value], [level], table="QuantizeOptions"))
                operator.inputs[1] = level
        operators.append(operator)
    editor.operators = operators
