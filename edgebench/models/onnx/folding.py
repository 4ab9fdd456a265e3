"""Folds the small constants from which an ONNX graph computes its shapes."""

from __future__ import annotations

import math
from collections import ChainMap
from collections.abc import MutableMapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebench.models.onnx.file import MAX_DIMENSIONS, subgraphs

_MAX_ELEMENTS = 1024
_MAX_EVALUATIONS = 20_000
_BROADCASTING = frozenset(
    {
        "Add", "And", "Div", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max", "Min", "Mod", "Mul",
        "Or", "Sub", "Where",
    }
)  # fmt: skip
_FOLDABLE = _BROADCASTING | {
    "Cast", "CastLike", "Ceil", "Concat", "ConstantOfShape", "Floor", "Gather", "Identity", "Neg", "Not", "Range",
    "ReduceMax", "ReduceMin", "ReduceProd", "ReduceSum", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze",
}  # fmt: skip
"""Operators of shape arithmetic."""
_FAILURES = (
    ArithmeticError, AssertionError, AttributeError, LookupError, NotImplementedError, RuntimeError, TypeError,
    ValueError,
)  # fmt: skip
"""What the reference implementation raises for invalid nodes."""

Values = MutableMapping[str, NDArray[Any]]
Shapes = MutableMapping[str, tuple[int, ...]]


def fold_constants(model: Any) -> int:
    """Replace shape arithmetic on constants with its result, and constant ``If`` nodes with the branch taken.

    Args:
        model: A ``ModelProto`` after shape inference; modified in place.

    Returns:
        How many nodes were replaced; 0 if there is nothing left to do.
    """
    versions = {opset.domain: opset.version for opset in model.opset_import}
    return _Folder(versions).fold(model.graph, ChainMap(), ChainMap())


def known_shapes(graph: Any) -> dict[str, tuple[int, ...]]:
    """Shapes of a graph's own values that are completely known, by name."""
    known = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    known |= {sparse.values.name: tuple(sparse.dims) for sparse in graph.sparse_initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        if not value.type.HasField("tensor_type") or not value.type.tensor_type.HasField("shape"):
            continue
        dimensions = value.type.tensor_type.shape.dim
        if len(dimensions) > MAX_DIMENSIONS:
            continue
        if all(dimension.HasField("dim_value") and dimension.dim_value >= 0 for dimension in dimensions):
            known[value.name] = tuple(dimension.dim_value for dimension in dimensions)
    return known


class _Folder:
    def __init__(self, versions: dict[str, int]) -> None:
        self._versions = versions
        self._evaluations = 0

    def fold(self, graph: Any, values: ChainMap[str, NDArray[Any]], shapes: ChainMap[str, tuple[int, ...]]) -> int:
        """Fold one graph and the graphs inside it; what is known from outer graphs is passed down."""
        values.update((t.name, array) for t in graph.initializer if (array := _small_array(t)) is not None)
        shapes.update(known_shapes(graph))
        names = _defined(graph)
        folded = 0
        result: list[Any] = []
        for node in graph.node:
            branch = _branch_taken(node, values)
            # A branch that uses names of the graph cannot become part of it.
            if branch is not None and names.isdisjoint(_defined(branch)):
                names |= _defined(branch)
                folded += 1 + self.fold(branch, values.new_child(), shapes.new_child())
                result.extend(_inlined(node, branch, graph))
                continue
            for inner in subgraphs(node):
                folded += self.fold(inner, values.new_child(), shapes.new_child())
            array = _constant(node) if node.op_type == "Constant" else self._value(node, values, shapes)
            if array is not None:
                values[node.output[0]] = array
                folded += node.op_type != "Constant"
            result.append(node if array is None or node.op_type == "Constant" else _constant_node(node, array))
        if folded:
            copies = [_copied(node) for node in result]
            del graph.node[:]
            graph.node.extend(copies)
        return folded

    def _value(self, node: Any, values: Values, shapes: Shapes) -> NDArray[Any] | None:
        if len(node.output) != 1 or node.domain not in {"", "ai.onnx"} or not node.input:
            return None
        if node.op_type in {"Shape", "Size"} and node.input[0] in shapes:
            return _shape_value(node, shapes[node.input[0]])
        inputs = {name: values[name] for name in node.input if name in values}
        if node.op_type not in _FOLDABLE or len(inputs) != len({name for name in node.input if name}):
            return None
        self._evaluations += 1
        if self._evaluations <= _MAX_EVALUATIONS and _stays_small(node, [inputs[name] for name in node.input if name]):
            return self._evaluated(node, inputs)
        return None

    def _evaluated(self, node: Any, inputs: dict[str, NDArray[Any]]) -> NDArray[Any] | None:
        from onnx.reference import ReferenceEvaluator

        try:
            with np.errstate(all="ignore"):
                (result,) = ReferenceEvaluator(node, opsets=self._versions).run(None, inputs)
        except _FAILURES:
            return None
        array = np.asarray(result)
        return array if array.size <= _MAX_ELEMENTS and array.dtype.kind in "biuf" else None


def _small_array(tensor: Any) -> NDArray[Any] | None:
    import onnx

    if not 0 <= math.prod(tensor.dims) <= _MAX_ELEMENTS or tensor.data_location == onnx.TensorProto.EXTERNAL:
        return None
    try:
        array = onnx.numpy_helper.to_array(tensor)
    except _FAILURES:
        return None
    return array if array.dtype.kind in "biuf" else None


def _constant(node: Any) -> NDArray[Any] | None:
    """The value of a constant node."""
    if len(node.output) != 1:
        return None
    for attribute in node.attribute:
        if attribute.name == "value" and attribute.HasField("t"):
            return _small_array(attribute.t)
        if attribute.name == "value_int":
            return np.array(attribute.i, np.int64)
        if attribute.name == "value_float":
            return np.array(attribute.f, np.float32)
        if attribute.name == "value_ints" and len(attribute.ints) <= _MAX_ELEMENTS:
            return np.array(attribute.ints, np.int64)
    return None


def _shape_value(node: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    if node.op_type == "Size":
        return np.array(min(math.prod(shape), 2**63 - 1), np.int64)
    limits = {attribute.name: attribute.i for attribute in node.attribute}
    return np.array(shape[limits.get("start", 0) : limits.get("end", len(shape))], np.int64)


def _stays_small(node: Any, inputs: list[NDArray[Any]]) -> bool:
    """Whether a result is about as small as the values it is computed from."""
    if not inputs or sum(array.size for array in inputs) > 4 * _MAX_ELEMENTS:
        return False
    elements = 0.0
    if node.op_type == "ConstantOfShape":
        elements = math.prod(int(size) for size in inputs[0].flat)
    elif node.op_type == "Range":
        if len(inputs) != 3 or any(array.size != 1 for array in inputs):
            return False
        start, limit, delta = (float(array.flat[0]) for array in inputs)
        elements = abs(limit - start) / abs(delta) if delta else math.inf
    elif node.op_type in _BROADCASTING:
        try:
            elements = math.prod(np.broadcast_shapes(*(array.shape for array in inputs)))
        except ValueError:
            return False
    return elements <= _MAX_ELEMENTS


def _defined(graph: Any) -> set[str]:
    """Names that a graph gives to values."""
    names = {tensor.name for tensor in graph.initializer} | {value.name for value in graph.input}
    return names.union(name for node in graph.node for name in node.output if name)


def _branch_taken(node: Any, values: Values) -> Any | None:
    """The branch of an ``If`` whose condition is a constant."""
    condition = values.get(node.input[0]) if node.op_type == "If" and node.input else None
    if condition is None or condition.size != 1:
        return None
    wanted = "then_branch" if bool(condition.flat[0]) else "else_branch"
    branch = next((a.g for a in node.attribute if a.name == wanted and a.HasField("g")), None)
    return branch if branch is not None and len(branch.output) == len(node.output) else None


def _inlined(node: Any, branch: Any, graph: Any) -> list[Any]:
    """A branch's nodes, and its outputs under the names of the ``If``; its initializers move to the graph."""
    from onnx import helper

    graph.initializer.extend(branch.initializer)
    graph.sparse_initializer.extend(branch.sparse_initializer)
    renamed = [
        helper.make_node("Identity", [inner.name], [outer])
        for inner, outer in zip(branch.output, node.output, strict=True)
        if outer
    ]
    return [*branch.node, *renamed]


def _constant_node(node: Any, array: NDArray[Any]) -> Any:
    from onnx import helper, numpy_helper

    return helper.make_node("Constant", [], [node.output[0]], value=numpy_helper.from_array(array))


def _copied(node: Any) -> Any:
    """A copy of a node that outlives the graph it was taken from."""
    copy = type(node)()
    copy.CopyFrom(node)
    return copy
