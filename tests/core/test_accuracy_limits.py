"""Accuracies with their intervals against limits."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebench.core.accuracy_limits import Share, above_most, below_least, no_better_than_guessing
from edgebench.tasks.accuracy import wilson_interval


def share(correct: int, total: int) -> Share:
    low, high = wilson_interval(correct, total)
    return Share(value=correct / total, low=low, high=high)


def test_the_bad_end_of_the_interval_decides() -> None:
    assert below_least("accuracy", share(970, 1000), 0.95, 1000) is None
    close = below_least("accuracy", share(970, 1000), 0.96, 1000)
    assert close is not None
    assert close.undecided
    missed = below_least("accuracy", share(940, 1000), 0.96, 1000)
    assert missed is not None
    assert not missed.undecided


@pytest.mark.parametrize(
    ("drop", "met", "undecided"),
    [
        (Share(value=0.0173, low=0.007, high=0.030), False, True),
        (Share(value=0.0093, low=-0.001, high=0.0195), True, False),
        (Share(value=0.025, low=0.01, high=0.04), False, False),
        (Share(value=-0.01, low=-0.02, high=0.0), True, False),
    ],
)
def test_drops_are_judged_by_their_upper_end(drop: Share, met: bool, undecided: bool) -> None:
    fault = above_most("the drop", drop, 0.02, 1000)
    assert (fault is None) is met
    if fault is not None:
        assert fault.undecided is undecided


@given(st.integers(200, 5000), st.floats(0.6, 0.99), st.floats(0.005, 0.08))
def test_as_many_samples_as_are_named_do_decide(total: int, value: float, distance: float) -> None:
    least = value - distance
    fault = below_least("accuracy", share(round(value * total), total), least, total)
    if fault is None or not fault.undecided:
        return
    found = re.search(r"about ([\d,]+) would", fault.text)
    assert found is not None
    more = int(found[1].replace(",", ""))
    assert more > total
    # The interval is not quite symmetrical, and a share is a whole number of samples.
    assert share(round(round(value * total) / total * more), more).low >= least - 0.1 * distance


def test_guessing_is_named() -> None:
    assert no_better_than_guessing("accuracy", share(110, 1000), 0.11) is not None
    assert no_better_than_guessing("accuracy", share(300, 1000), 0.11) is None
