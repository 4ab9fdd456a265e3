"""An int8 TFLite file as typed operators with their numbers, for writers that need all of it."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebench.errors import InputError, UnsupportedModelError

_DTYPES = {0: "float32", 2: "int32", 4: "int64", 7: "int16", 9: "int8", 3: "uint8", 6: "bool", 17: "int4"}
_DAMAGE = (struct.error, IndexError, TypeError, ValueError, AttributeError, OverflowError, KeyError, MemoryError)
_MAX_TENSOR_BYTES = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class QuantisedTensor:
    """One tensor.

    Attributes:
        name: Its name.
        dtype: ``int8``, ``int32``, ...
        shape: Sizes, with the batch.
        scales: One real value a step, or one for each channel.
        zero_points: The integer that stands for 0, or one for each channel.
        data: Values of a constant, else None.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    data: NDArray[Any] | None = None

    @property
    def scale(self) -> float:
        """The only scale."""
        return self.scales[0]

    @property
    def zero_point(self) -> int:
        """The only zero point."""
        return self.zero_points[0]

    @property
    def elements(self) -> int:
        """Number of values."""
        return int(np.prod(self.shape, dtype=np.int64)) if self.shape else 1

    @property
    def item_bytes(self) -> int:
        """Bytes of one value."""
        return np.dtype(self.dtype).itemsize

    @property
    def size_bytes(self) -> int:
        """Bytes of all values."""
        return self.elements * self.item_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantisedOperator:
    """One operator.

    Attributes:
        kind: Name in TFLite's schema.
        inputs: Indices of tensors, -1 for none.
        outputs: Indices of tensors.
        options: The operator's own settings, by the schema's names.
    """

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantisedGraph:
    """The main graph of a file."""

    name: str
    tensors: tuple[QuantisedTensor, ...]
    operators: tuple[QuantisedOperator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def read_quantised_graph(path: Path) -> QuantisedGraph:
    """Read a file.

    Raises:
        InputError: Damaged.
    """
    from ai_edge_litert import schema_py_generated as schema

    content = path.read_bytes()
    try:
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
        graph = model.subgraphs[0]
        names = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
        tensors = tuple(_tensor(model, tensor, content) for tensor in graph.tensors)
        operators = tuple(_operator(model, operator, names, len(tensors)) for operator in graph.operators)
        inputs, outputs = _indices(graph.inputs, len(tensors)), _indices(graph.outputs, len(tensors))
        if not operators or not inputs or not outputs:
            raise ValueError("the graph is empty")
    except _DAMAGE as error:
        raise InputError(f"damaged TFLite file: {error or type(error).__name__}", where=str(path)) from None
    return QuantisedGraph(name=path.stem, tensors=tensors, operators=operators, inputs=inputs, outputs=outputs)


def _tensor(model: Any, tensor: Any, content: bytes) -> QuantisedTensor:
    # An open batch keeps the size that is stored beside it, which is 1; other open sizes have nothing to go by.
    signature = [int(size) for size in tensor.shapeSignature] if tensor.shapeSignature is not None else []
    if any(size < 0 for size in signature[1:]):
        name = (tensor.name or b"").decode("utf-8", "replace")
        raise UnsupportedModelError(
            f"tensor {name!r} has open sizes {signature}, a plan of memory needs them all",
            remedy="export the model with fixed sizes",
        )
    shape = tuple(int(size) for size in tensor.shape) if tensor.shape is not None else ()
    if any(size < 1 for size in shape) or np.prod(shape, dtype=np.float64) > _MAX_TENSOR_BYTES:
        raise ValueError(f"tensor {tensor.name!r} has the shape {shape}")
    dtype = _DTYPES.get(tensor.type, f"type {tensor.type}")
    quantisation = tensor.quantization
    scales = () if quantisation is None or quantisation.scale is None else tuple(map(float, quantisation.scale))
    points = () if quantisation is None or quantisation.zeroPoint is None else tuple(map(int, quantisation.zeroPoint))
    if any(not np.isfinite(scale) or scale <= 0 for scale in scales):
        raise ValueError(f"tensor {tensor.name!r} has a scale that is not a positive number")
    buffer = model.buffers[tensor.buffer]
    data = b"" if buffer.data is None else bytes(buffer.data)
    if not data and buffer.offset > 1:
        # Large constants may lie behind the tables, at an offset in the file.
        if buffer.offset + buffer.size > len(content):
            raise ValueError(f"the data of tensor {tensor.name!r} lies outside the file")
        data = content[buffer.offset : buffer.offset + buffer.size]
    values = None
    if data:
        numpy_type = np.dtype(dtype) if dtype in {"int8", "int32", "int64", "float32", "uint8", "int16"} else None
        if numpy_type is None:
            name = (tensor.name or b"").decode("utf-8", "replace")
            raise UnsupportedModelError(
                f"constant {name!r} holds {dtype} values, which no kernel takes", remedy="quantise the model to int8"
            )
        values = np.frombuffer(data, numpy_type).reshape(shape)
    return QuantisedTensor(
        name=(tensor.name or b"").decode("utf-8", "replace"),
        dtype=dtype,
        shape=shape,
        scales=scales,
        zero_points=points or (0,) * len(scales),
        data=values,
    )


def _operator(model: Any, operator: Any, names: Mapping[int, str], tensors: int) -> QuantisedOperator:
    code = model.operatorCodes[operator.opcodeIndex]
    kind = names.get(max(code.builtinCode, code.deprecatedBuiltinCode), "UNKNOWN")
    options = vars(operator.builtinOptions) if operator.builtinOptions is not None else {}
    return QuantisedOperator(
        kind=kind,
        inputs=_indices(operator.inputs, tensors, lowest=-1),
        outputs=_indices(operator.outputs, tensors),
        options=dict(options),
    )


def _indices(values: Any, count: int, lowest: int = 0) -> tuple[int, ...]:
    indices = tuple(int(value) for value in values) if values is not None else ()
    if any(not lowest <= index < count for index in indices):
        raise ValueError("an index names a tensor that does not exist")
    return indices
