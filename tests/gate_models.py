"""Small networks of one interface and different cost, to hold against each other."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def write_network(path: Path, *, hidden: int = 16, layers: int = 2, size: int = 16, scale: float = 1.0) -> Path:
    """Convolutions with an image as input and four channels as output.

    Args:
        path: Where it is written.
        hidden: Channels between the layers.
        layers: How many convolutions of ``hidden`` to ``hidden`` channels there are.
        size: Rows and columns.
        scale: Factor of the last layer's weights.
    """
    random = np.random.default_rng(0)
    widths = [3, *[hidden] * (layers + 1), 4]
    nodes, weights, name = [], [], "image"
    for number, (before, after) in enumerate(pairwise(widths)):
        last = number == len(widths) - 2
        values = random.standard_normal((after, before, 3, 3)) / np.sqrt(9 * before) * (scale if last else 1.0)
        weights.append(numpy_helper.from_array(values.astype(np.float32), f"w{number}"))
        output = "result" if last else f"conv{number}"
        nodes.append(helper.make_node("Conv", [name, f"w{number}"], [output], name=output, pads=[1, 1, 1, 1]))
        name = output
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, size, size])],
        [helper.make_tensor_value_info("result", TensorProto.FLOAT, [1, 4, size, size])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, str(path))
    return path
