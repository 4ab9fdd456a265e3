"""``cell``: one cell, a small graph whose edges are chosen, repeated in stages."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgebench.core.options import read_settings
from edgebench.core.space import SpaceDescription
from edgebench.errors import InputError
from edgebench.models.network.layers import Shape
from edgebench.spaces.blocks import Block, Head, Stem
from edgebench.spaces.cells import (
    NONE,
    OPERATIONS,
    SKIP,
    CellStage,
    Reduction,
    edges_of,
    executed,
    fed_with_zeros,
    kind_of,
)
from edgebench.spaces.features import Dimension, FeatureFamily, FeatureLookups
from edgebench.spaces.space import Architecture, Architectures, SearchSpace, Slot

ENUMERABLE = 1 << 17
"""Cells up to this number are all looked at, so that equal ones are known to be one."""
_REMEMBERED = 1 << 16
_PUBLISHED = {
    "none": NONE,
    "skip_connect": SKIP,
    "nor_conv_1x1": "conv1x1",
    "nor_conv_3x3": "conv3x3",
    "avg_pool_3x3": "avg_pool3x3",
    "sep_conv_3x3": "separable3x3",
    "sep_conv_5x5": "separable5x5",
}
"""Names of operations in the text that NAS-Bench-201 writes for a cell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellOptions:
    """Options of the family.

    Attributes:
        input: Rows, columns, channels.
        classes: Outputs.
        nodes: Of a cell, its input and output among them.
        operations: What each edge can be.
        cells: Cells of each stage.
        channels: Of each stage; between stages rows and columns are halved.
        output: What a cell gives on: its ``last`` node, or all nodes but its input joined (``concat``, as in DARTS).
        stem_stride: Stride of the first convolution.
    """

    input: tuple[int, ...] = (32, 32, 3)
    classes: int = 10
    nodes: int = 4
    operations: tuple[str, ...] = (NONE, SKIP, "conv1x1", "conv3x3", "avg_pool3x3")
    cells: int = 5
    channels: tuple[int, ...] = (16, 32, 64)
    output: Literal["last", "concat"] = "last"
    stem_stride: int = 1

    def __post_init__(self) -> None:
        if len(self.input) != 3 or min(self.input) < 1:
            raise ValueError("input needs three sizes of 1 or more")
        if not 2 <= self.nodes <= 8 or self.cells < 1 or self.classes < 1 or self.stem_stride < 1:
            raise ValueError("nodes must be 2 to 8, and cells, classes and stem_stride at least 1")
        if not self.channels or min(self.channels) < 1:
            raise ValueError("channels needs a value of 1 or more for each stage")
        unknown = [name for name in self.operations if name not in OPERATIONS]
        if unknown or not self.operations or len(set(self.operations)) != len(self.operations):
            raise ValueError(f"operations must be different ones of {', '.join(OPERATIONS)}")


class CellSpace(SearchSpace):
    """Networks of equal cells.

    Args:
        description: Name and options.
        options: What the cells are.
    """

    learnt_whole = True

    def __init__(self, description: SpaceDescription, options: CellOptions) -> None:
        self._options = options
        self._edges = edges_of(options.nodes)
        self._none = options.operations.index(NONE) if NONE in options.operations else -1
        self._known: OrderedDict[bytes, tuple[int, ...]] = OrderedDict()
        names = [f"edge{target}.{source}" for source, target in self._edges]
        dimensions = [Dimension(name=name, values=options.operations) for name in names]
        super().__init__(description, dimensions, list(self._slots(names)))

    def canonical(self, architectures: Architectures) -> Architectures:
        """Of equal cells the first one.

        Args:
            architectures: One row per architecture; not modified.
        """
        if self.combinations <= ENUMERABLE:
            return self._first_equal[self._numbers(architectures)]
        # Too many to look at all: what is not executed is nothing, and sums of equal cells stay apart.
        rows = architectures.copy()
        if self._none >= 0:
            rows[~executed(rows, self._edges, self._none)] = self._none
        return rows

    @cached_property
    def size(self) -> int:
        """Number of different cells; in spaces too large to look at all, of choices."""
        if self.combinations > ENUMERABLE:
            return self.combinations
        return len(np.unique(self._numbers(self._first_equal)))

    def written(self, text: str) -> Architecture:
        """A word made by ``text``, or the text that NAS-Bench-201 writes for a cell.

        Others may compute edges that do nothing, so they are kept.

        Raises:
            InputError: Not an architecture.
        """
        if not text.startswith("|"):
            return self.indices(text)
        found: dict[tuple[int, int], int] = {}
        for target, node in enumerate(text.split("+"), start=1):
            for item in filter(None, node.split("|")):
                name, _, source = item.partition("~")
                operation = _PUBLISHED.get(name, name)
                edge = (int(source), target) if source.isdigit() else (-1, -1)
                if operation not in self._options.operations or edge not in self._edges:
                    raise InputError(f"{item!r} is not an edge of {self.name!r}", where=text)
                found[edge] = self._options.operations.index(operation)
        if set(found) != set(self._edges):
            raise InputError(f"{text!r} is not a cell of {self.name!r}: it has {len(found)} edges")
        return tuple(found[edge] for edge in self._edges)

    def features(self, architectures: Architectures) -> list[FeatureFamily]:
        """What is executed: operations by kind and by edge, what depends on what, and what is chosen for nothing."""
        options = self._options
        done = executed(architectures, self._edges, self._none)
        chosen = architectures[:, :, None] == np.arange(len(options.operations))
        runs = (chosen & done[:, :, None]).astype(float)
        labels = [f"edge{target}.{source}" for source, target in self._edges]
        real = [number for number, name in enumerate(options.operations) if name not in {NONE, SKIP}]
        edges = [f"{label}={name}" for label in labels for name in options.operations]
        counts = runs.sum(axis=1)
        graph, names = self._graph(done, runs[:, :, real].sum(axis=2))
        flat = runs.reshape(len(architectures), -1)
        pairs = [
            (one, other)
            for one in range(flat.shape[1])
            for other in range(one + 1, flat.shape[1])
            if one // len(options.operations) != other // len(options.operations)
            and one % len(options.operations) in real
            and other % len(options.operations) in real
        ]
        families = [
            FeatureFamily(name="operations", labels=options.operations, values=counts, width=0.3),
            FeatureFamily(name="edges", labels=tuple(edges), values=flat, width=0.1),
            FeatureFamily(name="graph", labels=names, values=graph, width=0.1),
        ]
        if pairs and len(pairs) <= 1000:
            first, second = np.array(pairs).T
            both = flat[:, first] * flat[:, second]
            texts = tuple(f"{edges[one]} {edges[other]}" for one, other in pairs)
            families.append(FeatureFamily(name="pairs", labels=texts, values=both, width=0.02))
        zeros = (chosen & fed_with_zeros(architectures, self._edges, self._none)[:, :, None]).sum(axis=1).astype(float)
        of_zeros = tuple(f"{name} of zeros" for name in options.operations)
        families.append(FeatureFamily(name="of zeros", labels=of_zeros, values=zeros, width=0.3))
        idle = (chosen & ~done[:, :, None]).astype(float).reshape(len(architectures), -1)
        unused = tuple(f"unused {edge}" for edge in edges)
        families.append(FeatureFamily(name="unused", labels=unused, values=idle, width=0.02))
        return families

    def lookups(self) -> list[FeatureLookups]:
        """None: what is executed depends on all edges together."""
        return []

    def sizes(self, architectures: Architectures) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Multiply-accumulates and parameters: sums over the operations that are executed.

        Args:
            architectures: One row per architecture.
        """
        if self._options.output == "concat":
            # What joins nodes depends on all of them.
            return super().sizes(architectures)
        done = executed(architectures, self._edges, self._none)
        macs, parameters = (np.full(len(architectures), float(size)) for size in self._frame)
        for index, (cost, held) in enumerate(self._of_operation):
            count = ((architectures == index) & done).sum(axis=1)
            macs += cost * count
            parameters += held * count
        return macs, parameters

    @cached_property
    def _frame(self) -> tuple[int, int]:
        """What every network has besides its cells."""
        fixed = [slot.block({}) for slot in self.slots if not slot.dimensions]
        networks = [block.network() for block in fixed if block is not None]
        return sum(network.macs for network in networks), sum(network.parameters for network in networks)

    @cached_property
    def _of_operation(self) -> list[tuple[int, int]]:
        """What an edge of each operation costs in all cells of all stages."""
        stages = [slot.block(dict.fromkeys(slot.dimensions, self._options.operations[0])) for slot in self.slots]
        shapes = [stage.input_shape for stage in stages if isinstance(stage, CellStage)]
        found = []
        for name in self._options.operations:
            one = [CellStage(input_shape=shape, cells=1, edges=(name,)) for shape in shapes]
            networks = [cell.network() for cell in one] if name not in {NONE, SKIP} else []
            cells = self._options.cells
            found.append((cells * sum(n.macs for n in networks), cells * sum(n.parameters for n in networks)))
        return found

    def _graph(self, done: NDArray[np.bool_], real: NDArray[np.float64]) -> tuple[NDArray[np.float64], tuple[str, ...]]:
        """Sums, the longest path of operations, and whether anything reaches the output."""
        nodes = self._options.nodes
        ends = np.array([target for _, target in self._edges])
        arriving = np.stack([done[:, ends == node].sum(axis=1) for node in range(1, nodes)], axis=1)
        sums = np.maximum(arriving - 1, 0).sum(axis=1)
        depth = np.zeros((len(done), nodes))
        for column, (source, target) in enumerate(self._edges):
            reach = np.where(done[:, column], depth[:, source] + real[:, column], 0.0)
            depth[:, target] = np.maximum(depth[:, target], reach)
        values = np.stack([sums, depth[:, -1], arriving[:, -1] == 0], axis=1).astype(float)
        return values, ("sums", "depth", "nothing reaches the output")

    def _slots(self, names: Sequence[str]) -> list[Slot]:
        options = self._options
        rows, columns, _ = options.input
        image: Shape = (options.input[0], options.input[1], options.input[2])
        stem = Stem(
            input_shape=image, filters=options.channels[0], stride=(options.stem_stride,) * 2, activation="none"
        )
        slots = [_fixed("stem", stem)]
        shape: Shape = (-(-rows // options.stem_stride), -(-columns // options.stem_stride), options.channels[0])
        for number, channels in enumerate(options.channels, start=1):
            if number > 1:
                reduction = Reduction(input_shape=shape, filters=channels)
                slots.append(_fixed(f"reduction{number}", reduction))
                shape = (-(-shape[0] // 2), -(-shape[1] // 2), channels)
            slots.append(self._stage(number, shape, tuple(names)))
        head = Head(input_shape=shape, classes=options.classes)
        return [*slots, _fixed("head", head)]

    def _stage(self, number: int, shape: Shape, names: tuple[str, ...]) -> Slot:
        options = self._options

        def block(values: Mapping[str, Any]) -> Block:
            chosen = tuple(values[name] for name in names)
            return CellStage(
                input_shape=shape, cells=options.cells, edges=self._executed(chosen), output=options.output
            )

        return Slot(name=f"stage{number}", dimensions=names, block=block)

    def _executed(self, chosen: tuple[str, ...]) -> tuple[str, ...]:
        row = np.array([[self._options.operations.index(name) for name in chosen]], dtype=np.int8)
        (done,) = executed(row, self._edges, self._none)
        return tuple(name if runs else NONE for name, runs in zip(chosen, done, strict=True))

    def _numbers(self, rows: Architectures) -> NDArray[np.int64]:
        """The position of each architecture among all, the last edge counting fastest."""
        numbers = np.zeros(len(rows), dtype=np.int64)
        for column in range(rows.shape[1]):
            numbers = numbers * len(self._options.operations) + rows[:, column]
        return numbers

    @cached_property
    def _first_equal(self) -> Architectures:
        """For every combination, the first one that is the same cell."""
        count = len(self._options.operations)
        rows = np.stack(np.unravel_index(np.arange(self.combinations), (count,) * len(self._edges)), axis=1)
        firsts: dict[str, int] = {}
        found = [
            firsts.setdefault(kind_of([self._options.operations[index] for index in row], self._edges), number)
            for number, row in enumerate(rows.tolist())
        ]
        first: Architectures = rows[found].astype(np.int8)
        return first


def _fixed(name: str, block: Block) -> Slot:
    return Slot(name=name, dimensions=(), block=lambda _: block)


def create(description: SpaceDescription) -> SearchSpace:
    """A space of this family.

    Raises:
        InputError: An option is wrong.
    """
    options = read_settings(
        description.options, CellOptions, owner="family 'cell'", where=f"{description.origin}, [options]"
    )
    return CellSpace(description, options)
