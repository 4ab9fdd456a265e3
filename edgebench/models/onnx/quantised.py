"""ONNX models that are quantised with QuantizeLinear and DequantizeLinear: float again, with their ranges kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebench.models.onnx.file import tensor_array
from edgebench.models.onnx.integer_operators import with_float_operators

Ranges = dict[str, tuple[float, float]]
_FLOAT = 1
"""Of ``TensorProto.DataType``."""
_NEVER_NEGATIVE = {"Relu", "Sigmoid", "Softmax", "HardSigmoid"}


def without_quantisation(model: Any) -> Ranges:
    """Take QuantizeLinear and DequantizeLinear out of a model's main graph, except those of constants.

    Operators between the two only move values, so they do the same to real ones. A quantisation whose lowest value
    is 0 replaces a ReLU that the quantiser removed: it is put back.

    Args:
        model: A ``ModelProto``; modified in place.

    Returns:
        By name of a value, the lowest and highest value that its scale and zero point can represent.

    Raises:
        UnsupportedModelError: It uses an integer operator that cannot be written as a float operator here.
    """
    graph = model.graph
    with_float_operators(model, _constants(graph))
    if not any(node.op_type in {"QuantizeLinear", "DequantizeLinear"} for node in graph.node):
        return {}
    constants = _constants(graph)
    inputs = {value.name for value in graph.input} - {tensor.name for tensor in graph.initializer}
    makers = {name: node for node in graph.node for name in node.output}
    ranges: Ranges = {}
    renamed: dict[str, str] = {}
    kept: list[Any] = []
    for node in graph.node:
        given = node.input[0] if node.input else ""
        for position, name in enumerate(node.input):
            node.input[position] = renamed.get(name, name)
        source = node.input[0] if node.input else ""
        if node.op_type == "QuantizeLinear" and source not in constants:
            _without(node, constants, makers, renamed, ranges, kept)
        elif node.op_type == "DequantizeLinear" and source not in constants and given not in inputs:
            renamed[node.output[0]] = source
        elif node.op_type == "DequantizeLinear" and given in inputs:
            kept += _of_integers(node)
        else:
            kept.append(node)
    for value in graph.output:
        if value.name in renamed:
            kept.append(_node("Identity", [renamed[value.name]], value.name))
            value.type.tensor_type.elem_type = _FLOAT
            if renamed[value.name] in ranges:
                ranges[value.name] = ranges[renamed[value.name]]
    copies = [_copy(node) for node in kept]
    del graph.node[:]
    graph.node.extend(copies)
    return ranges


def _without(
    node: Any,
    constants: Mapping[str, NDArray[Any]],
    makers: Mapping[str, Any],
    renamed: dict[str, str],
    ranges: Ranges,
    kept: list[Any],
) -> None:
    """A QuantizeLinear that is removed, or becomes the ReLU that it replaces."""
    source, name = node.input[0], node.output[0]
    scale, point = (constants.get(given) for given in (*node.input[1:3], "", "")[:2])
    before = makers.get(source)
    found = None if scale is None or scale.size != 1 else _range(float(scale.reshape(-1)[0]), point)
    rectified = found is not None and found[0] == 0 and (before is None or before.op_type not in _NEVER_NEGATIVE)
    if rectified:
        source = f"{name}/real"
        kept.append(_node("Relu", [node.input[0]], source))
    renamed[name] = source
    if found is not None:
        ranges[source] = found


def _of_integers(node: Any) -> list[Any]:
    """Integers from the application, as real numbers."""
    from onnx import helper

    name = node.output[0]
    real, shift = f"{name}/float", f"{name}/zero"
    nodes = [helper.make_node("Cast", [node.input[0]], [real], name=real, to=_FLOAT)]
    source = real
    if len(node.input) > 2 and node.input[2]:
        nodes.append(helper.make_node("Cast", [node.input[2]], [shift], name=shift, to=_FLOAT))
        nodes.append(_node("Sub", [real, shift], f"{name}/shifted"))
        source = f"{name}/shifted"
    return [*nodes, _node("Mul", [source, node.input[1]], name)]


def _range(scale: float, point: NDArray[Any] | None) -> tuple[float, float]:
    zero = np.zeros(1, np.uint8) if point is None else point.reshape(-1)
    limits = np.iinfo(zero.dtype)
    return (limits.min - int(zero[0])) * scale, (limits.max - int(zero[0])) * scale


def _constants(graph: Any) -> dict[str, NDArray[Any]]:
    found = {tensor.name: tensor_array(tensor) for tensor in graph.initializer}
    for node in graph.node:
        for item in node.attribute if node.op_type == "Constant" else ():
            if item.HasField("t"):
                found[node.output[0]] = tensor_array(item.t)
    return found


def _node(kind: str, inputs: Sequence[str], output: str) -> Any:
    from onnx import helper

    return helper.make_node(kind, list(inputs), [output], name=output)


def _copy(node: Any) -> Any:
    copy = type(node)()
    copy.CopyFrom(node)
    return copy
