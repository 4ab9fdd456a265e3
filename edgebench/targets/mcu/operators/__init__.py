"""How each TFLite operator becomes a call of a kernel."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from edgebench.models.tflite.quantised_graph import QuantisedOperator
from edgebench.targets.mcu.layer_code import CodeContext, LayerCode
from edgebench.targets.mcu.operators import convolutions, elementwise, movement, pooling, variables

Writer = Callable[[CodeContext, QuantisedOperator, int], LayerCode]
WRITERS: Mapping[str, Writer] = {
    "ADD": elementwise.binary,
    "ASSIGN_VARIABLE": variables.assign_variable,
    "AVERAGE_POOL_2D": pooling.pool,
    "CONCATENATION": movement.concatenation,
    "CONV_2D": convolutions.conv,
    "DEPTHWISE_CONV_2D": convolutions.depthwise,
    "EXPAND_DIMS": movement.reshape,
    "FULLY_CONNECTED": convolutions.fully_connected,
    "HARD_SWISH": elementwise.table,
    "LEAKY_RELU": elementwise.table,
    "LOGISTIC": elementwise.table,
    "MAXIMUM": elementwise.binary,
    "MAX_POOL_2D": pooling.pool,
    "MEAN": pooling.mean,
    "MINIMUM": elementwise.binary,
    "MUL": elementwise.binary,
    "PACK": movement.concatenation,
    "PAD": movement.pad,
    "PADV2": movement.pad,
    "QUANTIZE": elementwise.table,
    "READ_VARIABLE": variables.read_variable,
    "RELU": elementwise.table,
    "RELU6": elementwise.table,
    "RELU_0_TO_1": elementwise.table,
    "RELU_N1_TO_1": elementwise.table,
    "RESHAPE": movement.reshape,
    "SLICE": movement.slice_,
    "SOFTMAX": elementwise.softmax,
    "SPLIT": movement.split,
    "SPLIT_V": movement.split,
    "SQUEEZE": movement.reshape,
    "STRIDED_SLICE": movement.strided_slice,
    "SUB": elementwise.binary,
    "TANH": elementwise.table,
    "TRANSPOSE": movement.transpose,
}
IN_PLACE = {kind for kind, writer in WRITERS.items() if writer in {elementwise.table, elementwise.binary}} | {
    "RESHAPE",
    "SQUEEZE",
    "EXPAND_DIMS",
}
"""Operators that read each value before they write over it, so that their output may lie where an input dies."""
MOVED = {
    *("ASSIGN_VARIABLE", "CONCATENATION", "EXPAND_DIMS", "PACK", "READ_VARIABLE", "RESHAPE", "SLICE", "SPLIT"),
    *("SPLIT_V", "SQUEEZE", "STRIDED_SLICE", "TRANSPOSE"),
}
"""Operators that move values, whatever they stand for: of any size, and with or without a scale."""
_ANY_TYPE = {"bool", "int16", "int32", "int64", "uint8"}
OTHER_TYPES: Mapping[str, set[str]] = {
    **dict.fromkeys(MOVED, _ANY_TYPE),
    "ASSIGN_VARIABLE": {*_ANY_TYPE, "resource"},
    "READ_VARIABLE": {*_ANY_TYPE, "resource"},
}
"""Types of computed values, beside int8, that an operator's writer takes; the writer checks which go together."""
