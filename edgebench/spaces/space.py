"""What can be chosen, and the chain of blocks that follows from each choice."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebench.core.space import SpaceDescription
from edgebench.errors import InputError
from edgebench.models.network import Network, NetworkBuilder
from edgebench.spaces.blocks import Block
from edgebench.spaces.features import Dimension, FeatureFamily, FeatureLookups, Value, choice_lookups

Architecture = tuple[int, ...]
"""One choice: for each dimension the index of its value."""
Architectures = NDArray[np.int8]
"""Many choices: one row per architecture, one column per dimension."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A place in the chain.

    Attributes:
        name: Names the layers of the block in it, so that equal names share weights.
        dimensions: Names of all dimensions that decide which block is here, including its input shape.
        block: The block for the values of those dimensions, or None for nothing.
    """

    name: str
    dimensions: tuple[str, ...]
    block: Callable[[Mapping[str, Any]], Block | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """Which block is in a slot, for every choice of the dimensions that decide it.

    Attributes:
        slot: Name of the slot.
        dimensions: Columns of an architecture.
        blocks: Position in ``SearchSpace.all_blocks``, -1 for nothing; one axis per dimension.
    """

    slot: str
    dimensions: tuple[int, ...]
    blocks: NDArray[np.int32]


class SearchSpace:
    """A set of networks, each a chain of blocks.

    Args:
        description: Name, family and options.
        dimensions: What can be chosen.
        slots: Places in the chain, from the input to the output; None if the subclass finds them when they are needed.

    Raises:
        InputError: Names repeat, a dimension is empty, or the blocks of some choice do not fit together.

    Attributes:
        learnt_whole: Whether a table is learnt from whole networks because there are too many different blocks.
        counts_sizes: Whether ``sizes`` is quick enough for every architecture.
        runs_code: Whether its networks are made by the user's own code.
    """

    learnt_whole: bool = False
    counts_sizes: bool = True
    runs_code: bool = False
    slots: tuple[Slot, ...]

    def __init__(
        self, description: SpaceDescription, dimensions: Sequence[Dimension], slots: Sequence[Slot] | None
    ) -> None:
        self.description = description
        self.name = description.name
        self.dimensions = tuple(dimensions)
        names = [dimension.name for dimension in dimensions]
        if not names or len(set(names)) != len(names) or (slots is not None and not slots):
            raise InputError(f"space {self.name!r} has no dimensions, or two with the same name")
        for dimension in dimensions:
            if not 1 <= len(dimension.values) <= 127 or len(set(dimension.values)) != len(dimension.values):
                raise InputError(f"dimension {dimension.name!r} of space {self.name!r} needs 1 to 127 distinct values")
        self._position = {name: index for index, name in enumerate(names)}
        if slots is not None:
            self.slots = tuple(slots)
            self.network(self.smallest)
            self.network(self.largest)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of what the networks depend on: family, options and dimensions, but not the name."""
        content = [
            self.description.family,
            dict(self.description.options),
            [[item.name, item.values, item.needs] for item in self.dimensions],
        ]
        return hashlib.sha256(json.dumps(content, sort_keys=True, default=list).encode()).hexdigest()

    def choices(self) -> dict[str, tuple[Value, ...]]:
        """Values of every dimension by its name."""
        return {dimension.name: dimension.values for dimension in self.dimensions}

    @property
    def smallest(self) -> Architecture:
        """The first value everywhere."""
        return (0,) * len(self.dimensions)

    @property
    def largest(self) -> Architecture:
        """The last value everywhere."""
        return tuple(len(dimension.values) - 1 for dimension in self.dimensions)

    @cached_property
    def combinations(self) -> int:
        """Product of the dimensions' sizes; some combinations are the same architecture."""
        return math.prod(len(dimension.values) for dimension in self.dimensions)

    @cached_property
    def size(self) -> int:
        """Number of different architectures."""
        parents: dict[int, list[int]] = {}
        for column, dimension in enumerate(self.dimensions):
            if dimension.needs is not None:
                parents.setdefault(self._position[dimension.needs[0]], []).append(column)
        dependent = {column for children in parents.values() for column in children}
        total = 1
        for column, dimension in enumerate(self.dimensions):
            if column in dependent:
                continue
            children = [self.dimensions[child] for child in parents.get(column, ())]
            total *= sum(
                math.prod(len(child.values) for child in children if child.needs and index >= child.needs[1])
                for index in range(len(dimension.values))
            )
        return total

    def blocks(self, architecture: Sequence[int]) -> list[tuple[str, Block]]:
        """Slot and block, from the input to the output; empty slots are left out."""
        values = self.values(architecture)
        found = [(slot.name, slot.block(values)) for slot in self.slots]
        return [(name, block) for name, block in found if block is not None]

    def network(self, architecture: Sequence[int]) -> Network:
        """The network of one choice.

        Raises:
            InputError: Not an architecture of this space.
        """
        chain = self.blocks(architecture)
        builder = NetworkBuilder(f"{self.name}-{self.text(architecture)}", chain[0][1].input_shape)
        for name, block in chain:
            if builder.shape() != block.input_shape:
                raise InputError(
                    f"space {self.name!r}: {block.key} does not take the shape {builder.shape()} before it"
                )
            builder.enter(name)
            block.append(builder)
        return builder.build()

    def values(self, architecture: Sequence[int]) -> dict[str, Value]:
        """Values by the dimensions' names.

        Raises:
            InputError: Not an architecture of this space.
        """
        if len(architecture) != len(self.dimensions) or any(
            not 0 <= index < len(dimension.values)
            for index, dimension in zip(architecture, self.dimensions, strict=False)
        ):
            raise InputError(
                f"{tuple(architecture)} is not an architecture of {self.name!r}",
                remedy=f"it has {len(self.dimensions)} dimensions; see `edgebench spaces show {self.name}`",
            )
        return {
            dimension.name: dimension.values[index]
            for index, dimension in zip(architecture, self.dimensions, strict=True)
        }

    def text(self, architecture: Sequence[int]) -> str:
        """The indices as one word: ``11111221``, or with dashes if an index has two digits."""
        separator = "" if all(len(dimension.values) <= 10 for dimension in self.dimensions) else "-"
        return separator.join(map(str, (int(index) for index in architecture)))

    def parse(self, text: str) -> Architecture:
        """The architecture of a word made by ``text``.

        Raises:
            InputError: Not one.
        """
        return self.canonical_one(self.written(text))

    def written(self, text: str) -> Architecture:
        """What a word says of a network that others measured, with all that they may have computed.

        Raises:
            InputError: Not an architecture.
        """
        return self.canonical_one(self.indices(text))

    def indices(self, text: str) -> Architecture:
        """The indices of a word made by ``text``.

        Raises:
            InputError: Not an architecture.
        """
        parts = text.split("-") if "-" in text else list(text)
        if not all(part.isdigit() for part in parts):
            raise InputError(
                f"{text!r} is not an architecture of {self.name!r}", remedy="write one digit per dimension"
            )
        architecture = tuple(map(int, parts))
        self.values(architecture)
        return architecture

    def canonical_one(self, architecture: Sequence[int]) -> Architecture:
        """The same network, with 0 for every dimension that has no effect."""
        row = self.canonical(np.array([architecture], dtype=np.int8))[0]
        return tuple(int(index) for index in row)

    def canonical(self, architectures: Architectures) -> Architectures:
        """The same networks, with 0 for every dimension that has no effect.

        Args:
            architectures: One row per architecture; not modified.
        """
        rows = architectures.copy()
        for column, dimension in enumerate(self.dimensions):
            if dimension.needs is not None:
                parent, least = dimension.needs
                rows[:, column] *= rows[:, self._position[parent]] >= least
        return rows

    def sample(self, random: np.random.Generator, count: int) -> Architectures:
        """Random architectures, with all values of a dimension equally likely; some may repeat."""
        columns = [random.integers(0, len(item.values), count, dtype=np.int8) for item in self.dimensions]
        return self.canonical(np.stack(columns, axis=1))

    def enumerate(self, chunk: int = 1 << 18) -> Iterator[Architectures]:
        """All architectures, each once, in chunks."""
        sizes = [len(dimension.values) for dimension in self.dimensions]
        for start in range(0, self.combinations, chunk):
            numbers = np.arange(start, min(start + chunk, self.combinations))
            rows = np.empty((len(numbers), len(sizes)), dtype=np.int8)
            for column in range(len(sizes) - 1, -1, -1):
                numbers, rows[:, column] = np.divmod(numbers, sizes[column])
            if self.size == self.combinations:
                yield rows
            else:
                yield rows[(self.canonical(rows) == rows).all(axis=1)]

    def features(self, architectures: Architectures) -> list[FeatureFamily]:
        """What architectures are described by, for predictions that are learnt from whole networks.

        Args:
            architectures: One row per architecture.
        """
        return [family.of(architectures) for family in self.lookups()]

    def sizes(self, architectures: Architectures) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Multiply-accumulates and parameters of architectures.

        Args:
            architectures: One row per architecture.
        """
        networks = [self.network(tuple(map(int, row))) for row in architectures]
        return (
            np.array([float(network.macs) for network in networks]),
            np.array([float(network.parameters) for network in networks]),
        )

    def lookups(self) -> list[FeatureLookups]:
        """The features as what the choices of a few dimensions look up; empty where they are not that."""
        labels = tuple(block.key for block in self.all_blocks)
        parts = tuple((term.dimensions, term.blocks.astype(np.int64)) for term in self.terms)
        return [FeatureLookups(name="blocks", labels=labels, parts=parts, width=0.05), *choice_lookups(self.dimensions)]

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        """For every slot, the block of every combination of the dimensions that decide it."""
        return self._terms_and_blocks[0]

    @cached_property
    def all_blocks(self) -> tuple[Block, ...]:
        """Every distinct block of the space."""
        return self._terms_and_blocks[1]

    @cached_property
    def _terms_and_blocks(self) -> tuple[tuple[Term, ...], tuple[Block, ...]]:
        positions: dict[str, int] = {}
        blocks: list[Block] = []
        terms = []
        for slot in self.slots:
            columns = tuple(self._position[name] for name in slot.dimensions)
            sizes = tuple(len(self.dimensions[column].values) for column in columns)
            table = np.full(sizes, -1, dtype=np.int32)
            for indices in np.ndindex(*sizes):
                values = {
                    self.dimensions[column].name: self.dimensions[column].values[index]
                    for column, index in zip(columns, indices, strict=True)
                }
                block = slot.block(values)
                if block is None:
                    continue
                if block.key not in positions:
                    positions[block.key] = len(blocks)
                    blocks.append(block)
                table[indices] = positions[block.key]
            terms.append(Term(slot=slot.name, dimensions=columns, blocks=table))
        return tuple(terms), tuple(blocks)
