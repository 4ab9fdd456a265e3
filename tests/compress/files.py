"""A model with operators that networks of ours lack: squeeze and excitation, a grouped convolution, a leaky ReLU."""

from pathlib import Path
from typing import Any

import numpy as np

CHANNELS = 16


def squeezing_onnx(path: Path, *, size: int = 8, classes: int = 3, seed: int = 0, batch: int | str = 1) -> Path:
    """Write it as ONNX, with random weights."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(seed)

    def weights(*shape: int) -> np.ndarray:
        return (random.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))).astype(np.float32)

    constants = {
        "stem.w": weights(CHANNELS, 1, 3, 3),
        "stem.b": weights(CHANNELS, 1)[:, 0],
        "squeeze.w": weights(4, CHANNELS, 1, 1),
        "excite.w": weights(CHANNELS, 4, 1, 1),
        "grouped.w": weights(CHANNELS, CHANNELS // 4, 3, 3),
        "head.w": weights(classes, CHANNELS),
        "head.b": np.zeros(classes, np.float32),
    }
    node: Any = helper.make_node
    nodes = [
        node("Conv", ["x", "stem.w", "stem.b"], ["stem"], kernel_shape=[3, 3], pads=[1] * 4, strides=[2, 2]),
        node("Relu", ["stem"], ["r"]),
        node("GlobalAveragePool", ["r"], ["g"]),
        node("Conv", ["g", "squeeze.w"], ["s"], kernel_shape=[1, 1]),
        node("Relu", ["s"], ["sr"]),
        node("Conv", ["sr", "excite.w"], ["e"], kernel_shape=[1, 1]),
        node("Sigmoid", ["e"], ["es"]),
        node("Mul", ["r", "es"], ["m"]),
        node("Conv", ["m", "grouped.w"], ["c"], kernel_shape=[3, 3], pads=[1] * 4, group=4),
        node("LeakyRelu", ["c"], ["l"], alpha=0.1),
        node("GlobalAveragePool", ["l"], ["p"]),
        node("Flatten", ["p"], ["f"]),
        node("Gemm", ["f", "head.w", "head.b"], ["y"], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "squeezing",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 1, size, size])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, classes])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    return path


def as_tflite(path: Path, folder: Path) -> Path:
    """An ONNX file as TFLite, as a compression converts it."""
    from edgebench.core.model import ModelFormat
    from edgebench.models.prepare import PrepareRequest, prepare

    return Path(prepare(PrepareRequest(source=str(path), formats=(ModelFormat.TFLITE,), folder=str(folder))).path)
