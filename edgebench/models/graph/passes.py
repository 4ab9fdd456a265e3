"""Passes that shorten a lowered graph without changing what it computes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from edgebench.models.graph.patterns import with_known_functions
from edgebench.models.graph.tensor_graph import GraphNode, GraphTensor, TensorGraph

_FUSED = {"RELU": 1, "RELU_N1_TO_1": 2, "RELU6": 3}
"""Codes of ``ActivationFunctionType`` in TFLite's schema."""
_FUSES = {
    "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "ADD", "SUB", "MUL", "AVERAGE_POOL_2D", "MAX_POOL_2D",
}  # fmt: skip


def shortened(graph: TensorGraph) -> TensorGraph:
    """All passes, until none of them finds anything."""
    while True:
        before = len(graph.nodes)
        for step in (_with_fused_activations, with_known_functions, _with_absorbed_moves, _without_unread):
            graph = step(graph)
        if len(graph.nodes) == before:
            return graph


def _readers(graph: TensorGraph) -> Counter[str]:
    """How often each tensor is read, as an output too."""
    reads = Counter(name for node in graph.nodes for name in node.inputs)
    reads.update(port.tensor for port in graph.outputs)
    return reads


def _with_fused_activations(graph: TensorGraph) -> TensorGraph:
    """Fuses an activation into the operator before it that can apply it, if nothing else reads its output."""
    reads = _readers(graph)
    makers = {name: position for position, node in enumerate(graph.nodes) for name in node.outputs}
    nodes: list[GraphNode | None] = list(graph.nodes)
    for position, node in enumerate(graph.nodes):
        if node.kind not in _FUSED or node.inputs[0] not in makers:
            continue
        # A reshape between the two does not change the values.
        name, between = node.inputs[0], None
        maker = nodes[makers[name]]
        if maker is not None and maker.kind == "RESHAPE" and reads[name] == 1 and maker.inputs[0] in makers:
            name, between = maker.inputs[0], makers[name]
            maker = nodes[makers[name]]
        if maker is None or maker.kind not in _FUSES or reads[name] != 1:
            continue
        if maker.options.get("fusedActivationFunction", 0):
            continue
        options = {**maker.options, "fusedActivationFunction": _FUSED[node.kind]}
        nodes[position] = None
        if between is None:
            nodes[makers[name]] = replace(maker, outputs=node.outputs, options=options)
            makers[node.outputs[0]] = makers[name]
            continue
        nodes[makers[name]] = replace(maker, options=options)
        reshape = nodes[between]
        if reshape is not None:
            nodes[between] = replace(reshape, outputs=node.outputs)
            makers[node.outputs[0]] = between
    return replace(graph, nodes=tuple(node for node in nodes if node is not None))


def _with_absorbed_moves(graph: TensorGraph) -> TensorGraph:
    """TRANSPOSE, RESHAPE to rows, FULLY_CONNECTED: the columns of the weights are moved instead."""
    reads = _readers(graph)
    makers = {name: node for node in graph.nodes for name in node.outputs}
    tensors = dict(graph.tensors)
    nodes = []
    for node in graph.nodes:
        moved = _absorbed(node, makers, tensors, reads) if node.kind == "FULLY_CONNECTED" else None
        if moved is None:
            nodes.append(node)
            continue
        nodes.extend(moved)
    return replace(graph, nodes=tuple(nodes), tensors=tensors)


def _absorbed(
    node: GraphNode, makers: Mapping[str, GraphNode], tensors: dict[str, GraphTensor], reads: Counter[str]
) -> list[GraphNode] | None:
    chain = []
    name = node.inputs[0]
    while name in makers and makers[name].kind == "RESHAPE" and reads[name] == 1:
        chain.append(makers[name])
        name = makers[name].inputs[0]
    move = makers.get(name)
    weights = tensors[node.inputs[1]]
    if not chain or move is None or move.kind != "TRANSPOSE" or weights.data is None or reads[node.inputs[1]] != 1:
        return None
    order = tensors[move.inputs[1]].data
    source = tensors[move.inputs[0]]
    rows, columns = weights.shape
    batch = source.shape[0]
    if order is None or order[0] != 0 or tensors[node.inputs[0]].shape != (batch, columns):
        return None
    target = tuple(source.shape[axis] for axis in order)
    if int(np.prod(target[1:])) != columns:
        return None
    # Weights are in the order after the move; restore the order before it.
    back = np.argsort(order[1:] - 1)
    data = (
        weights.data.reshape(rows, *target[1:]).transpose(0, *(int(axis) + 1 for axis in back)).reshape(rows, columns)
    )
    moved = GraphTensor(
        name=f"{weights.name}_moved", shape=weights.shape, dtype=weights.dtype, data=np.ascontiguousarray(data)
    )
    flat = GraphTensor(name=f"{node.inputs[0]}_rows", shape=(batch, columns))
    shape = GraphTensor(name=f"{flat.name}_shape", shape=(2,), dtype="int32", data=np.array([batch, columns], np.int32))
    for tensor in (moved, flat, shape):
        tensors[tensor.name] = tensor
    reshape = GraphNode(
        kind="RESHAPE",
        inputs=(source.name, shape.name),
        outputs=(flat.name,),
        options={"newShape": [batch, columns]},
        source=node.source,
    )
    return [reshape, replace(node, inputs=(flat.name, moved.name, *node.inputs[2:]))]


def _without_unread(graph: TensorGraph) -> TensorGraph:
    """Removes operators whose outputs nothing reads, and merges RESHAPE of RESHAPE."""
    wanted = {port.tensor for port in graph.outputs}
    kept: list[GraphNode] = []
    for node in reversed(graph.nodes):
        if wanted & set(node.outputs):
            kept.append(node)
            wanted.update(node.inputs)
    nodes = kept[::-1]
    makers = {name: node for node in nodes for name in node.outputs}
    joined = []
    for node in nodes:
        first = makers.get(node.inputs[0]) if node.kind == "RESHAPE" else None
        joined.append(
            replace(node, inputs=(first.inputs[0], *node.inputs[1:])) if first and first.kind == "RESHAPE" else node
        )
    return replace(graph, nodes=tuple(joined))
