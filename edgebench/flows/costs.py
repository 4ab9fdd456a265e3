"""A space and tables of devices, as a model of what its networks cost."""

from __future__ import annotations

from collections.abc import Mapping

from edgebench.core.cost_model import CostModel, SlotTable
from edgebench.core.table import LookupTable
from edgebench.spaces.space import SearchSpace


def cost_model(space: SearchSpace, tables: Mapping[str, LookupTable]) -> CostModel:
    """Predicts the networks of a space.

    Args:
        space: Where architectures come from.
        tables: By device.

    Raises:
        InputError: A table lacks a block of the space.
    """
    return CostModel(
        [len(dimension.values) for dimension in space.dimensions],
        [SlotTable(dimensions=term.dimensions, blocks=term.blocks) for term in space.terms],
        [block.key for block in space.all_blocks],
        tables,
    )
