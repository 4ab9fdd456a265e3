"""How each TFLite operator becomes a call of a kernel."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from edgebench.models.tflite.quantised_graph import QuantisedOperator
from edgebench.targets.mcu.layer_code import CodeContext, LayerCode
from edgebench.targets.mcu.operators import (
    convolutions,
    elementwise,
    gathering,
    movement,
    pooling,
    rearranging,
    variables,
)

Writer = Callable[[CodeContext, QuantisedOperator, int], LayerCode]
WRITERS: Mapping[str, Writer] = {
    "ADD": elementwise.binary,
    "ASSIGN_VARIABLE": variables.assign_variable,
    "AVERAGE_POOL_2D": pooling.pool,
    "BATCH_TO_SPACE_ND": rearranging.batch_to_space,
    "BROADCAST_TO": rearranging.broadcast_to,
    "CONCATENATION": movement.concatenation,
    "CONV_2D": convolutions.conv,
    "DEPTHWISE_CONV_2D": convolutions.depthwise,
    "DEPTH_TO_SPACE": rearranging.depth_to_space,
    "EMBEDDING_LOOKUP": gathering.embedding_lookup,
    "EXPAND_DIMS": movement.reshape,
    "FULLY_CONNECTED": convolutions.fully_connected,
    "GATHER": gathering.gather,
    "GATHER_ND": gathering.gather_nd,
    "HARD_SWISH": elementwise.table,
    "LEAKY_RELU": elementwise.table,
    "LOGISTIC": elementwise.table,
    "MAXIMUM": elementwise.binary,
    "MAX_POOL_2D": pooling.pool,
    "MEAN": pooling.mean,
    "MINIMUM": elementwise.binary,
    "MIRROR_PAD": rearranging.mirror_pad,
    "MUL": elementwise.binary,
    "PACK": movement.concatenation,
    "PAD": rearranging.pad,
    "PADV2": rearranging.pad,
    "QUANTIZE": elementwise.table,
    "READ_VARIABLE": variables.read_variable,
    "RELU": elementwise.table,
    "RELU6": elementwise.table,
    "RELU_0_TO_1": elementwise.table,
    "RELU_N1_TO_1": elementwise.table,
    "RESHAPE": movement.reshape,
    "REVERSE_V2": movement.reverse,
    "SLICE": movement.slice_,
    "SOFTMAX": elementwise.softmax,
    "SPACE_TO_BATCH_ND": rearranging.space_to_batch,
    "SPACE_TO_DEPTH": rearranging.space_to_depth,
    "SPLIT": movement.split,
    "SPLIT_V": movement.split,
    "SQUEEZE": movement.reshape,
    "STRIDED_SLICE": movement.strided_slice,
    "SUB": elementwise.binary,
    "TANH": elementwise.table,
    "TILE": rearranging.tile,
    "TRANSPOSE": movement.transpose,
    "UNPACK": movement.unpack,
}
IN_PLACE = {kind for kind, writer in WRITERS.items() if writer in {elementwise.table, elementwise.binary}} | {
    "RESHAPE",
    "SQUEEZE",
    "EXPAND_DIMS",
}
"""Operators that read each value before they write over it, so that their output may lie where an input dies."""
MOVED = {
    *("ASSIGN_VARIABLE", "BATCH_TO_SPACE_ND", "BROADCAST_TO", "CONCATENATION", "DEPTH_TO_SPACE", "EMBEDDING_LOOKUP"),
    *("EXPAND_DIMS", "GATHER", "GATHER_ND", "MIRROR_PAD", "PACK", "PAD"),
    *("PADV2", "READ_VARIABLE", "RESHAPE", "REVERSE_V2", "SLICE", "SPACE_TO_BATCH_ND"),
    *("SPACE_TO_DEPTH", "SPLIT", "SPLIT_V", "SQUEEZE", "STRIDED_SLICE", "TILE"),
    *("TRANSPOSE", "UNPACK"),
}
"""Operators that move values, whatever they stand for: of any size, and with or without a scale."""
_ANY_TYPE = {"bool", "int16", "int32", "int64", "uint8"}
OTHER_TYPES: Mapping[str, set[str]] = {
    **dict.fromkeys(MOVED, _ANY_TYPE),
    "ASSIGN_VARIABLE": {*_ANY_TYPE, "resource"},
    "READ_VARIABLE": {*_ANY_TYPE, "resource"},
}
"""Types of computed values, beside int8, that an operator's writer takes; the writer checks which go together."""
