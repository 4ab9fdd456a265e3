"""QUANTIZE: the same values in steps of another size, or of another type."""

from __future__ import annotations

import numpy as np

from edgebench.errors import UnsupportedModelError
from edgebench.models.tflite.quantised_graph import QuantisedOperator
from edgebench.targets.mcu.fixed_point import quantise_multiplier
from edgebench.targets.mcu.layer_code import CodeContext, LayerCode
from edgebench.targets.mcu.operators.elementwise import table

_PAIRS = {
    *(("int8", "int16"), ("int8", "uint8"), ("uint8", "int8"), ("uint8", "int16"), ("uint8", "uint8")),
    *(("int16", "int8"), ("int16", "int16"), ("int16", "int32"), ("int32", "int8"), ("int32", "int16")),
}


def quantize(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    """A table where both types have 8 bits, else arithmetic."""
    source, output = context.tensor(operator.inputs[0]), context.tensor(operator.outputs[0])
    types = (source.dtype, output.dtype)
    if types == ("int8", "int8"):
        return table(context, operator, index)
    if types not in _PAIRS:
        raise UnsupportedModelError(f"QUANTIZE from {source.dtype} to {output.dtype} has no kernel, nor has LiteRT")
    multiplier, shift = quantise_multiplier(float(np.float32(source.scale)) / float(np.float32(output.scale)))
    names = "_".join(f"{'u' if kind == 'uint8' else 's'}{8 * np.dtype(kind).itemsize}" for kind in types)
    body = (
        f"  eb_requantize_{names}({context.pointer(operator.inputs[0])}, {context.pointer(operator.outputs[0])}, "
        f"{output.elements}, {-source.zero_point}, {multiplier}, {shift}, {output.zero_point});\n  return 0;\n"
    )
    return LayerCode(name=output.name, kind=operator.kind, body=body)
