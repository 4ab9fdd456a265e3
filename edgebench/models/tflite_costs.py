"""Multiply-accumulates of one TFLite operator."""

from __future__ import annotations

import math
from collections.abc import Sequence

_Shape = tuple[int, ...]
_UNCOUNTED = {
    "CONV_3D", "CONV_3D_TRANSPOSE", "SVDF", "LSTM", "UNIDIRECTIONAL_SEQUENCE_LSTM", "BIDIRECTIONAL_SEQUENCE_LSTM",
    "RNN", "UNIDIRECTIONAL_SEQUENCE_RNN", "BIDIRECTIONAL_SEQUENCE_RNN", "WHILE", "IF",
}  # fmt: skip
"""Operators that multiply, but whose count is not derived here."""


def operator_macs(kind: str, inputs: Sequence[_Shape], outputs: Sequence[_Shape]) -> int | None:
    """Multiply-accumulates of one inference.

    Args:
        kind: Name in TFLite's schema.
        inputs: Shapes of the tensors it reads; weights are OHWI, 1HWO for depthwise convolutions.
        outputs: Shapes of the tensors it writes.

    Returns:
        0 for operators without products; None where the count is not derived, or shapes are missing.
    """
    if kind in _UNCOUNTED:
        return None
    try:
        if kind == "CONV_2D":
            return math.prod(outputs[0]) * math.prod(inputs[1][1:])
        if kind == "DEPTHWISE_CONV_2D":
            return math.prod(outputs[0]) * math.prod(inputs[1][1:3])
        if kind == "TRANSPOSE_CONV":
            # Inputs are the output's shape, the weights and the data.
            return math.prod(inputs[2]) * inputs[1][0] * math.prod(inputs[1][1:3])
        if kind == "FULLY_CONNECTED":
            return math.prod(outputs[0]) * inputs[1][-1]
        if kind == "BATCH_MATMUL":
            return math.prod(outputs[0]) * inputs[0][-1]
    except IndexError:
        return None
    return 0
