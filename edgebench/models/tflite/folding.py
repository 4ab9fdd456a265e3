"""Values of a TFLite file that depend on no input: shapes, and what is computed from them and from constants."""

from __future__ import annotations

import copy
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebench.models.tflite.tree import pack_model

_SHAPES = {"SHAPE", "RANK"}
_FOLDED = {
    *("ABS", "ADD", "BROADCAST_ARGS", "BROADCAST_TO", "CAST", "CONCATENATION", "DEQUANTIZE", "DIV", "EQUAL"),
    *("EXPAND_DIMS", "FILL", "FLOOR_DIV", "FLOOR_MOD", "GATHER", "GATHER_ND", "GREATER", "GREATER_EQUAL", "LESS"),
    *("LESS_EQUAL", "LOGICAL_AND", "LOGICAL_NOT", "LOGICAL_OR", "MAXIMUM", "MINIMUM", "MUL", "NEG", "NOT_EQUAL"),
    *("ONES_LIKE", "PACK", "PAD", "PADV2", "QUANTIZE", "RANGE", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD", "RESHAPE"),
    *("REVERSE_V2", "SELECT", "SELECT_V2", "SLICE", "SPLIT", "SPLIT_V", "SQUEEZE", "STRIDED_SLICE", "SUB", "SUM"),
    *("TILE", "TRANSPOSE", "UNPACK", "ZEROS_LIKE"),
}
"""Operators that are computed here if all their inputs are constants: arithmetic of shapes, and moved weights."""
_MAX_BYTES = 64 << 20
_REFUSED = (RuntimeError, ValueError, TypeError, AttributeError, IndexError, struct.error)


def fold_constants(schema: Any, model: Any) -> None:
    """Turn what depends on no input into constants, and drop the operators that computed it.

    Operators whose result is an output of the network are kept. What LiteRT refuses to compute is kept too.

    Args:
        schema: TFLite's schema.
        model: A file as the schema's tree; its constants are in its buffers. It is modified.
    """
    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    for graph in model.subgraphs:
        given = {int(index) for index in (graph.outputs if graph.outputs is not None else ())}
        kept = []
        for operator in graph.operators if graph.operators is not None else ():
            code = model.operatorCodes[operator.opcodeIndex]
            kind = names.get(max(code.builtinCode, code.deprecatedBuiltinCode), "")
            if not _folded(schema, model, graph, operator, kind, given):
                kept.append(operator)
        graph.operators = kept


def _folded(schema: Any, model: Any, graph: Any, operator: Any, kind: str, given: set[int]) -> bool:
    """Whether an operator's results were computed and stored."""
    inputs = [] if operator.inputs is None else [int(index) for index in operator.inputs]
    outputs = [] if operator.outputs is None else [int(index) for index in operator.outputs]
    if not inputs or not outputs or given & set(outputs) or kind not in _FOLDED | _SHAPES:
        return False
    if kind in _SHAPES:
        source = graph.tensors[inputs[0]]
        signature = [] if source.shapeSignature is None else [int(size) for size in source.shapeSignature]
        if any(size < 0 for size in signature[1:]):
            return False
        shape = [] if source.shape is None else [int(size) for size in source.shape]
        wide = graph.tensors[outputs[0]].type == schema.TensorType.INT64
        found: NDArray[Any] = np.array(shape if kind == "SHAPE" else len(shape), np.int64 if wide else np.int32)
        _store(schema, model, graph.tensors[outputs[0]], found)
        return True
    if any(index >= 0 and not _is_constant(model, graph.tensors[index]) for index in inputs):
        return False
    return _computed(schema, model, graph, operator, (inputs, outputs))


def _is_constant(model: Any, tensor: Any) -> bool:
    return model.buffers[tensor.buffer].data is not None and not tensor.isVariable


def _computed(schema: Any, model: Any, graph: Any, operator: Any, ends: tuple[list[int], list[int]]) -> bool:
    """Let LiteRT compute a single operator, and store its results."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    sizes = [np.prod(graph.tensors[i].shape, dtype=np.float64) for i in ends[1] if graph.tensors[i].shape is not None]
    if sum(sizes) * 8 > _MAX_BYTES:
        return False
    try:
        interpreter = Interpreter(
            model_content=_alone(schema, model, graph, operator, ends),
            experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
        )
        interpreter.allocate_tensors()
        interpreter.invoke()
        found = [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]
    except _REFUSED:
        return False
    for index, values in zip(ends[1], found, strict=True):
        _store(schema, model, graph.tensors[index], values)
    return True


def _alone(schema: Any, model: Any, graph: Any, operator: Any, ends: tuple[list[int], list[int]]) -> bytes:
    """A file with one operator, its constants and its results."""
    used = sorted({index for index in (*ends[0], *ends[1]) if index >= 0})
    places = {index: place for place, index in enumerate(used)}
    small, part, made = schema.ModelT(), schema.SubGraphT(), copy.copy(operator)
    small.version, small.subgraphs, small.buffers = 3, [part], [schema.BufferT()]
    small.operatorCodes = [model.operatorCodes[operator.opcodeIndex]]
    part.tensors = []
    for index in used:
        tensor = copy.copy(graph.tensors[index])
        small.buffers.append(model.buffers[tensor.buffer] if index not in ends[1] else schema.BufferT())
        tensor.buffer = len(small.buffers) - 1
        part.tensors.append(tensor)
    made.opcodeIndex = 0
    made.inputs = [places.get(index, -1) for index in ends[0]]
    made.outputs = [places[index] for index in ends[1]]
    part.operators, part.inputs, part.outputs = [made], [], made.outputs
    return pack_model(small, 1024)


def _store(schema: Any, model: Any, tensor: Any, values: NDArray[Any]) -> None:
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
    tensor.buffer, tensor.shape = len(model.buffers), list(values.shape)
    tensor.shapeSignature = None
    model.buffers.append(buffer)
