"""Small networks on real numbers in TFLite, written without the package under test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema


class FloatGraph:
    """One graph in the making; tensors by number."""

    def __init__(self, name: str = "main", model: FloatModel | None = None) -> None:
        self.model = model or FloatModel()
        self.model.graphs.append(self)
        self.table = schema.SubGraphT()
        self.table.name = name.encode()
        self.table.tensors, self.table.operators = [], []
        self.random = np.random.default_rng(len(self.model.graphs))

    def tensor(
        self,
        name: str,
        shape: Sequence[int],
        dtype: str = "float32",
        *,
        signature: Sequence[int] | None = None,
        scale: float | Sequence[float] | None = None,
        zero_point: int = 0,
        axis: int = 0,
        variable: bool = False,
    ) -> int:
        tensor = schema.TensorT()
        tensor.name, tensor.shape = name.encode(), list(shape)
        tensor.type, tensor.buffer = getattr(schema.TensorType, dtype.upper()), 0
        tensor.shapeSignature = None if signature is None else list(signature)
        tensor.isVariable = variable
        if scale is not None:
            scales = np.atleast_1d(np.asarray(scale, np.float32))
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = scales
            tensor.quantization.zeroPoint = np.full(len(scales), zero_point, np.int64)
            tensor.quantization.quantizedDimension = axis
        self.table.tensors.append(tensor)
        return len(self.table.tensors) - 1

    def constant(self, values: Any, name: str = "", dtype: str = "", **options: Any) -> int:
        array = np.asarray(values)
        index = self.tensor(
            name or f"constant{len(self.table.tensors)}", array.shape, dtype or array.dtype.name, **options
        )
        self.table.tensors[index].buffer = self.model.buffer(array.tobytes())
        return index

    def weights(self, *shape: int, size: float | None = None) -> int:
        size = size or (2 / max(1, int(np.prod(shape[1:])))) ** 0.5
        return self.constant((self.random.standard_normal(shape) * size).astype(np.float32))

    def indices(self, *values: Any) -> int:
        return self.constant(np.array(values[0] if len(values) == 1 and np.ndim(values[0]) else values, np.int32))

    def operator(
        self,
        kind: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        options: str = "",
        version: int = 1,
        **fields: Any,
    ) -> None:
        operator = schema.OperatorT()
        operator.opcodeIndex = self.model.code(kind, version)
        operator.inputs, operator.outputs = list(inputs), list(outputs)
        if options:
            operator.builtinOptions = getattr(schema, f"{options}T")()
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, options)
            for name, value in fields.items():
                setattr(operator.builtinOptions, name, value)
        self.table.operators.append(operator)

    def add(
        self,
        kind: str,
        inputs: Sequence[int],
        shape: Sequence[int],
        options: str = "",
        dtype: str = "float32",
        **fields: Any,
    ) -> int:
        """An operator with one new output; the output."""
        output = self.tensor(f"{kind.lower()}{len(self.table.tensors)}", shape, dtype)
        self.operator(kind, inputs, [output], options, **fields)
        return output

    def conv(self, source: int, channels: int, kernel: int = 3, stride: int = 1, activation: int = 0) -> int:
        """A convolution with padding SAME."""
        batch, rows, columns, depth = self.table.tensors[source].shape
        shape = [batch, -(-rows // stride), -(-columns // stride), channels]
        inputs = [source, self.weights(channels, kernel, kernel, depth), self.weights(channels, size=0.1)]
        fields = {"strideH": stride, "strideW": stride, "dilationHFactor": 1, "dilationWFactor": 1}
        return self.add("CONV_2D", inputs, shape, "Conv2DOptions", fusedActivationFunction=activation, **fields)

    def dense(self, source: int, units: int) -> int:
        """A fully connected layer."""
        *rest, depth = self.table.tensors[source].shape
        inputs = [source, self.weights(units, depth), self.weights(units, size=0.1)]
        return self.add("FULLY_CONNECTED", inputs, [*rest, units], "FullyConnectedOptions", keepNumDims=len(rest) > 1)

    def ports(self, inputs: Sequence[int], outputs: Sequence[int]) -> FloatGraph:
        self.table.inputs, self.table.outputs = list(inputs), list(outputs)
        return self


class FloatModel:
    """A file in the making."""

    def __init__(self) -> None:
        self.graphs: list[FloatGraph] = []
        self._buffers = [schema.BufferT()]
        self._codes: dict[tuple[str, int], int] = {}
        self.signatures: list[Any] = []
        self.old_codes = False

    def buffer(self, data: bytes) -> int:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(data, np.uint8)
        self._buffers.append(buffer)
        return len(self._buffers) - 1

    def code(self, kind: str, version: int) -> int:
        return self._codes.setdefault((kind, version), len(self._codes))

    def signature(self, name: str, graph: int, inputs: dict[str, int], outputs: dict[str, int]) -> None:
        signature = schema.SignatureDefT()
        signature.signatureKey, signature.subgraphIndex = name.encode(), graph
        signature.inputs, signature.outputs = (
            [self._entry(key, index) for key, index in part.items()] for part in (inputs, outputs)
        )
        self.signatures.append(signature)

    def _entry(self, name: str, index: int) -> Any:
        entry = schema.TensorMapT()
        entry.name, entry.tensorIndex = name.encode(), index
        return entry

    def content(self) -> bytes:
        model = schema.ModelT()
        model.version, model.buffers = 3, self._buffers
        model.operatorCodes = [self._operator_code(kind, version) for kind, version in self._codes]
        model.subgraphs = [graph.table for graph in self.graphs]
        model.signatureDefs = self.signatures or None
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def _operator_code(self, kind: str, version: int) -> Any:
        code = schema.OperatorCodeT()
        number = getattr(schema.BuiltinOperator, kind, schema.BuiltinOperator.CUSTOM)
        code.builtinCode = 0 if self.old_codes else number
        code.deprecatedBuiltinCode, code.version = min(number, 127), version
        if number == schema.BuiltinOperator.CUSTOM:
            code.customCode = kind.encode()
        return code

    def write(self, path: Path) -> Path:
        path.write_bytes(self.content())
        return path


def streaming_model() -> FloatModel:
    """Remembers its last two frames in a variable, which a graph of its own sets to zero before the first run."""
    main = FloatGraph("main")
    model = main.model
    start = FloatGraph("start", model)

    def handle(graph: FloatGraph) -> int:
        found = graph.tensor("handle", [1], "resource")
        graph.operator("VAR_HANDLE", [], [found], "VarHandleOptions", container=b"", sharedName=b"frames")
        return found

    start.operator("ASSIGN_VARIABLE", [handle(start), start.constant(np.zeros((1, 2, 8), np.float32))], [])
    start.ports([], [])
    frame = main.tensor("frame", [1, 1, 8])
    main.operator("CALL_ONCE", [], [], "CallOnceOptions", initSubgraphIndex=1)
    variable = handle(main)
    before = main.add("READ_VARIABLE", [variable], [1, 2, 8])
    frames = main.add("CONCATENATION", [before, frame], [1, 3, 8], "ConcatenationOptions", axis=1)
    kept = main.add("SLICE", [frames, main.indices(0, 1, 0), main.indices(1, 2, 8)], [1, 2, 8], "SliceOptions")
    main.operator("ASSIGN_VARIABLE", [variable, kept], [])
    flat = main.add("RESHAPE", [frames, main.indices(1, 24)], [1, 24], "ReshapeOptions")
    main.ports([frame], [main.dense(flat, 4)])
    return model
