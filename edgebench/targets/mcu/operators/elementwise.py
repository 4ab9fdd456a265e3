"""Functions of one value."""

from __future__ import annotations

from edgebench.models.tflite.quantised_graph import QuantisedOperator
from edgebench.targets.mcu.layer_code import CodeContext, LayerCode, array
from edgebench.targets.mcu.reference_tables import reference_table


def table(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    """A function of one value: its 256 results, as LiteRT's reference kernel gives them."""
    source, output = context.tensor(operator.inputs[0]), context.tensor(operator.outputs[0])
    values = reference_table(operator.kind, source, output, operator.options)
    body = (
        f"  eb_table_s8({context.pointer(operator.inputs[0])}, {context.pointer(operator.outputs[0])}, "
        f"{output.elements}, table_{index});\n  return 0;\n"
    )
    constants = array("int8_t", f"table_{index}", values)
    return LayerCode(name=output.name, kind=operator.kind, body=body, constants=constants)
