"""A graph whose weights are stored in float16."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from edgebench.errors import UnsupportedModelError
from edgebench.models.graph.tensor_graph import GraphNode, GraphTensor, TensorGraph

_WEIGHTED = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}
_LARGEST = float(np.finfo(np.float16).max)


def with_half_weights(graph: TensorGraph) -> TensorGraph:
    """Store kernels in float16, each followed by a DEQUANTIZE to float32, which runtimes do once when they load.

    Raises:
        UnsupportedModelError: A weight is too large for float16.
    """
    tensors: dict[str, GraphTensor] = dict(graph.tensors)
    nodes: list[GraphNode] = []
    widened: dict[str, str] = {}
    for node in graph.nodes:
        if node.kind not in _WEIGHTED:
            nodes.append(node)
            continue
        kernel = node.inputs[1]
        if kernel not in widened:
            widened[kernel] = _halved(graph.tensors, kernel, tensors)
            nodes.append(GraphNode(kind="DEQUANTIZE", inputs=(kernel,), outputs=(widened[kernel],), source=node.source))
        nodes.append(replace(node, inputs=(node.inputs[0], widened[kernel], *node.inputs[2:])))
    return replace(graph, tensors=tensors, nodes=tuple(nodes))


def _halved(before: Mapping[str, GraphTensor], kernel: str, tensors: dict[str, GraphTensor]) -> str:
    """Store one constant in float16; returns the name of its float32 form."""
    data = before[kernel].data
    if data is None or np.abs(data).max() > _LARGEST:
        raise UnsupportedModelError(f"weights of {kernel!r} are too large for float16", remedy="leave out float16")
    wide = f"{kernel}.float32"
    tensors[kernel] = replace(before[kernel], data=data.astype(np.float16), dtype="float16")
    tensors[wide] = GraphTensor(name=wide, shape=before[kernel].shape)
    return wide
