"""Branches: an ``If`` whose condition is known is replaced by the branch that is taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from edgebench.errors import InputError

Array = NDArray[Any]


Run = Callable[[Any, Sequence[str], Mapping[str, Array]], Mapping[str, Array]]
"""Runs a ``ModelProto``; takes the names of wanted values, and inputs."""
_MOST = 1000
"""Maximum number of branches that are opened, including nested ones."""


def take_branches(model: Any, values: Mapping[str, Array], run: Run) -> dict[str, Array]:
    """Replace each ``If`` of the main graph by the nodes of the branch that is taken.

    A condition is known if it depends on shapes, on constants, or on single integers such as a sample rate; these
    inputs become constants. Conditions that depend on other values stay.

    Args:
        model: A ``ModelProto``; changed in place.
        values: Of its inputs.
        run: Computes conditions.

    Returns:
        The inputs that are now constants, with their values.
    """
    from onnx import numpy_helper

    graph = model.graph
    fixed: dict[str, Array] = {}
    left: set[str] = set()
    for _ in range(_MOST):
        node = next((node for node in graph.node if node.op_type == "If" and node.output[0] not in left), None)
        if node is None:
            break
        deciding = _deciding(graph, node.input[0], values)
        if deciding is None:
            left.add(node.output[0])
            continue
        condition = _computed(model, node.input[0], values, run)
        _take(graph, node, bool(condition.reshape(-1)[0]))
        fixed.update({name: values[name] for name in deciding})
    kept = [value for value in graph.input if value.name not in fixed]
    if fixed:
        copies = [_copy(value) for value in kept]
        del graph.input[:]
        graph.input.extend(copies)
        graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in fixed.items())
    return fixed


def _deciding(graph: Any, condition: str, values: Mapping[str, Array]) -> set[str] | None:
    """Inputs whose values decide; None if they are more than single integers."""
    makers = {name: node for node in graph.node for name in node.output}
    found = _ancestors(makers, condition, through_shapes=False)
    if any(makers[name].op_type in {"If", "Loop", "Scan"} for name in found if name in makers):
        return None
    deciding = found & {value.name for value in graph.input} & set(values)
    single = all(values[name].dtype.kind in "iub" and values[name].size == 1 for name in deciding)
    return deciding if single else None


def _ancestors(makers: Mapping[str, Any], name: str, *, through_shapes: bool) -> set[str]:
    """Values that a value depends on; shapes depend on no values."""
    waiting, seen = [name], set()
    while waiting:
        name = waiting.pop()
        if not name or name in seen:
            continue
        seen.add(name)
        if name in makers and (through_shapes or makers[name].op_type not in {"Shape", "Size"}):
            waiting += names_read(makers[name])
    return seen


def _computed(model: Any, condition: str, values: Mapping[str, Array], run: Run) -> Array:
    """Computes a condition with a model of only what it depends on."""
    makers = {name: node for node in model.graph.node for name in node.output}
    needed = _ancestors(makers, condition, through_shapes=True)
    part = _copy(model)
    nodes = [_copy(node) for node in model.graph.node if needed & set(node.output)]
    inputs = [_copy(value) for value in model.graph.input if value.name in needed]
    tensors = [_copy(tensor) for tensor in model.graph.initializer if tensor.name in needed]
    for field, items in ((part.graph.node, nodes), (part.graph.input, inputs), (part.graph.initializer, tensors)):
        del field[:]
        field.extend(items)
    given = {value.name: values[value.name] for value in inputs if value.name in values}
    return run(part, [condition], given)[condition]


def names_read(node: Any) -> list[str]:
    """Names that a node reads, including those of graphs inside it."""
    names = list(node.input)
    for attribute in node.attribute:
        for graph in [attribute.g] if attribute.HasField("g") else list(attribute.graphs):
            for inner in graph.node:
                names += names_read(inner)
    return names


def _take(graph: Any, chosen: Any, condition: bool) -> None:
    wanted = "then_branch" if condition else "else_branch"
    branch = next((attribute.g for attribute in chosen.attribute if attribute.name == wanted), None)
    if branch is None or len(branch.output) != len(chosen.output):
        raise InputError(
            f"branch {wanted} of If {chosen.name or chosen.output[0]!r} is missing, or has other outputs",
            remedy="export the model again",
        )
    nodes: list[Any] = []
    for node in graph.node:
        if node.output[:1] == chosen.output[:1]:
            nodes += _opened(graph, node, branch, f"{node.name or node.output[0]}/")
        else:
            nodes.append(_copy(node))
    del graph.node[:]
    graph.node.extend(nodes)


def _opened(graph: Any, node: Any, branch: Any, prefix: str) -> list[Any]:
    """A branch's nodes; its names of values get a prefix, its outputs get those of the node."""
    own = {name for inner in branch.node for name in inner.output if name}
    own |= {tensor.name for tensor in branch.initializer}
    names = {name: prefix + name for name in own}
    outputs: list[Any] = []
    for inner, outer in zip(branch.output, node.output, strict=True):
        outputs.append(_identity(names.get(inner.name, inner.name), outer))
    for tensor in branch.initializer:
        moved = graph.initializer.add()
        moved.CopyFrom(tensor)
        moved.name = names[tensor.name]
    made = []
    for inner in branch.node:
        copy = _copy(inner)
        _rename(copy, names)
        made.append(copy)
    return made + outputs


def _rename(node: Any, names: Mapping[str, str]) -> None:
    """Rename in a node and in graphs inside it, which may read values around them."""
    for position, name in enumerate(node.input):
        node.input[position] = names.get(name, name)
    for position, name in enumerate(node.output):
        node.output[position] = names.get(name, name)
    for attribute in node.attribute:
        for graph in [attribute.g] if attribute.HasField("g") else list(attribute.graphs):
            shadowed = {name for inner in graph.node for name in inner.output} | {item.name for item in graph.input}
            visible = {before: after for before, after in names.items() if before not in shadowed}
            for inner in graph.node:
                _rename(inner, visible)
            for value in graph.output:
                value.name = visible.get(value.name, value.name)


def _copy(node: Any) -> Any:
    copy = type(node)()
    copy.CopyFrom(node)
    return copy


def _identity(source: str, output: str) -> Any:
    from onnx import helper

    return helper.make_node("Identity", [source], [output], name=output)
