"""How each TFLite operator becomes a call of a kernel."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from edgebench.models.tflite.quantised_graph import QuantisedOperator
from edgebench.targets.mcu.layer_code import CodeContext, LayerCode
from edgebench.targets.mcu.operators import (
    arithmetic,
    columns,
    convolutions,
    elementwise,
    gathering,
    logic,
    movement,
    normalisation,
    pooling,
    rearranging,
    reductions,
    resizing,
    variables,
)

Writer = Callable[[CodeContext, QuantisedOperator, int], LayerCode]
WRITERS: Mapping[str, Writer] = {
    "ABS": elementwise.table,
    "ADD": arithmetic.binary,
    "ARG_MAX": logic.extreme,
    "ARG_MIN": logic.extreme,
    "ASSIGN_VARIABLE": variables.assign_variable,
    "AVERAGE_POOL_2D": pooling.pool,
    "BATCH_TO_SPACE_ND": rearranging.batch_to_space,
    "BROADCAST_TO": rearranging.broadcast_to,
    "CAST": logic.cast,
    "CONCATENATION": movement.concatenation,
    "CONV_2D": convolutions.conv,
    "DEPTHWISE_CONV_2D": convolutions.depthwise,
    "DEPTH_TO_SPACE": rearranging.depth_to_space,
    "DIV": arithmetic.binary,
    "ELU": elementwise.table,
    "EMBEDDING_LOOKUP": gathering.embedding_lookup,
    "EQUAL": logic.compare,
    "EXP": elementwise.table,
    "EXPAND_DIMS": movement.reshape,
    "FULLY_CONNECTED": convolutions.fully_connected,
    "GATHER": gathering.gather,
    "GATHER_ND": gathering.gather_nd,
    "GELU": elementwise.table,
    "GREATER": logic.compare,
    "GREATER_EQUAL": logic.compare,
    "HARD_SWISH": elementwise.table,
    "L2_NORMALIZATION": normalisation.l2_normalization,
    "LEAKY_RELU": elementwise.table,
    "LESS": logic.compare,
    "LESS_EQUAL": logic.compare,
    "LOG": elementwise.table,
    "LOGICAL_AND": logic.logical,
    "LOGICAL_NOT": logic.logical,
    "LOGICAL_OR": logic.logical,
    "LOGISTIC": elementwise.table,
    "LOG_SOFTMAX": normalisation.log_softmax,
    "MAXIMUM": arithmetic.binary,
    "MAX_POOL_2D": pooling.pool,
    "MEAN": reductions.reduction,
    "MINIMUM": arithmetic.binary,
    "MIRROR_PAD": rearranging.mirror_pad,
    "MUL": arithmetic.binary,
    "NEG": elementwise.table,
    "NOT_EQUAL": logic.compare,
    "PACK": movement.concatenation,
    "PAD": rearranging.pad,
    "PADV2": rearranging.pad,
    "PRELU": arithmetic.binary,
    "QUANTIZE": elementwise.table,
    "READ_VARIABLE": variables.read_variable,
    "REDUCE_MAX": reductions.reduction,
    "REDUCE_MIN": reductions.reduction,
    "REDUCE_PROD": reductions.reduction,
    "RELU": elementwise.table,
    "RELU6": elementwise.table,
    "RELU_0_TO_1": elementwise.table,
    "RELU_N1_TO_1": elementwise.table,
    "RESHAPE": movement.reshape,
    "RESIZE_BILINEAR": resizing.resize_bilinear,
    "RESIZE_NEAREST_NEIGHBOR": resizing.resize_nearest,
    "REVERSE_V2": movement.reverse,
    "RSQRT": elementwise.table,
    "SELECT": logic.select,
    "SELECT_V2": logic.select,
    "SLICE": movement.slice_,
    "SOFTMAX": normalisation.softmax,
    "SPACE_TO_BATCH_ND": rearranging.space_to_batch,
    "SPACE_TO_DEPTH": rearranging.space_to_depth,
    "SPLIT": movement.split,
    "SPLIT_V": movement.split,
    "SQRT": elementwise.table,
    "SQUARED_DIFFERENCE": arithmetic.binary,
    "SQUEEZE": movement.reshape,
    "STRIDED_SLICE": movement.strided_slice,
    "SUB": arithmetic.binary,
    "SUM": reductions.reduction,
    "TANH": elementwise.table,
    "TILE": rearranging.tile,
    "TRANSPOSE": movement.transpose,
    "TRANSPOSE_CONV": columns.transposed,
    "UNPACK": movement.unpack,
}
IN_PLACE = {kind for kind, writer in WRITERS.items() if writer in {elementwise.table, arithmetic.binary}} | {
    "RESHAPE",
    "SQUEEZE",
    "EXPAND_DIMS",
}
"""Operators that read each value before they write over it, so that their output may lie where an input dies."""
MOVED = {
    *("ASSIGN_VARIABLE", "BATCH_TO_SPACE_ND", "BROADCAST_TO", "CAST", "CONCATENATION", "DEPTH_TO_SPACE"),
    *("EMBEDDING_LOOKUP", "EXPAND_DIMS", "GATHER", "GATHER_ND", "MIRROR_PAD", "PACK"),
    *("PAD", "PADV2", "READ_VARIABLE", "RESHAPE", "RESIZE_NEAREST_NEIGHBOR", "REVERSE_V2"),
    *("SELECT", "SELECT_V2", "SLICE", "SPACE_TO_BATCH_ND", "SPACE_TO_DEPTH", "SPLIT"),
    *("SPLIT_V", "SQUEEZE", "STRIDED_SLICE", "TILE", "TRANSPOSE", "UNPACK"),
}
"""Operators that move values, whatever they stand for: of any size, and with or without a scale."""
_INTEGERS = {"bool", "int16", "int32", "int64", "uint8"}
_HANDLES = {*_INTEGERS, "resource"}
_TRUTH = {"bool"}
OTHER_TYPES: Mapping[str, set[str]] = {
    **dict.fromkeys(MOVED, _INTEGERS),
    **dict.fromkeys(("ASSIGN_VARIABLE", "READ_VARIABLE"), _HANDLES),
    **dict.fromkeys((kind for kind, writer in WRITERS.items() if writer in {logic.compare, logic.extreme}), _INTEGERS),
    **dict.fromkeys(("LOGICAL_AND", "LOGICAL_NOT", "LOGICAL_OR"), _TRUTH),
    "RESIZE_BILINEAR": {"int16"},
}
"""Types of computed values, beside int8, that an operator's writer takes; the writer checks which go together."""
