"""Files with several graphs: the one that a signature names, in its own file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edgebench.models.tflite.file import Contents, read_contents
from edgebench.models.tflite.tree import Table, pack_model, parse_tree

_CALL_FIELDS = ("SubgraphIndex", "subgraph")
"""Suffixes of the fields in which an operator's options number a graph."""


def write_signature(source: Path, name: str | None, target: Path) -> None:
    """Write the graph of one signature, and what it runs, as its own file.

    Raises:
        InputError: Damaged, or there is no such signature.
    """
    contents = read_contents(source)
    model = parse_tree(source.read_bytes(), str(source))
    keep_signature(model, contents, name)
    target.write_bytes(pack_model(model, source.stat().st_size))


def keep_signature(model: Table, contents: Contents, name: str | None) -> None:
    """Remove all graphs except one and those that it runs; it becomes the main one.

    Args:
        model: The tree of a file.
        contents: The content of the file.
        name: A signature; by default, the main graph.

    Raises:
        InputError: There is no such signature.
    """
    signature = contents.signature(name)
    keep_graph(model, 0 if signature is None else signature.graph)
    kept = [] if signature is None else [entry for entry in model.signatureDefs or [] if _key(entry) == signature.name]
    for entry in kept:
        entry.subgraphIndex = 0
    model.signatureDefs = kept[:1]


def keep_graph(model: Table, number: int) -> None:
    """Remove all graphs except one and those that it runs; it becomes the main one."""
    numbers = [number]
    for current in numbers:
        for options, field in _calls(model.subgraphs[current]):
            called = getattr(options, field)
            if called not in numbers:
                numbers.append(called)
    places = {old: new for new, old in enumerate(numbers)}
    for current in numbers:
        for options, field in _calls(model.subgraphs[current]):
            setattr(options, field, places[getattr(options, field)])
    model.subgraphs = [model.subgraphs[current] for current in numbers]


def _calls(graph: Table) -> Iterator[tuple[Table, str]]:
    """Options of operators, and the fields in them that number a graph."""
    for operator in graph.operators or []:
        for options in (operator.builtinOptions, operator.builtinOptions2):
            for field, value in vars(options).items() if options is not None else ():
                if field.endswith(_CALL_FIELDS) and isinstance(value, int) and value >= 0:
                    yield options, field


def _key(entry: Table) -> str:
    return bytes(entry.signatureKey or b"").decode("utf-8", "replace")
