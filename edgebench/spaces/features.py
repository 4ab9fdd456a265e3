"""What can be chosen, and what networks are described by where predictions are learnt from whole ones."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Value = int | float | str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dimension:
    """One thing to choose.

    Attributes:
        name: For people and for Optuna.
        values: Its possible values, from the cheapest to the most expensive if that has a meaning.
        needs: Name of another dimension and the lowest index of its value at which this one has an effect,
            such as the kernel of a block that only deep stages have.
    """

    name: str
    values: tuple[Value, ...]
    needs: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureFamily:
    """What networks are described by where whole networks are learnt from; weights of a family resemble each other.

    Attributes:
        name: For people and files.
        labels: One for each feature.
        values: One row per architecture, one column per feature.
        width: How far weights are from 0 before anything is known, as a share of a whole network.
    """

    name: str
    labels: tuple[str, ...]
    values: NDArray[np.float64]
    width: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureLookups:
    """Where the features of a family depend on a few dimensions each: which one is 1 for every choice of these.

    Attributes:
        name: Of the family.
        labels: Of its features.
        parts: Columns of an architecture, and the position in ``labels`` (-1 for none) with one axis per column.
        width: As of the family.
    """

    name: str
    labels: tuple[str, ...]
    parts: tuple[tuple[tuple[int, ...], NDArray[np.int64]], ...]
    width: float

    def of(self, rows: NDArray[np.int8]) -> FeatureFamily:
        """The features of architectures: how often each is looked up.

        Args:
            rows: One row per architecture.
        """
        # The last column is that of nothing.
        values = np.zeros((len(rows), len(self.labels) + 1))
        for columns, numbers in self.parts:
            values[np.arange(len(rows)), numbers[tuple(rows[:, column] for column in columns)]] += 1
        return FeatureFamily(name=self.name, labels=self.labels, values=values[:, :-1], width=self.width)


MAX_PAIRS = 600
"""Pairs of choices that are features; in spaces with more, choices alone must do."""


def choice_lookups(dimensions: Sequence[Dimension]) -> list[FeatureLookups]:
    """Each choice, and pairs of choices where these are not too many."""
    sizes = [len(dimension.values) for dimension in dimensions]
    starts = np.cumsum([0, *sizes])
    texts = [f"{dimension.name}={value}" for dimension in dimensions for value in range(len(dimension.values))]
    single = tuple(((column,), np.arange(size) + starts[column]) for column, size in enumerate(sizes))
    found = [FeatureLookups(name="choices", labels=tuple(texts), parts=single, width=0.02)]
    names: list[str] = []
    parts: list[tuple[tuple[int, ...], NDArray[np.int64]]] = []
    for one, other in itertools.combinations(range(len(sizes)), 2):
        shape = sizes[one], sizes[other]
        parts.append(((one, other), len(names) + np.arange(math.prod(shape)).reshape(shape)))
        names += [
            f"{texts[starts[one] + first]} {texts[starts[other] + second]}" for first, second in np.ndindex(shape)
        ]
    if 0 < len(names) <= MAX_PAIRS:
        found.append(FeatureLookups(name="pairs of choices", labels=tuple(names), parts=tuple(parts), width=0.01))
    return found
