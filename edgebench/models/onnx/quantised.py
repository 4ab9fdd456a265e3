"""ONNX models that are quantised with QuantizeLinear and DequantizeLinear: float again, with their ranges kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebench.errors import UnsupportedModelError

Ranges = dict[str, tuple[float, float]]
_NEVER_NEGATIVE = {"Relu", "Sigmoid", "Softmax", "HardSigmoid"}
_INTEGER_ONLY = {
    "QLinearConv",
    "QLinearMatMul",
    "ConvInteger",
    "MatMulInteger",
    "QLinearAdd",
    "QLinearGlobalAveragePool",
}


def without_quantisation(model: Any, where: str) -> Ranges:
    """Take the pairs of QuantizeLinear and DequantizeLinear out of a model's main graph.

    A pair whose lowest value is 0 stands for a ReLU that the quantiser took away: it is put back.

    Args:
        model: A ``ModelProto``; changed in place.
        where: Its name, for messages.

    Returns:
        By name of a value, the lowest and highest that its scale and zero point can stand for.

    Raises:
        UnsupportedModelError: It uses integer operators, which have no float form here.
    """
    graph = model.graph
    integers = sorted({node.op_type for node in graph.node} & _INTEGER_ONLY)
    if integers:
        raise UnsupportedModelError(
            f"the model computes with integer operators ({', '.join(integers)})",
            operators=tuple(integers),
            where=where,
            remedy="quantise it in the QDQ format (onnxruntime.quantization, quant_format=QuantFormat.QDQ), "
            "or give the float model",
        )
    constants = _constants(graph)
    makers = {name: node for node in graph.node for name in node.output}
    ranges: Ranges = {}
    renamed: dict[str, str] = {}
    kept: list[Any] = []
    for node in graph.node:
        for position, name in enumerate(node.input):
            node.input[position] = renamed.get(name, name)
        maker = makers.get(node.input[0]) if node.input else None
        if node.op_type == "DequantizeLinear" and maker is not None and maker.op_type == "QuantizeLinear":
            _unpaired(node, maker, constants, makers, renamed, ranges, kept)
        elif node.op_type != "QuantizeLinear" or node.input[0] in constants:
            kept.append(node)
    outputs = [value.name for value in graph.output if value.name in renamed]
    kept += [_node("Identity", renamed[name], name) for name in outputs]
    del graph.node[:]
    graph.node.extend(kept)
    return ranges


def _unpaired(
    node: Any,
    maker: Any,
    constants: Mapping[str, NDArray[Any]],
    makers: Mapping[str, Any],
    renamed: dict[str, str],
    ranges: Ranges,
    kept: list[Any],
) -> None:
    source = maker.input[0]
    scale, point = (constants.get(name) for name in (*node.input[1:3], "", "")[:2])
    name = node.output[0]
    before = makers.get(source)
    found = None if scale is None or scale.size != 1 else _range(float(scale.reshape(-1)[0]), point)
    rectified = found is not None and found[0] == 0 and (before is None or before.op_type not in _NEVER_NEGATIVE)
    if rectified:
        kept.append(_node("Relu", source, name))
    else:
        renamed[name] = renamed.get(source, source)
    if found is not None:
        ranges[name if rectified else renamed[name]] = found


def _range(scale: float, point: NDArray[Any] | None) -> tuple[float, float]:
    zero = np.zeros(1, np.uint8) if point is None else point.reshape(-1)
    limits = np.iinfo(zero.dtype)
    return (limits.min - int(zero[0])) * scale, (limits.max - int(zero[0])) * scale


def _constants(graph: Any) -> dict[str, NDArray[Any]]:
    from onnx import numpy_helper

    found = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in graph.node:
        for item in node.attribute if node.op_type == "Constant" else ():
            if item.HasField("t"):
                found[node.output[0]] = numpy_helper.to_array(item.t)
    return found


def _node(kind: str, source: str, output: str) -> Any:
    from onnx import helper

    return helper.make_node(kind, [source], [output], name=output)
