"""Files that TensorFlow Lite Micro takes and LiteRT does not, made such that both do."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def content_for_litert(path: Path) -> bytes:
    """A file's content, with the axis of per-channel scales put right where the file names one that does not exist.

    Old converters wrote the axis of the weights beside the scales of biases too. Only LiteRT looks at it.
    """
    from ai_edge_litert import schema_py_generated as schema

    from edgebench.models.tflite.float16 import pack_model

    content = path.read_bytes()
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    wrong = [tensor for graph in model.subgraphs for tensor in graph.tensors or () if _has_wrong_axis(tensor)]
    for tensor in wrong:
        shape, count = [int(size) for size in tensor.shape], len(tensor.quantization.scale)
        tensor.quantization.quantizedDimension = shape.index(count) if count in shape else 0
    return pack_model(model, len(content)) if wrong else content


def _has_wrong_axis(tensor: Any) -> bool:
    quantisation = tensor.quantization
    if quantisation is None or quantisation.scale is None or tensor.shape is None or not len(tensor.shape):
        return False
    return not 0 <= int(quantisation.quantizedDimension) < len(tensor.shape)
