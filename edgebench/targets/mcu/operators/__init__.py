"""How each TFLite operator becomes a call of a kernel."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from edgebench.models.tflite.quantised_graph import QuantisedOperator
from edgebench.targets.mcu.layer_code import CodeContext, LayerCode
from edgebench.targets.mcu.operators import (
    arithmetic,
    convolutions,
    elementwise,
    movement,
    normalisation,
    pooling,
    reductions,
)

Writer = Callable[[CodeContext, QuantisedOperator, int], LayerCode]
WRITERS: Mapping[str, Writer] = {
    "ABS": elementwise.table,
    "ADD": arithmetic.binary,
    "AVERAGE_POOL_2D": pooling.pool,
    "CONCATENATION": movement.concatenation,
    "CONV_2D": convolutions.conv,
    "DEPTHWISE_CONV_2D": convolutions.depthwise,
    "DIV": arithmetic.binary,
    "ELU": elementwise.table,
    "EXP": elementwise.table,
    "EXPAND_DIMS": movement.reshape,
    "FULLY_CONNECTED": convolutions.fully_connected,
    "GELU": elementwise.table,
    "HARD_SWISH": elementwise.table,
    "L2_NORMALIZATION": normalisation.l2_normalization,
    "LEAKY_RELU": elementwise.table,
    "LOG": elementwise.table,
    "LOGISTIC": elementwise.table,
    "LOG_SOFTMAX": normalisation.log_softmax,
    "MAXIMUM": arithmetic.binary,
    "MAX_POOL_2D": pooling.pool,
    "MEAN": reductions.reduction,
    "MINIMUM": arithmetic.binary,
    "MUL": arithmetic.binary,
    "NEG": elementwise.table,
    "PACK": movement.concatenation,
    "PAD": movement.pad,
    "PADV2": movement.pad,
    "PRELU": arithmetic.binary,
    "QUANTIZE": elementwise.table,
    "REDUCE_MAX": reductions.reduction,
    "REDUCE_MIN": reductions.reduction,
    "REDUCE_PROD": reductions.reduction,
    "RELU": elementwise.table,
    "RELU6": elementwise.table,
    "RELU_0_TO_1": elementwise.table,
    "RELU_N1_TO_1": elementwise.table,
    "RESHAPE": movement.reshape,
    "RSQRT": elementwise.table,
    "SLICE": movement.slice_,
    "SOFTMAX": normalisation.softmax,
    "SPLIT": movement.split,
    "SPLIT_V": movement.split,
    "SQRT": elementwise.table,
    "SQUARED_DIFFERENCE": arithmetic.binary,
    "SQUEEZE": movement.reshape,
    "STRIDED_SLICE": movement.strided_slice,
    "SUB": arithmetic.binary,
    "SUM": reductions.reduction,
    "TANH": elementwise.table,
    "TRANSPOSE": movement.transpose,
}
IN_PLACE = {kind for kind, writer in WRITERS.items() if writer in {elementwise.table, arithmetic.binary}} | {
    "RESHAPE",
    "SQUEEZE",
    "EXPAND_DIMS",
}
"""Operators that read each value before they write over it, so that their output may lie where an input dies."""
OTHER_TYPES: Mapping[str, set[str]] = {}
"""Types of computed values, beside int8, that an operator's writer takes; the writer checks which go together."""
