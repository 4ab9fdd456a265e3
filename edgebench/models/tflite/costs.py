"""Multiply-accumulates of a TFLite graph for one inference."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from edgebench.models.mac_notes import not_counted
from edgebench.models.tflite.file import Graph, Operator

_Shape = tuple[int, ...]
_Shapes = Sequence[_Shape]
_Rule = Callable[[_Shapes, _Shape], int]
_MAX_LISTED = 5


def count_macs(graph: Graph) -> tuple[int, list[str]]:
    """Count convolutions, matrix products and recurrent layers at the shapes stored in the file.

    A convolution has output elements x kernel elements of one group (taps on padding count, as is the custom),
    a matrix product output elements x inner length, a recurrent layer time steps x batch x elements of its
    weight matrices. Additions of biases and everything element-wise are not counted.

    Returns:
        The count, and notes on operators that are not in it.
    """
    total = 0
    uncounted: Counter[str] = Counter()
    for operator in graph.operators:
        macs = _operator_macs(operator, graph)
        if macs is None:
            uncounted[operator.kind[:80]] += 1
        else:
            total += macs
    shown = [f"{count} x {kind}" for kind, count in uncounted.most_common(_MAX_LISTED)]
    listed = ", ".join([*shown, *(["others"] if len(uncounted) > _MAX_LISTED else [])])
    return total, [not_counted(listed)] if uncounted else []


def _operator_macs(operator: Operator, graph: Graph) -> int | None:
    if operator.custom or operator.kind in _UNCOUNTED:
        return None
    inputs = [graph.tensors[index].shape if index >= 0 else () for index in operator.inputs]
    return operator_macs(operator.kind, inputs, graph.tensors[operator.outputs[0]].shape) if operator.outputs else 0


def operator_macs(kind: str, inputs: _Shapes, output: _Shape) -> int | None:
    """Multiply-accumulates of one operator; None if its shapes do not fit together.

    Args:
        kind: Name in TFLite's schema.
        inputs: Shapes of its inputs.
        output: Shape of its first output.
    """
    rule = _RULES.get(kind)
    try:
        return rule(inputs, output) if rule else 0
    except (IndexError, ZeroDivisionError):
        return None


def _convolution(inputs: _Shapes, output: _Shape) -> int:
    """Weights are output channels, height, width, input channels of a group."""
    return math.prod(output) * math.prod(inputs[1][1:])


def _depthwise_convolution(inputs: _Shapes, output: _Shape) -> int:
    """Weights are 1, height, width, output channels."""
    return math.prod(output) * math.prod(inputs[1][1:3])


def _transposed_convolution(inputs: _Shapes, output: _Shape) -> int:  # noqa: ARG001 - one signature for all rules
    """Inputs are the output's shape, the weights (output channels first) and the data."""
    return math.prod(inputs[2]) * math.prod(inputs[1][:3])


def _convolution_3d(inputs: _Shapes, output: _Shape) -> int:
    """Weights are depth, height, width, input channels, output channels."""
    return math.prod(output) * math.prod(inputs[1][:4])


def _transposed_convolution_3d(inputs: _Shapes, output: _Shape) -> int:  # noqa: ARG001
    """Weights are depth, height, width, output channels, input channels."""
    return math.prod(inputs[2]) * math.prod(inputs[1][:4])


def _fully_connected(inputs: _Shapes, output: _Shape) -> int:
    """Weights are outputs, inputs."""
    return math.prod(output) * inputs[1][-1]


def _batch_matrix_product(inputs: _Shapes, output: _Shape) -> int:
    """The inner length follows from the left matrix, whether it is transposed or not."""
    return math.prod(output) * (inputs[0][-2] * inputs[0][-1] // output[-2])


def _recurrent(weights: slice) -> _Rule:
    """Layers that multiply each input vector with all of their two-dimensional weights."""

    def rule(inputs: _Shapes, output: _Shape) -> int:  # noqa: ARG001
        return math.prod(inputs[0][:-1]) * sum(math.prod(shape) for shape in inputs[weights] if len(shape) == 2)

    return rule


_RULES: Mapping[str, _Rule] = {
    "BATCH_MATMUL": _batch_matrix_product,
    "CONV_2D": _convolution,
    "CONV_3D": _convolution_3d,
    "CONV_3D_TRANSPOSE": _transposed_convolution_3d,
    "DEPTHWISE_CONV_2D": _depthwise_convolution,
    "FULLY_CONNECTED": _fully_connected,
    "RNN": _recurrent(slice(1, 3)),
    "SVDF": _recurrent(slice(1, 3)),
    "TRANSPOSE_CONV": _transposed_convolution,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": _recurrent(slice(1, 17)),
    "UNIDIRECTIONAL_SEQUENCE_RNN": _recurrent(slice(1, 3)),
}
_UNCOUNTED = frozenset(
    {
        "BIDIRECTIONAL_SEQUENCE_LSTM", "BIDIRECTIONAL_SEQUENCE_RNN", "CALL", "IF", "LSTM", "RFFT2D",
        "STABLEHLO_CASE", "STABLEHLO_COMPOSITE", "STABLEHLO_CONVOLUTION", "STABLEHLO_CUSTOM_CALL",
        "STABLEHLO_DOT_GENERAL", "STABLEHLO_WHILE", "WHILE",
    }
)  # fmt: skip
"""Operators that multiply or contain graphs, but whose count is not derived here."""
