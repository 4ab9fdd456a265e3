"""Chooses what stands before a block while it is measured, by the operators that the runtime executes.

A runtime rewrites a graph: it keeps channels in blocks of 8 or 16, and reorders data where a neighbour does not. What a
block adds to a context is what it adds to a network only if the same operators are added, and that can be counted
without measuring anything. So of the blocks that could stand before the others, the one is taken that makes the sums
over contexts come closest to a few whole networks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgebench.flows.lut.bench import Bench
from edgebench.flows.lut.context import after, before, first
from edgebench.flows.lut.correction import whole_networks
from edgebench.models.network.layers import Shape
from edgebench.spaces.blocks import Block
from edgebench.spaces.space import SearchSpace

WHOLE = 8
"""Whole networks whose operators are counted."""
Neighbours = Mapping[Shape, Block | None]
Counts = Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What stands before blocks.

    Attributes:
        before: By the shape that a block takes, its neighbour, or None for a convolution only.
        missed: Operators that whole networks execute and the sum over contexts does not, or the other way round, as a
            share of all; None where the target does not tell.
        worst: The operator that is missed most often; empty if none is.
    """

    before: Neighbours
    missed: float | None = None
    worst: str = ""


def candidates(space: SearchSpace) -> dict[Shape, list[Block]]:
    """By shape, the cheapest block of each kind that takes it and gives it on."""
    found: dict[Shape, dict[str, Block]] = {}
    for block in sorted(space.all_blocks, key=lambda block: (block.network().macs, block.key)):
        if len(block.input_shape) == 3 and block.output_shape == block.input_shape:
            found.setdefault(block.input_shape, {}).setdefault(block.kind, block)
    return {shape: list(kinds.values()) for shape, kinds in found.items()}


def choose_neighbours(space: SearchSpace, bench: Bench) -> Chosen:
    """The best neighbour for each shape; where the target does not tell its operators, the cheapest.

    Args:
        space: Whose blocks are to be measured.
        bench: Counts operators.

    Raises:
        UnsupportedModelError: A network does not run there.
    """
    known = candidates(space)
    chosen: dict[Shape, Block | None] = {shape: blocks[0] for shape, blocks in known.items()}
    rows = [tuple(map(int, row)) for row in whole_networks(space, WHOLE)]
    wholes = bench.operators([space.network(row) for row in rows])
    if wholes is None:
        return Chosen(before=chosen)
    chains = [[block for _, block in space.blocks(row)] for row in rows]
    contexts = _Contexts(bench)
    starts = [contexts.start(chain[0]) for chain in chains]
    for shape, blocks in known.items():
        options: list[Block | None] = [*blocks, None]
        scores = []
        for option in options:
            trial = {**chosen, shape: option}
            scores.append(_missed(wholes, starts, chains, contexts, trial))
        chosen[shape] = options[int(np.argmin(scores))]
    differences = Counter[str]()
    for item in _residuals(wholes, starts, chains, contexts, chosen):
        differences.update({name: abs(count) for name, count in item.items()})
    total = sum(sum(counts.values()) for counts in wholes)
    worst = max(differences, key=lambda name: differences[name], default="")
    return Chosen(
        before=chosen,
        missed=sum(differences.values()) / total if total else None,
        worst=worst if differences[worst] else "",
    )


class _Contexts:
    """What blocks add to the operators of their context; each is counted once."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._starts: dict[str, Counts] = {}
        self._added: dict[tuple[str, str], Counts] = {}
        self._before: dict[tuple[Shape, str], Counts] = {}

    def start(self, block: Block) -> Counts:
        if block.key not in self._starts:
            self._starts[block.key] = (self._bench.operators([first(block)]) or ({},))[0]
        return self._starts[block.key]

    def added(self, block: Block, neighbour: Block | None) -> Counts:
        name = "" if neighbour is None else neighbour.key
        if (block.key, name) not in self._added:
            shape = block.input_shape
            if (shape, name) not in self._before:
                self._before[shape, name] = (self._bench.operators([before(block, neighbour)]) or ({},))[0]
            whole = (self._bench.operators([after(block, neighbour)]) or ({},))[0]
            self._added[block.key, name] = _minus(whole, self._before[shape, name])
        return self._added[block.key, name]


def _missed(
    wholes: Sequence[Counts],
    starts: Sequence[Counts],
    chains: Sequence[Sequence[Block]],
    contexts: _Contexts,
    chosen: Neighbours,
) -> int:
    return sum(sum(map(abs, item.values())) for item in _residuals(wholes, starts, chains, contexts, chosen))


def _residuals(
    wholes: Sequence[Counts],
    starts: Sequence[Counts],
    chains: Sequence[Sequence[Block]],
    contexts: _Contexts,
    chosen: Neighbours,
) -> Iterable[Counts]:
    """For each whole network, what the sum over contexts has too few of, and with a minus too many."""
    for whole, start, chain in zip(wholes, starts, chains, strict=True):
        rest = _minus(whole, start)
        for block in chain[1:]:
            rest = _minus(rest, contexts.added(block, chosen.get(block.input_shape)))
        yield rest


def _minus(one: Counts, other: Counts) -> dict[str, int]:
    return {name: one.get(name, 0) - other.get(name, 0) for name in {*one, *other}}
