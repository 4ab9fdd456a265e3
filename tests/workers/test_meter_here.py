"""A meter at this machine that sees a board whose clock is another one."""

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from edgebench.core.profile import Sample
from edgebench.meters.readings import Readings
from edgebench.store.devices import find_device
from edgebench.workers.measuring import meter_here
from edgebench.workers.measuring.jobs import Loaded, Moment
from edgebench.workers.measuring.meter_here import MeterHere, clock_difference
from edgebench.workers.measuring.race_jobs import RaceResult

AHEAD_S = 1.7e9
"""The board's clock is wrong by half a century."""


class Pulse:
    """Stands for the user's program: 2 W, and 7 W for half a second that begins after a while."""

    begin_s = 0.0
    resolution_s = 0.01
    scope = "power by pulse, a reading every 10 ms"

    def __init__(self, command: Sequence[str]) -> None:
        assert list(command) == ["read", "--fast"]

    def energy_between(self, begin_s: float, end_s: float) -> float:
        readings, start = Readings(), begin_s - 1
        for moment in np.arange(start, end_s + 1, self.resolution_s):
            pulse = min(max(moment - self.begin_s, 0.0), 0.5)
            readings.add(moment, 2 * (moment - start) + 5 * pulse, moment)
        return readings.between(begin_s, end_s)

    def close(self) -> None:
        """Nothing runs."""


def board_s() -> float:
    return time.monotonic() + AHEAD_S


@pytest.fixture
def meter(monkeypatch: pytest.MonkeyPatch) -> MeterHere:
    monkeypatch.setattr(meter_here, "CommandMeter", Pulse)
    device = replace(find_device("host"), meter="command:read --fast", meter_at="host", idle_s=0.05)
    made = MeterHere(device, board_s)
    Pulse.begin_s = time.monotonic() + 5
    return made


def moment(begin_s: float, end_s: float) -> Moment:
    """Relative to the pulse, by the board's clock."""
    return Moment(
        begin_s=Pulse.begin_s + begin_s + AHEAD_S, end_s=Pulse.begin_s + end_s + AHEAD_S, inferences=10
    )  # fmt: skip


def test_clocks_are_compared_by_the_fastest_answer() -> None:
    random = np.random.default_rng(0)

    def slow_there() -> float:
        time.sleep(float(random.exponential(0.002)))
        return board_s()

    found = clock_difference(slow_there, 30)
    assert abs(found.ahead_s - AHEAD_S) <= found.uncertainty_s + 1e-6
    assert found.uncertainty_s < 0.002


def test_a_burst_gets_the_energy_of_its_time_without_that_of_an_idle_board(meter: MeterHere) -> None:
    sample = Sample(latencies_s=(0.05,) * 10)
    assert meter.metered(sample, moment(0.0, 0.5)).energy_j == pytest.approx(2.5, rel=0.03)
    assert meter.metered(sample, moment(-1.0, -0.5)).energy_j == pytest.approx(0.0, abs=0.05)
    assert meter.metered(sample, moment(0.25, 0.75)).energy_j == pytest.approx(1.25, rel=0.05)
    assert "less 2 W when idle" in meter.scope
    assert "±" in meter.scope
    assert not meter.notes()


def test_bursts_last_as_long_as_the_meter_needs(meter: MeterHere) -> None:
    loaded = Loaded(load_s=0.1, first=Sample(latencies_s=(1e-3,)), iterations=40, burst_s=0.04, method="m")
    found = meter.attached(loaded)
    assert found.iterations == 200
    assert found.burst_s == pytest.approx(0.2)
    assert found.energy_scope == meter.scope


def test_models_of_a_race_get_the_energy_of_their_own_bursts(meter: MeterHere) -> None:
    fast = RaceResult(latency_p5_s=0.01, latency_s=0.01, moments=(moment(-1, -0.5), moment(-2, -1.5)))
    busy = RaceResult(latency_p5_s=0.01, latency_s=0.01, moments=(moment(0, 0.5),))
    none = RaceResult(latency_p5_s=0.01, latency_s=0.01)
    found = meter.raced([fast, busy, none])
    assert [result.energy_j for result in found] == [
        pytest.approx(0, abs=0.005), pytest.approx(0.25, rel=0.03), None,
    ]  # fmt: skip
    assert not any(result.moments for result in found)


def test_a_burst_too_short_for_the_clocks_is_told(meter: MeterHere) -> None:
    meter._worst_s = 0.05
    meter.metered(Sample(latencies_s=(0.05,)), moment(0.0, 0.5))
    (note,) = meter.notes()
    assert "±50 ms" in note
