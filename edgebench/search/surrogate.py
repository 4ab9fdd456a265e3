"""Learns which architectures are accurate from the few that were trained.

A Gaussian process on what an architecture is (one-hot choices) and on how large it is (logarithms of
parameters, multiply-accumulates and costs). Its kernel is the sum of a linear one, in which every choice adds
its part, of one that falls with the number of differing choices, and of a squared exponential of size. The
weights of the three are those of the largest marginal likelihood on a grid (Rasmussen and Williams, 2006,
chapters 2 and 5).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
MAX_OBSERVED = 160
"""Maximum number of observations in a fit: the best half and the newest half, so that a trial stays cheap."""
_NOISE = 1e-3
_GRID = tuple(itertools.product((0.3, 1.0, 3.0), (0.5,), (0.25, 0.5, 1.0), (0.3, 1.0, 3.0), (1.5, 3.0)))
_MORE = 1.4
"""Growth of the observations after which the weights are chosen again, which costs about fifty factorisations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kernel:
    """Weights of the parts, and lengths: differing choices as a share of all, and size in standard deviations."""

    linear: float
    choices: float
    choices_length: float
    size: float
    size_length: float

    @property
    def diagonal(self) -> float:
        return self.linear + self.choices + self.size


class Surrogate:
    """Predicts accuracy.

    Args:
        dimensions: Number of values of every dimension.
    """

    def __init__(self, dimensions: tuple[int, ...]) -> None:
        self._dimensions = dimensions
        self._kernel: _Kernel | None = None
        self._fitted_with = 0

    def predict(
        self,
        observed: NDArray[np.int8],
        observed_sizes: Vector,
        accuracy: Vector,
        candidates: NDArray[np.int8],
        candidate_sizes: Vector,
    ) -> tuple[Vector, Vector]:
        """Mean and standard deviation of the accuracy of candidates.

        Args:
            observed: Architectures that were trained, at least two.
            observed_sizes: One row each: features of size, of mean 0 and standard deviation 1 over the space.
            accuracy: Of each.
            candidates: Architectures in question.
            candidate_sizes: As ``observed_sizes``.
        """
        keep = self._kept(accuracy)
        observed, observed_sizes, accuracy = observed[keep], observed_sizes[keep], accuracy[keep]
        mean, deviation = float(accuracy.mean()), float(accuracy.std()) or 1.0
        targets = (accuracy - mean) / deviation
        same = self._alike(observed, observed)
        near = _distances(observed_sizes, observed_sizes)
        if self._kernel is None or len(keep) >= _MORE * self._fitted_with or len(keep) < self._fitted_with:
            self._kernel = _most_likely(same, near, targets)
            self._fitted_with = len(keep)
        kernel = self._kernel
        # One inverse serves mean and variance; the noise keeps it well conditioned.
        inverse = np.linalg.inv(_covariance(kernel, same, near) + _NOISE * kernel.diagonal * np.eye(len(keep)))
        weights = inverse @ targets
        scale = max(float(targets @ weights) / len(keep), 1e-9)
        cross = _covariance(kernel, self._alike(candidates, observed), _distances(candidate_sizes, observed_sizes))
        explained = np.einsum("ij,ij->i", cross @ inverse, cross)
        variance = np.maximum(kernel.diagonal - explained, 1e-9) * scale
        predicted: Vector = cross @ weights * deviation + mean
        return predicted, np.sqrt(variance) * deviation

    def _kept(self, accuracy: Vector) -> NDArray[np.int64]:
        count = len(accuracy)
        if count <= MAX_OBSERVED:
            return np.arange(count)
        best = np.argsort(-accuracy, kind="stable")[: MAX_OBSERVED // 2]
        newest = np.setdiff1d(np.arange(count), best)[-MAX_OBSERVED // 2 :]
        return np.sort(np.concatenate([best, newest]))

    def _alike(self, first: NDArray[np.int8], second: NDArray[np.int8]) -> Vector:
        """Share of equal choices of each pair."""
        alike: Vector = self._one_hot(first) @ self._one_hot(second).T / len(self._dimensions)
        return alike

    def _one_hot(self, architectures: NDArray[np.int8]) -> Vector:
        columns: list[NDArray[np.bool_]] = [
            architectures[:, column, None] == np.arange(size) for column, size in enumerate(self._dimensions)
        ]
        return np.concatenate(columns, axis=1).astype(np.float64)


def _distances(first: Vector, second: Vector) -> Vector:
    squares = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1)[None] - 2 * first @ second.T
    floored: Vector = np.maximum(squares, 0.0)
    return floored


def _covariance(kernel: _Kernel, alike: Vector, distances: Vector) -> Vector:
    result: Vector = (
        kernel.linear * alike
        + kernel.choices * np.exp((alike - 1) / kernel.choices_length)
        + kernel.size * np.exp(-distances / (2 * kernel.size_length**2))
    )
    return result


def _most_likely(alike: Vector, distances: Vector, targets: Vector) -> _Kernel:
    best, chosen = -np.inf, None
    count = len(targets)
    for linear, choices, choices_length, size, size_length in _GRID:
        kernel = _Kernel(
            linear=linear, choices=choices, choices_length=choices_length, size=size, size_length=size_length
        )
        noise = _NOISE * kernel.diagonal * np.eye(count)
        factor = np.linalg.cholesky(_covariance(kernel, alike, distances) + noise)
        half = np.linalg.solve(factor, targets)
        scale = max(float(half @ half) / count, 1e-9)
        likelihood = -0.5 * count * np.log(scale) - np.log(np.diag(factor)).sum()
        if likelihood > best:
            best, chosen = likelihood, kernel
    if chosen is None:
        raise ValueError("no kernel fits: an accuracy is not a number")
    return chosen
