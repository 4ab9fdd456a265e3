"""Compares a table of measured blocks with a few whole networks, and corrects the difference they have in common.

A block that is measured between two small networks finds its weights in the cache; inside a large one it does not
always. That makes whole networks slower than the sum of their blocks, all by nearly the same share: on one
processor with 1 MiB of cache per core, networks of 2 to 8 MB were 5.4 % above the sum, and within 2.1 % of 1.054 times
the sum.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from edgebench.core.figure import Combination, column_name, figure_of
from edgebench.core.table import LookupTable
from edgebench.models.network import Network
from edgebench.search.costs import cost_model
from edgebench.spaces.space import Architectures, SearchSpace

NETWORKS = 12
"""Number of whole networks that a scale is fitted to; with 6, 12, 16 or 24 of 100, the others were equally well
predicted."""
_SEED = 20230


def scale_networks(space: SearchSpace) -> Architectures:
    """The architectures that a table of this space is compared with; no validation draws them."""
    drawn = np.unique(space.sample(np.random.default_rng(_SEED), NETWORKS * 4), axis=0)
    # In a small space, most are left for validation.
    return np.random.default_rng(_SEED).permutation(drawn)[: min(NETWORKS, max(2, space.size // 4))]


def with_scale(
    space: SearchSpace,
    table: LookupTable,
    measure: Callable[[Network], Mapping[str, float]],
    on_progress: Callable[[float], object],
) -> LookupTable:
    """The table with the scale of every figure that adds up.

    Args:
        space: The space whose blocks are in the table.
        table: All of them.
        measure: Returns figures of a whole network.
        on_progress: Called with the share of the networks that is done.
    """
    rows = scale_networks(space)
    found: list[Mapping[str, float]] = []
    for number, row in enumerate(rows):
        on_progress(number / len(rows))
        found.append(measure(space.network(tuple(map(int, row)))))
    unscaled = replace(table, figures={name: replace(figure, scale=1.0) for name, figure in table.figures.items()})
    device = table.key.device
    model = cost_model(space, {device: unscaled})
    predicted = model.predict(rows)
    figures = dict(unscaled.figures)
    for name, figure in unscaled.figures.items():
        if figure_of(name).combines is not Combination.SUM or any(name not in item for item in found):
            continue
        sums = predicted[:, model.names.index(column_name(name, device))]
        ratios = [item[name] / value for item, value in zip(found, sums, strict=True) if value > 0]
        if ratios:
            figures[name] = replace(figure, scale=statistics.median(ratios))
    return replace(unscaled, figures=figures)
