"""Reads the graphs of a TFLite file. The file is not trusted: every index and length in it is checked."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

from edgebench.errors import InputError

Shape = tuple[int, ...]

_DAMAGE = (struct.error, IndexError, TypeError, ValueError, AttributeError, OverflowError, MemoryError)
"""What reading a damaged flatbuffer raises."""
_MAX_READ = 4_000_000
"""Most table entries, sizes and characters of names in a whole file; a damaged or hostile one can claim any number,
since its tables may overlap."""
_MAX_DIMENSIONS = 64
_CUSTOM = "CUSTOM"
_CALLS = {
    "CALL": ("CallOptions", False, ("Subgraph",)),
    "CALL_ONCE": ("CallOnceOptions", False, ("InitSubgraphIndex",)),
    "IF": ("IfOptions", False, ("ThenSubgraphIndex", "ElseSubgraphIndex")),
    "WHILE": ("WhileOptions", False, ("CondSubgraphIndex", "BodySubgraphIndex")),
    "STABLEHLO_COMPOSITE": ("StableHLOCompositeOptions", True, ("DecompositionSubgraphIndex",)),
    "STABLEHLO_WHILE": ("StablehloWhileOptions", True, ("CondSubgraphIndex", "BodySubgraphIndex")),
}
"""Operators that run graphs: the table of their options, whether it is the second one, and the fields."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """One tensor of a graph.

    Attributes:
        name: Its name.
        dtype: Type name.
        shape: Sizes as stored.
        signature: Sizes with -1 for open dimensions.
        buffer: Number of the buffer with its values, or None if they are computed.
        quantized: Whether it has a scale.
        sparse: Whether its zeros are not stored.
    """

    name: str
    dtype: str
    shape: Shape
    signature: Shape
    buffer: int | None
    quantized: bool
    sparse: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """One operator.

    Attributes:
        kind: Name in TFLite's schema, or its own name if it is a custom one.
        custom: Whether it must be registered with the runtime.
        inputs: Tensors it reads, -1 for an optional one that is missing.
        outputs: Tensors it writes.
        axis: Axis of a ``GATHER``, otherwise 0.
        graphs: Numbers of the graphs that it runs.
    """

    kind: str
    custom: bool
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    axis: int
    graphs: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """One graph; all indices in it are valid."""

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """One entry point of a file: a graph, and names of its inputs and outputs.

    Attributes:
        name: Its key.
        graph: Number of the graph.
        inputs: Tensors by name.
        outputs: Tensors by name.
    """

    name: str
    graph: int
    inputs: Mapping[str, int]
    outputs: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """The content of a file; all indices in it are valid.

    Attributes:
        graphs: The main one first.
        signatures: Entry points, if it names any.
        old_codes: Whether codes of operators are where TensorFlow before 2.4 put them, which not all tools read.
    """

    graphs: tuple[Graph, ...]
    signatures: tuple[Signature, ...] = ()
    old_codes: bool = False

    def signature(self, name: str | None) -> Signature | None:
        """The signature of a name; without a name, that of the main graph, which runtimes run, if it has one.

        Raises:
            InputError: There is none of that name; the existing ones are listed.
        """
        if name is None:
            return next((signature for signature in self.signatures if signature.graph == 0), None)
        found = next((signature for signature in self.signatures if signature.name == name), None)
        if found is None:
            names = ", ".join(signature.name for signature in self.signatures)
            raise InputError(
                f"there is no signature {name!r}",
                where=f"--signature {name}",
                remedy=f"it has {names}" if names else "the file names none: leave --signature out",
            )
        return found

    def called_from(self, start: int) -> list[Graph]:
        """A graph and all graphs that it runs, itself first."""
        numbers = [start]
        for number in numbers:
            called = (graph for operator in self.graphs[number].operators for graph in operator.graphs)
            numbers.extend(dict.fromkeys(graph for graph in called if graph not in numbers))
        return [self.graphs[number] for number in numbers]


def read_graphs(path: Path) -> list[Graph]:
    """The graphs of a file, the main one first. The data of its tensors is not read.

    Raises:
        InputError: Damaged.
        ModuleNotFoundError: The schema of the format, a part of ai-edge-litert, is not installed.
    """
    return list(read_contents(path).graphs)


def read_contents(path: Path) -> Contents:
    """The graphs and signatures of a file. The data of its tensors is not read.

    Raises:
        InputError: Damaged.
        ModuleNotFoundError: The schema of the format, a part of ai-edge-litert, is not installed.
    """
    from ai_edge_litert import schema_py_generated as schema

    try:
        with path.open("rb") as file:
            # Not closed explicitly: views into it exist as long as what they were read from.
            content = memoryview(mmap(file.fileno(), 0, access=ACCESS_READ))
        return _Reader(schema, content).contents()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", where=str(path)) from None
    except _DAMAGE as error:
        raise InputError(
            f"damaged TFLite file: {str(error)[:200] or type(error).__name__}",
            where=str(path),
            remedy="convert or copy the model again",
        ) from None


class _Reader:
    def __init__(self, schema: Any, content: memoryview) -> None:
        self._schema = schema
        self._model = schema.Model.GetRootAs(content, 0)
        self._size = len(content)
        self._read = 0
        self._dtypes = {value: name.lower() for name, value in _constants(schema.TensorType)}
        self._kinds = {value: name for name, value in _constants(schema.BuiltinOperator)}

    def contents(self) -> Contents:
        graphs = self._graphs()
        model = self._model
        signatures = self._list(
            model.SignatureDefsLength(), model.SignatureDefs, lambda signature: self._signature(signature, graphs)
        )
        codes = (model.OperatorCodes(index) for index in range(model.OperatorCodesLength()))
        old_codes = any(code.BuiltinCode() < code.DeprecatedBuiltinCode() for code in codes)
        return Contents(graphs=tuple(graphs), signatures=tuple(signatures), old_codes=old_codes)

    def _graphs(self) -> list[Graph]:
        model = self._model
        stored = self._list(model.BuffersLength(), model.Buffers, self._stored_bytes)
        codes = self._list(model.OperatorCodesLength(), model.OperatorCodes, self._code)
        graphs = self._list(model.SubgraphsLength(), model.Subgraphs, lambda graph: self._graph(graph, stored, codes))
        if not graphs or not graphs[0].operators or not graphs[0].outputs:
            raise ValueError("the graph is empty")
        return graphs

    def _graph(self, graph: Any, stored: list[int], codes: list[tuple[str, bool]]) -> Graph:
        tensors = self._list(graph.TensorsLength(), graph.Tensors, lambda tensor: self._tensor(tensor, stored))
        count = len(tensors)
        operators = self._list(graph.OperatorsLength(), graph.Operators, lambda op: self._operator(op, codes, count))
        return Graph(
            tensors=tuple(tensors),
            operators=tuple(operators),
            inputs=self._indices(graph.InputsAsNumpy(), count),
            outputs=self._indices(graph.OutputsAsNumpy(), count),
        )

    def _tensor(self, tensor: Any, stored: list[int]) -> Tensor:
        shape = self._sizes(tensor.ShapeAsNumpy())
        signature = self._sizes(tensor.ShapeSignatureAsNumpy()) or shape
        if len(signature) != len(shape) or len(shape) > _MAX_DIMENSIONS or any(size < 0 for size in shape):
            raise ValueError(f"a tensor has the shape {shape[:10]} with the signature {signature[:10]}")
        dtype = self._dtypes.get(tensor.Type(), f"type {tensor.Type()}")
        number = tensor.Buffer()
        if number >= len(stored):
            raise ValueError(f"a tensor has its data in buffer {number} of {len(stored)}")
        sparse = tensor.Sparsity() is not None
        if 0 < stored[number] < _needed_bytes(dtype, shape) and not sparse:
            raise ValueError(f"buffer {number} has {stored[number]} bytes, too few for the shape {shape[:10]}")
        quantization = tensor.Quantization()
        return Tensor(
            name=self._text(tensor.Name()),
            dtype=dtype,
            shape=shape,
            signature=signature,
            buffer=number if stored[number] else None,
            quantized=quantization is not None and quantization.ScaleLength() > 0,
            sparse=sparse,
        )

    def _operator(self, operator: Any, codes: list[tuple[str, bool]], tensors: int) -> Operator:
        if operator.OpcodeIndex() >= len(codes):
            raise ValueError("an operator has no code")
        kind, custom = codes[operator.OpcodeIndex()]
        return Operator(
            kind=kind,
            custom=custom,
            inputs=self._indices(operator.InputsAsNumpy(), tensors, lowest=-1),
            outputs=self._indices(operator.OutputsAsNumpy(), tensors),
            axis=self._axis(operator) if kind == "GATHER" else 0,
            graphs=self._called(operator, kind) if kind in _CALLS else (),
        )

    def _called(self, operator: Any, kind: str) -> tuple[int, ...]:
        """Graphs that an operator runs."""
        name, second, fields = _CALLS[kind]
        table = operator.BuiltinOptions2() if second else operator.BuiltinOptions()
        if table is None:
            return ()
        options = getattr(self._schema, name)()
        options.Init(table.Bytes, table.Pos)
        called = tuple(int(getattr(options, field)()) for field in fields)
        if any(not 0 <= number < self._model.SubgraphsLength() for number in called):
            raise ValueError(f"{kind} runs a graph that does not exist")
        return called

    def _axis(self, operator: Any) -> int:
        table = operator.BuiltinOptions()
        if table is None:
            return 0
        options = self._schema.GatherOptions()
        options.Init(table.Bytes, table.Pos)
        return int(options.Axis())

    def _signature(self, signature: Any, graphs: list[Graph]) -> Signature:
        number = signature.SubgraphIndex()
        if number >= len(graphs):
            raise ValueError(f"a signature names graph {number} of {len(graphs)}")
        count = len(graphs[number].tensors)
        ports = [
            dict(self._list(length, item, lambda entry: self._tensor_map(entry, count)))
            for length, item in (
                (signature.InputsLength(), signature.Inputs),
                (signature.OutputsLength(), signature.Outputs),
            )
        ]
        name = self._text(signature.SignatureKey())
        return Signature(name=name, graph=number, inputs=ports[0], outputs=ports[1])

    def _tensor_map(self, entry: Any, count: int) -> tuple[str, int]:
        if entry.TensorIndex() >= count:
            raise ValueError("a signature names a tensor that does not exist")
        return self._text(entry.Name()), entry.TensorIndex()

    def _code(self, code: Any) -> tuple[str, bool]:
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        kind = self._kinds.get(number, f"BUILTIN_{number}")
        if kind != _CUSTOM:
            return kind, False
        return self._text(code.CustomCode()) or _CUSTOM, True

    def _stored_bytes(self, buffer: Any) -> int:
        """Size of a buffer, which is in the file's tables or, in files of more than 2 GiB, after them."""
        offset, size = buffer.Offset(), buffer.Size()
        if offset > 1 and offset + size > self._size:
            raise ValueError("a buffer is outside the file")
        length = int(buffer.DataLength())
        if length > self._size:
            raise ValueError("a buffer is larger than the file")
        return int(size) if offset > 1 else length

    def _list(self, count: int, item: Callable[[int], Any], convert: Callable[[Any], Any]) -> list[Any]:
        self._spend(count)
        return [convert(item(index)) for index in range(count)]

    def _indices(self, values: Any, count: int, lowest: int = 0) -> tuple[int, ...]:
        indices = self._sizes(values)
        if any(not lowest <= index < count for index in indices):
            raise ValueError("a graph names a tensor that does not exist")
        return indices

    def _sizes(self, values: Any) -> tuple[int, ...]:
        """A vector of integers; the accessor returns 0 if there is none."""
        if isinstance(values, int):
            return ()
        self._spend(len(values))
        return tuple(values.tolist())

    def _text(self, text: bytes | None) -> str:
        self._spend(len(text or b""))
        return (text or b"").decode("utf-8", "replace")

    def _spend(self, count: int) -> None:
        self._read += count
        if self._read > _MAX_READ:
            raise ValueError(f"its tables have more than {_MAX_READ} entries")


def _constants(enumeration: type) -> list[tuple[str, int]]:
    return [(name, value) for name, value in vars(enumeration).items() if isinstance(value, int)]


def _needed_bytes(dtype: str, shape: Shape) -> int:
    bits = re.match(r"[a-z]+(\d+)", dtype)
    return math.prod(shape) * int(bits[1]) // 8 if bits else 0
