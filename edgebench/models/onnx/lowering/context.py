"""What handlers of ONNX operators share: values with their layout, constants, and the graph that they extend.

A value of the ONNX model is a tensor of the graph and the order of its axes there. A ``Transpose`` only changes that
order; axes are moved when an operator needs another one. So transposes between channels first and channels last cancel
over the whole graph, and files with channels last are left unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebench.errors import UnsupportedModelError
from edgebench.models.graph.tensor_graph import GraphBuilder, Port, Shape
from edgebench.models.onnx.simplify import SimpleModel

Layout = tuple[int, ...]


class NotConvertibleError(UnsupportedModelError):
    """An operator cannot be expressed in TFLite; the handler of the error names the layer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A value of the ONNX model.

    Attributes:
        tensor: Name of its tensor.
        layout: Axes of the ONNX value in the order they have in the tensor.
    """

    tensor: str
    layout: Layout


class Node:
    """One ONNX node.

    Args:
        proto: The ``NodeProto``.
        number: Its position, for nodes without a name.
    """

    def __init__(self, proto: Any, number: int) -> None:
        self.kind: str = proto.op_type
        self.domain: str = proto.domain
        self.inputs: tuple[str, ...] = tuple(proto.input)
        self.outputs: tuple[str, ...] = tuple(proto.output)
        self.name: str = proto.name or next((name for name in proto.output if name), f"{proto.op_type}_{number}")
        self._attributes = {attribute.name: attribute for attribute in proto.attribute}

    @property
    def output(self) -> str:
        """The only, or the first, output."""
        return self.outputs[0]

    def input(self, position: int) -> str:
        """Name of an input, ``""`` if it is omitted."""
        return self.inputs[position] if position < len(self.inputs) else ""

    def get(self, name: str, default: Any = None) -> Any:
        """Value of an attribute; strings decoded, lists as tuples."""
        from onnx import helper

        if name not in self._attributes:
            return default
        value = helper.get_attribute_value(self._attributes[name])
        if isinstance(value, bytes):
            return value.decode()
        return tuple(value) if isinstance(value, (list, tuple)) or hasattr(value, "__len__") else value


def channels_last(rank: int) -> Layout:
    """The layout that TFLite's convolutions and pools need."""
    return (0, *range(2, rank), 1) if rank > 2 else tuple(range(rank))


def identity(rank: int) -> Layout:
    """The layout of the ONNX model itself."""
    return tuple(range(rank))


class Lowering:
    """The graph under construction.

    Args:
        name: Of the graph.
        simple: The simplified ONNX model.

    Attributes:
        graph: The builder.
        opset: Version of ONNX's standard operators that the model uses.
        node: The node that is being lowered.
    """

    def __init__(self, name: str, simple: SimpleModel) -> None:
        self.graph = GraphBuilder(name)
        self.simple = simple
        self.opset = max(
            (item.version for item in simple.model.opset_import if item.domain in {"", "ai.onnx"}), default=1
        )
        self.values: dict[str, Value] = {}
        self.node: Node | None = None
        self._moved: dict[tuple[str, Layout], str] = {}

    def constant(self, name: str) -> NDArray[Any] | None:
        """A value that does not depend on the inputs, in the ONNX model's own order of axes."""
        return self.simple.constants.get(name) if name else None

    def required_constant(self, name: str, what: str) -> NDArray[Any]:
        """The same, if TFLite requires it.

        Raises:
            NotConvertibleError: It is computed from the inputs.
        """
        found = self.constant(name)
        if found is None:
            raise NotConvertibleError(f"its {what} is computed from the inputs")
        return found

    def shape(self, name: str) -> Shape:
        """Shape of a value in the ONNX model's own order of axes."""
        return self.simple.shapes[name]

    def dtype(self, name: str) -> str:
        """Type of a value."""
        return self.simple.dtypes[name]

    def value(self, name: str) -> Value:
        """A value in its current layout; constants keep their own order."""
        if name not in self.values:
            array = self.required_constant(name, f"input {name!r}")
            self.values[name] = Value(tensor=self.graph.constant(name, as_tflite(array)), layout=identity(array.ndim))
        return self.values[name]

    def in_layout(self, name: str, layout: Layout) -> str:
        """The tensor of a value in a given layout; its axes are moved if necessary."""
        array = self.constant(name)
        if array is not None:
            return self.graph.constant(name, as_tflite(np.transpose(array, layout)))
        value = self.value(name)
        if value.layout == layout:
            return value.tensor
        return self.moved(value.tensor, [value.layout.index(axis) for axis in layout], key=(name, layout))

    def plain(self, name: str) -> str:
        """The tensor of a value with its axes as in the ONNX model."""
        return self.in_layout(name, identity(len(self.shape(name))))

    def moved(self, tensor: str, order: Sequence[int], *, key: tuple[str, Layout] | None = None) -> str:
        """A tensor with its axes in another order; a reshape if only axes of size 1 move."""
        if key is not None and key in self._moved:
            return self._moved[key]
        shape = self.graph.shape(tensor)
        target = tuple(shape[axis] for axis in order)
        kept = [axis for axis in order if shape[axis] != 1]
        if kept == sorted(kept):
            result = self.reshaped(tensor, target)
        else:
            result = self.emit("TRANSPOSE", [tensor, self.ints("order", order)], target, name=f"{tensor}_transposed")
        if key is not None:
            self._moved[key] = result
        return result

    def reshaped(self, tensor: str, shape: Sequence[int]) -> str:
        """A tensor with another shape and the same values in the same order."""
        return tensor if self.graph.shape(tensor) == tuple(shape) else self.copied(tensor, shape)

    def copied(self, tensor: str, shape: Sequence[int]) -> str:
        """The same, always as a separate tensor."""
        return self.emit(
            "RESHAPE",
            [tensor, self.ints("shape", shape)],
            shape,
            name=f"{tensor}_reshaped",
            dtype=self.graph.tensors[tensor].dtype,
            newShape=list(map(int, shape)),
        )

    def give(self, name: str, tensor: str, layout: Layout | None = None) -> None:
        """Set which tensor represents a value of the ONNX model."""
        self.values[name] = Value(tensor=tensor, layout=identity(len(self.shape(name))) if layout is None else layout)

    def emit(
        self,
        kind: str,
        inputs: Sequence[str],
        shape: Sequence[int],
        *,
        name: str = "",
        dtype: str = "float32",
        **options: Any,
    ) -> str:
        """Add an operator; returns the name of its output."""
        node = self.node
        return self.graph.node(
            kind,
            inputs,
            shape,
            name=name or (node.output if node else kind.lower()),
            source=node.name if node else "",
            dtype=dtype,
            **options,
        )

    def arithmetic(self, kind: str, first: str, second: str, *, name: str = "") -> str:
        """ADD, SUB, MUL or DIV of two tensors that broadcast."""
        shape = np.broadcast_shapes(self.graph.shape(first), self.graph.shape(second))
        dtype = self.graph.tensors[first].dtype
        return self.emit(kind, [first, second], shape, name=name, dtype=dtype, fusedActivationFunction=0)

    def ints(self, name: str, values: Sequence[int]) -> str:
        """A constant of 32-bit integers."""
        return self.graph.constant(name, np.array(list(values), np.int32))

    def floats(self, name: str, values: NDArray[Any] | float) -> str:
        """A constant of 32-bit floats."""
        return self.graph.constant(name, np.asarray(values, np.float32))

    def outputs(self, names: Sequence[str]) -> tuple[Port, ...]:
        """Outputs of the graph, each in its current layout; those that no operator computes are copies."""
        found = []
        for name in names:
            value = self.value(name)
            tensor = value.tensor
            if tensor not in self.graph.makers:
                tensor = self.copied(tensor, self.graph.shape(tensor))
            found.append(Port(tensor=tensor, name=name, layout=value.layout))
        return tuple(found)


def as_tflite(array: NDArray[Any]) -> NDArray[Any]:
    """A constant in a type that TFLite's kernels take."""
    if array.dtype == np.float64:
        return array.astype(np.float32)
    if array.dtype.kind in "iu" and array.dtype not in (np.int32, np.int8, np.uint8, np.int16):
        limits = np.iinfo(np.int32)
        clipped: NDArray[Any] = np.clip(array, limits.min, limits.max).astype(np.int32)
        return clipped
    return array


Handler = Callable[[Lowering, Node], None]
Handlers = Mapping[str, Handler]
