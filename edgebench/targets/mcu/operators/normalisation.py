"""Functions of whole rows: softmax, its logarithm, and division by the length."""

from __future__ import annotations

import math

import numpy as np

from edgebench.errors import UnsupportedModelError
from edgebench.models.tflite.quantised_graph import QuantisedOperator, QuantisedTensor
from edgebench.targets.mcu.fixed_point import (
    exponential,
    quantise_multiplier,
    quantise_small_multiplier,
    rescale,
    rounding_shift,
)
from edgebench.targets.mcu.layer_code import CodeContext, LayerCode, array
from edgebench.targets.mcu.operators.common import listed, rows_of, type_suffix
from edgebench.targets.mcu.operators.curves import tabulated

_SUM_BITS = 12
_DISTANCES = 256


def softmax(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    """Over the last axis: to the bit where there are several rows, as in attention.

    A single row, a classifier's last, keeps the kernel of real numbers with which boards were calibrated. It rounds
    about one value in 100,000 the other way.
    """
    source, output = context.tensor(operator.inputs[0]), context.tensor(operator.outputs[0])
    rows, width = rows_of(source)
    if rows > 1:
        return _exact_softmax(context, operator, index)
    beta = float(operator.options.get("beta", 1.0))
    # exp(-scale * beta * d) for each distance d, in single precision.
    distances = np.arange(_DISTANCES, dtype=np.float32)
    factor = np.float32(-np.float32(source.scale) * np.float32(beta))
    table = np.exp((factor * distances).astype(np.float32)).astype(np.float32)
    values = ", ".join(f"{float(value)!r}f" for value in table)
    body = (
        f"  eb_softmax_s8({context.pointer(operator.inputs[0])}, {context.pointer(operator.outputs[0])}, "
        f"{rows}, {width}, exponentials_{index}, {float(np.float32(output.scale))!r}f, "
        f"{output.zero_point});\n  return 0;\n"
    )
    constants = f"static const float exponentials_{index}[256] = {{{values}}};\n"
    return LayerCode(name=output.name, kind=operator.kind, body=body, constants=constants)


def _exact_softmax(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    """Of 8-bit values, with results of 8 or 16 bits and a table of exponentials."""
    source, output = context.tensor(operator.inputs[0]), context.tensor(operator.outputs[0])
    factor = float(operator.options.get("beta", 1.0)) * float(np.float32(source.scale)) * (1 << 26)
    multiplier, shift = quantise_multiplier(min(factor, 2.0**31 - 1))
    reach = math.floor(31 * (1 << 26) / (1 << shift))
    terms = [
        exponential(rescale(-distance, multiplier, shift)) if distance <= reach else 0 for distance in range(_DISTANCES)
    ]
    rows, width = rows_of(source)
    body = (
        f"  eb_softmax_s8_{type_suffix(output)}({context.pointer(operator.inputs[0])}, "
        f"{context.pointer(operator.outputs[0])}, {rows}, {width}, exponentials_{index});\n  return 0;\n"
    )
    constants = array("int32_t", f"exponentials_{index}", np.array(terms))
    return LayerCode(name=output.name, kind=operator.kind, body=body, constants=constants)


def wide_softmax(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    """Over the last axis, with results of 16 bits."""
    source, output = context.tensor(operator.inputs[0]), context.tensor(operator.outputs[0])
    beta, scale = float(operator.options.get("beta", 1.0)), np.float32(source.scale)
    if output.dtype != "int16":
        raise UnsupportedModelError(f"SOFTMAX from {source.dtype} to {output.dtype} has no kernel, nor has LiteRT")
    rows, width = rows_of(source)
    place = f"{context.pointer(operator.inputs[0])}, {context.pointer(operator.outputs[0])}, {rows}, {width}"
    if source.dtype == "int8":
        return _exact_softmax(context, operator, index)
    factor = float(scale * np.float32(beta)) / (10.0 / 65535.0)
    exponentials = tabulated(math.exp, 10.0 / 65535, 32767, 2.0 / 65535)
    reciprocals = tabulated(lambda value: 1.0 / (1.0 + value), 1.0 / 65535, -32768, 2.0 / 65535)
    constants = array("int16_t", f"exponentials_{index}", exponentials)
    constants += array("int16_t", f"reciprocals_{index}", reciprocals)
    body = (
        f"  eb_softmax_s16({place}, exponentials_{index}, reciprocals_{index}, "
        f"{listed(quantise_multiplier(factor))});\n  return 0;\n"
    )
    return LayerCode(name=output.name, kind=operator.kind, body=body, constants=constants)


def log_softmax(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    """Over the last axis, with a table of exponentials."""
    source, output = context.tensor(operator.inputs[0]), context.tensor(operator.outputs[0])
    _require_output(operator, output, 16 / 256, 127)
    scale = float(np.float32(source.scale))
    multiplier, shift = quantise_multiplier(min(scale * (1 << 26), 2.0**31 - 1))
    # Larger distances than these have no term: exp(-31) is nothing.
    count = math.floor(31 * (1 << 26) / (1 << shift)) + 1
    back, back_shift = quantise_small_multiplier((1 << (31 - shift)) / multiplier)
    terms = [
        rounding_shift(exponential(rescale(-distance, multiplier, shift)), _SUM_BITS)
        for distance in range(min(count, _DISTANCES))
    ]
    rows, width = rows_of(source)
    body = (
        f"  static const eb_log_softmax_params params = {{exponentials_{index}, {count}, {multiplier}, {shift}, "
        f"{back}, {back_shift}}};\n  eb_log_softmax_s8({context.pointer(operator.inputs[0])}, "
        f"{context.pointer(operator.outputs[0])}, {rows}, {width}, &params);\n  return 0;\n"
    )
    constants = array("int32_t", f"exponentials_{index}", np.array(terms))
    return LayerCode(name=output.name, kind=operator.kind, body=body, constants=constants)


def l2_normalization(context: CodeContext, operator: QuantisedOperator, _: int) -> LayerCode:
    """Over the last axis."""
    source, output = context.tensor(operator.inputs[0]), context.tensor(operator.outputs[0])
    _require_output(operator, output, 1 / 128, 0)
    rows, width = rows_of(source)
    body = (
        f"  eb_l2_normalization_s8({context.pointer(operator.inputs[0])}, {context.pointer(operator.outputs[0])}, "
        f"{rows}, {width}, {-source.zero_point});\n  return 0;\n"
    )
    return LayerCode(name=output.name, kind=operator.kind, body=body)


def _require_output(operator: QuantisedOperator, output: QuantisedTensor, scale: float, zero_point: int) -> None:
    if (output.scale, output.zero_point) != (scale, zero_point):
        raise UnsupportedModelError(
            f"{operator.kind} gives steps of {scale:g} with the zero point {zero_point}; {output.name!r} has "
            f"{output.scale:g} and {output.zero_point}",
            remedy="quantise the model as LiteRT's specification says (edgebench export MODEL --to int8-tflite)",
        )
