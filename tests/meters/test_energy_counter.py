from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebench.meters.counter import EnergyCounter


@given(
    size=st.integers(1, 2**32),
    start=st.integers(0, 2**32),
    fractions=st.lists(st.floats(0, 1, exclude_max=True), max_size=50),
)
def test_a_counter_that_wraps_around_shows_the_true_energy(size: int, start: int, fractions: list[float]) -> None:
    steps = [int(fraction * size) for fraction in fractions]
    readings = iter([value % size for value in accumulate(steps, initial=start)])
    counter = EnergyCounter(lambda: next(readings), unit_j=1e-6, size=size)
    for true in accumulate(steps):
        assert counter.read_j() == pytest.approx(true * 1e-6)


@given(
    readings=st.lists(st.integers(0, 2**64), min_size=2, max_size=50),
    size=st.none() | st.integers(0, 2**64),
)
def test_no_sequence_of_readings_makes_it_decrease(readings: list[int], size: int | None) -> None:
    source = iter(readings)
    counter = EnergyCounter(lambda: next(source), unit_j=1e-6, size=size)
    energies = [counter.read_j() for _ in readings[1:]]
    assert energies == sorted(energies)
    assert energies[0] >= 0


def test_a_counter_without_a_size_continues_from_zero_when_it_is_reset() -> None:
    readings = iter([1000, 1500, 200, 300])
    counter = EnergyCounter(lambda: next(readings), unit_j=1.0)
    assert [counter.read_j() for _ in range(3)] == [500, 700, 800]
