"""An int8 TFLite file as typed operators with their numbers, for writers that need all of it."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebench.errors import InputError, UnsupportedModelError
from edgebench.models.tflite.folding import fold_constants

_DTYPES = {
    **dict(
        enumerate(("float32", "float16", "int32", "uint8", "int64", "string", "bool", "int16", "complex64", "int8"))
    ),
    **dict(enumerate(("float64", "complex128", "uint64", "resource", "variant", "uint32", "uint16", "int4"), start=10)),
}
_CONSTANTS = {"int8", "int32", "int64", "float32", "uint8", "int16", "bool"}
_DAMAGE = (struct.error, IndexError, TypeError, ValueError, AttributeError, OverflowError, KeyError, MemoryError)
_MAX_TENSOR_BYTES = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class QuantisedTensor:
    """One tensor.

    Attributes:
        name: Its name.
        dtype: ``int8``, ``int32``, ...
        shape: Sizes, with the batch.
        scales: One real value per step, or one for each channel.
        zero_points: The integer that represents 0, or one for each channel.
        data: Values of a constant, otherwise None.
        variable: Whether it keeps its values from one run to the next.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    data: NDArray[Any] | None = None
    variable: bool = False

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
        """Bytes of one value.

        Raises:
            UnsupportedModelError: It is not stored as whole bytes, or is unknown.
        """
        try:
            return np.dtype(self.dtype).itemsize
        except TypeError:
            raise UnsupportedModelError(
                f"tensor {self.name!r} has {self.dtype} values, which no kernel takes",
                remedy="quantise the model to int8",
            ) from None

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
        intermediates: Indices of tensors that only provide the scales of what it computes inside.
        custom: A custom operator's own name.
    """

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    intermediates: tuple[int, ...] = ()
    custom: str = ""

    @property
    def label(self) -> str:
        """What users call it."""
        return self.custom or self.kind


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantisedGraph:
    """The main graph of a file.

    Attributes:
        name: Of the file.
        tensors: All tensors, by index.
        operators: In the order of execution.
        inputs: Indices of tensors.
        outputs: Indices of tensors.
        initial: What variables (``VAR_HANDLE``) contain before the first run, by their names.
    """

    name: str
    tensors: tuple[QuantisedTensor, ...]
    operators: tuple[QuantisedOperator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    initial: Mapping[str, QuantisedTensor] = field(default_factory=dict)


def variable_name(options: Mapping[str, Any]) -> str:
    """The name that a ``VAR_HANDLE`` gives its variable."""
    parts = [options.get(key) or b"" for key in ("container", "sharedName")]
    return "/".join(part.decode("utf-8", "replace") if isinstance(part, bytes) else str(part) for part in parts)


def read_quantised_graph(path: Path) -> QuantisedGraph:
    """Read a file.

    Raises:
        InputError: Damaged.
    """
    from ai_edge_litert import schema_py_generated as schema

    content = path.read_bytes()
    try:
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
        load_buffers(model, content)
        fold_constants(schema, model)
        names = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
        graph = _graph(model, 0, names, path.stem)
        if not graph.inputs or not graph.outputs:
            raise ValueError("the graph is empty")
        initial: dict[str, QuantisedTensor] = {}
        for operator in graph.operators:
            if operator.kind == "CALL_ONCE":
                initial |= _assigned(_graph(model, int(operator.options["initSubgraphIndex"]), names, path.stem))
    except _DAMAGE as error:
        raise InputError(f"damaged TFLite file: {error or type(error).__name__}", where=str(path)) from None
    return replace(graph, initial=initial)


def load_buffers(model: Any, content: bytes) -> None:
    """Put constants that come after the tables, at an offset in the file, into their buffers."""
    for buffer in model.buffers:
        if (buffer.data is None or not len(buffer.data)) and buffer.offset > 1:
            if buffer.offset + buffer.size > len(content):
                raise ValueError("the data of a buffer is outside the file")
            buffer.data = np.frombuffer(content, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
        if buffer.data is not None and not len(buffer.data):
            buffer.data = None


def _graph(model: Any, number: int, names: Mapping[int, str], name: str) -> QuantisedGraph:
    graph = model.subgraphs[number]
    tensors = tuple(_tensor(model, tensor) for tensor in graph.tensors)
    operators = tuple(_operator(model, operator, names, len(tensors)) for operator in graph.operators)
    for operator in operators:
        for index in operator.outputs:
            if not tensors[index].elements:
                raise ValueError(f"tensor {tensors[index].name!r} has the shape {tensors[index].shape}")
    return QuantisedGraph(
        name=name,
        tensors=tensors,
        operators=operators,
        inputs=_indices(graph.inputs, len(tensors)),
        outputs=_indices(graph.outputs, len(tensors)),
    )


def _assigned(graph: QuantisedGraph) -> dict[str, QuantisedTensor]:
    """What a graph that runs once puts into variables.

    Raises:
        UnsupportedModelError: It computes something.
    """
    handles, found = {}, {}
    for operator in graph.operators:
        if operator.kind == "VAR_HANDLE":
            handles[operator.outputs[0]] = variable_name(operator.options)
        elif operator.kind == "ASSIGN_VARIABLE" and graph.tensors[operator.inputs[1]].data is not None:
            found[handles[operator.inputs[0]]] = graph.tensors[operator.inputs[1]]
        else:
            raise UnsupportedModelError(
                f"variables are initialised by {operator.kind}, but only constants are possible",
                remedy="give the variables constant initial values before the model is converted",
            )
    return found


def _tensor(model: Any, tensor: Any) -> QuantisedTensor:
    # An open batch keeps the size that is stored beside it, which is 1; other open sizes are unknown.
    signature = [int(size) for size in tensor.shapeSignature] if tensor.shapeSignature is not None else []
    if any(size < 0 for size in signature[1:]):
        name = (tensor.name or b"").decode("utf-8", "replace")
        raise UnsupportedModelError(
            f"tensor {name!r} has open sizes {signature}, but a memory plan needs all sizes",
            remedy="export the model with fixed sizes",
        )
    shape = tuple(int(size) for size in tensor.shape) if tensor.shape is not None else ()
    if any(size < 0 for size in shape) or np.prod(shape, dtype=np.float64) > _MAX_TENSOR_BYTES:
        raise ValueError(f"tensor {tensor.name!r} has the shape {shape}")
    dtype = _DTYPES.get(tensor.type, f"type {tensor.type}")
    quantisation = tensor.quantization
    scales = () if quantisation is None or quantisation.scale is None else tuple(map(float, quantisation.scale))
    points = () if quantisation is None or quantisation.zeroPoint is None else tuple(map(int, quantisation.zeroPoint))
    if any(not np.isfinite(scale) or scale <= 0 for scale in scales):
        raise ValueError(f"tensor {tensor.name!r} has a scale that is not a positive number")
    data = model.buffers[tensor.buffer].data
    values = None
    if 0 in shape:
        # Optional inputs of an operator, such as some weights of an LSTM.
        values = np.zeros(shape, dtype if dtype in _CONSTANTS else "int8")
    elif data is not None:
        numpy_type = np.dtype(dtype) if dtype in _CONSTANTS else None
        if numpy_type is None:
            name = (tensor.name or b"").decode("utf-8", "replace")
            raise UnsupportedModelError(
                f"constant {name!r} has {dtype} values, which no kernel takes", remedy="quantise the model to int8"
            )
        values = np.frombuffer(bytes(data), numpy_type).reshape(shape)
    return QuantisedTensor(
        name=(tensor.name or b"").decode("utf-8", "replace"),
        dtype=dtype,
        shape=shape,
        scales=scales,
        zero_points=points or (0,) * len(scales),
        data=values,
        variable=bool(tensor.isVariable),
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
        intermediates=_indices(operator.intermediates, tensors),
        custom=(code.customCode or b"").decode("utf-8", "replace") if kind == "CUSTOM" else "",
    )


def _indices(values: Any, count: int, lowest: int = 0) -> tuple[int, ...]:
    indices = tuple(int(value) for value in values) if values is not None else ()
    if any(not lowest <= index < count for index in indices):
        raise ValueError("an index names a tensor that does not exist")
    return indices
