"""TFLite files that store weights as float16: unpacked to float32, which the quantiser needs."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

from edgebench.errors import InputError


def fold_float16(source: Path) -> bytes:
    """A file's content with every DEQUANTIZE of a constant float16 tensor replaced by its float32 values.

    Raises:
        InputError: The file is damaged.
    """
    from ai_edge_litert import schema_py_generated as schema

    content = source.read_bytes()
    try:
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
        folded = [_fold_graph(schema, model, graph) for graph in model.subgraphs]
        return pack_model(model, len(content)) if any(folded) else content
    except (struct.error, IndexError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"damaged TFLite file: {error}", where=str(source)) from None


def pack_model(model: Any, size: int) -> bytes:
    """A model tree of the schema as the content of a file; ``size`` is a first guess of its length."""
    import flatbuffers

    builder = flatbuffers.Builder(size)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _fold_graph(schema: Any, model: Any, graph: Any) -> bool:
    kept = []
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex]
        kind = max(code.builtinCode, code.deprecatedBuiltinCode)
        source = graph.tensors[operator.inputs[0]] if len(operator.inputs) else None
        if (
            kind == schema.BuiltinOperator.DEQUANTIZE
            and source is not None
            and source.type == schema.TensorType.FLOAT16
            and model.buffers[source.buffer].data is not None
        ):
            values = np.frombuffer(bytes(model.buffers[source.buffer].data), np.float16).astype(np.float32)
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(values.tobytes(), np.uint8)
            graph.tensors[operator.outputs[0]].buffer = len(model.buffers)
            model.buffers.append(buffer)
        else:
            kept.append(operator)
    changed = len(kept) < len(graph.operators)
    graph.operators = kept
    return changed
