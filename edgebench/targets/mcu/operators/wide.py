"""Convolutions, fully connected layers, pools and matrix products of 16-bit values with weights of 8 bits."""

from __future__ import annotations

import numpy as np

from edgebench.errors import UnsupportedModelError
from edgebench.models.tflite.quantised_graph import QuantisedOperator, QuantisedTensor
from edgebench.targets.mcu.fixed_point import reduced
from edgebench.targets.mcu.layer_code import CodeContext, LayerCode, array
from edgebench.targets.mcu.operators.common import (
    fused_activation,
    image_padding,
    listed,
    require_constant,
    require_same_types,
)
from edgebench.targets.mcu.operators.dense import dense_factors, exact_scales
from edgebench.targets.mcu.operators.weights import INT32, channel_multipliers

_UNCALIBRATED = (
    "values of 16 bits go through kernels of edgebench's own, which no board was calibrated with: the error of a "
    "latency does not cover them"
)
_MOST_TAPS = 256
"""Products of 16 and 8 bits that sums of 32 bits surely hold."""


def conv(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    """CONV_2D, also of groups of channels."""
    source, weights = context.tensor(operator.inputs[0]), context.tensor(operator.inputs[1])
    output = context.tensor(operator.outputs[0])
    filters, height, width, channels = weights.shape
    groups = source.shape[3] // channels
    if groups * channels != source.shape[3] or filters % groups or output.shape[3] != filters:
        raise ValueError(f"{list(source.shape)} with {list(weights.shape)} is not {list(output.shape)}")
    narrow = operator.options.get("quantizedBiasType") == INT32
    scratch = 2 * height * width * channels
    return _convolution(context, operator, index, "convolve", (height, width), groups, scratch, narrow=narrow)


def depthwise(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    """DEPTHWISE_CONV_2D."""
    source, weights = context.tensor(operator.inputs[0]), context.tensor(operator.inputs[1])
    _, height, width, filters = weights.shape
    if filters % source.shape[3]:
        raise ValueError(f"{source.shape[3]} channels with {filters} filters")
    if height * width > _MOST_TAPS:
        raise UnsupportedModelError(
            f"a window of {height} x {width} has no kernel for values of 16 bits",
            remedy=f"use windows of at most {_MOST_TAPS} values, or quantise the model to int8",
        )
    return _convolution(context, operator, index, "depthwise", (height, width), 1, 4 * filters, narrow=False)


def _convolution(
    context: CodeContext,
    operator: QuantisedOperator,
    index: int,
    name: str,
    window: tuple[int, int],
    groups: int,
    scratch: int,
    *,
    narrow: bool,
) -> LayerCode:
    source, weights = context.tensor(operator.inputs[0]), context.tensor(operator.inputs[1])
    output = context.tensor(operator.outputs[0])
    require_same_types(operator, source, output)
    constants, bias = _weighted(context, operator, index)
    multipliers, shifts = channel_multipliers(source, weights, output, output.shape[3])
    if not narrow:
        multipliers = [reduced(multiplier) for multiplier in multipliers]
    constants += array("int32_t", f"multiplier_{index}", np.array(multipliers), weights=True)
    constants += array("int32_t", f"shift_{index}", np.array(shifts), weights=True)
    dilation = (operator.options["dilationHFactor"] or 1, operator.options["dilationWFactor"] or 1)
    settings = _settings(operator, source, output, window, dilation)
    body = (
        f"  static const eb_wide_params params = {{{settings}, {groups}, {int(narrow)}, multiplier_{index}, "
        f"shift_{index}, {listed(fused_activation(operator, output))}}};\n"
        f"  eb_{name}_s16({context.pointer(operator.inputs[0])}, kernel_{index}, {bias}, "
        f"{context.pointer(operator.outputs[0])}, (void *)(edgebench_arena + SCRATCH_{index}), &params);\n"
        "  return 0;\n"
    )
    return LayerCode(
        name=output.name,
        kind=operator.kind,
        body=body,
        constants=constants,
        scratch_bytes=scratch,
        notes=(_UNCALIBRATED,),
    )


def _settings(
    operator: QuantisedOperator,
    source: QuantisedTensor,
    output: QuantisedTensor,
    window: tuple[int, int],
    dilation: tuple[int, int] = (1, 1),
) -> str:
    top, left = image_padding(operator, source.shape[1:3], window, output.shape[1:3], dilation)
    stride = (operator.options["strideH"], operator.options["strideW"])
    return listed((*source.shape, *output.shape[1:], *window, *stride, top, left, *dilation))


def _weighted(context: CodeContext, operator: QuantisedOperator, index: int) -> tuple[str, str]:
    """Definitions of kernel and bias, and the C expression for the bias."""
    weights = context.tensor(operator.inputs[1])
    kernel = require_constant(context, operator, 1)
    if kernel.dtype != np.int8 or (any(weights.zero_points) and operator.kind != "FULLY_CONNECTED"):
        raise UnsupportedModelError(
            f"weights {weights.name!r} are {weights.dtype} with the zero points {sorted(set(weights.zero_points))}; "
            "kernels take int8 around 0"
        )
    constants, bias = array("int8_t", f"kernel_{index}", kernel, weights=True), "NULL"
    if len(operator.inputs) > 2 and operator.inputs[2] >= 0:
        bias = f"bias_{index}"
        values = require_constant(context, operator, 2).astype(np.int64)
        constants += array("int64_t", bias, values, weights=True)
    return constants, bias


def fully_connected(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    """FULLY_CONNECTED with constant weights."""
    source, weights = context.tensor(operator.inputs[0]), context.tensor(operator.inputs[1])
    output = context.tensor(operator.outputs[0])
    require_same_types(operator, source, output)
    units, features = weights.shape
    rows = source.elements // features
    if rows * features != source.elements or rows * units != output.elements:
        raise ValueError(f"{output.name!r} does not fit its weights {list(weights.shape)}")
    constants, bias = _weighted(context, operator, index)
    factors = dense_factors(source, weights, output)
    constants += exact_scales(index, factors)
    narrow = operator.options.get("quantizedBiasType") == INT32
    offset = -weights.zero_point if len(factors) == 1 else 0
    body = (
        f"  static const eb_wide_dense_params params = {{{listed((rows, features, units, offset, int(narrow)))}, "
        f"scales_{index}, {int(len(factors) > 1)}, {listed(fused_activation(operator, output))}}};\n"
        f"  eb_dense_s16({context.pointer(operator.inputs[0])}, kernel_{index}, {bias}, "
        f"{context.pointer(operator.outputs[0])}, (int16_t *)(edgebench_arena + SCRATCH_{index}), &params);\n"
        "  return 0;\n"
    )
    scratch = 2 * features
    return LayerCode(
        name=output.name,
        kind=operator.kind,
        body=body,
        constants=constants,
        scratch_bytes=scratch,
        notes=(_UNCALIBRATED,),
    )


def pool(context: CodeContext, operator: QuantisedOperator, _: int) -> LayerCode:
    """AVERAGE_POOL_2D and MAX_POOL_2D."""
    source, output = context.tensor(operator.inputs[0]), context.tensor(operator.outputs[0])
    require_same_types(operator, source, output)
    window = (operator.options["filterHeight"], operator.options["filterWidth"])
    name = "average" if operator.kind == "AVERAGE_POOL_2D" else "max"
    body = (
        f"  static const eb_wide_params params = {{{_settings(operator, source, output, window)}, 1, 0, NULL, NULL, "
        f"{listed(fused_activation(operator, output))}}};\n"
        f"  eb_{name}_pool_s16({context.pointer(operator.inputs[0])}, {context.pointer(operator.outputs[0])}, "
        "&params);\n  return 0;\n"
    )
    return LayerCode(name=output.name, kind=operator.kind, body=body)
