import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgebench.errors import InputError, TargetUnavailableError
from edgebench.meters.rapl import RaplMeter
from edgebench.testing.meter_contract import MeterContract

Put = Callable[[str, object], None]
ZONES = "class/powercap"
RANGE_UJ = 262143328850


def put_zone(put: Put, zone: str, name: str, energy_uj: int, range_uj: int = RANGE_UJ) -> None:
    put(f"{ZONES}/{zone}/name", name)
    put(f"{ZONES}/{zone}/max_energy_range_uj", range_uj)
    put(f"{ZONES}/{zone}/energy_uj", energy_uj)


@pytest.fixture
def two_packages(put: Put, tmp_path: Path) -> Path:
    put(f"{ZONES}/intel-rapl/enabled", 1)
    put_zone(put, "intel-rapl:0", "package-0", 1_000_000)
    put_zone(put, "intel-rapl:0:0", "core", 400_000)
    put_zone(put, "intel-rapl:0:1", "dram", 300_000)
    put_zone(put, "intel-rapl:1", "package-1", 5_000_000)
    put_zone(put, "intel-rapl:1:0", "core", 0)
    put_zone(put, "intel-rapl:2", "psys", 9_000_000)
    put_zone(put, "intel-rapl-mmio:0", "package-0", 1_000_000)
    return tmp_path


class TestRaplContract(MeterContract):
    @pytest.fixture
    def meter(self, two_packages: Path, put: Put) -> Iterator[RaplMeter]:
        """A meter whose counter turns over again and again while it is read."""
        done = threading.Event()

        def count() -> None:
            energy_uj = 0
            while not done.wait(0.0002):
                energy_uj += 30_011
                put(f"{ZONES}/intel-rapl:0/energy_uj", energy_uj % 100_000)

        put(f"{ZONES}/intel-rapl:0/max_energy_range_uj", 100_000)
        put(f"{ZONES}/intel-rapl:0/energy_uj", 0)
        counting = threading.Thread(target=count)
        counting.start()
        try:
            with RaplMeter.open("", two_packages) as meter:
                yield meter
        finally:
            done.set()
            counting.join()


def test_packages_are_added_up_and_nothing_counts_twice(two_packages: Path, put: Put) -> None:
    meter = RaplMeter.open("", two_packages)
    assert meter.read_j() == 0
    put(f"{ZONES}/intel-rapl:0/energy_uj", 1_500_000)
    put(f"{ZONES}/intel-rapl:0:0/energy_uj", 800_000)
    put(f"{ZONES}/intel-rapl:1/energy_uj", 7_000_000)
    put(f"{ZONES}/intel-rapl-mmio:0/energy_uj", 1_500_000)
    assert meter.read_j() == pytest.approx(2.5)
    assert meter.scope.startswith("2 x processor package")


def test_other_domains_are_meters_of_their_own(two_packages: Path, put: Put) -> None:
    assert list(RaplMeter.selectors(two_packages)) == ["package", "core", "dram", "psys"]
    meter = RaplMeter.open("dram", two_packages)
    put(f"{ZONES}/intel-rapl:0/energy_uj", 1_500_000)
    put(f"{ZONES}/intel-rapl:0:1/energy_uj", 300_250)
    assert meter.read_j() == pytest.approx(250e-6)
    assert (meter.name, meter.scope) == ("rapl:dram", "memory")


@settings(max_examples=20, deadline=None)
@given(steps=st.lists(st.tuples(*[st.integers(0, 65_532)] * 2), max_size=10), start=st.integers(0, 65_532))
def test_energy_is_right_over_every_wrap(steps: list[tuple[int, int]], start: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        zones = [Path(folder, ZONES, f"intel-rapl:{number}") for number in range(2)]
        for number, zone in enumerate(zones):
            zone.mkdir(parents=True)
            (zone / "name").write_text(f"package-{number}\n")
            (zone / "max_energy_range_uj").write_text("65533\n")
            (zone / "energy_uj").write_text(f"{start}\n")
        meter = RaplMeter.open("", Path(folder))
        sums = list(accumulate(steps, lambda a, b: (a[0] + b[0], a[1] + b[1])))
        for pair in sums:
            for zone, total in zip(zones, pair, strict=True):
                (zone / "energy_uj").write_text(f"{(start + total) % 65_533}\n")
            assert meter.read_j() == pytest.approx(sum(pair) * 1e-6)


def test_a_machine_without_counters_says_so(tmp_path: Path) -> None:
    assert list(RaplMeter.selectors(tmp_path)) == []
    with pytest.raises(TargetUnavailableError, match="no energy counters") as caught:
        RaplMeter.open("", tmp_path)
    assert "modprobe" in str(caught.value.remedy)


def test_an_unknown_domain_is_named(two_packages: Path) -> None:
    with pytest.raises(InputError, match="dramm") as caught:
        RaplMeter.open("dramm", two_packages)
    assert caught.value.remedy == "did you mean 'dram'?"


def test_counters_only_for_the_administrator_come_with_the_command_that_opens_them(
    two_packages: Path,
) -> None:
    # Pytest's folder is closed to other users itself, so the tree moves to one that is not.
    with tempfile.TemporaryDirectory() as folder:
        sysfs = shutil.copytree(two_packages, Path(folder, "sys"))
        for path in (Path(folder), *Path(folder).rglob("*")):
            path.chmod(0o755)
        for file in sysfs.glob("class/powercap/*/energy_uj"):
            file.chmod(0o400 if os.geteuid() == 0 else 0)
        administrator = os.geteuid() == 0
        if administrator:
            os.seteuid(65534)
        try:
            with pytest.raises(TargetUnavailableError, match="administrator") as caught:
                RaplMeter.open("", sysfs)
        finally:
            if administrator:
                os.seteuid(0)
    assert "sudo chmod a+r /sys/class/powercap/*-rapl:*/energy_uj" in str(caught.value.remedy)
    assert "/etc/udev/rules.d" in str(caught.value.remedy)


@pytest.mark.parametrize("content", ["", "many", "1e3", "0x10"])
def test_a_counter_that_holds_no_number_is_reported(two_packages: Path, put: Put, content: str) -> None:
    meter = RaplMeter.open("", two_packages)
    put(f"{ZONES}/intel-rapl:1/energy_uj", content)
    with pytest.raises(TargetUnavailableError, match="instead of a number") as caught:
        meter.read_j()
    assert "intel-rapl:1/energy_uj" in str(caught.value.where)


def test_counters_that_vanish_are_reported(two_packages: Path) -> None:
    meter = RaplMeter.open("", two_packages)
    shutil.rmtree(two_packages / ZONES)
    with pytest.raises(TargetUnavailableError, match="cannot be read: No such file") as caught:
        meter.read_j()
    assert "intel-rapl:0/energy_uj" in str(caught.value.where)


def test_a_closed_folder_counts_as_missing(two_packages: Path) -> None:
    (two_packages / ZONES).rename(two_packages / "elsewhere")
    (two_packages / ZONES).write_text("not a folder")
    with pytest.raises(TargetUnavailableError, match="no energy counters"):
        RaplMeter.open("", two_packages)
