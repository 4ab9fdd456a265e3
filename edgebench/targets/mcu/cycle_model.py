"""From instructions to cycles: Bayesian regression on networks that were measured on a board.

    cycles = ratio x instructions, by kind of layer
           + a correction x multiply-accumulates, by kind of layer
           + for networks that an interpreter ran: a time per layer, and a factor on their code

The prior says that one ratio explains everything, and how far kinds of layers may be from it; so three networks
do not fit eight numbers, and what no network showed stays uncertain. Which corrections the figure uses is decided by
leave-one-out; the band allows for all of them. Errors are relative. Bishop, Pattern Recognition and Machine Learning,
3.3, with the noise at the maximum of its posterior and Student's quantile in the band.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgebench.core.calibration import BoardMeasurement, Work
from edgebench.core.statistics import t_quantile

_Array = NDArray[np.float64]
_TERMS = (
    "code",
    "dense",
    "MACs conv",
    "MACs depthwise",
    "MACs dense",
    "layers",
    "interpreted code",
    "interpreted layers",
)
_CHOICES = ((), (2, 3), (4,), (2, 3, 4))
"""Sets of corrections by multiply-accumulates, from the simplest on; a larger one must be better to be chosen."""
_BETTER = 0.95
_USUAL = {"convolution": 3.2, "depthwise": 8.0, "dense": 2.7}
"""Instructions per multiply-accumulate of large layers with CMSIS-NN on a Cortex-M4; others deviate from them."""
_INTERPRETER_CYCLES = 3000.0
"""What an interpreter spends per layer before any measurement says otherwise; as uncertain as it is large."""
_RATIO_SD, _DENSE_SD, _MAC_SD, _DENSE_MAC_SD, _CODE_SD = 0.5, 0.4, 1.0, 3.0, 0.15
"""Standard deviations of the prior as fractions of the one ratio."""
_LAYER_SD = 500.0
_NOISE, _NOISE_WEIGHT = 0.08, 3
"""Relative noise before any measurement, and the number of networks that this knowledge is worth."""
_NOISES = np.geomspace(0.015, 0.4, 30)
_OUTLIER = 4.0
_KNOWN = 0.4
"""Relative uncertainty below which an interpreter's time is told as a figure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One measured network.

    Attributes:
        name: Of the network.
        cycles: Measured latency x clock.
        work: What it executes.
        interpreted: Whether an interpreter ran it.
    """

    name: str
    cycles: float
    work: Work
    interpreted: bool = False

    @classmethod
    def of(cls, measured: BoardMeasurement, clock_hz: float) -> Sample:
        """A measurement in cycles."""
        cycles = measured.latency_s * clock_hz
        return cls(name=measured.name, cycles=cycles, work=measured.work, interpreted=measured.interpreted)


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleEstimate:
    """Cycles of one network.

    Attributes:
        cycles: The estimate.
        factor: The band reaches from cycles / factor to cycles x factor; at least 1.
        beyond: Whether the network is unlike those measured, so that most of the band comes from that.
    """

    cycles: float
    factor: float
    beyond: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CycleModel:
    """A fit, and how uncertain it is.

    Attributes:
        samples: What it was fitted to; equal networks count once.
        corrections: Terms besides the ratios that the figure uses.
        noise: Relative error that no term explains.
        interpreted: Whether an interpreter ran any of them.
        interpreter: Its cycles per layer, if the samples tell them apart from the networks' own.
    """

    samples: tuple[Sample, ...]
    corrections: tuple[str, ...]
    noise: float
    interpreted: bool
    interpreter: float | None
    _weights: _Array
    _covariance: _Array

    def estimate(self, work: Work, *, interpreted: bool = False) -> CycleEstimate:
        """Cycles of a network with their 95 % prediction interval.

        Args:
            work: What it executes.
            interpreted: Whether an interpreter runs it; edgebench's own code needs none.
        """
        features = _features(work, interpreted=interpreted)
        # Terms of both signs could cancel; no core takes less than a tenth of what is usual on this one.
        usual = math.exp(float(np.mean([math.log(s.cycles / s.work.total) for s in self.samples]))) * work.total
        cycles = max(float(features @ self._weights), usual / 10)
        unknown = math.sqrt(max(float(features @ self._covariance @ features), 0.0)) / cycles
        degrees = _NOISE_WEIGHT + len(self.samples) - 1
        spread = t_quantile(degrees) * math.hypot(unknown, self.noise)
        return CycleEstimate(cycles=cycles, factor=1 + spread, beyond=unknown > 2 * self.noise)


def fit_cycles(samples: Sequence[Sample]) -> CycleModel:
    """Fit a board's cycles.

    Raises:
        ValueError: There is no sample.
    """
    if not samples:
        raise ValueError("there is no measured network")
    once = merged(samples)
    chosen = _chosen(once)
    weights, _, noise = _fit(once, chosen)
    _, covariance, other = _fit(once, _CHOICES[-1])
    return CycleModel(
        samples=once,
        corrections=tuple(_TERMS[index] for index in chosen),
        noise=max(noise, other),
        interpreted=any(sample.interpreted for sample in once),
        interpreter=float(weights[-1]) if math.sqrt(covariance[-1, -1]) < _KNOWN * weights[-1] else None,
        _weights=weights,
        _covariance=covariance,
    )


def merged(samples: Sequence[Sample]) -> tuple[Sample, ...]:
    """Samples without repetitions: networks that execute the same count once, with their mean latency."""
    groups: dict[tuple[object, ...], list[Sample]] = {}
    for sample in samples:
        work = sample.work
        key = (work.layers, *sorted(work.instructions.items()), *sorted(work.macs.items()), sample.interpreted)
        groups.setdefault(key, []).append(sample)
    return tuple(
        Sample(
            name=" = ".join(dict.fromkeys(sample.name for sample in group)),
            cycles=math.exp(float(np.mean([math.log(sample.cycles) for sample in group]))),
            work=group[0].work,
            interpreted=group[0].interpreted,
        )
        for group in groups.values()
    )


def left_out(samples: Sequence[Sample]) -> list[CycleEstimate | None]:
    """For each sample, what the others say about it, chosen and fitted without it; None if there are no others."""
    found: list[CycleEstimate | None] = []
    for sample in samples:
        others = [other for other in samples if other.work != sample.work]
        found.append(
            fit_cycles(others).estimate(sample.work, interpreted=sample.interpreted) if others else None,
        )
    return found


def outliers(samples: Sequence[Sample]) -> list[tuple[Sample, float]]:
    """Samples whose cycles per instruction are far from the median, with the factor.

    Kinds of networks differ by a factor of two, a slip of the decimal point by ten. Of two samples that
    disagree nobody can say which one is wrong, so both are named.
    """
    ratios = np.array([_own_ratio(sample) for sample in samples])
    found = []
    for index, sample in enumerate(samples):
        usual = ratios if len(ratios) > 2 else ratios[::-1][index : index + 1]
        factor = float(ratios[index] / np.median(usual))
        if not 1 / _OUTLIER < factor < _OUTLIER:
            found.append((sample, factor))
    return found


def _features(work: Work, *, interpreted: bool) -> _Array:
    instructions = {kind: float(work.instructions.get(kind, 0)) for kind in (*_USUAL, "other")}
    code = sum(instructions.values()) - instructions["dense"]
    # Only what deviates from the usual density, so that large layers are explained by the ratio.
    extra = [work.macs.get(kind, 0) - instructions[kind] / usual for kind, usual in _USUAL.items()]
    by_interpreter = [code, work.layers] if interpreted else [0.0, 0.0]
    return np.array([code, instructions["dense"], *extra, work.layers, *by_interpreter], dtype=np.float64)


def _prior(ratio: float) -> tuple[_Array, _Array]:
    mean = np.array([ratio, ratio, 0, 0, 0, 0, 0, _INTERPRETER_CYCLES])
    deviations = [
        _RATIO_SD,
        0,
        _MAC_SD,
        _MAC_SD,
        _DENSE_MAC_SD,
        _LAYER_SD / ratio,
        _CODE_SD,
        _INTERPRETER_CYCLES / ratio,
    ]
    covariance = np.diag(np.square(np.array(deviations) * ratio))
    # Dense layers are near the one ratio, whatever it is.
    covariance[0, 1] = covariance[1, 0] = (_RATIO_SD * ratio) ** 2
    covariance[1, 1] = (_RATIO_SD**2 + _DENSE_SD**2) * ratio**2
    return mean, covariance


def _fit(samples: Sequence[Sample], corrections: Sequence[int]) -> tuple[_Array, _Array, float]:
    """Weights, their covariance and the noise, with only some corrections free."""
    cycles = np.array([sample.cycles for sample in samples])
    rows = np.array([_features(s.work, interpreted=s.interpreted) for s in samples]) / cycles[:, None]
    mean, covariance = _prior(math.exp(float(np.mean([math.log(_own_ratio(sample)) for sample in samples]))))
    free = np.array([index not in _CHOICES[-1] or index in corrections for index in range(len(_TERMS))])
    covariance = covariance * np.outer(free, free)
    missing = 1 - rows @ mean
    explained = rows @ covariance @ rows.T
    noise = max(_NOISES, key=lambda noise: _log_posterior(noise, explained, missing))
    gain = covariance @ rows.T @ np.linalg.inv(explained + noise**2 * np.eye(len(samples)))
    return mean + gain @ missing, covariance - gain @ rows @ covariance, float(noise)


def _own_ratio(sample: Sample) -> float:
    """Cycles per instruction without an interpreter's share, as far as it is guessed."""
    interpreter = _INTERPRETER_CYCLES * sample.work.layers * sample.interpreted
    return max(sample.cycles - interpreter, 0.3 * sample.cycles) / sample.work.total


def _log_posterior(noise: float, explained: _Array, missing: _Array) -> float:
    total = explained + noise**2 * np.eye(len(missing))
    _, determinant = np.linalg.slogdet(total)
    likelihood = -0.5 * (float(missing @ np.linalg.solve(total, missing)) + float(determinant))
    return likelihood - _NOISE_WEIGHT * (math.log(noise) + _NOISE**2 / (2 * noise**2))


def _chosen(samples: Sequence[Sample]) -> tuple[int, ...]:
    """The corrections with which networks predict each other best."""
    best: tuple[int, ...] = _CHOICES[0]
    error = math.inf
    if len(samples) < 3:
        return best
    for corrections in _CHOICES:
        residuals = []
        for index, sample in enumerate(samples):
            weights, _, _ = _fit([*samples[:index], *samples[index + 1 :]], corrections)
            predicted = float(_features(sample.work, interpreted=sample.interpreted) @ weights)
            residuals.append(math.log(max(predicted, sample.cycles / 10) / sample.cycles))
        found = math.sqrt(float(np.mean(np.square(residuals))))
        if found < error * _BETTER:
            best, error = corrections, found
    return best
