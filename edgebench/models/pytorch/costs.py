"""Multiply-accumulates of an exported PyTorch graph for one inference."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from edgebench.models.mac_notes import not_counted

_Shape = tuple[int | None, ...]
_Known = tuple[int, ...]
_Rule = Callable[["_Call"], int | None]


class _Call:
    """One node of the graph, with the shapes of what it reads and writes."""

    def __init__(self, node: Mapping[str, Any], shapes: Mapping[str, _Shape]) -> None:
        self._arguments = {entry["name"]: entry["arg"] for entry in node["inputs"]}
        self._shapes = shapes
        self._output = node["outputs"][0] if node["outputs"] else {}

    def shape(self, argument: str) -> _Known | None:
        return self._known(self._arguments.get(argument, {}))

    @property
    def output(self) -> _Known | None:
        return self._known(self._output)

    def shapes(self, argument: str) -> list[_Known] | None:
        """Shapes of a list of tensors."""
        listed = self._arguments.get(argument, {}).get("as_tensors")
        found = [self._known({"as_tensor": item}) for item in listed or ()]
        known = [shape for shape in found if shape is not None]
        return known if listed and len(known) == len(found) else None

    def text(self, argument: str) -> str:
        return str(self._arguments.get(argument, {}).get("as_string", ""))

    def is_set(self, argument: str) -> bool:
        return bool(self._arguments.get(argument, {}).get("as_bool"))

    def _known(self, value: Mapping[str, Any]) -> _Known | None:
        shape = self._shapes.get(value.get("as_tensor", {}).get("name", ""), (None,))
        sizes = tuple(size for size in shape if size is not None)
        return sizes if len(sizes) == len(shape) else None


def count_macs(nodes: list[dict[str, Any]], shapes: Mapping[str, _Shape]) -> tuple[int | None, list[str]]:
    """Count convolutions, matrix products and attention.

    A convolution has output elements x kernel elements of one group (taps on padding count, as is the custom),
    a matrix product output elements x inner length, attention its two products.

    Args:
        nodes: Nodes of a ``torch.export`` graph.
        shapes: Shapes of its tensors, by name; None for an unknown size.

    Returns:
        The count, or None if a shape is unknown, and what a reader should know about it.
    """
    total = 0
    unknown: Counter[str] = Counter()
    uncounted: Counter[str] = Counter()
    for node in nodes:
        name = operator_name(node["target"])
        rule = _RULES.get(name)
        if rule is None:
            uncounted[name] += name in _UNCOUNTED
            continue
        macs = rule(_Call(node, shapes))
        if macs is None:
            unknown[name] += 1
        else:
            total += macs
    notes = []
    if unknown:
        notes.append(f"MACs are unknown: the shapes of {_listed(unknown)} cannot be read from the file")
    if +uncounted:
        notes.append(not_counted(_listed(+uncounted)))
    return (None if unknown else total), notes


def operator_name(target: str) -> str:
    """``torch.ops.aten.conv2d.default`` to ``conv2d``; other namespaces keep theirs."""
    parts = target.removeprefix("torch.ops.").split(".")
    if len(parts) < 2 or not target.startswith("torch.ops."):
        return target
    return parts[1] if parts[0] == "aten" else f"{parts[0]}::{parts[1]}"


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count} x {name[:80]}" for name, count in counts.most_common(5))


def _convolution(call: _Call) -> int | None:
    weight, output = call.shape("weight"), call.output
    if call.is_set("transposed"):
        return _transposed_convolution(call)
    return None if weight is None or output is None else math.prod(output) * math.prod(weight[1:])


def _transposed_convolution(call: _Call) -> int | None:
    data, weight = call.shape("input"), call.shape("weight")
    return None if data is None or weight is None else math.prod(data) * math.prod(weight[1:])


def _linear(call: _Call) -> int | None:
    weight, output = call.shape("weight"), call.output
    return None if not weight or output is None else math.prod(output) * weight[-1]


def _matrix_product(left: str) -> _Rule:
    def rule(call: _Call) -> int | None:
        shape, output = call.shape(left), call.output
        return None if not shape or output is None else math.prod(output) * shape[-1]

    return rule


def _attention(call: _Call) -> int | None:
    query, key, value = call.shape("query"), call.shape("key"), call.shape("value")
    if query is None or key is None or value is None or min(len(query), len(key), len(value)) < 2:
        return None
    return math.prod(query[:-1]) * key[-2] * (query[-1] + value[-1])


def _recurrent(call: _Call) -> int | None:
    """All two-dimensional weights, those of every layer and direction, for each step of each sequence."""
    data, weights = call.shape("input"), call.shapes("params")
    if data is None or weights is None:
        return None
    return math.prod(data[:-1]) * sum(math.prod(shape) for shape in weights if len(shape) == 2)


def _einsum(call: _Call) -> int | None:
    """A product over all labels of two operands; a single one is only rearranged or summed."""
    operands = call.text("equation").replace(" ", "").partition("->")[0].split(",")
    shapes = call.shapes("tensors")
    if shapes is None or len(operands) != len(shapes) or len(shapes) > 2 or "." in "".join(operands):
        return None
    sizes: dict[str, int] = {}
    for labels, shape in zip(operands, shapes, strict=True):
        if len(labels) != len(shape):
            return None
        for label, size in zip(labels, shape, strict=True):
            sizes[label] = max(size, sizes.get(label, 1))
    return math.prod(sizes.values()) if len(shapes) > 1 else 0


def _bilinear(call: _Call) -> int | None:
    """A product with the weights and one with the second input, for each output."""
    weight, output = call.shape("weight"), call.output
    if weight is None or len(weight) != 3 or output is None:
        return None
    return math.prod(output[:-1]) * (math.prod(weight) + weight[0] * weight[2])


_RULES: Mapping[str, _Rule] = {
    "addmm": _matrix_product("mat1"),
    "baddbmm": _matrix_product("batch1"),
    "bmm": _matrix_product("self"),
    "conv1d": _convolution,
    "conv2d": _convolution,
    "conv3d": _convolution,
    "conv_transpose1d": _transposed_convolution,
    "conv_transpose2d": _transposed_convolution,
    "conv_transpose3d": _transposed_convolution,
    "convolution": _convolution,
    "bilinear": _bilinear,
    "einsum": _einsum,
    "gru": _recurrent,
    "linear": _linear,
    "lstm": _recurrent,
    "matmul": _matrix_product("self"),
    "mm": _matrix_product("self"),
    "rnn_relu": _recurrent,
    "rnn_tanh": _recurrent,
    "scaled_dot_product_attention": _attention,
}
_UNCOUNTED = frozenset({"_trilinear", "higher_order::cond", "higher_order::while_loop", "stft"})
"""Operators that multiply or hold graphs, but whose count is not derived here."""
