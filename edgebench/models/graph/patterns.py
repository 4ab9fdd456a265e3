"""Functions that models write out, as the one operator that TFLite has for them: GELU and HARD_SWISH."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from edgebench.models.graph.tensor_graph import GraphNode, TensorGraph

_RELU6 = 3
"""Of ``ActivationFunctionType`` in TFLite's schema."""


def with_known_functions(graph: TensorGraph) -> TensorGraph:
    """X * RELU6(x + 3) / 6 and x * (1 + ERF(x / sqrt 2)) / 2, in any order of the factors."""
    finder = _Finder(graph)
    nodes = list(graph.nodes)
    within: set[str] = set()
    for position in range(len(nodes) - 1, -1, -1):
        node = nodes[position]
        if node.kind not in {"MUL", "DIV"} or node.outputs[0] in within or node.options.get("fusedActivationFunction"):
            continue
        product = finder.product(node.outputs[0], root=True)
        found = finder.function(product)
        if found is not None:
            kind, source = found
            options = {"approximate": False} if kind == "GELU" else {}
            nodes[position] = replace(node, kind=kind, inputs=(source,), options=options)
        within.update(product.within)
    return replace(graph, nodes=tuple(nodes))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Product:
    """A product of tensors and one number.

    Attributes:
        tensors: Its factors that are computed.
        number: The product of its factors that are single numbers.
        within: Intermediate results that nothing else reads.
    """

    tensors: tuple[str, ...]
    number: float
    within: frozenset[str]


class _Finder:
    def __init__(self, graph: TensorGraph) -> None:
        self._tensors = graph.tensors
        self._makers: Mapping[str, GraphNode] = {name: node for node in graph.nodes for name in node.outputs}
        self._reads = Counter(name for node in graph.nodes for name in node.inputs)
        self._reads.update(port.tensor for port in graph.outputs)

    def product(self, name: str, *, root: bool = False) -> _Product:
        """The factors of a tensor, through products that nothing else reads."""
        number = self._number(name)
        if number is not None:
            return _Product(tensors=(), number=number, within=frozenset())
        node = self._makers.get(name)
        alone = root or self._reads[name] == 1
        plain = node is not None and not node.options.get("fusedActivationFunction")
        if node is None or not alone or not plain or node.kind not in {"MUL", "DIV"}:
            return _Product(tensors=(name,), number=1.0, within=frozenset())
        first, second = self.product(node.inputs[0]), self.product(node.inputs[1])
        if node.kind == "DIV":
            if second.tensors or not second.number:
                return _Product(tensors=(name,), number=1.0, within=frozenset())
            second = replace(second, number=1 / second.number)
        return _Product(
            tensors=(*first.tensors, *second.tensors),
            number=first.number * second.number,
            within=first.within | second.within | {name},
        )

    def function(self, product: _Product) -> tuple[str, str] | None:
        """The operator that a product represents, and what it is applied to."""
        if len(product.tensors) != 2:
            return None
        for source, other in (product.tensors, product.tensors[::-1]):
            node = self._makers.get(other)
            if node is None or node.kind != "ADD":
                continue
            inner, shift = self._sum(node)
            activation = node.options.get("fusedActivationFunction", 0)
            if inner == source and shift == 3 and activation == _RELU6 and _close(product.number, 1 / 6):
                return "HARD_SWISH", source
            if shift == 1 and not activation and _close(product.number, 0.5) and self._is_erf(inner, source):
                return "GELU", source
        return None

    def _is_erf(self, name: str, source: str) -> bool:
        node = self._makers.get(name)
        if node is None or node.kind != "ERF":
            return False
        inner = self.product(node.inputs[0], root=True)
        return inner.tensors == (source,) and _close(inner.number, math.sqrt(0.5))

    def _sum(self, node: GraphNode) -> tuple[str, float | None]:
        numbers = [self._number(name) for name in node.inputs]
        if numbers[1] is not None:
            return node.inputs[0], numbers[1]
        return (node.inputs[1], numbers[0]) if numbers[0] is not None else ("", None)

    def _number(self, name: str) -> float | None:
        data = self._tensors[name].data
        if data is None or data.dtype.kind != "f" or not data.size:
            return None
        flat = data.reshape(-1)
        return float(flat[0]) if (flat == flat[0]).all() else None


def _close(value: float, wanted: float) -> bool:
    return math.isclose(value, wanted, rel_tol=1e-4)
