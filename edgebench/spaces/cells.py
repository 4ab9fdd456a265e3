"""Cells: small graphs whose edges are chosen, as in NAS-Bench-201 (Dong and Yang, 2020) and DARTS (Liu et al., 2019).

Nodes are numbered; node 0 is the input, and every node is the sum over edges from all nodes before it. Each edge is one
operation, ``none`` among them. What is executed is not what is chosen: an edge that starts at a node that nothing
reaches, or that ends at one from which nothing leads to the output, does nothing and is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from edgebench.models.network import NetworkBuilder
from edgebench.spaces.blocks import Block
from edgebench.spaces.space import Architectures

NONE, SKIP = "none", "skip"
CONVOLUTIONS = {"conv1x1": 1, "conv3x3": 3, "conv5x5": 5}
SEPARABLE = {"separable3x3": 3, "separable5x5": 5}
POOLS = {"avg_pool3x3": 3}
OPERATIONS = (NONE, SKIP, *CONVOLUTIONS, *SEPARABLE, *POOLS)
"""What an edge can be; convolutions are ReLU, convolution, batch normalisation."""
Edge = tuple[int, int]


def edges_of(nodes: int) -> tuple[Edge, ...]:
    """Every edge of a cell, those into node 1 first."""
    return tuple((source, target) for target in range(1, nodes) for source in range(target))


def executed(rows: Architectures, edges: Sequence[Edge], none: int) -> NDArray[np.bool_]:
    """Which edges of each cell are executed.

    Args:
        rows: One row per cell, one column per edge: the index of its operation.
        edges: Source and target of each.
        none: Index of the operation that gives nothing on; -1 if there is none.
    """
    begins, ends = _live_ends(rows, edges, none)
    both: NDArray[np.bool_] = begins & ends
    return both


def fed_with_zeros(rows: Architectures, edges: Sequence[Edge], none: int) -> NDArray[np.bool_]:
    """Which edges lead to the output from a node that nothing reaches.

    They change nothing, and edgebench leaves them out; networks that others wrote down may compute them.

    Args:
        rows: One row per cell, one column per edge: the index of its operation.
        edges: Source and target of each.
        none: Index of the operation that gives nothing on; -1 if there is none.
    """
    begins, ends = _live_ends(rows, edges, none)
    zeros: NDArray[np.bool_] = ends & ~begins & (rows != none)
    return zeros


def _live_ends(rows: Architectures, edges: Sequence[Edge], none: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Of each edge that is there, whether something reaches its source, and whether its target leads to the output."""
    nodes = edges[-1][1] + 1
    there = rows != none
    reached = np.zeros((len(rows), nodes), dtype=bool)
    reached[:, 0] = True
    for column, (source, target) in enumerate(edges):
        reached[:, target] |= there[:, column] & reached[:, source]
    leads = np.zeros((len(rows), nodes), dtype=bool)
    leads[:, -1] = True
    for column in range(len(edges) - 1, -1, -1):
        source, target = edges[column]
        leads[:, source] |= there[:, column] & leads[:, target]
    sources, targets = np.array(edges).T
    return there & reached[:, sources], there & leads[:, targets]


def kind_of(choice: Sequence[str], edges: Sequence[Edge]) -> str:
    """A text that equal cells share: a skip is what it skips, nothing is nothing, and sums have no order.

    It is the one that NAS-Bench-201 counts its 6,466 different cells with.

    Args:
        choice: For each edge its operation.
        edges: Source and target of each.
    """
    texts = ["0"]
    for target in range(1, edges[-1][1] + 1):
        terms = []
        for operation, (source, end) in zip(choice, edges, strict=True):
            if end != target:
                continue
            if operation == NONE or texts[source] == "#":
                terms.append("#")
            else:
                terms.append(texts[source] if operation == SKIP else f"({texts[source]})@{operation}")
        texts.append("+".join(sorted(terms)))
    return texts[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class CellStage(Block):
    """Equal cells, one after the other.

    Attributes:
        cells: How many.
        edges: For each edge its operation, as it is executed; the others are ``none``.
        output: What a cell gives on: its last node, or all but its input, joined and brought back by a 1x1 convolution.
    """

    kind: ClassVar[str] = "cells"
    cells: int
    edges: tuple[str, ...]
    output: Literal["last", "concat"] = "last"

    def append(self, builder: NetworkBuilder) -> None:
        """The operations of executed edges, and sums where several meet."""
        nodes = next(count for count in range(2, 32) if len(edges_of(count)) == len(self.edges))
        for _ in range(self.cells):
            start = builder.last
            values: dict[int, str] = {0: start}
            for target in range(1, nodes):
                for operation, (source, end) in zip(self.edges, edges_of(nodes), strict=True):
                    if end != target or operation == NONE or source not in values:
                        continue
                    found = self._operation(builder, operation, values[source])
                    values[target] = builder.add(values[target], found) if target in values else found
            self._close(builder, values, nodes, start)

    def _close(self, builder: NetworkBuilder, values: dict[int, str], nodes: int, start: str) -> None:
        """Make the cell's output the last layer, which what follows reads."""
        if self.output == "concat":
            joined = [values[node] for node in range(1, nodes) if node in values]
            if joined:
                if len(joined) > 1:
                    builder.concat(*joined)
                builder.activation("relu", after=builder.last if len(joined) > 1 else joined[0])
                builder.conv(self.input_shape[-1], 1, activation="none")
                return
        elif nodes - 1 in values:
            # Every executed edge leads to the output, so that it is the last layer, or the input behind skips alone.
            return
        builder.zeros(after=start)

    def _operation(self, builder: NetworkBuilder, operation: str, source: str) -> str:
        channels = self.input_shape[-1]
        if operation == SKIP:
            return source
        if operation in POOLS:
            return builder.average_pool(POOLS[operation], 1, same=True, after=source)
        builder.activation("relu", after=source)
        if operation in SEPARABLE:
            builder.depthwise(SEPARABLE[operation], activation="none", batch_norm=False)
            return builder.conv(channels, 1, activation="none")
        return builder.conv(channels, CONVOLUTIONS[operation], activation="none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reduction(Block):
    """The residual block between stages of cells: half the rows and columns, other channels.

    Attributes:
        filters: Output channels.
    """

    kind: ClassVar[str] = "reduction"
    filters: int

    def append(self, builder: NetworkBuilder) -> None:
        """Two convolutions, and the mean over 2x2 with a 1x1 convolution beside them."""
        start = builder.last
        builder.activation("relu", after=start)
        builder.conv(self.filters, 3, 2, activation="none")
        builder.activation("relu")
        end = builder.conv(self.filters, 3, activation="none")
        builder.average_pool(2, 2, same=True, after=start)
        beside = builder.conv(self.filters, 1, activation="none", batch_norm=False)
        builder.add(end, beside)
