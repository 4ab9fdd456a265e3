"""A simplified ONNX model as a tensor graph."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace

from edgebench.errors import UnsupportedModelError
from edgebench.models.graph.tensor_graph import Port, TensorGraph
from edgebench.models.onnx.lowering import (
    elementwise,
    indexing,
    matrices,
    pools,
    recurrent,
    reductions,
    shapes,
    signals,
    windows,
)
from edgebench.models.onnx.lowering.context import (
    Handler,
    Layout,
    Lowering,
    Node,
    NotConvertibleError,
    channels_last,
    identity,
)
from edgebench.models.onnx.simplify import SimpleModel

HANDLERS: Mapping[str, Handler] = {
    **windows.HANDLERS,
    **pools.HANDLERS,
    **elementwise.HANDLERS,
    **shapes.HANDLERS,
    **matrices.HANDLERS,
    **reductions.HANDLERS,
    **recurrent.HANDLERS,
    **signals.HANDLERS,
    **indexing.HANDLERS,
}
_WANTS_CHANNELS_LAST = {
    "Conv", "ConvTranspose", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "Resize", "Upsample",
    "BatchNormalization", "InstanceNormalization", "DepthToSpace", "SpaceToDepth", "PRelu",
}  # fmt: skip
_PASSES_ON = {
    "Add", "Sub", "Mul", "Div", "Relu", "Sigmoid", "Tanh", "Clip", "Cast", "Identity", "Dropout", "LeakyRelu",
    "HardSwish", "Pad", "Concat", "Slice", "Max", "Min", "Pow", "Sqrt", "Elu",
}  # fmt: skip


def lower(simple: SimpleModel, name: str) -> TensorGraph:
    """Write a simplified ONNX model with TFLite's operators.

    Raises:
        UnsupportedModelError: Operators cannot be expressed in TFLite; each is named with its layers and the reason.
    """
    context = Lowering(name, simple)
    nodes = [Node(proto, number) for number, proto in enumerate(simple.model.graph.node)]
    _require_known(nodes, simple, name)
    inputs = _with_inputs(context, nodes)
    for node in nodes:
        if all(output in simple.constants for output in node.outputs if output):
            continue
        context.node = node
        try:
            HANDLERS[node.kind](context, node)
        except NotConvertibleError as error:
            raise UnsupportedModelError(
                f"{node.kind} (layer {node.name!r}) cannot be converted: {error.what}",
                operators=(node.kind,),
                where=name,
                remedy="replace the layer, or profile the model on a CPU: -d host",
            ) from None
    context.node = None
    graph = context.graph.build(inputs, context.outputs(simple.outputs))
    ranges = {context.values[name].tensor: found for name, found in simple.ranges.items() if name in context.values}
    return replace(graph, ranges=ranges)


def _require_known(nodes: list[Node], simple: SimpleModel, name: str) -> None:
    unknown: dict[str, list[str]] = defaultdict(list)
    for node in nodes:
        computed = not all(output in simple.constants for output in node.outputs if output)
        if computed and (node.kind not in HANDLERS or node.domain not in {"", "ai.onnx"}):
            unknown[node.kind].append(node.name)
    if unknown:
        listed = "; ".join(f"{kind} ({_few(layers)})" for kind, layers in sorted(unknown.items()))
        raise UnsupportedModelError(
            f"edgebench cannot convert these operators to TFLite: {listed}",
            operators=tuple(sorted(unknown)),
            where=name,
            remedy="replace them, or profile the model on a CPU: -d host",
        )


def _few(names: list[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:3])
    return (
        f"{'layer' if len(names) == 1 else 'layers'} {shown}{f' and {len(names) - 3} more' if len(names) > 3 else ''}"
    )


def _with_inputs(context: Lowering, nodes: list[Node]) -> tuple[Port, ...]:
    """Inputs in the layout that their first reader needs, so that nothing needs to be moved."""
    readers: dict[str, list[Node]] = defaultdict(list)
    for node in nodes:
        for name in node.inputs:
            readers[name].append(node)
    ports = []
    for name in context.simple.inputs:
        rank = len(context.shape(name))
        layout = _wanted_layout(name, rank, readers)
        dtype = context.dtype(name)
        shape = tuple(context.shape(name)[axis] for axis in layout)
        tensor = context.graph.tensor(name, shape, {"int64": "int32"}.get(dtype, dtype))
        context.give(name, tensor, layout)
        ports.append(Port(tensor=tensor, name=name, layout=layout))
    return tuple(ports)


def _wanted_layout(name: str, rank: int, readers: Mapping[str, list[Node]]) -> Layout:
    if rank < 3:
        return identity(rank)
    waiting, seen = [name], {name}
    while waiting:
        for node in readers[waiting.pop(0)]:
            if node.kind in _WANTS_CHANNELS_LAST:
                return channels_last(rank)
            if node.kind in _PASSES_ON:
                fresh = [output for output in node.outputs if output and output not in seen]
                seen.update(fresh)
                waiting += fresh
    return identity(rank)
