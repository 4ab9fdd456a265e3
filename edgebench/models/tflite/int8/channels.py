"""Which channels of which tensors must be changed together, if at all, and by how much."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_Array = NDArray[np.float64]


class Channels:
    """Channels of tensors in sets that share one factor."""

    def __init__(self) -> None:
        self._numbers: dict[int, NDArray[np.int64]] = {}
        self._ranges: dict[int, _Array] = {}
        self._parents: list[int] = []
        self._fixed: set[int] = set()
        self._limits: dict[int, float] = {}

    def __contains__(self, tensor: int) -> bool:
        return tensor in self._numbers

    def add(self, tensor: int, largest: _Array) -> None:
        """Add a tensor, with the magnitude of the largest value of each channel."""
        start = len(self._parents)
        self._numbers[tensor] = np.arange(start, start + len(largest))
        self._parents.extend(range(start, start + len(largest)))
        self._ranges[tensor] = largest

    def fix(self, tensor: int) -> None:
        """Keep the channels of a tensor unchanged."""
        if tensor in self._numbers:
            self._fixed.update(self._numbers[tensor].tolist())

    def limit(self, tensor: int, value: float) -> None:
        """Keep the values of a tensor below the limit of an activation."""
        if np.isfinite(value):
            self._limits.update(dict.fromkeys(self._numbers[tensor].tolist(), value))

    def join(self, one: int, other: int) -> bool:
        """Let channels of two tensors share their factors, one by one.

        Returns:
            Whether they have equally many.
        """
        fits = len(self._numbers[one]) == len(self._numbers[other])
        return fits and self.place(one, other, 0)

    def place(self, one: int, other: int, start: int) -> bool:
        """Let the channels of one tensor share their factors with those of a wider one, from one of them on.

        Returns:
            Whether there are enough.
        """
        first, second = self._numbers[one], self._numbers[other][start : start + len(self._numbers[one])]
        if len(first) != len(second):
            return False
        self._unite(first, second)
        return True

    def repeat(self, one: int, other: int) -> bool:
        """Let the channels of one tensor share their factors with those of another one in which they repeat."""
        first, second = self._numbers[one], self._numbers[other]
        if len(second) % len(first):
            return False
        self._unite(np.tile(first, len(second) // len(first)), second)
        return True

    def factors(self, exponent: float, smallest: float) -> dict[int, _Array]:
        """What to divide the channels of each tensor by, 1 at most; only for tensors with any other factor."""
        roots = {tensor: np.array([self._root(n) for n in numbers]) for tensor, numbers in self._numbers.items()}
        count = len(self._parents)
        own, whole, limits = np.zeros(count), np.zeros(count), np.full(count, np.inf)
        for tensor, found in roots.items():
            np.maximum.at(own, found, self._ranges[tensor])
            np.maximum.at(whole, found, self._ranges[tensor].max(initial=0.0))
        for number, value in self._limits.items():
            limits[self._root(number)] = min(limits[self._root(number)], value)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(own > 0, (own / whole) ** exponent, 1.0)
        factors = np.clip(np.maximum(ratio, own / limits), smallest, 1.0)
        factors[[self._root(number) for number in self._fixed]] = 1.0
        return {tensor: factors[found] for tensor, found in roots.items() if (factors[found] != 1).any()}

    def _unite(self, first: NDArray[np.int64], second: NDArray[np.int64]) -> None:
        for one, other in zip(first.tolist(), second.tolist(), strict=True):
            self._parents[self._root(one)] = self._root(other)

    def _root(self, number: int) -> int:
        parents = self._parents
        while parents[number] != number:
            parents[number] = parents[parents[number]]
            number = parents[number]
        return number
