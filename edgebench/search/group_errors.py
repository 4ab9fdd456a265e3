"""Which groups of blocks the worst predicted networks have in common."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgebench.core.table import Validation, block_group
from edgebench.spaces.space import SearchSpace

FEWEST = 3
"""Networks with a group before its mean error says anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupError:
    """Errors of the networks that have blocks of one group.

    Attributes:
        group: Kind and input shape of the blocks.
        networks: How many have some.
        bias: Mean of predicted / found - 1: above 0 where predictions are too high.
        mean_error: Mean of |predicted / found - 1|.
        others: The same mean of the networks without such blocks; None if there are none.
    """

    group: str
    networks: int
    bias: float
    mean_error: float
    others: float | None


def group_errors(space: SearchSpace, known: Validation) -> list[GroupError]:
    """For each group of blocks how well networks with it are predicted, the worst first.

    Args:
        space: The space that the networks are of.
        known: Whole networks, found and predicted.
    """
    errors = np.array(known.predicted) / np.array(known.found) - 1
    held: dict[str, list[int]] = {}
    for number, text in enumerate(known.architectures):
        for group in {block_group(block.key) for _, block in space.blocks(space.parse(text))}:
            held.setdefault(group, []).append(number)
    found = []
    for group, numbers in held.items():
        with_it = errors[numbers]
        without = np.delete(errors, numbers)
        found.append(
            GroupError(
                group=group,
                networks=len(numbers),
                bias=float(with_it.mean()),
                mean_error=float(np.abs(with_it).mean()),
                others=float(np.abs(without).mean()) if len(without) else None,
            )
        )
    return sorted(found, key=lambda item: (-item.mean_error, item.group))


def worst_group(space: SearchSpace, known: Validation) -> str:
    """The group whose networks are predicted worst compared with those without it; empty if none stands out."""
    for item in group_errors(space, known):
        if item.networks >= FEWEST and item.others is not None and item.mean_error > item.others:
            return item.group
    return ""
