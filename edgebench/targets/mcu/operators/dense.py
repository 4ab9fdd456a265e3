"""Fully connected layers: on CMSIS-NN's kernel and two of our own."""

from __future__ import annotations

import math

import numpy as np

from edgebench.errors import InputError, UnsupportedModelError
from edgebench.models.tflite.quantised_graph import QuantisedOperator, QuantisedTensor
from edgebench.targets.mcu.fixed_point import quantise_multiplier
from edgebench.targets.mcu.layer_code import CodeContext, LayerCode, array
from edgebench.targets.mcu.operators.common import fused_activation, listed, require_constant, require_same_types
from edgebench.targets.mcu.operators.weights import weighted

_MOST_HALVES = 1 << 9
"""A factor whose odd part is larger has no integer below 2^8 halfway between its multiples and the next integers."""


def fully_connected(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    """A product with a matrix, with one scale or one for each output.

    LiteRT scales results in double precision, and rounds halves away from 0. The quick kernels do so but for halves,
    which only some factors can give.
    """
    source, weights = context.tensor(operator.inputs[0]), context.tensor(operator.inputs[1])
    output = context.tensor(operator.outputs[0])
    units, features = weights.shape
    rows = source.elements // features
    if rows * features != source.elements or rows * units != output.elements:
        raise InputError(f"{output.name!r} does not fit its weights {list(weights.shape)}", where="FULLY_CONNECTED")
    if operator.options.get("weightsFormat"):
        raise UnsupportedModelError(f"the weights {weights.name!r} are shuffled, kernels take them in rows")
    require_same_types(operator, source, output)
    if weights.dtype != "int8":
        raise UnsupportedModelError(f"weights {weights.name!r} are {weights.dtype}, kernels take int8")
    factors = dense_factors(source, weights, output)
    quick = weights.data is not None and not any(weights.zero_points) and not any(map(_gives_halves, factors))
    if not quick:
        return _exact(context, operator, index, factors)
    if len(weights.scales) > 1:
        return _per_channel(context, operator, index)
    low, high = fused_activation(operator, output)
    constants, bias = weighted(context, operator, index, units, per_tensor=True)
    multiplier, shift = quantise_multiplier(factors[0])
    pointers = (context.pointer(operator.inputs[0]), context.pointer(operator.outputs[0]))
    sums = "NULL, 0"
    if context.newer and context.helium:
        kernel = require_constant(context, operator, 1)
        added = require_constant(context, operator, 2) if bias != "NULL" else None
        constants += array(
            "int32_t", f"sums_{index}", context.newer.sums(kernel, -source.zero_point, added), weights=True
        )
        sums = f"(void *)sums_{index}, {4 * units}"
    body = (
        f"  const cmsis_nn_context context = {{{sums}}};\n"
        f"  const cmsis_nn_fc_params params = {{{-source.zero_point}, 0, {output.zero_point}, {{{low}, {high}}}}};\n"
        f"  const cmsis_nn_per_tensor_quant_params quant = {{{multiplier}, {shift}}};\n"
        f"  const cmsis_nn_dims in = {{{rows}, 1, 1, {features}}}, filter = {{{features}, 1, 1, {units}}}, "
        f"bias_dims = {{1, 1, 1, {units}}}, out = {{{rows}, 1, 1, {units}}};\n"
        f"  return arm_fully_connected_s8(&context, &params, &quant, &in, {pointers[0]}, &filter, kernel_{index}, "
        f"&bias_dims, {bias}, &out, {pointers[1]});\n"
    )
    return LayerCode(name=output.name, kind=operator.kind, body=body, constants=constants)


def dense_factors(source: QuantisedTensor, weights: QuantisedTensor, output: QuantisedTensor) -> list[float]:
    """What sums are multiplied with: one factor, or one for each output."""
    if len(weights.scales) not in {1, weights.shape[0]}:
        raise ValueError(f"{len(weights.scales)} scales for {weights.shape[0]} outputs")
    ends = float(np.float32(source.scale)), float(np.float32(output.scale))
    return [ends[0] * float(np.float32(scale)) / ends[1] for scale in weights.scales]


def _gives_halves(factor: float) -> bool:
    """Whether a sum times this factor may lie halfway between two integers of 8 bits."""
    numerator = factor.as_integer_ratio()[0]
    return (numerator & -numerator) * _MOST_HALVES >= numerator


def _per_channel(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    """One scale an output, which CMSIS-NN's fully connected kernel does not take."""
    source, output = context.tensor(operator.inputs[0]), context.tensor(operator.outputs[0])
    units, features = context.tensor(operator.inputs[1]).shape
    rows = source.elements // features
    limits = fused_activation(operator, output)
    constants, bias = weighted(context, operator, index, units)
    scratch = 2 * features
    body = (
        f"  static const eb_dense_params params = {{{features}, {units}, {-source.zero_point}, {output.zero_point}, "
        f"multiplier_{index}, shift_{index}, {limits[0]}, {limits[1]}}};\n"
        f"  for (int row = 0; row < {rows}; row++)\n"
        f"    eb_dense_s8({context.pointer(operator.inputs[0])} + row * {features}, kernel_{index}, {bias}, "
        f"{context.pointer(operator.outputs[0])} + row * {units}, (int16_t *)(edgebench_arena + SCRATCH_{index}), "
        "&params);\n  return 0;\n"
    )
    return LayerCode(name=output.name, kind=operator.kind, body=body, constants=constants, scratch_bytes=scratch)


def _exact(context: CodeContext, operator: QuantisedOperator, index: int, factors: list[float]) -> LayerCode:
    """With factors that may give halves, weights with a zero point, or computed ones."""
    source, weights = context.tensor(operator.inputs[0]), context.tensor(operator.inputs[1])
    output = context.tensor(operator.outputs[0])
    units, features = weights.shape
    rows = source.elements // features
    (vectors, vector_constants), (lines, line_constants) = (context.operand(operator, i, index) for i in (0, 1))
    constants, bias = vector_constants + line_constants + exact_scales(index, factors), "NULL"
    if len(operator.inputs) > 2 and operator.inputs[2] >= 0:
        values = require_constant(context, operator, 2)
        bias = f"bias_{index}"
        constants += array("int32_t", bias, values.astype(np.int32), weights=True)
    # LiteRT leaves the zero point of weights with a scale for each output alone.
    offset = -weights.zero_point if len(factors) == 1 else 0
    settings = (
        *(features, rows, units, features, 1, features, 1, units, 1),
        *(-source.zero_point, offset, output.zero_point, 0, 0),
    )
    low, high = fused_activation(operator, output)
    body = (
        f"  static const eb_matmul_params params = {{{listed(settings)}, scales_{index}, {int(len(factors) > 1)}, "
        f"{low}, {high}}};\n"
        f"  eb_matmul_s8({vectors}, {lines}, {bias}, {context.pointer(operator.outputs[0])}, "
        f"(int16_t *)(edgebench_arena + SCRATCH_{index}), &params);\n  return 0;\n"
    )
    scratch = 2 * features
    return LayerCode(name=output.name, kind=operator.kind, body=body, constants=constants, scratch_bytes=scratch)


def exact_scales(index: int, factors: list[float]) -> str:
    """Factors as C: each as a double, and near it as integers."""
    if any(not math.isfinite(factor) for factor in factors):
        raise ValueError("a scale that is not a number")
    rows = ", ".join(f"{{{factor.hex()}, {listed(quantise_multiplier(factor))}}}" for factor in factors)
    return f"static const eb_exact_scale scales_{index}[{len(factors)}] = {{{rows}}};\n"
