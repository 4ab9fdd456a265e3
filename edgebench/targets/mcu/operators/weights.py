"""Weights, biases and multipliers of convolutions and matrix products as C."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebench.errors import UnsupportedModelError
from edgebench.models.tflite.quantised_graph import QuantisedOperator, QuantisedTensor
from edgebench.targets.mcu.fixed_point import quantise_multiplier, reduced
from edgebench.targets.mcu.layer_code import CodeContext, array
from edgebench.targets.mcu.operators.common import require_constant

INT32 = 2
"""TensorType of ``quantizedBiasType`` for sums of 32 bits."""


def channel_multipliers(
    source: QuantisedTensor, weights: QuantisedTensor, output: QuantisedTensor, channels: int
) -> tuple[list[int], list[int]]:
    """Per-channel multipliers. TFLite multiplies the float32 scales as doubles."""
    scales = weights.scales if len(weights.scales) == channels else weights.scales * channels
    pairs = [
        quantise_multiplier(
            float(np.float32(source.scale)) * float(np.float32(scale)) / float(np.float32(output.scale))
        )
        for scale in scales
    ]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def weighted(
    context: CodeContext,
    operator: QuantisedOperator,
    index: int,
    channels: int,
    *,
    per_tensor: bool = False,
    order: Callable[[NDArray[Any]], NDArray[Any]] = lambda kernel: kernel,
    long_sums: bool = False,
) -> tuple[str, str]:
    """Definitions of kernel, bias, multipliers and shifts, and the C expression for the bias.

    Args:
        context: Gives constants.
        operator: Reads values, weights and maybe a bias, in this order.
        index: Its number.
        channels: Of the output.
        per_tensor: Whether there is one scale, which the caller writes.
        order: Puts the weights into the order in which a kernel wants them.
        long_sums: Whether sums have 64 bits, and multipliers 15.
    """
    source, weights = context.tensor(operator.inputs[0]), context.tensor(operator.inputs[1])
    output = context.tensor(operator.outputs[0])
    kernel = require_constant(context, operator, 1)
    if kernel.dtype != np.int8:
        raise UnsupportedModelError(f"weights {weights.name!r} are {weights.dtype}, kernels take int8")
    if any(weights.zero_points):
        raise UnsupportedModelError(f"weights {weights.name!r} have a zero point other than 0")
    constants = array("int8_t", f"kernel_{index}", order(kernel), weights=True)
    bias = "NULL"
    if len(operator.inputs) > 2 and operator.inputs[2] >= 0 and context.tensor(operator.inputs[2]).elements:
        values = require_constant(context, operator, 2)
        kind = "int64" if source.dtype == "int16" else "int32"
        constants += array(f"{kind}_t", f"bias_{index}", values.astype(kind), weights=True)
        bias = f"bias_{index}"
    if not per_tensor:
        multipliers, shifts = channel_multipliers(source, weights, output, channels)
        multipliers = [reduced(multiplier) for multiplier in multipliers] if long_sums else multipliers
        constants += array("int32_t", f"multiplier_{index}", np.array(multipliers), weights=True)
        constants += array("int32_t", f"shift_{index}", np.array(shifts), weights=True)
    return constants, bias
