"""Elements taken from, or put at, constant positions: one GATHER by position in memory order."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebench.models.onnx.lowering.context import Handlers, Lowering, Node, NotConvertibleError

Array = NDArray[Any]


def gather_elements(context: Lowering, node: Node) -> None:
    """``GatherElements`` with constant positions."""
    places = _places(context, node.input(0))
    axis = int(node.get("axis", 0)) % places.ndim
    _taken(context, node, [node.input(0)], np.take_along_axis(places, _indices(context, node), axis))


def gather_nd(context: Lowering, node: Node) -> None:
    """``GatherND`` with constant positions."""
    if node.get("batch_dims", 0):
        raise NotConvertibleError("it has batch dimensions")
    places, indices = _places(context, node.input(0)), _indices(context, node)
    _taken(context, node, [node.input(0)], places[tuple(np.moveaxis(indices, -1, 0))])


def scatter_elements(context: Lowering, node: Node) -> None:
    """``ScatterElements`` at constant positions, replacing what was there."""
    places = _replaced(context, node)
    indices = _indices(context, node)
    axis = int(node.get("axis", 0)) % places.ndim
    np.put_along_axis(places, indices, _behind(places, indices.shape), axis)
    _taken(context, node, [node.input(0), node.input(2)], places)


def scatter_nd(context: Lowering, node: Node) -> None:
    """``ScatterND`` at constant positions, replacing what was there."""
    places, indices = _replaced(context, node), _indices(context, node)
    places[tuple(np.moveaxis(indices, -1, 0))] = _behind(places, context.shape(node.input(2)))
    _taken(context, node, [node.input(0), node.input(2)], places)


def _places(context: Lowering, name: str) -> Array:
    """Position in memory of each element."""
    shape = context.shape(name)
    return np.arange(int(np.prod(shape, dtype=np.int64))).reshape(shape)


def _replaced(context: Lowering, node: Node) -> Array:
    if node.get("reduction", "none") != "none":
        raise NotConvertibleError("it combines new values with existing ones")
    return _places(context, node.input(0))


def _behind(places: Array, shape: tuple[int, ...]) -> Array:
    """Positions of the new values, which come after the data."""
    return places.size + np.arange(int(np.prod(shape, dtype=np.int64))).reshape(shape)


def _indices(context: Lowering, node: Node) -> Array:
    return context.required_constant(node.input(1), "list of positions").astype(np.int64)


def _taken(context: Lowering, node: Node, names: list[str], places: Array) -> None:
    """Elements of concatenated values, by position; whole rows of them if positions allow it."""
    shape = context.shape(node.output)
    sizes = [int(np.prod(context.shape(name), dtype=np.int64)) for name in names]
    row = _row_length(places, sizes)
    parts = [context.reshaped(context.plain(name), (size // row, row)) for name, size in zip(names, sizes, strict=True)]
    dtype = context.graph.tensors[parts[0]].dtype
    source = parts[0]
    if len(parts) > 1:
        whole = (sum(sizes) // row, row)
        source = context.emit("CONCATENATION", parts, whole, dtype=dtype, axis=0, fusedActivationFunction=0)
    rows = (places.reshape(-1, row)[:, 0] // row).astype(np.int32)
    inputs = [source, context.graph.constant("positions", rows)]
    result = context.emit("GATHER", inputs, (len(rows), row), dtype=dtype, axis=0, batchDims=0)
    context.give(node.output, context.reshaped(result, shape))


def _row_length(places: Array, sizes: list[int]) -> int:
    """Maximum number of neighbours that always go together."""
    best = 1
    for axes in range(1, places.ndim + 1):
        row = int(np.prod(places.shape[-axes:], dtype=np.int64))
        if row == 0 or any(size % row for size in sizes):
            continue
        rows = places.reshape(-1, row)
        if (rows[:, 0] % row == 0).all() and (np.diff(rows, axis=1) == 1).all():
            best = row
    return best


HANDLERS: Handlers = {
    "GatherElements": gather_elements,
    "GatherND": gather_nd,
    "ScatterElements": scatter_elements,
    "ScatterND": scatter_nd,
}
