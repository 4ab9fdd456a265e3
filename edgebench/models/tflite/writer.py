"""A network as a float32 TFLite file, written through the schema that comes with LiteRT."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebench.errors import InputError, MissingPackageError
from edgebench.models.network import INPUT, Network, same_padding
from edgebench.models.network.layers import (
    Activation,
    Add,
    AveragePool2D,
    Concat,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    GlobalAveragePool,
    Layer,
    MaxPool2D,
    Pad,
    Padding,
    Reshape,
    Softmax,
)
from edgebench.models.network.weights import Weights

SCHEMA_VERSION = 3
SIGNATURE = "serving_default"
_MAX_BYTES = 2**31 - 2**20
_FUSED = {"none": "NONE", "relu": "RELU", "relu6": "RELU6", "tanh": "TANH"}
"""Activations that TFLite's kernels apply themselves; ``tanh`` is not among the ones it implements."""


def to_tflite(network: Network, weights: Weights, path: Path) -> None:
    """Write a network with float32 weights, channels last, batch 1.

    Padding that TFLite calls SAME or VALID becomes the operator's own; any other becomes a PAD before it.

    Raises:
        InputError: The weights need more than the 2 GiB that one file can hold.
        MissingPackageError: LiteRT, which carries the schema, is not installed.
    """
    size = sum(layer.kernel.nbytes + layer.bias.nbytes for layer in weights.values())
    if size > _MAX_BYTES:
        raise InputError(f"the weights take {size / 2**30:.1f} GiB, a TFLite file holds 2", where=network.name)
    graph = _Graph(network, weights)
    graph.tensor(INPUT, (1, *network.input_shape))
    for layer in network.layers:
        _WRITERS[type(layer)](graph, layer)
    path.write_bytes(graph.serialise())


class _Graph:
    """Tensors, buffers and operators as they are collected."""

    def __init__(self, network: Network, weights: Weights) -> None:
        try:
            from ai_edge_litert import schema_py_generated as schema
        except ModuleNotFoundError as error:
            raise MissingPackageError(
                "writing TFLite needs ai-edge-litert", remedy="pip install ai-edge-litert"
            ) from error
        self.network = network
        self.weights = weights
        self.schema: Any = schema
        self._tensors: list[Any] = []
        self._buffers: list[Any] = [schema.BufferT()]
        self._operators: list[Any] = []
        self._codes: dict[str, int] = {}
        self.index: dict[str, int] = {}

    def tensor(self, name: str, shape: tuple[int, ...], value: NDArray[Any] | None = None) -> int:
        """Add a tensor; one without a value belongs to the arena."""
        schema = self.schema
        tensor = schema.TensorT()
        tensor.name = name.encode()
        tensor.shape = list(shape)
        tensor.type = schema.TensorType.FLOAT32
        tensor.buffer = 0
        if value is not None:
            if value.dtype == np.int32:
                tensor.type = schema.TensorType.INT32
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(value).tobytes(), dtype=np.uint8)
            tensor.buffer = len(self._buffers)
            self._buffers.append(buffer)
        self._tensors.append(tensor)
        self.index[name] = len(self._tensors) - 1
        return self.index[name]

    def operator(self, kind: str, inputs: list[int], output: int, options: Any = None) -> None:
        """Add an operator with one output; ``options`` is a table of the schema."""
        schema = self.schema
        operator = schema.OperatorT()
        operator.opcodeIndex = self._codes.setdefault(kind, len(self._codes))
        operator.inputs, operator.outputs = inputs, [output]
        if options is not None:
            union = type(options).__name__.removesuffix("T")
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, union)
            operator.builtinOptions = options
        self._operators.append(operator)

    def output(self, layer: Layer) -> int:
        """The tensor that a layer writes."""
        return self.tensor(layer.name, (1, *self.network.shapes[layer.name]))

    def sources(self, layer: Layer) -> list[int]:
        """The tensors that a layer reads."""
        return [self.index[name] for name in layer.inputs]

    def constants(self, layer: Layer) -> list[int]:
        """Kernel and bias of a layer."""
        weights = self.weights[layer.name]
        return [
            self.tensor(f"{layer.name}.kernel", weights.kernel.shape, weights.kernel.astype(np.float32)),
            self.tensor(f"{layer.name}.bias", weights.bias.shape, weights.bias.astype(np.float32)),
        ]

    def fused(self, kind: str) -> tuple[int, str]:
        """Code of the activation that an operator applies itself, and the one left to do."""
        name = kind if kind in {"none", "relu", "relu6"} else "none"
        return getattr(self.schema.ActivationFunctionType, _FUSED[name]), "none" if name == kind else kind

    def activated(self, layer: Layer, activation: str, write: Callable[[int, int], None]) -> None:
        """Write a layer with the activation it can fuse, and the one behind it that it cannot."""
        fused, left = self.fused(activation)
        if left == "none":
            write(self.output(layer), fused)
            return
        before = self.tensor(f"{layer.name}.linear", (1, *self.network.shapes[layer.name]))
        write(before, fused)
        self.activation(left, before, self.output(layer))

    def activation(self, kind: str, source: int, output: int) -> None:
        """An activation as an operator of its own."""
        names = {"relu": "RELU", "relu6": "RELU6", "sigmoid": "LOGISTIC", "tanh": "TANH", "hard_swish": "HARD_SWISH"}
        options = self.schema.HardSwishOptionsT() if kind == "hard_swish" else None
        self.operator(names[kind], [source], output, options)

    def padded(self, layer: Conv2D | DepthwiseConv2D | AveragePool2D | MaxPool2D) -> tuple[int, int]:
        """The tensor a window slides over, after a PAD if it needs one, and the code of its padding."""
        schema, padding = self.schema, layer.padding
        source = self.index[layer.inputs[0]]
        height, width, channels = self.network.shapes[layer.inputs[0]]
        dilation = getattr(layer, "dilation", (1, 1))
        reach = ((layer.kernel[0] - 1) * dilation[0] + 1, (layer.kernel[1] - 1) * dilation[1] + 1)
        if not padding:
            return source, schema.Padding.VALID
        if padding == same_padding((height, width), reach, layer.stride):
            return source, schema.Padding.SAME
        if isinstance(layer, (AveragePool2D, MaxPool2D)):
            raise InputError(f"layer {layer.name!r}: TFLite cannot pool with this padding", where=self.network.name)
        shape = (1, height + padding.height, width + padding.width, channels)
        output = self.tensor(f"{layer.name}.padded", shape)
        self.pad(f"{layer.name}.padding", padding, source, output)
        return output, schema.Padding.VALID

    def pad(self, name: str, padding: Padding, source: int, output: int) -> None:
        """A PAD operator."""
        rows = [[0, 0], [padding.top, padding.bottom], [padding.left, padding.right], [0, 0]]
        sizes = self.tensor(name, (4, 2), np.array(rows, np.int32))
        self.operator("PAD", [source, sizes], output, self.schema.PadOptionsT())

    def serialise(self) -> bytes:
        """The file."""
        import flatbuffers

        schema = self.schema
        graph = schema.SubGraphT()
        graph.tensors, graph.operators = self._tensors, self._operators
        graph.inputs, graph.outputs = [self.index[INPUT]], [self.index[self.network.output]]
        graph.name = b"main"
        model = schema.ModelT()
        model.version, model.description = SCHEMA_VERSION, b"edgebench"
        model.subgraphs, model.buffers = [graph], self._buffers
        model.operatorCodes = [self._code(kind) for kind in self._codes]
        model.signatureDefs = [self._signature()]
        builder = flatbuffers.Builder(sum(len(b.data) for b in self._buffers if b.data is not None) + 4096)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def _code(self, kind: str) -> Any:
        code = self.schema.OperatorCodeT()
        code.builtinCode = getattr(self.schema.BuiltinOperator, kind)
        # Readers from before 2020 look at this narrower field.
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.version = 1
        return code

    def _signature(self) -> Any:
        schema = self.schema
        signature = schema.SignatureDefT()
        signature.signatureKey, signature.subgraphIndex = SIGNATURE.encode(), 0
        maps = []
        for name in (INPUT, self.network.output):
            entry = schema.TensorMapT()
            entry.name, entry.tensorIndex = name.encode(), self.index[name]
            maps.append(entry)
        signature.inputs, signature.outputs = [maps[0]], [maps[1]]
        return signature


def _write_convolution(graph: _Graph, layer: Conv2D) -> None:
    source, padding = graph.padded(layer)
    constants = graph.constants(layer)

    def write(output: int, activation: int) -> None:
        options = graph.schema.Conv2DOptionsT()
        options.padding, options.fusedActivationFunction = padding, activation
        options.strideH, options.strideW = layer.stride
        options.dilationHFactor, options.dilationWFactor = layer.dilation
        graph.operator("CONV_2D", [source, *constants], output, options)

    graph.activated(layer, layer.activation, write)


def _write_depthwise(graph: _Graph, layer: DepthwiseConv2D) -> None:
    source, padding = graph.padded(layer)
    constants = graph.constants(layer)

    def write(output: int, activation: int) -> None:
        options = graph.schema.DepthwiseConv2DOptionsT()
        options.padding, options.fusedActivationFunction = padding, activation
        options.strideH, options.strideW = layer.stride
        options.depthMultiplier = layer.multiplier
        graph.operator("DEPTHWISE_CONV_2D", [source, *constants], output, options)

    graph.activated(layer, layer.activation, write)


def _write_dense(graph: _Graph, layer: Dense) -> None:
    constants = graph.constants(layer)

    def write(output: int, activation: int) -> None:
        options = graph.schema.FullyConnectedOptionsT()
        options.fusedActivationFunction = activation
        graph.operator("FULLY_CONNECTED", [*graph.sources(layer), *constants], output, options)

    graph.activated(layer, layer.activation, write)


def _write_add(graph: _Graph, layer: Add) -> None:
    def write(output: int, activation: int) -> None:
        options = graph.schema.AddOptionsT()
        options.fusedActivationFunction = activation
        graph.operator("ADD", graph.sources(layer), output, options)

    graph.activated(layer, layer.activation, write)


def _write_concat(graph: _Graph, layer: Concat) -> None:
    options = graph.schema.ConcatenationOptionsT()
    options.axis = len(graph.network.shapes[layer.name])
    graph.operator("CONCATENATION", graph.sources(layer), graph.output(layer), options)


def _write_pool(graph: _Graph, layer: AveragePool2D | MaxPool2D) -> None:
    source, padding = graph.padded(layer)
    options = graph.schema.Pool2DOptionsT()
    options.padding = padding
    options.filterHeight, options.filterWidth = layer.kernel
    options.strideH, options.strideW = layer.stride
    kind = "AVERAGE_POOL_2D" if isinstance(layer, AveragePool2D) else "MAX_POOL_2D"
    graph.operator(kind, [source], graph.output(layer), options)


def _write_global_average_pool(graph: _Graph, layer: GlobalAveragePool) -> None:
    axes = graph.tensor(f"{layer.name}.axes", (2,), np.array([1, 2], np.int32))
    options = graph.schema.ReducerOptionsT()
    options.keepDims = False
    graph.operator("MEAN", [*graph.sources(layer), axes], graph.output(layer), options)


def _write_activation(graph: _Graph, layer: Activation) -> None:
    if layer.kind == "none":
        raise InputError(f"layer {layer.name!r} does nothing", where=graph.network.name)
    graph.activation(layer.kind, graph.sources(layer)[0], graph.output(layer))


def _write_pad(graph: _Graph, layer: Pad) -> None:
    graph.pad(f"{layer.name}.padding", layer.padding, graph.sources(layer)[0], graph.output(layer))


def _write_reshape(graph: _Graph, layer: Reshape) -> None:
    target = (1, *graph.network.shapes[layer.name])
    shape = graph.tensor(f"{layer.name}.shape", (len(target),), np.array(target, np.int32))
    options = graph.schema.ReshapeOptionsT()
    options.newShape = list(target)
    graph.operator("RESHAPE", [*graph.sources(layer), shape], graph.output(layer), options)


def _write_softmax(graph: _Graph, layer: Softmax) -> None:
    options = graph.schema.SoftmaxOptionsT()
    options.beta = 1.0
    graph.operator("SOFTMAX", graph.sources(layer), graph.output(layer), options)


_WRITERS: Mapping[type[Layer], Callable[[_Graph, Any], None]] = {
    Conv2D: _write_convolution,
    DepthwiseConv2D: _write_depthwise,
    Dense: _write_dense,
    Add: _write_add,
    Concat: _write_concat,
    AveragePool2D: _write_pool,
    MaxPool2D: _write_pool,
    GlobalAveragePool: _write_global_average_pool,
    Activation: _write_activation,
    Pad: _write_pad,
    Reshape: _write_reshape,
    Softmax: _write_softmax,
}
