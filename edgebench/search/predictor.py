"""What predicts the costs of architectures, whatever it learnt them from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Predictor(Protocol):
    """Figures of architectures on several devices.

    Attributes:
        names: Column names of what ``predict`` returns, such as ``latency_s@host``.
    """

    names: tuple[str, ...]

    def predict(self, architectures: NDArray[np.int8]) -> NDArray[np.float64]:
        """Figures of architectures.

        Args:
            architectures: One row per architecture, one column per dimension.

        Returns:
            One row per architecture, one column for each of ``names``, in SI units.
        """

    def scan(self) -> Iterator[tuple[int, NDArray[np.float64]]]:
        """Every combination of the space, in chunks.

        Yields:
            The number of the chunk's first combination (the last dimension counts fastest), and its figures.
        """


class Joined:
    """Several predictors side by side.

    Args:
        parts: Each with columns of its own, for the same space.
        values: Number of values of every dimension of the space.
    """

    def __init__(self, parts: Sequence[Predictor], values: Sequence[int]) -> None:
        self._parts = tuple(parts)
        self._values = tuple(values)
        self.names: tuple[str, ...] = tuple(name for part in parts for name in part.names)

    def predict(self, architectures: NDArray[np.int8]) -> NDArray[np.float64]:
        """As ``Predictor``."""
        return np.concatenate([part.predict(architectures) for part in self._parts], axis=1)

    def scan(self) -> Iterator[tuple[int, NDArray[np.float64]]]:
        """As ``Predictor``."""
        first, *rest = self._parts
        for start, figures in first.scan():
            numbers = np.arange(start, start + len(figures))
            rows = np.stack(np.unravel_index(numbers, self._values), axis=1).astype(np.int8)
            yield start, np.concatenate([figures, *(part.predict(rows) for part in rest)], axis=1)
