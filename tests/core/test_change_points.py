"""Change points on series whose changes are known, by simulation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgebench.core.change_points import LEAST, change_points

pytestmark = pytest.mark.heavy


def noisy(levels: list[float], length: int, noise: float, seed: int) -> NDArray[np.float64]:
    random = np.random.default_rng(seed)
    values: NDArray[np.float64] = np.repeat(levels, length) * np.exp(random.normal(0, noise, length * len(levels)))
    return values


def test_a_level_series_seldom_shows_a_change() -> None:
    found = [bool(change_points(noisy([1.0], 24, 0.02, seed), seed=seed)) for seed in range(100)]
    # 5 % are expected; 13 or more of 100 happen once in a thousand times at that rate.
    assert sum(found) < 13


def test_changes_of_a_few_times_the_noise_are_found_where_they_are() -> None:
    for seed in range(20):
        found = change_points(noisy([1.0, 1.05, 0.9], 12, 0.01, seed))
        near = [any(abs(point.index - place) <= 1 for point in found) for place in (12, 24)]
        assert all(near)
        assert found[0].p_value <= 0.05


def test_a_change_is_told_by_its_ratio_whatever_the_unit() -> None:
    series = noisy([2.0, 3.0], 10, 0.001, 0)
    (seconds,) = change_points(series)
    (micro,) = change_points(series * 1e-6)
    assert seconds.index == micro.index == 10
    assert seconds.ratio == pytest.approx(micro.ratio) == pytest.approx(1.5, rel=0.01)


def test_a_single_outlier_is_no_change() -> None:
    series = noisy([1.0], 20, 0.01, 3)
    series[10] *= 3
    assert not change_points(series)


@given(st.lists(st.floats(1e-6, 1e3), max_size=12), st.integers(0, 5))
@settings(max_examples=20, deadline=None)
def test_any_series_gives_ordered_changes_with_enough_points_between_and_always_the_same(
    values: list[float], seed: int
) -> None:
    found = change_points(values, seed=seed)
    assert found == change_points(values, seed=seed)
    bounds = [0, *(point.index for point in found), len(values)]
    assert not found or min(np.diff(bounds)) >= LEAST


def test_equal_and_few_values_show_nothing() -> None:
    assert not change_points([])
    assert not change_points([1.0, 2.0])
    assert not change_points([5.0] * 50)


@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), float("inf")])
def test_what_is_no_positive_figure_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        change_points([1.0, bad, 2.0])
