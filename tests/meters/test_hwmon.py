import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgebench.errors import InputError, TargetUnavailableError
from edgebench.meters.hwmon import HwmonMeter, find_sensors
from edgebench.testing.meter_contract import MeterContract

Put = Callable[[str, object], None]
CHIPS = "class/hwmon"


@pytest.fixture
def board(put: Put, tmp_path: Path) -> Path:
    """A Jetson-like board with a graphics card: an INA3221 of two rails, and three chips of one driver."""
    put(f"{CHIPS}/hwmon0/name", "amdgpu")
    put(f"{CHIPS}/hwmon0/power1_average", 7_000_000)
    put(f"{CHIPS}/hwmon1/name", "nvme")
    put(f"{CHIPS}/hwmon1/temp1_input", 40_000)
    put(f"{CHIPS}/hwmon2/name", "ina3221")
    put(f"{CHIPS}/hwmon2/update_interval", 20)
    for channel, (label, milliamperes, millivolts) in enumerate(
        [("VDD_IN", 1000, 5000), ("VDD_CPU", 200, 5000), ("NC", 0, 0)], start=1
    ):
        put(f"{CHIPS}/hwmon2/in{channel}_label", label)
        put(f"{CHIPS}/hwmon2/in{channel}_input", millivolts)
        put(f"{CHIPS}/hwmon2/curr{channel}_input", milliamperes)
    put(f"{CHIPS}/hwmon2/in3_enable", 0)
    for name in ("in4_input", "curr4_input", "in7_input"):
        put(f"{CHIPS}/hwmon2/{name}", 1)
    for number, address in ((3, "1-0041"), (10, "1-0045")):
        put(f"{CHIPS}/hwmon{number}/name", "ina226")
        put(f"{CHIPS}/hwmon{number}/power1_input", 2_000_000)
        put(f"{CHIPS}/hwmon{number}/in1_input", 5000)
        put(f"{CHIPS}/hwmon{number}/curr1_input", 400)
        put(f"devices/{address}/modalias", "")
        (tmp_path / CHIPS / f"hwmon{number}/device").symlink_to(tmp_path / f"devices/{address}")
    return tmp_path


class TestPowerContract(MeterContract):
    @pytest.fixture
    def meter(self, board: Path) -> Iterator[HwmonMeter]:
        with HwmonMeter.open("", board) as meter:
            yield meter


class TestEnergyContract(MeterContract):
    @pytest.fixture
    def meter(self, board: Path, put: Put) -> Iterator[HwmonMeter]:
        put(f"{CHIPS}/hwmon2/energy1_input", 5)
        with HwmonMeter.open("ina3221/energy1", board) as meter:
            put(f"{CHIPS}/hwmon2/energy1_input", 2_000_005)
            assert meter.read_j() == pytest.approx(2.0)
            yield meter


def test_sensors_are_named_by_chip_and_rail(board: Path) -> None:
    assert [sensor.name for sensor in find_sensors(board)] == [
        "amdgpu/power1",
        "ina3221/VDD_IN",
        "ina3221/VDD_CPU",
        "ina226@1-0041/power1",
        "ina226@1-0045/power1",
    ]


@pytest.mark.parametrize(
    ("selector", "watts"),
    [("", 5.0), ("ina3221", 5.0), ("ina3221/VDD_CPU", 1.0), ("ina226@1-0045", 2.0), ("amdgpu/power1", 7.0)],
)
def test_constant_power_gives_power_times_time(board: Path, selector: str, watts: float) -> None:
    earliest = time.monotonic()
    with HwmonMeter.open(selector, board) as meter:
        begun = time.monotonic()
        first, latest = meter.read_j(), time.monotonic()
        assert 0 <= first <= watts * (latest - earliest)
        time.sleep(0.05)
        now = time.monotonic()
        energy = meter.read_j()
        assert watts * (now - begun) <= energy * (1 + 1e-9)
        assert energy <= watts * (time.monotonic() - earliest) * (1 + 1e-9)


def test_power_that_changes_while_it_is_sampled_is_followed(board: Path, put: Put) -> None:
    with HwmonMeter.open("ina3221/VDD_IN", board) as meter:
        put(f"{CHIPS}/hwmon2/curr1_input", 0)
        before = meter.read_j()
        for milliamperes in (4000, 0):
            put(f"{CHIPS}/hwmon2/curr1_input", milliamperes)
            time.sleep(0.1)
        after = meter.read_j()
        assert after > before
        put(f"{CHIPS}/hwmon2/curr1_input", -40)
        assert meter.read_j() == after


def test_the_interval_is_that_of_the_chip(board: Path, put: Put) -> None:
    put(f"{CHIPS}/hwmon3/power1_average_interval", 300)
    put(f"{CHIPS}/hwmon10/update_interval", 1)
    put(f"{CHIPS}/hwmon0/update_interval", "often")
    intervals = {sensor.name: sensor.interval_s for sensor in find_sensors(board)}
    assert intervals["ina3221/VDD_IN"] == pytest.approx(0.02)
    assert intervals["ina226@1-0041/power1"] == pytest.approx(0.3)
    assert intervals["ina226@1-0045/power1"] == pytest.approx(0.01)
    assert intervals["amdgpu/power1"] == pytest.approx(0.1)


def test_closing_ends_the_sampling(board: Path) -> None:
    threads = threading.active_count()
    with HwmonMeter.open("", board) as meter:
        assert threading.active_count() == threads + 1
        meter.close()
    assert threading.active_count() == threads


def test_a_graphics_card_is_not_taken_unasked(board: Path) -> None:
    for number in (2, 3, 10):
        shutil.rmtree(board / CHIPS / f"hwmon{number}")
    with pytest.raises(TargetUnavailableError, match="sees the processor") as caught:
        HwmonMeter.open("", board)
    assert caught.value.remedy == "choose one of hwmon:amdgpu/power1"


def test_an_unknown_sensor_is_named(board: Path) -> None:
    with pytest.raises(InputError, match="VDD_INN") as caught:
        HwmonMeter.open("ina3221/VDD_INN", board)
    assert "did you mean 'ina3221/VDD_IN'" in str(caught.value.remedy)


@pytest.mark.parametrize("selector", ["", "ina3221"])
def test_a_machine_without_sensors_says_so(tmp_path: Path, selector: str) -> None:
    with pytest.raises(TargetUnavailableError, match="no power sensor") as caught:
        HwmonMeter.open(selector, tmp_path)
    assert "modprobe" in str(caught.value.remedy)


def test_a_sensor_that_vanishes_is_reported(board: Path) -> None:
    with HwmonMeter.open("ina3221", board) as meter:
        shutil.rmtree(board / CHIPS / "hwmon2")
        with pytest.raises(TargetUnavailableError, match="cannot be read: No such file") as caught:
            meter.read_j()
        assert "hwmon2/curr1_input" in str(caught.value.where)
