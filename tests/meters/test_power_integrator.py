import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebench.errors import TargetUnavailableError
from edgebench.meters.integrator import PowerIntegrator, TrapezoidSum

INTERVAL_S = 0.01


@given(
    slope=st.floats(-10, 10),
    times=st.lists(st.floats(0, 100), min_size=2, max_size=30).map(sorted),
)
def test_a_straight_line_is_integrated_exactly(slope: float, times: list[float]) -> None:
    def power(time_s: float) -> float:
        return 1000 + slope * time_s

    total = TrapezoidSum(times[0], power(times[0]))
    for time_s in times[1:]:
        total.add(time_s, power(time_s))
    elapsed = times[-1] - times[0]
    assert total.energy_j == pytest.approx(elapsed * (power(times[0]) + power(times[-1])) / 2)


@given(st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)), min_size=1, max_size=30))
def test_no_samples_make_the_energy_decrease(samples: list[tuple[float, float]]) -> None:
    total = TrapezoidSum(*samples[0])
    last = 0.0
    for time_s, power_w in samples[1:]:
        total.add(time_s, power_w)
        assert total.energy_j >= last
        last = total.energy_j


def test_a_pulse_between_two_readings_is_seen() -> None:
    power = 0.0
    integrator = PowerIntegrator(lambda: power, INTERVAL_S)
    before = time.monotonic()
    power = 10.0
    time.sleep(20 * INTERVAL_S)
    power = 0.0
    energy = integrator.read_j()
    integrator.close()
    assert 0 < energy <= 10.0 * (time.monotonic() - before)


def test_closing_ends_the_thread() -> None:
    threads = threading.active_count()
    integrator = PowerIntegrator(lambda: 1.0, 60.0)
    assert threading.active_count() == threads + 1
    integrator.close()
    integrator.close()
    assert threading.active_count() == threads


def test_a_sensor_that_failed_once_is_not_trusted_again() -> None:
    failing = False

    def read_w() -> float:
        if failing:
            raise TargetUnavailableError("the sensor is gone")
        return 1.0

    integrator = PowerIntegrator(read_w, INTERVAL_S)
    failing = True
    deadline = time.monotonic() + 10
    while integrator._failure is None and time.monotonic() < deadline:
        time.sleep(INTERVAL_S)
    failing = False
    with pytest.raises(TargetUnavailableError, match="gone"):
        integrator.read_j()
    integrator.close()


def test_a_sensor_that_never_answers_is_found_at_once() -> None:
    def read_w() -> float:
        raise TargetUnavailableError("no answer")

    threads = threading.active_count()
    with pytest.raises(TargetUnavailableError, match="no answer"):
        PowerIntegrator(read_w, INTERVAL_S)
    assert threading.active_count() == threads
