"""What a machine is like, read from files that a test lays out."""

import time
from pathlib import Path

import pytest

from edgebench.core.surroundings import Surroundings, heat_range, throttling
from edgebench.workers.measuring.surroundings import read_surroundings, temperature_c, wait_until_cool


def lay(root: Path, **contents: str) -> None:
    for name, content in contents.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


PI = {
    "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
    "sys/class/thermal/thermal_zone0/temp": "61322\n",
    "sys/devices/system/cpu/cpufreq/policy0/scaling_cur_freq": "1500000\n",
    "sys/devices/system/cpu/cpufreq/policy0/scaling_governor": "ondemand\n",
    "sys/devices/platform/soc/soc:firmware/get_throttled": "50005\n",
    "sys/class/thermal/cooling_device0/type": "thermal-cpufreq-0\n",
    "sys/class/thermal/cooling_device0/cur_state": "2\n",
    "proc/loadavg": "0.52 0.58 0.59 1/467 12345\n",
}


def test_a_hot_board_with_a_weak_supply(tmp_path: Path) -> None:
    lay(tmp_path, **PI)
    found = read_surroundings(tmp_path)
    assert (found.temperature_c, found.frequency_hz, found.governor) == (61.322, 1.5e9, "ondemand")
    assert found.load_average == 0.52
    assert len(found.throttled) == 3, "voltage, firmware, kernel"
    assert "slowed down while it was measured" in (throttling(found, found) or "")


def test_what_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    assert read_surroundings(tmp_path) == Surroundings()
    lay(tmp_path, **dict.fromkeys(PI, "\xff nonsense"))
    found = read_surroundings(tmp_path)
    assert (found.temperature_c, found.frequency_hz, found.throttled) == (None, None, ())


@pytest.mark.parametrize("reading", ["-999000", "4000000", "", "12.5"])
def test_no_sensor_is_believed_that_reads_nonsense(tmp_path: Path, reading: str) -> None:
    lay(tmp_path, **{**PI, "sys/class/thermal/thermal_zone0/temp": reading})
    assert temperature_c(tmp_path) is None


def test_the_closest_sensor_counts(tmp_path: Path) -> None:
    lay(
        tmp_path,
        **{
            "sys/class/thermal/thermal_zone0/type": "acpitz",
            "sys/class/thermal/thermal_zone0/temp": "27800",
            "sys/class/thermal/thermal_zone1/type": "iwlwifi_1",
            "sys/class/thermal/thermal_zone1/temp": "90000",
            "sys/class/hwmon/hwmon0/name": "coretemp",
            "sys/class/hwmon/hwmon0/temp1_input": "55000",
            "sys/class/hwmon/hwmon0/temp2_input": "57000",
        },
    )
    assert temperature_c(tmp_path) == 57.0


def test_throttling_is_what_happened_between_two_moments() -> None:
    quiet = Surroundings(temperature_c=40.0, throttle_count=7)
    assert throttling(quiet, quiet) is None
    assert throttling(Surroundings(), Surroundings()) is None
    assert "3 throttling events; 40 °C to 85 °C" in (
        throttling(quiet, Surroundings(temperature_c=85.0, throttle_count=10)) or ""
    )
    assert heat_range([Surroundings(), quiet, Surroundings(temperature_c=85.0)]) == (40.0, 85.0)
    assert heat_range([Surroundings()]) is None


def test_waiting_ends_when_it_is_cool_or_late_or_blind(tmp_path: Path) -> None:
    assert wait_until_cool(50, 100, tmp_path)[1] is None
    lay(tmp_path, **PI)
    assert wait_until_cool(62, 100, tmp_path)[1] == 61.322
    begin = time.monotonic()
    waited_s, now_c = wait_until_cool(50, 0.2, tmp_path)
    assert now_c == 61.322
    assert 0.15 < waited_s <= time.monotonic() - begin < 20
