"""What TensorFlow Lite's int8 kernels require of the scales of their inputs and outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgebench.models.tflite.int8.scale import Scale


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Where an operator has its weights, with one scale per channel.

    Attributes:
        data: Position of the input that is computed.
        bias: Position of the bias, which is int32 in steps of data times weights.
        axis: Channels of the weights, which are the second input.
    """

    data: int = 0
    bias: int = 2
    axis: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """The int8 kernel of an operator.

    Attributes:
        version: First version of the operator with this kernel.
        moves: Whether it only moves or compares values, so that inputs and outputs share one scale.
        output: The only scale that its output can have.
        weights: Where its weights are.
    """

    version: int = 1
    moves: bool = False
    output: Scale | None = None
    weights: Weights | None = None


_FREE = Form()
_FREE2 = Form(version=2)
_MOVES = Form(moves=True)
_MOVES2 = Form(version=2, moves=True)
_UNIT = Scale(step=1 / 256, zero_point=-128)
_SIGNED_UNIT = Scale(step=1 / 128, zero_point=0)

FORMS: Mapping[str, Form] = {
    "CONV_2D": Form(version=3, weights=Weights(axis=0)),
    "DEPTHWISE_CONV_2D": Form(version=3, weights=Weights(axis=3)),
    "FULLY_CONNECTED": Form(version=4, weights=Weights(axis=0)),
    "TRANSPOSE_CONV": Form(version=2, weights=Weights(data=2, bias=3, axis=0)),
    "LOGISTIC": Form(version=2, output=_UNIT),
    "SOFTMAX": Form(version=2, output=_UNIT),
    "TANH": Form(version=2, output=_SIGNED_UNIT),
    "L2_NORMALIZATION": Form(version=2, output=_SIGNED_UNIT),
    "LOG_SOFTMAX": Form(version=2, output=Scale(step=16 / 256, zero_point=127)),
    **dict.fromkeys(
        (
            "ABS", "BATCH_MATMUL", "DIV", "EQUAL", "GREATER", "GREATER_EQUAL", "LEAKY_RELU", "LESS", "LESS_EQUAL",
            "MEAN", "MUL", "NOT_EQUAL", "REDUCE_PROD", "RELU", "RELU6", "RSQRT", "SQRT", "SQUARED_DIFFERENCE", "SUB",
            "ADD",
        ),
        _FREE2,
    ),
    **dict.fromkeys(
        ("ELU", "EXP", "GELU", "HARD_SWISH", "LOG", "NEG", "PRELU", "RELU_0_TO_1", "RELU_N1_TO_1"), _FREE
    ),
    **dict.fromkeys(
        (
            "ARG_MAX", "ARG_MIN", "AVERAGE_POOL_2D", "BATCH_TO_SPACE_ND", "BROADCAST_TO", "CONCATENATION", "GATHER",
            "GATHER_ND", "MAXIMUM", "MAX_POOL_2D", "MINIMUM", "MIRROR_PAD", "PACK", "PAD", "PADV2", "REDUCE_MAX",
            "REDUCE_MIN", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "REVERSE_V2", "SLICE", "SPACE_TO_BATCH_ND",
            "SPACE_TO_DEPTH", "SPLIT", "SPLIT_V", "STRIDED_SLICE", "TILE", "TOPK_V2", "TRANSPOSE", "UNPACK",
        ),
        _MOVES2,
    ),
    **dict.fromkeys(
        (
            "DEPTH_TO_SPACE", "DYNAMIC_UPDATE_SLICE", "EXPAND_DIMS", "RESHAPE", "REVERSE_SEQUENCE", "SCATTER_ND",
            "SELECT", "SELECT_V2", "SQUEEZE",
        ),
        _MOVES,
    ),
}  # fmt: skip
"""Kernels by name of the operator. State and recurrent layers have their own rules, SUM is written with others."""

CLAMPS: Mapping[str, tuple[float, float]] = {
    "RELU": (0.0, float("inf")),
    "RELU6": (0.0, 6.0),
    "RELU_0_TO_1": (0.0, 1.0),
    "RELU_N1_TO_1": (-1.0, 1.0),
}
"""Operators that cut values off, and where."""
