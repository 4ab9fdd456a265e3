"""Predicts architectures from the tables of several devices: every slot of a network looks up its block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from edgebench.core.figure import Combination, column_name, figure_of, split_column
from edgebench.core.table import LookupTable
from edgebench.errors import InputError
from edgebench.search.lookup_sums import LookupSums, Part
from edgebench.spaces.space import Term


class CostModel(LookupSums):
    """Figures of architectures on several devices.

    Args:
        sizes: Number of values of every dimension.
        slots: What each place in the chain may be.
        blocks: Keys of blocks, in the order that ``slots`` number them.
        tables: By device, its table.

    Raises:
        InputError: A table lacks a block of the space.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        slots: Sequence[Term],
        blocks: Sequence[str],
        tables: Mapping[str, LookupTable],
    ) -> None:
        names = tuple(
            column_name(figure, device)
            for combination in Combination
            for device, table in tables.items()
            for figure in table.figures
            if figure_of(figure).combines is combination
        )
        places = [split_column(name) for name in names]
        costs = _block_costs(names, blocks, tables)
        super().__init__(
            sizes,
            names,
            sum(figure.combines is Combination.SUM for figure, _ in places),
            np.array([tables[device].figures[figure.name].base for figure, device in places]),
            [_part(slot, costs) for slot in slots],
        )


def _part(slot: Term, costs: NDArray[np.float64]) -> Part:
    return slot.dimensions, costs[slot.blocks]


def _block_costs(names: Sequence[str], blocks: Sequence[str], tables: Mapping[str, LookupTable]) -> NDArray[np.float64]:
    """One row per block and a last row of zeros for an empty slot."""
    costs = np.zeros((len(blocks) + 1, len(names)))
    for position, name in enumerate(names):
        figure, device = split_column(name)
        entries = tables[device].entries
        missing = [key for key in blocks if figure.name not in entries.get(key, {})]
        if missing:
            raise InputError(
                f"the table of {device} lacks {len(missing)} of {len(blocks)} blocks",
                remedy=f"edgebench lut build {tables[device].space} -d {device}",
            )
        costs[:-1, position] = [tables[device].cost(key, figure.name) for key in blocks]
    return costs
