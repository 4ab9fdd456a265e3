"""int8 TFLite files of one or a few operators, written with the schema itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebench.models.tflite.tree import pack_model


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """A tensor; with ``data`` a constant."""

    shape: tuple[int, ...]
    scale: float | Sequence[float] | None = 0.05
    zero_point: int = 0
    dtype: str = "INT8"
    data: NDArray[Any] | None = None
    open_width: bool = False
    variable: bool = False
    axis: int = 0


@dataclass(frozen=True, kw_only=True)
class Operator:
    """An operator on tensors by their position."""

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    options_type: str = ""
    version: int = 2
    intermediates: tuple[int, ...] = ()
    custom: str = ""


@dataclass(frozen=True, kw_only=True)
class Graph:
    """Tensors and operators of a graph that runs beside the main one."""

    tensors: Sequence[Tensor]
    operators: Sequence[Operator]


def write_graph(
    path: Path,
    tensors: Sequence[Tensor],
    operators: Sequence[Operator],
    inputs: Sequence[int],
    outputs: Sequence[int],
    once: Graph | None = None,
) -> Path:
    """Write a file; ``once`` is its second graph, for an operator CALL_ONCE."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT()
    model.buffers, model.operatorCodes, model.version = [schema.BufferT()], [], 3
    model.subgraphs = [_subgraph(schema, model, tensors, operators)]
    model.subgraphs[0].inputs, model.subgraphs[0].outputs = list(inputs), list(outputs)
    if once is not None:
        model.subgraphs.append(_subgraph(schema, model, once.tensors, once.operators))
        model.subgraphs[1].inputs = model.subgraphs[1].outputs = []
    path.write_bytes(pack_model(model, 4096))
    return path


def _subgraph(schema: Any, model: Any, tensors: Sequence[Tensor], operators: Sequence[Operator]) -> Any:
    graph = schema.SubGraphT()
    graph.tensors, graph.operators = [], []
    for number, tensor in enumerate(tensors):
        made = schema.TensorT()
        made.name, made.shape, made.buffer = f"t{number}".encode(), list(tensor.shape), 0
        if tensor.open_width:
            made.shapeSignature = [*tensor.shape[:-1], -1]
        made.type, made.isVariable = getattr(schema.TensorType, tensor.dtype), tensor.variable
        if tensor.scale is not None and tensor.dtype != "FLOAT32":
            made.quantization = schema.QuantizationParametersT()
            scales = [tensor.scale] if isinstance(tensor.scale, float) else list(tensor.scale)
            made.quantization.scale, made.quantization.zeroPoint = scales, [tensor.zero_point] * len(scales)
            made.quantization.quantizedDimension = tensor.axis
        if tensor.data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(tensor.data.tobytes(), np.uint8)
            made.buffer = len(model.buffers)
            model.buffers.append(buffer)
        graph.tensors.append(made)
    for operator in operators:
        code, made = schema.OperatorCodeT(), schema.OperatorT()
        code.builtinCode = getattr(schema.BuiltinOperator, operator.kind)
        code.deprecatedBuiltinCode, code.version = min(code.builtinCode, 127), operator.version
        code.customCode = operator.custom.encode() or None
        made.opcodeIndex, made.inputs, made.outputs = (
            len(model.operatorCodes),
            list(operator.inputs),
            list(operator.outputs),
        )
        model.operatorCodes.append(code)
        made.intermediates = list(operator.intermediates) or None
        if operator.options_type:
            made.builtinOptionsType = getattr(schema.BuiltinOptions, operator.options_type)
            made.builtinOptions = getattr(schema, f"{operator.options_type}T")()
            for name, value in operator.options.items():
                setattr(made.builtinOptions, name, value)
        graph.operators.append(made)
    return graph
