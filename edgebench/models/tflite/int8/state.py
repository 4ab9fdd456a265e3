"""Variables, which keep their values from one inference to the next."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edgebench.models.tflite.file import read_graphs
from edgebench.models.tflite.int8.constants import quantised_constant
from edgebench.models.tflite.int8.plain_form import remove_unused
from edgebench.models.tflite.int8.scale import Scale
from edgebench.models.tflite.int8.scaling import ScalePlan, variable_name
from edgebench.models.tflite.tree import GraphEditor, Table, pack_model, read_tree

_KINDS = {"ASSIGN_VARIABLE", "CALL_ONCE", "READ_VARIABLE", "VAR_HANDLE"}


def write_without_variables(source: Path, target: Path) -> Path | None:
    """Write a file whose variables are inputs and outputs, which the caller passes from run to run.

    The graphs that initialise them are removed.

    Returns:
        The file, or None if there are no variables.

    Raises:
        InputError: Damaged.
    """
    if not any(operator.kind == "READ_VARIABLE" for operator in read_graphs(source)[0].operators):
        return None
    model = read_tree(source)
    _variables_to_ports(GraphEditor(model))
    model.signatureDefs, model.subgraphs = None, model.subgraphs[:1]
    remove_unused(model)
    target.write_bytes(pack_model(model, source.stat().st_size))
    return target


def _variables_to_ports(editor: GraphEditor) -> None:
    producers = editor.producers()
    values: dict[str, int] = {}
    read: list[int] = []
    same: dict[int, int] = {}
    kept = []
    for operator in editor.operators:
        kind = editor.kind(operator)
        if kind not in _KINDS:
            operator.inputs = [same.get(index, index) for index in operator.inputs]
            kept.append(operator)
            continue
        name = variable_name(producers, operator.inputs[0]) if operator.inputs else ""
        if kind == "READ_VARIABLE" and name in values:
            same[operator.outputs[0]] = values[name]
        elif kind == "READ_VARIABLE":
            values[name] = operator.outputs[0]
            read.append(operator.outputs[0])
        elif kind == "ASSIGN_VARIABLE":
            values[name] = same.get(operator.inputs[1], operator.inputs[1])
    editor.operators = kept
    outputs = [same.get(index, index) for index in editor.outputs]
    written = [index for index in values.values() if index not in {*outputs, *read, *editor.inputs}]
    editor.graph.inputs = [*editor.inputs, *read]
    editor.graph.outputs = [*outputs, *dict.fromkeys(written)]


def quantise_variables(model: Table, plan: ScalePlan) -> None:
    """Change the graphs that initialise variables to int8 values in the scale that the main graph reads."""
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
