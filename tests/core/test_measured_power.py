"""A board's power and its error from measured energies."""

import numpy as np
import pytest

from edgebench.core.measured_power import UNKNOWN_POWER_ERROR, measured_power


def test_power_is_energy_over_latency_and_few_networks_say_nothing_of_its_error() -> None:
    assert measured_power([], supply="", source="") is None
    for count in (1, 2):
        found = measured_power([(5e-3, 0.1)] * count, supply="board", source="here")
        assert found is not None
        assert found.active_w == pytest.approx(0.05)
        assert found.relative_error == UNKNOWN_POWER_ERROR


@pytest.mark.parametrize("count", [3, 6])
def test_the_error_covers_a_further_network(count: int) -> None:
    random = np.random.default_rng(count)
    inside = 0
    for _ in range(500):
        powers = 0.05 * random.normal(1, 0.03, count + 1)
        found = measured_power([(power * 0.1, 0.1) for power in powers[:-1]], supply="board", source="here")
        assert found is not None
        inside += abs(powers[-1] - found.active_w) <= found.relative_error * found.active_w
    assert 0.9 <= inside / 500 <= 0.99
