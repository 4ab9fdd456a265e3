"""How each TFLite operator becomes a call of a kernel."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from edgebench.models.tflite.quantised_graph import QuantisedOperator
from edgebench.targets.mcu.layer_code import CodeContext, LayerCode
from edgebench.targets.mcu.operators import (
    arithmetic,
    columns,
    convolutions,
    curves,
    dense,
    elementwise,
    gathering,
    logic,
    matmul,
    movement,
    normalisation,
    pooling,
    rearranging,
    recurrent,
    reductions,
    requantising,
    resizing,
    variables,
    wide,
)

Writer = Callable[[CodeContext, QuantisedOperator, int], LayerCode]


def _by_width(narrow: Writer, of_16_bits: Writer) -> Writer:
    """A writer that leaves values of 16 bits to another one."""

    def write(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
        types = {context.tensor(i).dtype for i in (operator.inputs[0], operator.outputs[0])}
        return (of_16_bits if "int16" in types else narrow)(context, operator, index)

    return write


_function = _by_width(elementwise.table, curves.wide_function)
_pool = _by_width(pooling.pool, wide.pool)
WRITERS: Mapping[str, Writer] = {
    "ABS": _function,
    "ADD": arithmetic.binary,
    "ARG_MAX": logic.extreme,
    "ARG_MIN": logic.extreme,
    "ASSIGN_VARIABLE": variables.assign_variable,
    "AVERAGE_POOL_2D": _pool,
    "BATCH_MATMUL": matmul.batch_matmul,
    "BATCH_TO_SPACE_ND": rearranging.batch_to_space,
    "BROADCAST_TO": rearranging.broadcast_to,
    "CAST": logic.cast,
    "CONCATENATION": movement.concatenation,
    "CONV_2D": _by_width(convolutions.conv, wide.conv),
    "DEPTHWISE_CONV_2D": _by_width(convolutions.depthwise, wide.depthwise),
    "DEPTH_TO_SPACE": rearranging.depth_to_space,
    "DIV": arithmetic.binary,
    "ELU": elementwise.table,
    "EMBEDDING_LOOKUP": gathering.embedding_lookup,
    "EQUAL": logic.compare,
    "EXP": _function,
    "EXPAND_DIMS": movement.reshape,
    "FLOOR_DIV": logic.integers,
    "FLOOR_MOD": logic.integers,
    "FULLY_CONNECTED": _by_width(dense.fully_connected, wide.fully_connected),
    "GATHER": gathering.gather,
    "GATHER_ND": gathering.gather_nd,
    "GELU": _function,
    "GREATER": logic.compare,
    "GREATER_EQUAL": logic.compare,
    "HARD_SWISH": elementwise.table,
    "L2_NORMALIZATION": normalisation.l2_normalization,
    "LEAKY_RELU": _function,
    "LESS": logic.compare,
    "LESS_EQUAL": logic.compare,
    "LOG": _function,
    "LOGICAL_AND": logic.logical,
    "LOGICAL_NOT": logic.logical,
    "LOGICAL_OR": logic.logical,
    "LOGISTIC": _function,
    "LOG_SOFTMAX": normalisation.log_softmax,
    "MAXIMUM": arithmetic.binary,
    "MAX_POOL_2D": _pool,
    "MEAN": reductions.reduction,
    "MINIMUM": arithmetic.binary,
    "MIRROR_PAD": rearranging.mirror_pad,
    "MUL": arithmetic.binary,
    "NEG": _function,
    "NOT_EQUAL": logic.compare,
    "PACK": movement.concatenation,
    "PAD": rearranging.pad,
    "PADV2": rearranging.pad,
    "PRELU": arithmetic.binary,
    "QUANTIZE": requantising.quantize,
    "READ_VARIABLE": variables.read_variable,
    "REDUCE_MAX": reductions.reduction,
    "REDUCE_MIN": reductions.reduction,
    "REDUCE_PROD": reductions.reduction,
    "RELU": _function,
    "RELU6": _function,
    "RELU_0_TO_1": elementwise.table,
    "RELU_N1_TO_1": elementwise.table,
    "RESHAPE": movement.reshape,
    "RESIZE_BILINEAR": resizing.resize_bilinear,
    "RESIZE_NEAREST_NEIGHBOR": resizing.resize_nearest,
    "REVERSE_V2": movement.reverse,
    "RSQRT": _function,
    "SELECT": logic.select,
    "SELECT_V2": logic.select,
    "SLICE": movement.slice_,
    "SOFTMAX": _by_width(normalisation.softmax, normalisation.wide_softmax),
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
    "SVDF": recurrent.svdf,
    "TANH": _function,
    "TILE": rearranging.tile,
    "TRANSPOSE": movement.transpose,
    "TRANSPOSE_CONV": columns.transposed,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": recurrent.lstm,
    "UNPACK": movement.unpack,
}
_ELEMENTWISE = {elementwise.table, arithmetic.binary, requantising.quantize, _function}
IN_PLACE = {kind for kind, writer in WRITERS.items() if writer in _ELEMENTWISE} | {
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
_SHORT_OR_PLAIN = {"int16", *logic.PLAIN}
_SHORT = {"int16"}
_SHORT_WRITERS = {_function, _pool, reductions.reduction, arithmetic.binary}
_WIDE = {
    *(kind for kind, writer in WRITERS.items() if writer in _SHORT_WRITERS),
    *("BATCH_MATMUL", "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "SOFTMAX", "SVDF"),
    *("RESIZE_BILINEAR", "TRANSPOSE_CONV", "UNIDIRECTIONAL_SEQUENCE_LSTM"),
} - {"SQUARED_DIFFERENCE"}
OTHER_TYPES: Mapping[str, set[str]] = {
    **dict.fromkeys(_WIDE, _SHORT),
    **dict.fromkeys(("ADD", "MAXIMUM", "MINIMUM", "MUL", "SUB"), _SHORT_OR_PLAIN),
    **dict.fromkeys(("FLOOR_DIV", "FLOOR_MOD"), logic.PLAIN),
    "DIV": {"int16", "int32"},
    **dict.fromkeys(MOVED, _INTEGERS),
    **dict.fromkeys(("ASSIGN_VARIABLE", "READ_VARIABLE"), _HANDLES),
    **dict.fromkeys((kind for kind, writer in WRITERS.items() if writer in {logic.compare, logic.extreme}), _INTEGERS),
    **dict.fromkeys(("LOGICAL_AND", "LOGICAL_NOT", "LOGICAL_OR"), _TRUTH),
    "QUANTIZE": {"int16", "int32", "uint8"},
}
"""Types of computed values, beside int8, that an operator's writer takes; the writer checks which go together."""
