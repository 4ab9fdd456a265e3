"""The weights of a float ONNX file in other forms."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebench.errors import UnsupportedModelError

Array = NDArray[Any]


def int8_weights(source: Path, target: Path) -> None:
    """Weights in 8 bits; ONNX Runtime quantises the inputs of products anew in every inference.

    Raises:
        UnsupportedModelError: ONNX Runtime cannot do so.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    logging.getLogger().setLevel(logging.ERROR)  # The quantiser advises preprocessing, which changes nothing here.
    try:
        # Its kernels of convolutions take unsigned weights only. With 7 bits nothing overflows without VNNI.
        quantize_dynamic(str(source), str(target), weight_type=QuantType.QUInt8, reduce_range=True)
    except (ValueError, RuntimeError, KeyError, AttributeError, TypeError, NotImplementedError) as error:
        raise UnsupportedModelError(
            f"ONNX Runtime cannot quantise its weights: {' '.join(str(error).split())[:200]}", where=source.name
        ) from error


def with_weights(content: bytes, change: Callable[[Array], Array | None]) -> tuple[bytes, list[str]]:
    """Other values in the weights of convolutions and dense layers.

    Args:
        content: The file, with all its data in it.
        change: From weights, outputs first and inputs last, to others of this shape, or None to leave them.

    Returns:
        The file, and the names of weights that stay: those of grouped convolutions, and those left.

    Raises:
        UnsupportedModelError: There are no weights in float32.
    """
    import onnx
    from onnx import numpy_helper

    model = onnx.load_from_string(content)
    left, seen = [], set()
    for tensor, name, grouped, order in _weighted(model.graph):
        if name in seen:
            continue
        seen.add(name)
        values = numpy_helper.to_array(tensor)
        other = None if grouped else change(values.transpose(order))
        if other is None:
            left.append(name)
            continue
        back = np.ascontiguousarray(other.transpose(np.argsort(order)), dtype=np.float32)
        tensor.CopyFrom(numpy_helper.from_array(back, tensor.name))
    if not seen:
        raise UnsupportedModelError(
            "no convolution or dense layer has weights in float32", remedy="leave out the passes that change weights"
        )
    return model.SerializeToString(), left


def _weighted(graph: Any) -> Iterator[tuple[Any, str, bool, tuple[int, ...]]]:
    """Weights in float32: the tensor, its name, whether of a grouped convolution, its axes as outputs first."""
    from onnx import TensorProto

    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            for item in node.attribute:
                if item.name == "value":
                    constants[node.output[0]] = item.t
    for node in graph.node:
        tensor = constants.get(node.input[1]) if len(node.input) > 1 else None
        if tensor is None or tensor.data_type != TensorProto.FLOAT:
            continue
        rank = len(tensor.dims)
        flags = {item.name: item.i for item in node.attribute}
        if node.op_type == "Conv":
            yield tensor, node.input[1], flags.get("group", 1) > 1, (0, *range(2, rank), 1)
        elif rank == 2 and node.op_type in {"Gemm", "MatMul"}:
            outputs_first = node.op_type == "Gemm" and flags.get("transB", 0)
            yield tensor, node.input[1], False, (0, 1) if outputs_first else (1, 0)
