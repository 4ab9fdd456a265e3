"""What the graph of a TorchScript program shows about its inputs, whose shapes and types it does not store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from edgebench.core.model import TensorSpec
from edgebench.errors import InputError
from edgebench.models.input_file import array_shapes, array_types
from edgebench.models.input_shapes import with_name

_SIDES: Mapping[int, tuple[int, ...]] = {1: (128,), 2: (224, 224), 3: (16, 112, 112)}
"""Likely sizes behind the channels, by their number."""
_GROUPS: Mapping[str, int] = {"aten::conv1d": 6, "aten::conv2d": 6, "aten::conv3d": 6, "aten::_convolution": 8}
"""Place of the number of groups among the inputs of convolutions."""
_FRAMES = 128
_WEIGHT = 1
"""Place of the weight among the inputs of a convolution or a linear layer."""


def script_specs(script: Any, shapes: Mapping[str, tuple[int, ...]], file: str | None) -> tuple[TensorSpec, ...]:
    """Inputs of a program.

    Args:
        script: The loaded program.
        shapes: Shapes given by the user, by name.
        file: An ``.npz`` with the inputs, whose types hold, and whose shapes where no others are given.

    Raises:
        InputError: A shape is not given; the remedy proposes one that fits what the graph does with the input.
    """
    names = [value.debugName().split(".")[0] for value in list(script.graph.inputs())[1:]]
    known = {**(array_shapes(Path(file)) if file else {}), **with_name(shapes, names)}
    missing = [name for name in names if name not in known]
    graph = script.inlined_graph
    if missing:
        likely = {name: ",".join(map(str, _likely_shape(script, graph, name))) for name in missing}
        raise InputError(
            f"TorchScript does not store the shapes of its inputs {', '.join(missing)}",
            remedy="give them, for example " + " ".join(f"--shape {name}={likely[name]}" for name in missing),
        )
    types = array_types(Path(file)) if file else {}
    tables = {name: _table_length(script, graph, name) for name in names}
    return tuple(
        TensorSpec(
            name=name,
            dtype=types.get(name, _parameter_type(script) if tables[name] is None else "int64"),
            shape=known[name],
            upper=tables[name],
        )
        for name in names
    )


def _parameter_type(script: Any) -> str:
    """The one type of all parameters that are no integers, which inputs have too; else float32."""
    types = {parameter.dtype for parameter in script.parameters() if parameter.is_floating_point()}
    return str(types.pop()).removeprefix("torch.") if len(types) == 1 else "float32"


def _table_length(script: Any, graph: Any, name: str) -> int | None:
    """Rows of the table that an input looks up; 2 if unknown, None for inputs that are not indices."""
    for node in _readers(graph, name):
        table, index = [*node.inputs(), None, None][:2]
        if node.kind() == "aten::embedding" and index is not None and _bare(index) == name:
            rows = _sizes(script, table)
            return rows[0] if rows else 2
    return None


def _likely_shape(script: Any, graph: Any, name: str) -> list[int]:
    for node in _readers(graph, name):
        kind, inputs = node.kind(), list(node.inputs())
        if kind == "aten::embedding":
            return [1, _FRAMES]
        if kind in {"aten::lstm", "aten::gru"}:
            # The first weight of the list is that of the inputs: gates x features.
            weights = [value for item in inputs for value in _listed(item) if len(_sizes(script, value)) == 2]
            return [1, _FRAMES, _sizes(script, weights[0])[1]] if weights else [1, _FRAMES, 1]
        weight = _sizes(script, inputs[_WEIGHT]) if kind in {"aten::linear", *_GROUPS} else ()
        if kind == "aten::linear" and len(weight) == 2:
            return [1, weight[1]]
        if kind in _GROUPS and len(weight) - 2 in _SIDES:
            groups = inputs[_GROUPS[kind]].toIValue()
            return [1, weight[1] * (groups if isinstance(groups, int) else 1), *_SIDES[len(weight) - 2]]
    return [1, 3, 224, 224]


def _readers(graph: Any, name: str) -> Iterator[Any]:
    """Operators that read an input."""
    for value in graph.inputs():
        if _bare(value) == name and value.debugName() != "self":
            for use in value.uses():
                yield use.user


def _listed(value: Any) -> Sequence[Any]:
    node = value.node()
    return list(node.inputs()) if node.kind() == "prim::ListConstruct" else []


def _sizes(script: Any, value: Any) -> tuple[int, ...]:
    """Shape of a parameter that a graph reads as an attribute of the program or of a part of it, otherwise ``()``."""
    path: list[str] = []
    node = value.node()
    while node.kind() == "prim::GetAttr":
        path.insert(0, node.s("name"))
        node = next(iter(node.inputs())).node()
    found: Any = script
    for name in path:
        found = getattr(found, name, None)
    return tuple(map(int, found.shape)) if path and hasattr(found, "shape") else ()


def _bare(value: Any) -> str:
    return str(value.debugName()).split(".", maxsplit=1)[0]
