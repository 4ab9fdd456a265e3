"""Multiply-accumulates of one TFLite operator."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

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
    rule = _RULES.get(kind)
    try:
        return rule(inputs, outputs[0]) if rule else 0
    except IndexError:
        return None


_RULES: Mapping[str, Callable[[Sequence[_Shape], _Shape], int]] = {
    "CONV_2D": lambda inputs, output: math.prod(output) * math.prod(inputs[1][1:]),
    "DEPTHWISE_CONV_2D": lambda inputs, output: math.prod(output) * math.prod(inputs[1][1:3]),
    # Inputs are the output's shape, the weights and the data.
    "TRANSPOSE_CONV": lambda inputs, _: math.prod(inputs[2]) * inputs[1][0] * math.prod(inputs[1][1:3]),
    "FULLY_CONNECTED": lambda inputs, output: math.prod(output) * inputs[1][-1],
    "BATCH_MATMUL": lambda inputs, output: math.prod(output) * inputs[0][-1],
}
