"""Limits with margins, for one network and for many."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edgebench.core.budget import Limit
from edgebench.search.limits import excess, meets_limits
from edgebench.search.pareto import feasible

LIMITS = (Limit(figure="latency_s", device="a", value=1.0), Limit(figure="ram_bytes", device="b", value=100.0))
COLUMNS = ["latency_s@a", "ram_bytes@b"]
FIGURES = st.tuples(st.floats(0.01, 2.0), st.floats(1.0, 200.0))
MARGINS = st.tuples(st.floats(1.0, 1.5), st.floats(1.0, 1.5))


@given(FIGURES, MARGINS)
def test_one_network_is_judged_as_many_are(values: tuple[float, float], margins: tuple[float, float]) -> None:
    figures = dict(zip(COLUMNS, values, strict=True))
    assert meets_limits(figures, LIMITS, margins) == bool(feasible(np.array([values]), COLUMNS, LIMITS, margins)[0])


def test_the_margin_counts_and_a_limit_may_be_reached() -> None:
    figures = {"latency_s@a": 0.8, "ram_bytes@b": 100.0}
    assert meets_limits(figures, LIMITS, (1.25, 1.0))
    assert not meets_limits(figures, LIMITS, (1.26, 1.0))
    assert not meets_limits(figures, LIMITS, (1.0, 1.01))
    assert meets_limits(figures, (), ())


def test_excess_is_a_share_of_the_limit() -> None:
    found = excess({"latency_s@a": 0.5, "ram_bytes@b": 120.0}, LIMITS, (1.5, 1.0))
    assert found == {"latency_s@a": -0.25, "ram_bytes@b": 120.0 / 100.0 - 1}
