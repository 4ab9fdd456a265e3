"""Bayesian linear regression: what it learns, and that its bounds hold."""

import numpy as np
import pytest
from numpy.typing import NDArray

from edgebench.search.bayes import Family, fit

Floats = NDArray[np.float64]


def made(random: np.random.Generator, count: int, noise: float) -> tuple[list[Floats], Floats, Floats]:
    """Values of 20 weak features, 5 of a second family that do nothing, and a share of the scale."""
    scales = random.uniform(1.0, 3.0, count)
    useful, useless = random.poisson(1.0, (count, 20)).astype(float), random.poisson(1.0, (count, 5)).astype(float)
    weights = random.normal(0, 0.05, 20)
    values = 0.04 * scales + useful @ weights + scales * random.normal(0, noise, count)
    return [scales[:, None], useful, useless], values, scales


def families(features: list[Floats]) -> list[Family]:
    widths = (0.05, 0.1, 0.1)
    return [
        Family(name=str(number), features=part, width=width, fixed=number == 0)
        for number, (part, width) in enumerate(zip(features, widths, strict=True))
    ]


@pytest.mark.heavy
def test_bounds_cover_what_they_say() -> None:
    inside, left_inside, total = 0, 0, 0
    for seed in range(60):
        features, values, scales = made(np.random.default_rng(seed), 60, 0.01)
        known = fit(families([part[:30] for part in features]), values[:30], scales[:30])
        mean, sd = known.predict([part[30:] for part in features], scales[30:])
        inside += int(np.sum(np.abs(mean - values[30:]) <= 1.96 * sd))
        left_inside += int(np.sum(np.abs(known.left_out - values[:30]) <= 1.96 * known.left_out_sd))
        total += 30
    assert 0.90 <= inside / total <= 0.98
    assert 0.90 <= left_inside / total <= 0.98


def test_leaving_one_out_is_what_fitting_without_it_predicts() -> None:
    features, values, scales = made(np.random.default_rng(1), 12, 0.02)
    given = [
        Family(name=item.name, features=item.features, width=item.width, fixed=True) for item in families(features)
    ]
    whole = fit(given, values, scales, noise=0.02, least_noise=0.02)
    fixed_noise = whole.noise
    for index in range(3):
        rest = np.arange(12) != index
        without = fit(
            [Family(name=item.name, features=item.features[rest], width=item.width, fixed=True) for item in given],
            values[rest],
            scales[rest],
            noise=fixed_noise,
            least_noise=fixed_noise,
        )
        if without.noise == fixed_noise:
            mean, _ = without.predict([part[index : index + 1] for part in features], scales[index : index + 1])
            assert mean[0] == pytest.approx(whole.left_out[index])


def test_features_that_explain_nothing_stay_near_nothing() -> None:
    features, values, scales = made(np.random.default_rng(2), 60, 0.005)
    known = fit(families(features), values, scales)
    assert np.abs(known.weights[2]).max() < 0.02
    assert known.widths[2] < 0.03 < known.widths[1]
    assert known.weights[0][0] == pytest.approx(0.04, abs=0.03)
    assert known.noise == pytest.approx(0.005, rel=0.8)


def test_without_observations_there_is_nothing_to_learn() -> None:
    with pytest.raises(ValueError, match="observations"):
        fit([], np.empty(0), np.empty(0))
    with pytest.raises(ValueError, match="observations"):
        fit([], np.ones(2), np.array([1.0, 0.0]))
