"""Small model files for tests, written with only the onnx package."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def write_onnx(
    path: Path, *, channels: int = 8, size: int | str = 16, batch: int | str = 1, weight: float = 1.0
) -> Path:
    """Two convolutions on a square image."""
    random = np.random.default_rng(0)
    first = numpy_helper.from_array((weight * random.standard_normal((channels, 3, 3, 3))).astype(np.float32), "first")
    second = numpy_helper.from_array(random.standard_normal((channels, channels, 3, 3)).astype(np.float32), "second")
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["image", "first"], ["a"], pads=[1] * 4),
            helper.make_node("Relu", ["a"], ["b"]),
            helper.make_node("Conv", ["b", "second"], ["features"], pads=[1] * 4),
        ],
        "two_convolutions",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, 3, size, size])],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, [batch, channels, size, size])],
        [first, second],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    return path


def write_onnx_node(path: Path, node: onnx.NodeProto, *, opset: int = 17, domains: tuple[str, ...] = ()) -> Path:
    """One node from ``x`` to ``y``, four floats each."""
    graph = helper.make_graph(
        [node],
        "one_node",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])],
    )
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    path.write_bytes(helper.make_model(graph, opset_imports=imports, ir_version=8).SerializeToString())
    return path
