"""Repairs files that TensorFlow Lite Micro takes and LiteRT does not, so that both do."""

from __future__ import annotations

from typing import Any


def mend_axes(model: Any) -> bool:
    """Correct the axis of per-channel scales if a file names one that does not exist.

    Old converters wrote the axis of the weights beside the scales of biases too. Only LiteRT uses it.

    Args:
        model: A file as the schema's tree. It is modified.

    Returns:
        Whether anything was wrong.
    """
    wrong = [tensor for graph in model.subgraphs for tensor in graph.tensors or () if _has_wrong_axis(tensor)]
    for tensor in wrong:
        shape, count = [int(size) for size in tensor.shape], len(tensor.quantization.scale)
        tensor.quantization.quantizedDimension = shape.index(count) if count in shape else 0
    return bool(wrong)


def _has_wrong_axis(tensor: Any) -> bool:
    quantisation = tensor.quantization
    if quantisation is None or quantisation.scale is None or tensor.shape is None or not len(tensor.shape):
        return False
    return not 0 <= int(quantisation.quantizedDimension) < len(tensor.shape)
