"""Limits, margins and fronts."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edgebench.core.budget import Limit
from edgebench.search.pareto import feasible, non_dominated


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(0, 60), st.integers(2, 30))
def test_the_front_is_what_no_other_row_beats(seed: int, columns: int, count: int, values: int) -> None:
    """Few values make many ties and repeated rows."""
    costs = np.random.default_rng(seed).integers(0, values, (count, columns)).astype(float)
    expected = [not any((other <= row).all() and (other < row).any() for other in costs) for row in costs]
    assert non_dominated(costs).tolist() == expected


def test_the_front_of_more_rows_than_one_chunk() -> None:
    random = np.random.default_rng(0)
    costs = random.random((20_000, 2))
    kept = costs[non_dominated(costs)]
    ordered = kept[np.argsort(kept[:, 0])]
    assert (np.diff(ordered[:, 1]) < 0).all()
    below = (costs[:, None, :] <= ordered[None, :, :]).all(axis=2) & (costs[:, None, :] < ordered[None]).any(axis=2)
    assert not below.any()


def test_a_margin_tightens_only_its_limit() -> None:
    figures = np.array([[10.0, 5.0], [9.0, 5.0], [9.0, 6.0]])
    limits = [Limit(figure="latency_s", device="a", value=10.0), Limit(figure="ram_bytes", device="a", value=5.0)]
    names = ["latency_s@a", "ram_bytes@a"]
    assert feasible(figures, names, limits, [1.0, 1.0]).tolist() == [True, True, False]
    assert feasible(figures, names, limits, [1.1, 1.0]).tolist() == [False, True, False]
    assert feasible(figures, names, [], []).all()
