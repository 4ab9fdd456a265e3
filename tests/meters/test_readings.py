"""Energy between two moments, from readings by another clock."""

import numpy as np
import pytest

from edgebench.meters.readings import Readings


def test_energy_belongs_to_the_time_in_which_it_was_used() -> None:
    """1 W, and 5 W for the second second; the meter's clock is 1000 s behind, and readings arrive late."""
    readings, random = Readings(), np.random.default_rng(0)
    for step in range(401):
        seconds = step * 0.01
        joules = seconds + 4 * min(max(seconds - 1.0, 0.0), 1.0)
        readings.add(seconds - 1000, joules, seconds + 0.0002 + random.exponential(0.003))
    assert readings.covers(3.9)
    assert not readings.covers(4.1)
    assert readings.between(1.0, 2.0) == pytest.approx(5.0, rel=0.005)
    assert readings.between(0.0005, 1.0) == pytest.approx(1.0, rel=0.005)
    assert readings.between(1.995, 1.997) == pytest.approx(0.01, rel=0.3)


@pytest.mark.parametrize(("begin_s", "end_s"), [(-1.0, 1.0), (1.0, 9.0)])
def test_a_time_without_readings_has_no_energy(begin_s: float, end_s: float) -> None:
    readings = Readings()
    with pytest.raises(ValueError, match="no readings"):
        readings.between(begin_s, end_s)
    for step in range(3):
        readings.add(step, step, step)
    with pytest.raises(ValueError, match="no readings"):
        readings.between(begin_s, end_s)
