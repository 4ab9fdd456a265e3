"""Operators on what a network keeps from run to run."""

from __future__ import annotations

from edgebench.models.tflite.quantised_graph import QuantisedOperator
from edgebench.targets.mcu.layer_code import CodeContext, LayerCode


def read_variable(context: CodeContext, operator: QuantisedOperator, _: int) -> LayerCode:
    """READ_VARIABLE: nothing at all where the values may stay in the variable's own buffer."""
    output = context.tensor(operator.outputs[0])
    source, target = context.states[operator.inputs[0]], operator.outputs[0]
    copy = "" if context.states.get(target) == source else f"  memcpy({context.pointer(target)}, {source}, {{0}});\n"
    return LayerCode(name=output.name, kind=operator.kind, body=copy.format(output.size_bytes) + "  return 0;\n")


def assign_variable(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    """ASSIGN_VARIABLE."""
    value = context.tensor(operator.inputs[1])
    source, constants = context.operand(operator, 1, index)
    body = f"  memmove({context.states[operator.inputs[0]]}, {source}, {value.size_bytes});\n  return 0;\n"
    name = context.tensor(operator.inputs[0]).name
    return LayerCode(name=name, kind=operator.kind, body=body, constants=constants)
