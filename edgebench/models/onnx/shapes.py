"""Infers the shapes of all values of an ONNX graph at given input shapes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgebench.models.onnx.file import graphs
from edgebench.models.onnx.folding import fold_constants

_MAX_ROUNDS = 12
_MAX_NODES = 200_000
"""Maximum number of nodes visited over all rounds."""
_MAX_CALLED_NODES = 100_000
_FIRST, _FIRST_TWO, _FIRST_THREE, _WITHOUT_SCALES = slice(0, 1), slice(0, 2), slice(0, 3), slice(0, 4, 3)
_STANDARD_OPERATORS: Mapping[str, tuple[str, slice]] = {
    "BiasGelu": ("Identity", _FIRST),
    "DynamicQuantizeMatMul": ("MatMul", _FIRST_TWO),
    "FastGelu": ("Identity", _FIRST),
    "FusedConv": ("Conv", _FIRST_THREE),
    "FusedGemm": ("Gemm", _FIRST_THREE),
    "Gelu": ("Identity", _FIRST),
    "MatMulIntegerToFloat": ("MatMul", _FIRST_TWO),
    "QGemm": ("Gemm", _WITHOUT_SCALES),
    "QLinearAdd": ("Add", _WITHOUT_SCALES),
    "QLinearAveragePool": ("AveragePool", _FIRST),
    "QLinearConcat": ("Concat", slice(2, None, 3)),
    "QLinearGlobalAveragePool": ("GlobalAveragePool", _FIRST),
    "QLinearLeakyRelu": ("Identity", _FIRST),
    "QLinearMul": ("Mul", _WITHOUT_SCALES),
    "QLinearSigmoid": ("Identity", _FIRST),
    "QLinearSoftmax": ("Identity", _FIRST),
    "QuickGelu": ("Identity", _FIRST),
    "SkipLayerNormalization": ("Identity", _FIRST),
    "SkipSimplifiedLayerNormalization": ("Identity", _FIRST),
}
"""Operators of ONNX Runtime, and the operator of the standard and its inputs that give the same shape and MACs."""
_MICROSOFT = "com.microsoft"


def infer_shapes(model: Any, shapes: Mapping[str, tuple[int, ...]], values: Mapping[str, int]) -> Any:
    """A copy of a model for counting: its values have their shapes wherever these can be inferred.

    Shape arithmetic on constants is computed, ``If`` nodes with a constant condition are replaced by the branch
    taken, functions by their bodies, and fused operators of ONNX Runtime by operators of the standard.

    Args:
        model: A parsed ``ModelProto``; the data of large tensors is not needed.
        shapes: Shapes of inputs, by name.
        values: Values of inputs that do not vary, by name.
    """
    model = _without_functions(model)
    _set_sizes(model.graph, shapes)
    _set_values(model.graph, values)
    for graph in graphs(model.graph):
        _standardise(graph)
    model = _inferred(model)
    rounds = min(_MAX_ROUNDS, 1 + _MAX_NODES // max(1, sum(len(graph.node) for graph in graphs(model.graph))))
    for _ in range(rounds):
        if not fold_constants(model):
            break
        model = _inferred(model)
    return model


def _inferred(model: Any) -> Any:
    from onnx import shape_inference

    for graph in graphs(model.graph):
        _forget_open_shapes(graph)
    try:
        return shape_inference.infer_shapes(model, strict_mode=False, data_prop=True)
    except (shape_inference.InferenceError, ValueError, RuntimeError):
        return model


def _forget_open_shapes(graph: Any) -> None:
    """Drop what an earlier round or the exporter did not know, so that it does not block inference."""
    closed = [value for value in graph.value_info if not _is_open(value)]
    if len(closed) < len(graph.value_info):
        kept = [value.SerializeToString() for value in closed]
        del graph.value_info[:]
        for serialised in kept:
            graph.value_info.add().ParseFromString(serialised)
    for value in graph.output:
        if value.type.HasField("tensor_type") and _is_open(value):
            value.type.tensor_type.ClearField("shape")


def _is_open(value: Any) -> bool:
    dimensions = value.type.tensor_type.shape.dim
    return any(not dimension.HasField("dim_value") or dimension.dim_value < 0 for dimension in dimensions)


def _set_sizes(graph: Any, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Give inputs their shapes, and the dimensions of other values that have the same names."""
    sizes: dict[str, int] = {}
    for value in graph.input:
        for dimension, size in zip(value.type.tensor_type.shape.dim, shapes.get(value.name, ()), strict=False):
            if dimension.dim_param:
                sizes.setdefault(dimension.dim_param, size)
            dimension.Clear()
            dimension.dim_value = size
    for inner in graphs(graph):
        for value in (*inner.input, *inner.value_info, *inner.output):
            for dimension in value.type.tensor_type.shape.dim:
                if dimension.dim_param in sizes:
                    dimension.dim_value = sizes[dimension.dim_param]


def _set_values(graph: Any, values: Mapping[str, int]) -> None:
    """Make inputs of one element constant."""
    from onnx import helper

    for value in graph.input:
        tensor = value.type.tensor_type
        if value.name in values and all(dimension.dim_value == 1 for dimension in tensor.shape.dim):
            shape = [1] * len(tensor.shape.dim)
            graph.initializer.append(helper.make_tensor(value.name, tensor.elem_type, shape, [values[value.name]]))


def _standardise(graph: Any) -> None:
    """Replace ONNX Runtime's operators with standard ones."""
    replaced: set[str] = set()
    for node in graph.node:
        if node.domain != _MICROSOFT or node.op_type not in _STANDARD_OPERATORS:
            continue
        if any(attribute.name == "channels_last" and attribute.i for attribute in node.attribute):
            continue
        name, positions = _STANDARD_OPERATORS[node.op_type]
        inputs = list(node.input)[positions]
        node.op_type, node.domain = name, ""
        del node.input[:]
        node.input.extend(inputs)
        replaced.update(node.output)
    # The type in the file may differ from that of the standard operator.
    for value in (*graph.value_info, *graph.output):
        if value.name in replaced:
            value.type.tensor_type.ClearField("elem_type")


def _without_functions(model: Any) -> Any:
    """A copy with functions replaced by their bodies, or dropped if that would be enormous."""
    from onnx import inliner

    copy = type(model)()
    copy.CopyFrom(model)
    if not copy.functions:
        return copy
    if _called_nodes(copy) <= _MAX_CALLED_NODES:
        try:
            return inliner.inline_local_functions(copy)
        except (ValueError, RuntimeError):
            pass
    # Functions that call each other twice over many levels would keep shape inference busy for ever.
    del copy.functions[:]
    return copy


def _called_nodes(model: Any) -> int:
    """Nodes of a model with all functions replaced by their bodies; more than the limit for recursive ones."""
    bodies = {(function.domain, function.name): function for function in model.functions}
    sizes: dict[tuple[str, str], int] = {}

    def size_of(holder: Any, depth: int) -> int:
        if depth > len(bodies):
            return _MAX_CALLED_NODES + 1
        total = 0
        for graph in graphs(holder):
            for node in graph.node:
                key = (node.domain, node.op_type)
                if key in bodies and key not in sizes:
                    sizes[key] = size_of(bodies[key], depth + 1)
                total += sizes.get(key, 1)
        return min(total, _MAX_CALLED_NODES + 1)

    return size_of(model.graph, 0)
