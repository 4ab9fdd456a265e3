"""A TFLite file as the schema's tree of tables, which can be modified and written again."""

from __future__ import annotations

import math
import struct
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebench.errors import InputError, UnsupportedModelError
from edgebench.models.tflite.file import read_graphs

Table = Any
"""A table of the schema, whose classes are generated and not typed."""

DAMAGE = (struct.error, IndexError, KeyError, TypeError, ValueError, AttributeError, OverflowError)
"""What reading and modifying the tree of a damaged file raises."""
_NUMPY = {
    "float32": "<f4", "float16": "<f2", "float64": "<f8", "int8": "i1", "uint8": "u1", "int16": "<i2", "uint16": "<u2",
    "int32": "<i4", "uint32": "<u4", "int64": "<i8", "uint64": "<u8", "bool": "?",
}  # fmt: skip
_CUSTOM = "CUSTOM"


def read_tree(path: Path) -> Table:
    """A file as a tree with all buffers in it.

    Raises:
        InputError: Damaged.
    """
    read_graphs(path)
    return parse_tree(path.read_bytes(), str(path))


def parse_tree(content: bytes, where: str) -> Table:
    """The content of a file as a tree with all buffers in it; operator codes are the effective ones.

    Files of TensorFlow before 2.4 have the code of an operator in a field that is now deprecated.

    Raises:
        InputError: Damaged.
    """
    from ai_edge_litert import schema_py_generated as schema

    try:
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
        for code in model.operatorCodes:
            code.builtinCode = max(code.builtinCode, code.deprecatedBuiltinCode)
            code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        for buffer in model.buffers:
            if buffer.offset > 1:
                # Large constants may come after the tables, at an offset in the file.
                buffer.data = np.frombuffer(content, np.uint8, buffer.size, buffer.offset)
                buffer.offset = buffer.size = 0
    except DAMAGE as error:
        raise InputError(f"damaged TFLite file: {error or type(error).__name__}", where=where) from None
    return model


def pack_model(model: Table, size: int) -> bytes:
    """A tree as the content of a file; ``size`` is a first guess of its length."""
    import flatbuffers

    builder = flatbuffers.Builder(size)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


class GraphEditor:
    """One graph of a tree, with what passes look up and modify.

    Args:
        model: The tree.
        number: Which of its graphs.
    """

    def __init__(self, model: Table, number: int = 0) -> None:
        from ai_edge_litert import schema_py_generated as schema

        self.schema: Any = schema
        self.model = model
        self.graph = model.subgraphs[number]
        self._number = number
        self._kinds = {value: name for name, value in _constants(schema.BuiltinOperator)}
        self._dtypes = {value: name.lower() for name, value in _constants(schema.TensorType)}
        self._types = {name: value for value, name in self._dtypes.items()}
        self.graph.inputs, self.graph.outputs = _integers(self.graph.inputs), _integers(self.graph.outputs)
        for operator in self.operators:
            operator.inputs, operator.outputs = _integers(operator.inputs), _integers(operator.outputs)
            operator.intermediates = _integers(operator.intermediates)

    @property
    def operators(self) -> list[Table]:
        """Operators in the order of execution."""
        if self.graph.operators is None:
            self.graph.operators = []
        operators: list[Table] = self.graph.operators
        return operators

    @operators.setter
    def operators(self, operators: Iterable[Table]) -> None:
        self.graph.operators = list(operators)

    @property
    def inputs(self) -> list[int]:
        """Input tensors of the graph."""
        inputs: list[int] = self.graph.inputs
        return inputs

    @property
    def outputs(self) -> list[int]:
        """Output tensors of the graph."""
        outputs: list[int] = self.graph.outputs
        return outputs

    # ---- operators

    def kind(self, operator: Table) -> str:
        """Name in the schema."""
        code = self.model.operatorCodes[operator.opcodeIndex].builtinCode
        return self._kinds.get(code, f"BUILTIN_{code}")

    def label(self, operator: Table) -> str:
        """Name in the schema, or a custom operator's own name."""
        kind = self.kind(operator)
        own = self.model.operatorCodes[operator.opcodeIndex].customCode if kind == _CUSTOM else None
        return (own or kind.encode()).decode("utf-8", "replace")

    def version(self, operator: Table) -> int:
        """Version of the operator's code."""
        return int(self.model.operatorCodes[operator.opcodeIndex].version)

    def set_code(self, operator: Table, kind: str, version: int) -> None:
        """Change an operator to another kind or version."""
        number = getattr(self.schema.BuiltinOperator, kind)
        for index, code in enumerate(self.model.operatorCodes):
            if code.builtinCode == number and code.version == version:
                operator.opcodeIndex = index
                return
        code = self.schema.OperatorCodeT()
        code.builtinCode, code.deprecatedBuiltinCode, code.version = number, min(number, 127), version
        operator.opcodeIndex = len(self.model.operatorCodes)
        self.model.operatorCodes.append(code)

    def operator(
        self,
        kind: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        *,
        version: int = 1,
        table: str = "",
        **options: Any,
    ) -> Table:
        """A new operator, which is not yet in the graph.

        Args:
            kind: Name in the schema.
            inputs: Tensors it reads.
            outputs: Tensors it writes.
            version: Of the operator.
            table: Name of the schema's table of its options, or none.
            options: By the schema's names.
        """
        operator = self.schema.OperatorT()
        self.set_code(operator, kind, version)
        operator.inputs, operator.outputs, operator.intermediates = list(inputs), list(outputs), []
        self.set_options(operator, table, **options)
        return operator

    def set_options(self, operator: Table, table: str, **options: Any) -> None:
        """Give an operator other options; without a table, they are removed."""
        operator.builtinOptions, operator.builtinOptionsType = None, 0
        if table:
            operator.builtinOptions = getattr(self.schema, f"{table}T")()
            operator.builtinOptionsType = getattr(self.schema.BuiltinOptions, table)
            for name, value in options.items():
                setattr(operator.builtinOptions, name, value)

    def readers(self) -> Counter[int]:
        """How often each tensor is read, by operators or as an output of the graph."""
        reads = [index for operator in self.operators for index in operator.inputs if index >= 0]
        return Counter([*reads, *self.outputs])

    def producers(self) -> dict[int, Table]:
        """The operator that writes each tensor."""
        return {index: operator for operator in self.operators for index in operator.outputs}

    def replace(self, tensors: Mapping[int, int]) -> None:
        """Let everything that reads some tensors read others."""
        for operator in self.operators:
            operator.inputs = [tensors.get(index, index) for index in operator.inputs]
        self.set_ports(self.inputs, [tensors.get(index, index) for index in self.outputs])

    def set_ports(self, inputs: Sequence[int], outputs: Sequence[int]) -> None:
        """Give the graph other inputs and outputs, in the same order; its signatures follow."""
        places = dict(zip([*self.inputs, *self.outputs], [*inputs, *outputs], strict=True))
        for signature in self.model.signatureDefs or []:
            if signature.subgraphIndex == self._number:
                for entry in (*(signature.inputs or []), *(signature.outputs or [])):
                    entry.tensorIndex = places.get(entry.tensorIndex, entry.tensorIndex)
        self.graph.inputs, self.graph.outputs = list(inputs), list(outputs)

    # ---- tensors

    def tensor(self, index: int) -> Table:
        """The table of a tensor."""
        return self.graph.tensors[index]

    def name(self, index: int) -> str:
        """A tensor's name."""
        return (self.tensor(index).name or b"").decode("utf-8", "replace")

    def shape(self, index: int) -> tuple[int, ...]:
        """Sizes as stored."""
        shape = self.tensor(index).shape
        return () if shape is None else tuple(int(size) for size in shape)

    def dtype(self, index: int) -> str:
        """Type name."""
        return self._dtypes.get(self.tensor(index).type, f"type {self.tensor(index).type}")

    def is_float(self, index: int) -> bool:
        """Whether there is such a tensor and it contains real numbers."""
        return index >= 0 and self.dtype(index) == "float32"

    def is_stored(self, index: int) -> bool:
        """Whether a tensor's values are in the file."""
        return index >= 0 and self._data(index) is not None

    def values(self, index: int) -> NDArray[Any] | None:
        """Values of a constant; None if there is no such tensor or it is computed.

        Raises:
            UnsupportedModelError: They are of a type that numpy does not have.
        """
        data = self._data(index) if index >= 0 else None
        if data is None:
            return None
        dtype = self.dtype(index)
        if dtype not in _NUMPY:
            raise UnsupportedModelError(
                f"constant {self.name(index)!r} has {dtype} values, which cannot be read here",
                remedy="store it as float32 or int8",
            )
        shape = self.shape(index)
        raw = data if isinstance(data, np.ndarray) else np.asarray(bytearray(data))
        return np.frombuffer(raw, np.dtype(_NUMPY[dtype]), math.prod(shape)).reshape(shape)

    def set_values(self, index: int, values: NDArray[Any]) -> None:
        """Make a tensor a separate constant with the values' type and shape."""
        tensor = self.tensor(index)
        buffer = self.schema.BufferT()
        little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
        buffer.data = np.frombuffer(little.tobytes(), np.uint8)
        tensor.buffer = len(self.model.buffers)
        self.model.buffers.append(buffer)
        tensor.type, tensor.shape, tensor.shapeSignature = self._types[values.dtype.name], list(values.shape), None

    def set_dtype(self, index: int, dtype: str) -> None:
        """Give a tensor another type; its values stay the same bytes."""
        self.tensor(index).type = self._types[dtype]

    def add_tensor(self, name: str, shape: Sequence[int], dtype: str = "float32") -> int:
        """Add a tensor that is computed; returns its number."""
        tensor = self.schema.TensorT()
        tensor.name, tensor.shape, tensor.type, tensor.buffer = name.encode(), list(shape), self._types[dtype], 0
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def add_constant(self, name: str, values: NDArray[Any]) -> int:
        """Add a constant; returns its number."""
        index = self.add_tensor(name, values.shape, values.dtype.name)
        self.set_values(index, values)
        return index

    def set_scales(self, index: int, scales: Sequence[float], zero_points: Sequence[int], axis: int = 0) -> None:
        """Set which real numbers a tensor's integers represent."""
        quantisation = self.schema.QuantizationParametersT()
        quantisation.scale = np.asarray(scales, np.float32)
        quantisation.zeroPoint = np.asarray(zero_points, np.int64)
        quantisation.quantizedDimension = axis
        self.tensor(index).quantization = quantisation

    def scales(self, index: int) -> tuple[NDArray[np.float64], NDArray[np.int64], int] | None:
        """Scales, zero points and their axis, or None if a tensor's integers are just integers."""
        quantisation = self.tensor(index).quantization
        if quantisation is None or quantisation.scale is None or not len(quantisation.scale):
            return None
        scale = np.asarray(quantisation.scale, np.float64)
        points = np.zeros(len(scale), np.int64)
        if quantisation.zeroPoint is not None and len(quantisation.zeroPoint):
            points = np.broadcast_to(np.asarray(quantisation.zeroPoint, np.int64), scale.shape)
        return scale, points, int(quantisation.quantizedDimension)

    def _data(self, index: int) -> Any:
        data = self.model.buffers[self.tensor(index).buffer].data
        return data if data is not None and len(data) else None


def _constants(enumeration: type) -> list[tuple[str, int]]:
    return [(name, value) for name, value in vars(enumeration).items() if isinstance(value, int)]


def _integers(values: Any) -> list[int]:
    return [] if values is None else [int(value) for value in values]
