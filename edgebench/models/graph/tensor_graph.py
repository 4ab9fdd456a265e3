"""A graph of tensors and TFLite's operators: what other formats are lowered to, and what is written.

Unlike ``models.network.Network``, which search spaces build, it has any rank, wiring and number of inputs and outputs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Shape = tuple[int, ...]
_NEVER_NEGATIVE = {"RELU", "RELU6", "LOGISTIC", "SOFTMAX", "ABS", "SQRT", "RSQRT", "EXP"}
_KEEPS_SIGN: Mapping[str, int | None] = {
    "MAX_POOL_2D": 1, "AVERAGE_POOL_2D": 1, "MEAN": 1, "RESHAPE": 1, "TRANSPOSE": 1, "SLICE": 1, "STRIDED_SLICE": 1,
    "PAD": 1, "CONCATENATION": None, "ADD": 2, "MUL": 2, "DIV": 2, "MAXIMUM": None,
}  # fmt: skip
"""Operators whose results are never negative if this many of their first inputs are not; None for all."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GraphTensor:
    """One tensor.

    Attributes:
        name: Unique in its graph.
        shape: Sizes, with the batch.
        dtype: A numpy type name.
        data: Values of a constant, otherwise None.
    """

    name: str
    shape: Shape
    dtype: str = "float32"
    data: NDArray[Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphNode:
    """One operator.

    Attributes:
        kind: Name in TFLite's schema, such as ``CONV_2D``.
        inputs: Names of tensors, ``""`` for an optional one that is missing.
        outputs: Names of tensors.
        options: Settings by the schema's own names, such as ``strideW``.
        source: Name of the layer in the user's model that it comes from.
    """

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """An input or output, and how its axes relate to those in the model it was made from.

    Attributes:
        tensor: Name of the tensor in this graph.
        name: Name in the user's model.
        layout: Axes of the user's tensor in the order they have here: (0, 2, 3, 1) for channels last.
    """

    tensor: str
    name: str
    layout: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorGraph:
    """A whole graph; operators are in the order of execution.

    Attributes:
        name: For files.
        tensors: By name.
        nodes: Operators.
        inputs: In the order of the user's model.
        outputs: In the order of the user's model.
        ranges: Lowest and highest value of tensors, if the model was quantised before.
    """

    name: str
    tensors: Mapping[str, GraphTensor]
    nodes: tuple[GraphNode, ...]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def constant_bytes(self) -> int:
        """Size of all constants."""
        return sum(tensor.data.nbytes for tensor in self.tensors.values() if tensor.data is not None)


class GraphBuilder:
    """Collects tensors and operators.

    Args:
        name: Of the graph.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.tensors: dict[str, GraphTensor] = {}
        self.nodes: list[GraphNode] = []
        self.makers: dict[str, GraphNode] = {}
        self._taken: Counter[str] = Counter()
        self._constants: dict[tuple[str, Shape, bytes], str] = {}

    def tensor(self, name: str, shape: Sequence[int], dtype: str = "float32") -> str:
        """Add a tensor that is computed; returns its name, made unique."""
        unique = self._unique(name)
        self.tensors[unique] = GraphTensor(name=unique, shape=tuple(map(int, shape)), dtype=dtype)
        return unique

    def constant(self, name: str, value: NDArray[Any]) -> str:
        """Add a constant; equal small ones are shared."""
        value = np.asarray(value, order="C")
        key = (value.dtype.str, value.shape, value.tobytes()) if value.nbytes <= 1024 else None
        if key is not None and key in self._constants:
            return self._constants[key]
        unique = self._unique(name)
        self.tensors[unique] = GraphTensor(name=unique, shape=value.shape, dtype=value.dtype.name, data=value)
        if key is not None:
            self._constants[key] = unique
        return unique

    def node(
        self,
        kind: str,
        inputs: Sequence[str],
        shape: Sequence[int],
        *,
        name: str,
        source: str = "",
        dtype: str = "float32",
        **options: Any,
    ) -> str:
        """Add an operator with one output; returns the output's name.

        Args:
            kind: Name in TFLite's schema.
            inputs: Names of tensors.
            shape: Of the output.
            name: Preferred name of the output.
            source: Layer of the user's model.
            dtype: Of the output.
            options: By the schema's names.
        """
        output = self.tensor(name, shape, dtype)
        node = GraphNode(kind=kind, inputs=tuple(inputs), outputs=(output,), options=options, source=source or name)
        self.nodes.append(node)
        self.makers[output] = node
        return output

    def is_never_negative(self, tensor: str) -> bool:
        """Whether all values are known to be 0 or more."""
        data = self.tensors[tensor].data
        if data is not None:
            return bool((data >= 0).all())
        node = self.makers.get(tensor)
        if node is None:
            return False
        is_square = node.kind == "MUL" and node.inputs[0] == node.inputs[1]
        if is_square or node.kind in _NEVER_NEGATIVE:
            return True
        return node.kind in _KEEPS_SIGN and all(
            self.is_never_negative(name) for name in node.inputs[: _KEEPS_SIGN[node.kind]]
        )

    def shape(self, tensor: str) -> Shape:
        """Sizes of a tensor."""
        return self.tensors[tensor].shape

    def build(self, inputs: Sequence[Port], outputs: Sequence[Port]) -> TensorGraph:
        """The collected graph."""
        return TensorGraph(
            name=self.name,
            tensors=dict(self.tensors),
            nodes=tuple(self.nodes),
            inputs=tuple(inputs),
            outputs=tuple(outputs),
        )

    def _unique(self, name: str) -> str:
        base = name or "tensor"
        unique = base
        while unique in self.tensors:
            self._taken[base] += 1
            unique = f"{base}_{self._taken[base]}"
        return unique
