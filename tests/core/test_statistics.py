import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebench.core.statistics import count_outliers, median_interval, percentile, spread, t_quantile

latencies = st.lists(st.floats(1e-7, 1e3), min_size=1, max_size=30)


@pytest.mark.parametrize("processes", [3, 5, 10])
@pytest.mark.parametrize("between", [0.0, 0.02])
def test_the_interval_covers_the_true_median_as_often_as_it_says(processes: int, between: float) -> None:
    """Log-normal samples whose process means differ: the interval must hold 95 % of the time."""
    random = np.random.default_rng(1)
    hits = 0
    trials = 600
    for _ in range(trials):
        means = 1e-3 * np.exp(between * random.standard_normal(processes))
        samples = [mean * np.exp(0.05 * random.standard_normal(60)) for mean in means]
        interval = median_interval([list(values) for values in samples])
        hits += interval.low <= 1e-3 <= interval.high
    # Three standard errors of a binomial proportion at 95 %.
    assert hits / trials >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / trials)


def test_the_interval_narrows_with_more_processes() -> None:
    random = np.random.default_rng(2)
    samples = [
        list(1e-3 * np.exp(0.02 * random.standard_normal() + 0.02 * random.standard_normal(50))) for _ in range(30)
    ]
    assert median_interval(samples).relative_width < median_interval(samples[:4]).relative_width


@given(st.lists(latencies, min_size=2, max_size=8))
def test_the_interval_contains_its_value(processes: list[list[float]]) -> None:
    interval = median_interval(processes)
    assert interval.low <= interval.value <= interval.high


def test_one_process_has_a_value_but_no_interval() -> None:
    interval = median_interval([[1.0, 2.0, 3.0]])
    assert (interval.value, interval.low, interval.high) == (2.0, None, None)
    assert math.isinf(interval.relative_width)


def test_no_samples_are_an_error() -> None:
    with pytest.raises(ValueError, match="no samples"):
        median_interval([[], []])


def test_outliers_are_counted() -> None:
    assert count_outliers([1.0, 1.01, 0.99, 1.0, 1.02, 50.0]) == 1
    assert count_outliers([1.0, 1.0]) == 0


@given(latencies)
def test_percentiles_are_ordered(samples: list[float]) -> None:
    values = [percentile(samples, percent) for percent in (0, 5, 50, 90, 99, 100)]
    assert all(low <= high * (1 + 1e-12) for low, high in pairwise(values))


def test_t_quantiles_fall_towards_the_normal_one() -> None:
    quantiles = [t_quantile(degrees) for degrees in range(1, 100)]
    assert quantiles == sorted(quantiles, reverse=True)
    assert quantiles[-1] == pytest.approx(1.984, abs=0.005)


def test_spread_is_relative_to_the_least() -> None:
    assert spread([2.0, 3.0]) == pytest.approx(0.5)
    assert spread([]) == 0.0
