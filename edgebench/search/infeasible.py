"""Why nothing meets the limits: which one binds, by how much, what comes nearest, what relaxing would buy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from edgebench.core.budget import Limit
from edgebench.core.search import Infeasibility, LimitFact, Nearest
from edgebench.search.candidates import DRAWN, ENUMERATED
from edgebench.search.predictor import Predictor
from edgebench.spaces.space import Architectures, SearchSpace

NEAREST = 5


def explain(
    space: SearchSpace, model: Predictor, limits: Sequence[Limit], margins: Sequence[float], seed: int
) -> Infeasibility:
    """Examine the space once more, for what comes nearest."""
    columns = [model.names.index(limit.column) for limit in limits]
    values = np.array([limit.value for limit in limits])
    least = np.full(len(limits), np.inf)
    needed = np.full(len(limits), np.inf)
    best_rows: Architectures = np.empty((0, len(space.dimensions)), dtype=np.int8)
    best: NDArray[np.float64] = np.empty((0, len(limits)))
    looked_at = 0
    for rows in _chunks(space, seed):
        looked_at += len(rows)
        found = model.predict(rows)[:, columns] * np.array(margins)
        least = np.minimum(least, found.min(axis=0))
        broken = found > values
        for column in range(len(limits)):
            others_hold = ~np.delete(broken, column, axis=1).any(axis=1)
            if others_hold.any():
                needed[column] = min(needed[column], found[others_hold, column].min())
        excess = found / values - 1
        best_rows, best = np.concatenate([best_rows, rows]), np.concatenate([best, excess])
        # Drawn networks may repeat: more are kept than are shown.
        order = np.argsort(best.max(axis=1), kind="stable")[: NEAREST * 20]
        best_rows, best = best_rows[order], best[order]
    _, first = np.unique(best_rows, axis=0, return_index=True)
    chosen = sorted(first, key=lambda index: float(best[index].max()))[:NEAREST]
    return Infeasibility(
        looked_at=looked_at,
        complete=space.combinations <= ENUMERATED,
        limits=tuple(
            LimitFact(
                limit=limit,
                least=float(least[column]),
                needed=float(needed[column]) if np.isfinite(needed[column]) else None,
            )
            for column, limit in enumerate(limits)
        ),
        nearest=tuple(
            Nearest(architecture=space.text(best_rows[index]), excess=tuple(map(float, best[index])))
            for index in chosen
        ),
    )


def _chunks(space: SearchSpace, seed: int) -> Iterator[Architectures]:
    if space.combinations <= ENUMERATED:
        yield from space.enumerate()
        return
    random = np.random.default_rng(seed)
    yield np.array([space.canonical_one(space.smallest)], dtype=np.int8)
    for _ in range(DRAWN >> 18):
        yield space.sample(random, 1 << 18)
