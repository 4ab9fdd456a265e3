"""The meter that is a program of the user's."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from edgebench.errors import EdgebenchError, InputError, TargetUnavailableError
from edgebench.meters.base import EnergyMeter
from edgebench.meters.command import CommandMeter
from edgebench.meters.idle import NetOfIdle
from edgebench.testing.meter_contract import MeterContract

pytestmark = pytest.mark.child
POWER = "import time\nwhile True: print(f'{time.monotonic():.6f} 2500mW', flush=True); time.sleep(0.01)"
ENERGY = "import time\nwhile True: t = time.monotonic(); print(f'{t:.6f} {4 * t:.9f}J', flush=True); time.sleep(0.01)"


def meter_of(program: str) -> CommandMeter:
    return CommandMeter([sys.executable, "-c", program])


class TestPower(MeterContract):
    @pytest.fixture
    def meter(self) -> Iterator[EnergyMeter]:
        with meter_of(POWER) as meter:
            yield meter


class TestEnergy(MeterContract):
    @pytest.fixture
    def meter(self) -> Iterator[EnergyMeter]:
        with meter_of(ENERGY) as meter:
            yield meter


class TestNetOfIdle(MeterContract):
    @pytest.fixture
    def meter(self) -> Iterator[EnergyMeter]:
        with NetOfIdle(meter_of(POWER), 0.1) as meter:
            yield meter


@pytest.mark.parametrize(("program", "watts"), [(POWER, 2.5), (ENERGY, 4.0)])
def test_energy_is_power_times_time(program: str, watts: float) -> None:
    with meter_of(program) as meter:
        before, begin = meter.read_j(), time.monotonic()
        time.sleep(0.5)
        energy, seconds = meter.read_j() - before, time.monotonic() - begin
    assert energy == pytest.approx(watts * seconds, rel=0.2)
    assert 0.005 < meter.resolution_s < 0.5
    assert "every" in meter.scope


def test_what_an_idle_machine_draws_is_subtracted() -> None:
    with NetOfIdle(meter_of(POWER), 0.3) as meter:
        before = meter.read_j()
        time.sleep(0.3)
        assert meter.read_j() - before < 0.2, "of 0.75 J"
        assert "less 2.5" in meter.scope


@pytest.mark.parametrize(
    ("program", "what"),
    [
        ("print('hello')", "not a time and a value"),
        ("print('1 2W'); print('0.5 2W')", "do not go forward"),
        ("print('1 2W'); print('2 2J')", "mixes watts and joules"),
        ("print('1 2J'); print('2 1J')", "decreases"),
        ("print('1 nanW')", "not a time and a value"),
        ("print('x' * 100000)", "not a time and a value"),
        ("pass", "ended"),
    ],
)
def test_what_is_no_reading_is_told(program: str, what: str) -> None:
    with pytest.raises(InputError, match=what) as caught:
        meter_of(program)
    assert caught.value.remedy


def test_a_program_that_is_not_there_is_told() -> None:
    with pytest.raises(TargetUnavailableError, match="cannot be started"):
        CommandMeter(["/no/such/program"])
    with pytest.raises(EdgebenchError):
        CommandMeter([])
    with pytest.raises(InputError, match="cannot be read"):
        CommandMeter.open("unfinished 'quote", Path("/sys"))
    with pytest.raises(TargetUnavailableError):
        CommandMeter.open("", Path("/sys"))


def test_a_program_that_ends_in_the_middle_is_told() -> None:
    with meter_of("import time\nfor n in range(40): print(n, '1W', flush=True); time.sleep(0.02)") as meter:
        meter.read_j()
        with pytest.raises(TargetUnavailableError, match="ended"):
            read_often(meter)


def read_often(meter: EnergyMeter) -> None:
    for _ in range(1000):
        meter.read_j()


def test_no_program_outlives_its_meter() -> None:
    before = set(psutil.Process().children())
    meter = meter_of(POWER)
    meter.close()
    meter.close()
    assert set(psutil.Process().children()) <= before
