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
    scale: float | None = 0.05
    zero_point: int = 0
    dtype: str = "INT8"
    data: NDArray[Any] | None = None
    open_width: bool = False


@dataclass(frozen=True, kw_only=True)
class Operator:
    """An operator on tensors by their position."""

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    options_type: str = ""
    version: int = 2


def write_graph(
    path: Path, tensors: Sequence[Tensor], operators: Sequence[Operator], inputs: Sequence[int], outputs: Sequence[int]
) -> Path:
    from ai_edge_litert import schema_py_generated as schema

    graph, model = schema.SubGraphT(), schema.ModelT()
    model.buffers = [schema.BufferT()]
    graph.tensors, graph.operators, model.operatorCodes = [], [], []
    for number, tensor in enumerate(tensors):
        made = schema.TensorT()
        made.name, made.shape, made.buffer = f"t{number}".encode(), list(tensor.shape), 0
        if tensor.open_width:
            made.shapeSignature = [*tensor.shape[:-1], -1]
        made.type = getattr(schema.TensorType, tensor.dtype)
        if tensor.scale is not None and tensor.dtype != "FLOAT32":
            made.quantization = schema.QuantizationParametersT()
            made.quantization.scale, made.quantization.zeroPoint = [tensor.scale], [tensor.zero_point]
        if tensor.data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(tensor.data.tobytes(), np.uint8)
            made.buffer = len(model.buffers)
            model.buffers.append(buffer)
        graph.tensors.append(made)
    for number, operator in enumerate(operators):
        code, made = schema.OperatorCodeT(), schema.OperatorT()
        code.builtinCode = getattr(schema.BuiltinOperator, operator.kind)
        code.deprecatedBuiltinCode, code.version = min(code.builtinCode, 127), operator.version
        model.operatorCodes.append(code)
        made.opcodeIndex, made.inputs, made.outputs = number, list(operator.inputs), list(operator.outputs)
        if operator.options_type:
            made.builtinOptionsType = getattr(schema.BuiltinOptions, operator.options_type)
            made.builtinOptions = getattr(schema, f"{operator.options_type}T")()
            for name, value in operator.options.items():
                setattr(made.builtinOptions, name, value)
        graph.operators.append(made)
    graph.inputs, graph.outputs = list(inputs), list(outputs)
    model.version, model.subgraphs = 3, [graph]
    path.write_bytes(pack_model(model, 4096))
    return path
