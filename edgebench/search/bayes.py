"""Bayesian linear regression with one prior width for each family of features, in closed form.

Values are sums of features times weights, plus noise that is proportional to a given scale. Weights of a family have a
normal prior around 0 with one width; widths and noise are those of the largest marginal likelihood. With a handful of
observations this keeps features that explain nothing near 0, where least squares would fit noise. Rasmussen and
Williams, Gaussian Processes for Machine Learning (2006), chapters 2.1 and 5.4; leave-one-out 5.4.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_STEPS = (0.25, 0.5, 1.0, 2.0, 4.0)
_FINE = (0.8, 0.9, 1.0, 1.1, 1.25)
_ROUNDS = 12
_OFF = 1e-6
"""A width so small that its family has no effect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Features that share one prior width.

    Attributes:
        name: For people.
        features: One row per observation, one column per feature.
        width: Standard deviation of the weights before anything is observed.
        fixed: Whether the width stays as it is; otherwise it is where the search begins.
    """

    name: str
    features: Floats
    width: float
    fixed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """What was learnt.

    Attributes:
        weights: For each family the mean of its weights.
        covariance: Of all weights, the families one after the other.
        widths: Standard deviation of each family's weights before.
        noise: Standard deviation of the noise as a share of the scale.
        left_out: For each observation its value as the others predict it.
        left_out_sd: The standard deviation of that prediction, noise included.
        effective: How many parameters the observations have decided, from 0 to the number of observations.
    """

    weights: tuple[Floats, ...]
    covariance: Floats
    widths: tuple[float, ...]
    noise: float
    left_out: Floats
    left_out_sd: Floats
    effective: float

    def predict(self, features: Sequence[Floats], scales: Floats) -> tuple[Floats, Floats]:
        """Means and standard deviations of further observations, noise included.

        Args:
            features: For each family, one row per observation.
            scales: What the noise is proportional to.
        """
        rows = np.concatenate(list(features), axis=1)
        mean = rows @ np.concatenate(self.weights)
        variance = np.einsum("ij,jk,ik->i", rows, self.covariance, rows) + (self.noise * scales) ** 2
        return mean, np.sqrt(np.maximum(variance, 0.0))


def fit(
    families: Sequence[Family], values: Floats, scales: Floats, *, noise: float = 0.01, least_noise: float = 0.002
) -> Fit:
    """Learn weights, widths and noise.

    Args:
        families: What values depend on.
        values: What was observed, positive or negative.
        scales: For each observation what its noise is proportional to, above 0.
        noise: Where the search for the noise begins.
        least_noise: Nothing repeats better than this.

    Raises:
        ValueError: There is no observation, or a scale is not above 0.
    """
    if not len(values) or not (scales > 0).all():
        raise ValueError("observations with scales above 0 are needed")
    target = values / scales
    parts = [family.features / scales[:, None] for family in families]
    joined = np.concatenate(parts, axis=1)
    data = _condensed(parts, joined, target)
    widths, noise = _most_likely(families, data, max(noise, least_noise), least_noise)
    prior = np.concatenate([np.full(part.shape[1], width**2) for part, width in zip(parts, widths, strict=True)])
    inverse = np.linalg.inv(data.covariance(widths, noise))
    reach = data.features * prior
    # The inverse of the covariance of all observations, as far as it is needed.
    rest = target - data.basis @ data.target
    solved = data.basis @ (inverse @ data.target) + rest / noise**2
    own = np.einsum("ij,jk,ik->i", data.basis, inverse, data.basis, optimize=True)
    own += (1 - (data.basis**2).sum(axis=1)) / noise**2
    ends = np.cumsum([part.shape[1] for part in parts])[:-1]
    return Fit(
        weights=tuple(np.split(reach.T @ (inverse @ data.target), ends)),
        covariance=np.diag(prior) - reach.T @ inverse @ reach,
        widths=tuple(widths),
        noise=noise,
        left_out=(target - solved / own) * scales,
        left_out_sd=np.sqrt(1 / own) * scales,
        effective=float(len(target) - noise**2 * own.sum()),
    )


@dataclass(frozen=True, slots=True)
class _Condensed:
    """Observations, of which there are no more than features: others are condensed to as many without loss.

    Attributes:
        basis: Orthonormal columns; observations are what it makes of the condensed ones, and a rest.
        features: One row per condensed observation.
        kernels: For each family the products of its rows.
        target: What was observed, condensed.
        rest: Square of the part of the observations that no weights explain.
        count: Observations that were condensed away.
    """

    basis: Floats
    features: Floats
    kernels: tuple[Floats, ...]
    target: Floats
    rest: float
    count: int

    def covariance(self, widths: Sequence[float], noise: float) -> Floats:
        """Of the condensed observations."""
        total = np.eye(len(self.target)) * noise**2
        for kernel, width in zip(self.kernels, widths, strict=True):
            total += width**2 * kernel
        return total

    def evidence(self, widths: Sequence[float], noise: float) -> float:
        """Logarithm of the marginal likelihood, without its constant."""
        factor = np.linalg.cholesky(self.covariance(widths, noise))
        half = np.linalg.solve(factor, self.target)
        condensed = -0.5 * half @ half - np.log(np.diag(factor)).sum()
        return float(condensed - 0.5 * self.rest / noise**2 - self.count * np.log(noise))


def _condensed(parts: Sequence[Floats], joined: Floats, target: Floats) -> _Condensed:
    observations, features = joined.shape
    if observations <= features:
        basis, reduced = np.eye(observations), joined
    else:
        basis, reduced = np.linalg.qr(joined)
    ends = np.cumsum([part.shape[1] for part in parts])[:-1]
    kernels = tuple(own @ own.T for own in np.split(reduced, ends, axis=1))
    short = basis.T @ target
    rest = float(((target - basis @ short) ** 2).sum())
    return _Condensed(basis, reduced, kernels, short, rest, observations - len(short))


def _most_likely(
    families: Sequence[Family], data: _Condensed, noise: float, least_noise: float
) -> tuple[list[float], float]:
    """One width after the other, larger steps first."""
    widths = [family.width for family in families]
    best = data.evidence(widths, noise)
    free = [number for number, family in enumerate(families) if not family.fixed]
    for steps in (_STEPS, _FINE):
        for _ in range(_ROUNDS):
            before = best
            for number in free:
                for candidate in [*(widths[number] * step for step in steps), families[number].width * 0.1, _OFF]:
                    trial = [*widths[:number], max(candidate, _OFF), *widths[number + 1 :]]
                    found = data.evidence(trial, noise)
                    if found > best:
                        best, widths = found, trial
            for step in steps:
                found = data.evidence(widths, max(noise * step, least_noise))
                if found > best:
                    best, noise = found, max(noise * step, least_noise)
            if best - before < 1e-3:
                break
    return widths, noise
