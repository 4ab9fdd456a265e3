"""Predicts architectures from what a few whole networks taught about the features of all.

A cost is a base and a weight for each feature (operations that are executed, choices, pairs of them), learnt by
``search.bayes`` with one prior width for each family of features: additive in time, with noise relative to it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgebench.core.figure import MACS, NETWORK, PARAMETERS, column_name
from edgebench.core.table import LookupTable
from edgebench.search.bayes import Family, fit
from edgebench.search.lookup_sums import LookupSums, Part
from edgebench.spaces.features import FeatureFamily
from edgebench.spaces.space import Architectures, SearchSpace

KEPT = 1 << 17
"""Spaces with no more combinations are predicted once."""
_CHUNK = 1 << 14
_BASE_WIDTH = 0.5
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Learnt:
    """What whole networks taught about one figure.

    Attributes:
        base: What every network has.
        weights: By family of features the weight of each; those that are 0 are left out.
        left_out: For each network what the others predict.
        freedom: Networks less what the fit has decided with them.
        spread: Standard deviation that the fit expects of predictions, as a share.
    """

    base: float
    weights: Mapping[str, Mapping[str, float]]
    left_out: Floats
    freedom: float
    spread: float


def learn(families: Sequence[FeatureFamily], found: Floats) -> Learnt:
    """Learn a figure from whole networks.

    Args:
        families: Features of the networks.
        found: What each network came to, above 0.

    Raises:
        ValueError: There is no network, or a figure is not above 0.
    """
    mean = float(found.mean()) if len(found) else 0.0
    # A feature that all networks share, or none has, is part of the base.
    used = [np.ptp(family.values, axis=0) > 0 for family in families]
    given = [Family(name="base", features=np.full((len(found), 1), mean), width=_BASE_WIDTH, fixed=True)]
    given += [
        Family(name=family.name, features=family.values[:, columns] * mean, width=family.width)
        for family, columns in zip(families, used, strict=True)
    ]
    fitted = fit(given, found - mean, found)
    weights = {
        family.name: {
            family.labels[column]: float(mean * weight)
            for column, weight in zip(np.flatnonzero(columns), own, strict=True)
            if weight
        }
        for family, columns, own in zip(families, used, fitted.weights[1:], strict=True)
    }
    return Learnt(
        base=mean * (1 + float(fitted.weights[0][0])),
        weights={name: own for name, own in weights.items() if own},
        left_out=mean + fitted.left_out,
        freedom=len(found) - fitted.effective,
        spread=float(np.sqrt(np.mean((fitted.left_out_sd / found) ** 2))),
    )


class WholeModel:
    """Figures of architectures from tables that are learnt from whole networks.

    Args:
        space: Where architectures come from.
        tables: By device.
        sizes: Whether multiply-accumulates and parameters are columns, too.

    Attributes:
        names: Column names of what ``predict`` returns.
    """

    def __init__(self, space: SearchSpace, tables: Mapping[str, LookupTable], *, sizes: bool) -> None:
        self._space, self._sizes = space, sizes
        self._figures = [figure for table in tables.values() for figure in table.figures.values()]
        places = [column_name(figure, device) for device, table in tables.items() for figure in table.figures]
        counted = [column_name(figure, NETWORK) for figure in (MACS, PARAMETERS)] if sizes else []
        self.names: tuple[str, ...] = (*places, *counted)
        self._values = [len(dimension.values) for dimension in space.dimensions]
        self._kept: Floats | None = None
        parts = None if sizes or math.prod(self._values) <= KEPT else self._parts()
        base = np.array([figure.base for figure in self._figures])
        self._looked_up = None if parts is None else LookupSums(self._values, self.names, len(base), base, parts)

    def predict(self, architectures: NDArray[np.int8]) -> Floats:
        """As ``Predictor``."""
        if self._looked_up is not None:
            # Equal networks are predicted alike.
            return self._looked_up.predict(self._space.canonical(architectures))
        if math.prod(self._values) > KEPT:
            return self._computed(architectures)
        if self._kept is None:
            self._kept = self._computed(self._decoded(np.arange(math.prod(self._values))))
        numbers = np.zeros(len(architectures), dtype=np.int32)
        for column, count in enumerate(self._values):
            numbers *= np.int32(count)
            numbers += architectures[:, column]
        return self._kept.take(numbers, axis=0)

    def scan(self) -> Iterator[tuple[int, Floats]]:
        """As ``Predictor``."""
        total = math.prod(self._values)
        for start in range(0, total, _CHUNK):
            yield start, self.predict(self._decoded(np.arange(start, min(start + _CHUNK, total))))

    def _parts(self) -> list[Part] | None:
        """What each slot, choice and pair of choices adds, where nothing else is a feature."""
        found: list[Part] = []
        for family in self._space.lookups():
            weights = np.zeros((len(family.labels) + 1, len(self._figures)))
            for column, figure in enumerate(self._figures):
                known = figure.weights.get(family.name, {})
                weights[:-1, column] = [known.get(label, 0.0) for label in family.labels]
            found += [(dimensions, weights[numbers]) for dimensions, numbers in family.parts]
        return found or None

    def _decoded(self, numbers: NDArray[np.int64]) -> Architectures:
        return np.stack(np.unravel_index(numbers, self._values), axis=1).astype(np.int8)

    def _computed(self, architectures: Architectures) -> Floats:
        parts = [
            self._of_chunk(architectures[start : start + _CHUNK]) for start in range(0, len(architectures), _CHUNK)
        ]
        return np.concatenate(parts) if parts else np.empty((0, len(self.names)))

    def _of_chunk(self, rows: Architectures) -> Floats:
        figures = np.empty((len(rows), len(self.names)))
        # Equal networks are predicted alike.
        rows = self._space.canonical(rows)
        families = self._space.features(rows)
        for column, figure in enumerate(self._figures):
            total = np.full(len(rows), figure.base)
            for family in families:
                known = figure.weights.get(family.name)
                if known:
                    total += family.values @ np.array([known.get(label, 0.0) for label in family.labels])
            figures[:, column] = total
        if self._sizes:
            figures[:, -2], figures[:, -1] = self._space.sizes(rows)
        return figures
