"""Describes a TFLite file from its graphs; the data of its weights is not read."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from edgebench.core.model import ModelFormat, ModelInfo, TensorSpec
from edgebench.models.digest import digest_files
from edgebench.models.mac_notes import is_partial
from edgebench.models.source import ModelSource
from edgebench.models.tflite.costs import count_macs
from edgebench.models.tflite.file import Contents, Graph, Signature, Tensor, read_contents

_FLOATS = ("float", "bfloat")
_MAX_LISTED = 20
_SAME_VALUES = {"CAST", "EXPAND_DIMS", "RESHAPE", "SELECT", "SELECT_V2", "SQUEEZE"}
"""Operators after which positions in a table are what they were before."""


def inspect_tflite(
    path: Path, source: ModelSource, shapes: Mapping[str, tuple[int, ...]], signature: str | None = None
) -> ModelInfo:
    """Describe the graph of one signature, and what it runs.

    Args:
        path: The file.
        source: What the user typed.
        shapes: Shapes of inputs, by name.
        signature: Which; that of the main graph if not given.

    Raises:
        InputError: Damaged, or there is no such signature.
    """
    digest, size = digest_files([path])
    info = ModelInfo(name=source.name, source=source.text, format=ModelFormat.TFLITE, digest=digest, size_bytes=size)
    try:
        contents = read_contents(path)
    except ModuleNotFoundError:
        note = "inputs, parameters and MACs are unknown without ai-edge-litert: pip install ai-edge-litert"
        return replace(info, notes=(note,))
    chosen = contents.signature(signature)
    graphs = contents.called_from(chosen.graph if chosen is not None else 0)
    main = graphs[0]
    macs, notes = _macs(main, shapes)
    notes += _signature_notes(contents, chosen)
    if any(operator.graphs and operator.kind != "CALL_ONCE" for operator in main.operators):
        notes.append(f"MACs are those of the main graph; it runs {len(graphs) - 1} more")
    weights = list(_weights(graphs))
    if any(tensor.sparse for tensor in weights):
        notes.append("some weights are stored without their zeros, which count as parameters nonetheless")
    lengths = _table_lengths(main)
    return replace(
        info,
        parameters=sum(math.prod(tensor.shape) for tensor in weights),
        macs=macs,
        macs_partial=is_partial(notes),
        inputs=tuple(_input(main.tensors[index], shapes, lengths.get(index)) for index in main.inputs),
        outputs=tuple(_output(main.tensors[index]) for index in main.outputs),
        operators=dict(sorted(Counter(operator.kind for graph in graphs for operator in graph.operators).items())),
        notes=tuple(notes),
    )


def other_names(path: Path, signature: str | None = None) -> dict[str, tuple[str, ...]]:
    """Other names of a graph's inputs, by the names of their tensors.

    They are the signature's, and those without what TensorFlow puts around a name: ``serving_default_x:0``.

    Raises:
        InputError: Damaged, or there is no such signature.
    """
    try:
        contents = read_contents(path)
    except ModuleNotFoundError:
        return {}
    graph, chosen = _chosen(contents, signature)
    given = {} if chosen is None else {index: name for name, index in chosen.inputs.items()}
    names = {}
    for index in graph.inputs:
        tensor = graph.tensors[index].name
        bare = tensor.removeprefix("serving_default_").removesuffix(":0")
        names[tensor] = tuple(name for name in (given.get(index), bare) if name and name != tensor)
    return names


def open_inputs(path: Path, signature: str | None = None) -> tuple[TensorSpec, ...]:
    """A graph's inputs with all sizes open that the file leaves open, including the batch.

    Raises:
        InputError: Damaged, or there is no such signature.
    """
    try:
        graph, _ = _chosen(read_contents(path), signature)
    except ModuleNotFoundError:
        return ()
    return tuple(_output(graph.tensors[index]) for index in graph.inputs)


def _chosen(contents: Contents, name: str | None) -> tuple[Graph, Signature | None]:
    signature = contents.signature(name)
    return contents.graphs[0 if signature is None else signature.graph], signature


def _signature_notes(contents: Contents, chosen: Signature | None) -> list[str]:
    """Which of several signatures this is."""
    names = [signature.name for signature in contents.signatures]
    if len(names) < 2:
        return []
    shown = ", ".join([*names[:_MAX_LISTED], *(["others"] if len(names) > _MAX_LISTED else [])])
    this = f"this is {chosen.name!r}" if chosen is not None else "this is the main graph, which has none"
    return [f"the file has the signatures {shown}: {this}, --signature NAME chooses another"]


def _macs(graph: Graph, shapes: Mapping[str, tuple[int, ...]]) -> tuple[int | None, list[str]]:
    """Only the runtime knows operators' shapes at input shapes other than those in the file."""
    inputs = [graph.tensors[index] for index in graph.inputs]
    resized = [tensor.name for tensor in inputs if shapes.get(tensor.name, tensor.shape) != tensor.shape]
    if resized:
        return None, [f"MACs are unknown: {', '.join(resized)} is resized, and the file has only the original shapes"]
    return count_macs(graph)


def _weights(graphs: Sequence[Graph]) -> Iterator[Tensor]:
    """Constants that are learned, each buffer once.

    These are the constants with at least one dimension that an operator reads and that are floating-point, or
    integers with a scale. Integers without one are shapes, axes, paddings or indices.
    """
    seen: set[int] = set()
    for graph in graphs:
        for index in (index for operator in graph.operators for index in operator.inputs if index >= 0):
            tensor = graph.tensors[index]
            if tensor.buffer is None or tensor.buffer in seen or not tensor.shape:
                continue
            if tensor.dtype.startswith(_FLOATS) or ("int" in tensor.dtype and tensor.quantized):
                seen.add(tensor.buffer)
                yield tensor


def _table_lengths(graph: Graph) -> dict[int, int]:
    """Length of the constant table that a tensor indexes, by the tensor's number."""
    lengths: dict[int, int] = {}
    for operator in graph.operators:
        if operator.kind == "EMBEDDING_LOOKUP" and len(operator.inputs) > 1:
            ids, table = operator.inputs[:2]
        elif operator.kind == "GATHER" and len(operator.inputs) > 1:
            table, ids = operator.inputs[:2]
        else:
            continue
        shape = graph.tensors[table].shape if table >= 0 and graph.tensors[table].buffer is not None else ()
        if ids >= 0 and -len(shape) <= operator.axis < len(shape):
            lengths[ids] = min(shape[operator.axis], lengths.get(ids, shape[operator.axis]))
    for operator in reversed(graph.operators):
        length = lengths.get(operator.outputs[0]) if operator.outputs else None
        if length is not None and operator.kind in _SAME_VALUES:
            # Of a choice, such as of positions counted from the end, the condition is no position.
            for index in operator.inputs[1:] if operator.kind.startswith("SELECT") else operator.inputs[:1]:
                lengths.setdefault(index, length)
    return lengths


def _input(tensor: Tensor, shapes: Mapping[str, tuple[int, ...]], upper: int | None) -> TensorSpec:
    """An open batch has a size in the file, 1, which is used unless the user gives another."""
    open_from = 0 if tensor.name in shapes else 1
    shape = tuple(
        None if size < 0 and index >= open_from else stored
        for index, (size, stored) in enumerate(zip(tensor.signature, tensor.shape, strict=True))
    )
    return TensorSpec(name=tensor.name, dtype=tensor.dtype, shape=shape, upper=upper)


def _output(tensor: Tensor) -> TensorSpec:
    shape = tuple(None if size < 0 else size for size in tensor.signature)
    return TensorSpec(name=tensor.name, dtype=tensor.dtype, shape=shape)
