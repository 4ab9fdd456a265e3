"""Costs that are sums of what is looked up for a few choices at a time, for millions of architectures at once.

Parts whose choices overlap are joined into one larger table, so that an architecture costs a few lookups
however many parts there are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAX_CHUNK = 1 << 18
MAX_JOINED = 1 << 16
"""Maximum number of rows of a joined table: few enough to stay in a cache."""


Part = tuple[tuple[int, ...], NDArray[np.float64]]
"""Columns of an architecture, and the figures for each combination of their values: an axis for each, and the last one
for the figures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Joined:
    dimensions: tuple[int, ...]
    strides: NDArray[np.int64]
    sums: NDArray[np.float64]
    maxima: NDArray[np.float64]


class LookupSums:
    """Figures of architectures: a base, and for each part what its choices look up.

    Args:
        sizes: Number of values of every dimension.
        names: Columns of the result; those that are added up first, then those of which the largest counts.
        sum_count: How many are added up.
        base: For each column what every architecture has.
        parts: What is looked up.

    Attributes:
        names: Column names of what ``predict`` returns, such as ``latency_s@host``.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        names: Sequence[str],
        sum_count: int,
        base: NDArray[np.float64],
        parts: Sequence[Part],
    ) -> None:
        self._sizes = tuple(sizes)
        self.names: tuple[str, ...] = tuple(names)
        self._sum_count, self._base = sum_count, base
        self._joined = self._join(parts)

    def predict(self, architectures: NDArray[np.int8]) -> NDArray[np.float64]:
        """Figures of architectures.

        Args:
            architectures: One row per architecture, one column per dimension.

        Returns:
            One row per architecture, one column for each of ``names``, in SI units.
        """
        figures = np.empty((len(architectures), len(self.names)))
        # In chunks: what is looked up together stays in the cache.
        for start in range(0, len(architectures), MAX_CHUNK):
            rows = architectures[start : start + MAX_CHUNK]
            sums, maxima = self._partial(self._joined, rows)
            figures[start : start + len(rows), : self._sum_count] = sums
            figures[start : start + len(rows), self._sum_count :] = maxima
        figures += self._base
        return figures

    def scan(self) -> Iterator[tuple[int, NDArray[np.float64]]]:
        """Every combination of the space, in chunks.

        Yields:
            The number of the chunk's first combination (the last dimension counts fastest), and the figures of
            the chunk's combinations, as ``predict`` would return them.
        """
        total = math.prod(self._sizes)
        leading = 0
        while math.prod(self._sizes[leading:]) > MAX_CHUNK:
            leading += 1
        inner = math.prod(self._sizes[leading:])
        rows = self._decoded(np.arange(inner), leading)
        free = [part for part in self._joined if min(part.dimensions, default=0) >= leading]
        bound = [part for part in self._joined if min(part.dimensions, default=0) < leading]
        # What does not depend on the leading dimensions is the same in every chunk.
        fixed = self._partial(free, rows)
        for start in range(0, total, inner):
            rows[:, :leading] = self._digits(start)[:leading]
            sums, maxima = self._partial(bound, rows)
            yield start, np.concatenate([fixed[0] + sums, np.maximum(fixed[1], maxima)], axis=1) + self._base

    def _digits(self, number: int) -> NDArray[np.int8]:
        digits = np.zeros(len(self._sizes), dtype=np.int8)
        for column in range(len(self._sizes) - 1, -1, -1):
            number, digits[column] = divmod(number, self._sizes[column])
        return digits

    def _decoded(self, numbers: NDArray[np.int64], leading: int) -> NDArray[np.int8]:
        rows = np.zeros((len(numbers), len(self._sizes)), dtype=np.int8)
        for column in range(len(self._sizes) - 1, leading - 1, -1):
            numbers, rows[:, column] = np.divmod(numbers, self._sizes[column])
        return rows

    def _partial(
        self, parts: Sequence[_Joined], rows: NDArray[np.int8]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        sums = np.zeros((len(rows), self._sum_count))
        maxima = np.zeros((len(rows), len(self.names) - self._sum_count))
        for part in parts:
            index = np.zeros(len(rows), dtype=np.int32)
            for dimension, stride in zip(part.dimensions, part.strides, strict=True):
                index += rows[:, dimension] * np.int32(stride)
            sums += part.sums.take(index, axis=0)
            if maxima.shape[1]:
                np.maximum(maxima, part.maxima.take(index, axis=0), out=maxima)
        return sums, maxima

    def _join(self, parts: Sequence[Part]) -> list[_Joined]:
        """Joins neighbouring parts into one table as long as it stays small."""
        joined: list[Part] = []
        for dimensions, costs in parts:
            if joined:
                union = tuple(sorted({*joined[-1][0], *dimensions}))
                if math.prod(self._sizes[column] for column in union) <= MAX_JOINED:
                    joined[-1] = (
                        union,
                        self._combined(self._spread(*joined[-1], union), self._spread(dimensions, costs, union)),
                    )
                    continue
            joined.append((dimensions, costs))
        return [self._flat(dimensions, costs) for dimensions, costs in joined]

    def _spread(
        self, dimensions: tuple[int, ...], costs: NDArray[np.float64], union: tuple[int, ...]
    ) -> NDArray[np.float64]:
        """The same costs with an axis for every dimension of the union."""
        order = [dimensions.index(column) for column in sorted(dimensions)]
        ordered = costs.transpose(*order, len(dimensions))
        shape = [self._sizes[column] if column in dimensions else 1 for column in union]
        return np.broadcast_to(
            ordered.reshape(*shape, costs.shape[-1]), (*(self._sizes[column] for column in union), costs.shape[-1])
        )

    def _combined(self, first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
        count = self._sum_count
        return np.concatenate(
            [first[..., :count] + second[..., :count], np.maximum(first[..., count:], second[..., count:])], axis=-1
        )

    def _flat(self, dimensions: tuple[int, ...], costs: NDArray[np.float64]) -> _Joined:
        sizes = [self._sizes[column] for column in dimensions]
        strides = [math.prod(sizes[position + 1 :]) for position in range(len(sizes))]
        flat = costs.reshape(-1, costs.shape[-1])
        return _Joined(
            dimensions=dimensions,
            strides=np.array(strides, dtype=np.int64),
            sums=np.ascontiguousarray(flat[:, : self._sum_count]),
            maxima=np.ascontiguousarray(flat[:, self._sum_count :]),
        )
