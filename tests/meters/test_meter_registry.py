import shutil
import time
from collections.abc import Callable
from importlib import invalidate_caches
from pathlib import Path

import pytest

from edgebench.errors import InputError, TargetUnavailableError
from edgebench.meters.registry import available_meters, open_meter

Put = Callable[[str, object], None]
PLUGIN = """
from edgebench.meters.base import EnergyMeter

class Shunt(EnergyMeter):
    name, resolution_s, scope = "shunt", 0.5, "a resistor"
    def read_j(self):
        return 1.0

class Works:
    selectors = staticmethod(lambda sysfs: ["red", "black"])
    open = staticmethod(lambda selector, sysfs: Shunt())

class Fails:
    selectors = staticmethod(lambda sysfs: [])
    @staticmethod
    def open(selector, sysfs):
        raise KeyError("serial port")
"""


@pytest.fixture
def rapl(put: Put) -> None:
    put("class/powercap/intel-rapl:0/name", "package-0")
    put("class/powercap/intel-rapl:0/max_energy_range_uj", 65_532_610_987)
    put("class/powercap/intel-rapl:0/energy_uj", 17)


@pytest.fixture
def hwmon(put: Put) -> None:
    put("class/hwmon/hwmon0/name", "ina219")
    put("class/hwmon/hwmon0/power1_input", 3_000_000)


@pytest.fixture
def plugins(put: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put("shunt_meter.py", PLUGIN)
    put("shunt_meter-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: shunt-meter\nVersion: 1.0")
    put(
        "shunt_meter-1.0.dist-info/entry_points.txt",
        "[edgebench.meters]\nshunt = shunt_meter:Works\nfailing = shunt_meter:Fails\nbroken = shunt_meter:No",
    )
    monkeypatch.syspath_prepend(tmp_path)
    invalidate_caches()


@pytest.mark.usefixtures("rapl", "hwmon")
def test_auto_takes_the_processors_own_counter_first(tmp_path: Path, put: Put) -> None:
    meter = open_meter("auto", tmp_path)
    assert meter is not None
    assert meter.name == "rapl:package"
    put("class/powercap/intel-rapl:0/energy_uj", "closed")
    with pytest.raises(TargetUnavailableError):
        meter.read_j()
    second = open_meter("auto", tmp_path)
    assert second is not None
    with second:
        assert second.name == "hwmon:ina219/power1"


def test_auto_finds_nothing_quickly_where_there_is_nothing(tmp_path: Path) -> None:
    durations = []
    for _ in range(5):
        start = time.perf_counter()
        assert open_meter("auto", tmp_path) is None
        durations.append(time.perf_counter() - start)
    assert min(durations) < 0.05


@pytest.mark.usefixtures("rapl")
def test_none_means_none(tmp_path: Path) -> None:
    assert open_meter("none", tmp_path) is None


@pytest.mark.parametrize(("name", "hint"), [("rappl", "'rapl'"), ("hwmn:x", "'hwmon'"), ("", "known: rapl")])
def test_an_unknown_meter_is_the_users_mistake(tmp_path: Path, name: str, hint: str) -> None:
    with pytest.raises(InputError, match="there is no meter") as caught:
        open_meter(name, tmp_path)
    assert hint in str(caught.value.remedy)


def test_a_meter_asked_for_by_name_is_not_passed_over(tmp_path: Path) -> None:
    with pytest.raises(TargetUnavailableError):
        open_meter("rapl", tmp_path)


@pytest.mark.usefixtures("rapl", "hwmon", "plugins")
def test_the_list_says_what_works_and_what_to_do(tmp_path: Path, put: Put) -> None:
    put("class/powercap/intel-rapl:1/name", "psys")
    found = {status.name: status for status in available_meters(tmp_path)}
    assert found["rapl:package"].ready
    assert found["rapl:package"].detail.startswith("processor package")
    assert not found["rapl:psys"].ready
    assert found["rapl:psys"].remedy
    assert found["hwmon:ina219/power1"].ready
    assert found["shunt:red"].ready
    assert found["shunt:black"].detail == "a resistor"
    assert "KeyError" in found["failing"].detail
    assert not found["broken"].ready
    assert "shunt-meter" in found["broken"].detail


def test_a_machine_without_meters_lists_every_kind(tmp_path: Path) -> None:
    shutil.rmtree(tmp_path)
    found = {status.name: status for status in available_meters(tmp_path)}
    for kind in ("rapl", "hwmon"):
        assert not found[kind].ready
        assert found[kind].remedy


@pytest.mark.usefixtures("plugins")
def test_a_plugin_that_raises_is_a_meter_that_does_not_work(tmp_path: Path) -> None:
    with pytest.raises(TargetUnavailableError, match=r"meter 'failing' failed: KeyError"):
        open_meter("failing", tmp_path)
    meter = open_meter("shunt:red", tmp_path)
    assert meter is not None
    assert meter.read_j() == 1.0
