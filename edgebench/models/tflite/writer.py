"""A tensor graph as a TFLite file, written through the schema included in LiteRT."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgebench.errors import InputError, MissingPackageError, UnsupportedModelError
from edgebench.models.graph.from_network import graph_of
from edgebench.models.graph.tensor_graph import GraphNode, GraphTensor, Port, TensorGraph
from edgebench.models.network import Network
from edgebench.models.network.weights import Weights

SCHEMA_VERSION = 3
SIGNATURE = "serving_default"
MAX_BYTES = 2**31 - 2**20
# Options tables that are not named after their operator.
_OPTIONS = {
    "AVERAGE_POOL_2D": "Pool2DOptions",
    "MAX_POOL_2D": "Pool2DOptions",
    "MEAN": "ReducerOptions",
    "SUM": "ReducerOptions",
    "REDUCE_MAX": "ReducerOptions",
    "REDUCE_MIN": "ReducerOptions",
    "REDUCE_PROD": "ReducerOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "CONV_2D": "Conv2DOptions",
    "CONV_3D": "Conv3DOptions",
    "MINIMUM": "MaximumMinimumOptions",
    "MAXIMUM": "MaximumMinimumOptions",
    "BATCH_MATMUL": "BatchMatMulOptions",
    "PADV2": "PadV2Options",
    "LOGISTIC": "",
    "RELU": "",
    "RELU6": "",
    "RELU_N1_TO_1": "",
    "PRELU": "",
    "ELU": "",
    "TANH": "",
    "SQRT": "",
    "RSQRT": "",
    "SIN": "",
    "LOG": "",
    "CEIL": "",
    "ROUND": "",
    "FLOOR": "",
}
_VERSIONS = {"TRANSPOSE_CONV": 3, "FULLY_CONNECTED": 1}


def to_tflite(network: Network, weights: Weights, path: Path) -> None:
    """Write a network of edgebench's own with float32 weights, channels last, batch 1.

    Raises:
        InputError: The weights need more than the 2 GiB that one file can hold, or TFLite cannot express a layer.
        MissingPackageError: LiteRT, which includes the schema, is not installed.
    """
    size = sum(layer.kernel.nbytes + layer.bias.nbytes for layer in weights.values())
    _require_room(size, network.name)
    write_graph(graph_of(network, weights), path)


def write_graph(graph: TensorGraph, path: Path) -> None:
    """Write a graph with float32 or integer tensors, with one signature whose names are the user's.

    Raises:
        InputError: The constants need more than the 2 GiB that one file can hold.
        MissingPackageError: LiteRT, which includes the schema, is not installed.
    """
    _require_room(graph.constant_bytes, graph.name)
    path.write_bytes(_Writer(graph).serialise())


def _require_room(size: int, name: str) -> None:
    if size > MAX_BYTES:
        raise InputError(f"the weights take {size / 2**30:.1f} GiB, but a TFLite file holds 2", where=name)


class _Writer:
    def __init__(self, graph: TensorGraph) -> None:
        try:
            from ai_edge_litert import schema_py_generated as schema
        except ModuleNotFoundError as error:
            raise MissingPackageError(
                "writing TFLite needs ai-edge-litert", remedy="pip install ai-edge-litert"
            ) from error
        self._schema: Any = schema
        self._graph = graph
        self._buffers: list[Any] = [schema.BufferT()]
        used = {name for node in graph.nodes for name in (*node.inputs, *node.outputs)}
        used |= {port.tensor for port in (*graph.inputs, *graph.outputs)}
        self._index = {name: number for number, name in enumerate(name for name in graph.tensors if name in used)}
        self._codes: dict[tuple[str, int], int] = {}

    def serialise(self) -> bytes:
        import flatbuffers

        schema, graph = self._schema, self._graph
        main = schema.SubGraphT()
        main.tensors = [self._tensor(graph.tensors[name]) for name in self._index]
        main.operators = [self._operator(node) for node in graph.nodes]
        main.inputs = [self._index[port.tensor] for port in graph.inputs]
        main.outputs = [self._index[port.tensor] for port in graph.outputs]
        main.name = b"main"
        model = schema.ModelT()
        model.version, model.description = SCHEMA_VERSION, b"edgebench"
        model.subgraphs, model.buffers = [main], self._buffers
        model.operatorCodes = [self._code(kind, version) for kind, version in self._codes]
        model.signatureDefs = [self._signature()]
        builder = flatbuffers.Builder(graph.constant_bytes + (1 << 14))
        try:
            builder.Finish(model.Pack(builder), b"TFL3")
        except TypeError as error:
            # Its numbers have 32 bits; a damaged model may hold any.
            raise UnsupportedModelError(f"TFLite cannot hold a number of this model: {error}") from None
        return bytes(builder.Output())

    def _tensor(self, tensor: GraphTensor) -> Any:
        schema = self._schema
        written = schema.TensorT()
        written.name = tensor.name.encode()
        written.shape = list(tensor.shape)
        written.type = getattr(schema.TensorType, tensor.dtype.upper())
        written.buffer = 0
        if tensor.data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(tensor.data).tobytes(), dtype=np.uint8)
            written.buffer = len(self._buffers)
            self._buffers.append(buffer)
        return written

    def _operator(self, node: GraphNode) -> Any:
        schema = self._schema
        operator = schema.OperatorT()
        version = _VERSIONS.get(node.kind, 1)
        operator.opcodeIndex = self._codes.setdefault((node.kind, version), len(self._codes))
        operator.inputs = [self._index[name] if name else -1 for name in node.inputs]
        operator.outputs = [self._index[name] for name in node.outputs]
        table = _OPTIONS.get(node.kind, _camel(node.kind) + "Options")
        kind = getattr(schema, table + "T", None) if table else None
        if kind is not None:
            options = kind()
            _fill(options, node.options)
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, table)
            operator.builtinOptions = options
        return operator

    def _code(self, kind: str, version: int) -> Any:
        code = self._schema.OperatorCodeT()
        code.builtinCode = getattr(self._schema.BuiltinOperator, kind)
        # Readers from before 2020 use this narrower field.
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.version = version
        return code

    def _signature(self) -> Any:
        signature = self._schema.SignatureDefT()
        signature.signatureKey, signature.subgraphIndex = SIGNATURE.encode(), 0
        signature.inputs, signature.outputs = (
            [self._map(port) for port in ports] for ports in (self._graph.inputs, self._graph.outputs)
        )
        return signature

    def _map(self, port: Port) -> Any:
        entry = self._schema.TensorMapT()
        entry.name, entry.tensorIndex = port.name.encode(), self._index[port.tensor]
        return entry


def _fill(options: Any, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if not hasattr(options, name):
            raise ValueError(f"{type(options).__name__} has no {name}")
        setattr(options, name, value)


def _camel(kind: str) -> str:
    words = kind.split("_")
    return "".join(word if word[0].isdigit() else word.capitalize() for word in words)
