"""Describes a TFLite file from its main graph. The file is not trusted: every index in it is checked."""

from __future__ import annotations

import math
import struct
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgebench.core.model import ModelFormat, ModelInfo, TensorSpec
from edgebench.errors import InputError
from edgebench.models.digest import digest_files
from edgebench.models.source import ModelSource
from edgebench.models.tflite_costs import operator_macs

_DAMAGE = (struct.error, IndexError, TypeError, ValueError, AttributeError, OverflowError, KeyError, MemoryError)
"""What reading a damaged flatbuffer raises."""
_DTYPES = {
    0: "float32", 1: "float16", 2: "int32", 3: "uint8", 4: "int64", 5: "string", 6: "bool", 7: "int16",
    8: "complex64", 9: "int8", 10: "float64", 12: "uint64", 13: "resource", 15: "uint32", 16: "uint16", 17: "int4",
    18: "bfloat16",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """One tensor of a graph.

    Attributes:
        name: Its name.
        dtype: Type name.
        shape: Sizes as stored.
        signature: Sizes with -1 for open dimensions.
        constant: Whether its values lie in the file.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    signature: tuple[int, ...]
    constant: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """One operator: its kind, and the tensors it reads (-1 for none) and writes."""

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """The main graph of a file, with all indices checked."""

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    subgraphs: int


def inspect_tflite(path: Path, source: ModelSource, shapes: Mapping[str, tuple[int, ...]]) -> ModelInfo:
    """Describe a file.

    Parameters are the elements of constant float and quantised tensors and of 32-bit biases; integer
    tensors of other operators (shapes, axes, paddings) are not parameters.

    Raises:
        InputError: Damaged.
    """
    digest, size = digest_files([path])
    info = ModelInfo(name=source.name, source=source.text, format=ModelFormat.TFLITE, digest=digest, size_bytes=size)
    try:
        graph = read_graph(path)
    except ModuleNotFoundError:
        return replace(info, notes=("parameters and MACs need ai-edge-litert: pip install ai-edge-litert",))
    macs, notes = _count_macs(graph, shapes)
    if graph.subgraphs > 1:
        notes.append(f"only the main graph of {graph.subgraphs} is counted")
    return replace(
        info,
        parameters=_count_parameters(graph),
        macs=macs,
        inputs=graph_inputs(graph, shapes),
        outputs=tuple(_spec(graph.tensors[index], shapes) for index in graph.outputs),
        operators=dict(sorted(Counter(operator.kind for operator in graph.operators).items())),
        notes=tuple(notes),
    )


def graph_inputs(graph: Graph, shapes: Mapping[str, tuple[int, ...]]) -> tuple[TensorSpec, ...]:
    """Inputs of a graph, with the shapes that hold when the user gives some of them."""
    return tuple(_spec(graph.tensors[index], shapes) for index in graph.inputs)


def read_graph(path: Path) -> Graph:
    """The main graph of a file.

    Raises:
        InputError: Damaged.
        ModuleNotFoundError: The schema is not installed.
    """
    from ai_edge_litert import schema_py_generated as schema

    content = path.read_bytes()
    try:
        model = schema.Model.GetRootAs(content, 0)
        if not model.SubgraphsLength():
            raise ValueError("no graph")
        subgraph = model.Subgraphs(0)
        # A damaged length may claim more elements than the file has bytes.
        for count in (subgraph.TensorsLength(), subgraph.OperatorsLength(), model.BuffersLength()):
            if count > len(content):
                raise ValueError("a table is longer than the file")
        tensors = tuple(_tensor(model, subgraph.Tensors(index)) for index in range(subgraph.TensorsLength()))
        names = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
        operators = tuple(
            _operator(model, subgraph.Operators(index), names, len(tensors))
            for index in range(subgraph.OperatorsLength())
        )
        inputs = _indices(subgraph.InputsAsNumpy(), len(tensors))
        outputs = _indices(subgraph.OutputsAsNumpy(), len(tensors))
        if not operators or not outputs:
            raise ValueError("the graph is empty")
        return Graph(
            tensors=tensors, operators=operators, inputs=inputs, outputs=outputs, subgraphs=model.SubgraphsLength()
        )
    except _DAMAGE as error:
        raise InputError(
            f"damaged TFLite file: {error or type(error).__name__}",
            where=str(path),
            remedy="convert or copy the model again",
        ) from None


def _tensor(model: Any, tensor: Any) -> Tensor:
    shape = _sizes(tensor.ShapeAsNumpy())
    signature = _sizes(tensor.ShapeSignatureAsNumpy()) or shape
    if len(signature) != len(shape):
        raise ValueError("a shape and its signature differ in rank")
    buffer = model.Buffers(tensor.Buffer()) if tensor.Buffer() < model.BuffersLength() else None
    if buffer is None:
        raise ValueError("a tensor names a buffer that does not exist")
    constant = buffer.DataLength() > 0 or buffer.Size() > 1
    name = (tensor.Name() or b"").decode("utf-8", "replace")
    return Tensor(
        name=name,
        dtype=_DTYPES.get(tensor.Type(), f"type {tensor.Type()}"),
        shape=shape,
        signature=signature,
        constant=constant,
    )


def _operator(model: Any, operator: Any, names: Mapping[int, str], tensors: int) -> Operator:
    if operator.OpcodeIndex() >= model.OperatorCodesLength():
        raise ValueError("an operator has no code")
    code = model.OperatorCodes(operator.OpcodeIndex())
    kind = names.get(max(code.BuiltinCode(), code.DeprecatedBuiltinCode()), "UNKNOWN")
    if kind == "CUSTOM":
        kind = (code.CustomCode() or b"CUSTOM").decode("utf-8", "replace")
    return Operator(
        kind=kind,
        inputs=_indices(operator.InputsAsNumpy(), tensors, lowest=-1),
        outputs=_indices(operator.OutputsAsNumpy(), tensors),
    )


def _sizes(values: Any) -> tuple[int, ...]:
    """A shape; the accessor gives 0 where there is none."""
    return () if isinstance(values, int) else tuple(int(value) for value in values)


def _indices(values: Any, count: int, lowest: int = 0) -> tuple[int, ...]:
    indices = _sizes(values)
    if any(not lowest <= index < count for index in indices):
        raise ValueError("an operator names a tensor that does not exist")
    return indices


def _spec(tensor: Tensor, shapes: Mapping[str, tuple[int, ...]]) -> TensorSpec:
    """Open dimensions have a size in the file, which holds unless the user gives another."""
    sizes = tensor.signature if tensor.name in shapes else tensor.shape
    return TensorSpec(name=tensor.name, dtype=tensor.dtype, shape=tuple(size if size >= 0 else None for size in sizes))


def _count_parameters(graph: Graph) -> int:
    learned = {
        index
        for operator in graph.operators
        for position, index in enumerate(operator.inputs)
        if index >= 0
        and graph.tensors[index].constant
        and (graph.tensors[index].dtype not in {"int32", "int64"} or position == 2)
    }
    return sum(math.prod(max(0, size) for size in graph.tensors[index].shape) for index in learned)


def _count_macs(graph: Graph, shapes: Mapping[str, tuple[int, ...]]) -> tuple[int | None, list[str]]:
    """At the shapes stored in the file: operators' shapes at others are known to the runtime alone."""
    resized = [
        name
        for name, shape in shapes.items()
        if any(graph.tensors[index].name == name and graph.tensors[index].shape != shape for index in graph.inputs)
    ]
    if resized:
        return None, [f"MACs unknown: {', '.join(resized)} is resized, and the file holds the original shapes only"]
    total = 0
    uncounted: Counter[str] = Counter()
    for operator in graph.operators:
        macs = operator_macs(
            operator.kind,
            [graph.tensors[i].shape for i in operator.inputs if i >= 0],
            [graph.tensors[i].shape for i in operator.outputs],
        )
        if macs is None:
            uncounted[operator.kind] += 1
        else:
            total += macs
    listed = ", ".join(f"{count} x {kind}" for kind, count in uncounted.most_common())
    return total, [f"MACs do not include {listed}"] if uncounted else []
