"""Gives the nodes of an ONNX model that PyTorch exported the names of the user's modules."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_SCOPES = "pkg.torch.onnx.name_scopes"
"""Where the exporter keeps the modules around an operator, the outermost first, and the operator."""


def name_layers(model: Any, inputs: Sequence[str]) -> None:
    """Rename nodes, and the values they compute, in place.

    The node of a module that has its weights, or the last one of a module without modules inside, is named like the
    module: ``encoder.0.conv``. Others are called ``encoder.0/add``, and those outside any module like the operator.

    Args:
        model: The ``ModelProto``.
        inputs: Names of its inputs in the user's model.
    """
    graph = model.graph
    places = [_place(node) for node in graph.node]
    weighted = [_weight_owner(node) for node in graph.node]
    paths = [owner or path for owner, (path, _) in zip(weighted, places, strict=True)]
    count = Counter(places)
    operators = [
        place[1] if count[place] == 1 else node.op_type for node, place in zip(graph.node, places, strict=True)
    ]
    wholes = {path[:end] for path in set(paths) for end, character in enumerate(path) if character == "."}
    last = {path: place for place, path in enumerate(paths) if path and path not in wholes}
    taken = {*inputs, *(value.name for value in graph.initializer)}
    for node in graph.node:
        taken.update(node.output[1:])
        taken.update(name for inner in _inner_graphs(node) for name in _names(inner))
    outputs = {value.name for value in graph.output}
    renamed = {value.name: name for value, name in zip(graph.input, inputs, strict=True)}
    for value in graph.output:
        # An output that is an input has its name, and an input keeps its own.
        if value.name in inputs and value.name not in renamed:
            renamed[value.name] = _unique(f"{value.name}_output", taken)
        taken.add(value.name)
    for value in (*graph.input, *graph.output):
        value.name = renamed.get(value.name, value.name)
    for place, (node, path, owner, operator) in enumerate(zip(graph.node, paths, weighted, operators, strict=True)):
        stands_for_module = bool(owner) or (last.get(path) == place and path not in weighted)
        node.name = _unique(path if stands_for_module else "/".join(part for part in (path, operator) if part), taken)
        if node.output and node.output[0] not in outputs:
            renamed[node.output[0]] = node.name
    _rename(graph, renamed)
    del graph.value_info[:]


def _place(node: Any) -> tuple[str, str]:
    """Path of the innermost module around a node, and the operator."""
    scopes = next((entry.value for entry in node.metadata_props if entry.key == _SCOPES), "")
    try:
        parts = ast.literal_eval(scopes) if scopes else None
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        parts = None
    if isinstance(parts, list) and len(parts) > 1 and all(isinstance(part, str) for part in parts):
        return parts[-2], parts[-1] or node.op_type
    if node.name.startswith("/"):
        # The exporter of TorchScript: /encoder/0/conv/Conv.
        *path, operator = node.name[1:].split("/")
        return ".".join(_without_prefixes(path)), operator
    return "", node.op_type


def _without_prefixes(path: list[str]) -> list[str]:
    """Parts of a path; a traced module repeats the path above it in some: ``encoder/encoder.0``."""
    parts: list[str] = []
    for part in path:
        above = f"{'.'.join(parts)}."
        parts = part.split(".") if parts and part.startswith(above) else [*parts, *part.split(".")]
    return parts


def _weight_owner(node: Any) -> str:
    """The module whose weights a node has, or ``""``."""
    owners = (name.removesuffix(".weight") for name in node.input if name.endswith(".weight"))
    return next((owner for owner in owners if "::" not in owner), "")


def _unique(name: str, taken: set[str]) -> str:
    found, number = name, 0
    while found in taken:
        number += 1
        found = f"{name}_{number}"
    taken.add(found)
    return found


def _inner_graphs(node: Any) -> Iterator[Any]:
    for attribute in node.attribute:
        yield from ([attribute.g] if attribute.HasField("g") else [])
        yield from attribute.graphs


def _names(graph: Any) -> Iterator[str]:
    for value in (*graph.input, *graph.initializer):
        yield value.name
    for node in graph.node:
        yield from node.output
        for inner in _inner_graphs(node):
            yield from _names(inner)


def _rename(graph: Any, renamed: Mapping[str, str]) -> None:
    for node in graph.node:
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                names[place] = renamed.get(name, name)
        for inner in _inner_graphs(node):
            _rename(inner, renamed)
            for value in inner.output:
                value.name = renamed.get(value.name, value.name)
