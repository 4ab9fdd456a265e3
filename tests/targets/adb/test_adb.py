"""Android devices behind a program that answers as adb does."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebench.core.device import Device
from edgebench.core.metric import Provenance
from edgebench.core.model import InputSource, ModelFormat
from edgebench.core.plan import MeasurementPlan
from edgebench.core.profile import Outcome, Profile
from edgebench.core.summary import summarise
from edgebench.errors import EdgebenchError, InputError, TargetUnavailableError, UnsupportedModelError
from edgebench.flows.profile.profile import ProfileRequest, profile
from edgebench.models.zoo import export
from edgebench.store.devices import read_device
from edgebench.targets.adb import client
from edgebench.targets.adb.reading import Condition, read_condition, read_timings
from edgebench.targets.base import Target
from edgebench.targets.registry import create_target
from edgebench.testing.target_contract import TargetContract
from tests.targets.adb.fake_adb import BATTERY, OUTPUT, THERMAL, FakeAdb

pytestmark = pytest.mark.child
FILE = """\
schema = "edgebench.device/1"
kind = "cpu"
target = "litert"
description = "a telephone"
link = "adb"
binary = "benchmark_model"
loop = "100ms"
{keys}
"""


@pytest.fixture
def adb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeAdb:
    fake = FakeAdb(tmp_path / "tools")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{fake.folder}{os.pathsep}{os.environ['PATH']}")
    return fake


def device(folder: Path, keys: str = "") -> Device:
    (folder / "benchmark_model").write_bytes(b"\x7fELF")
    path = folder / "pixel.toml"
    path.write_text(FILE.format(keys=keys))
    return read_device(path)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny.tflite"
    export("tiny", ModelFormat.TFLITE, path)
    return path


class TestAdb(TargetContract):
    @pytest.fixture
    def target(self, adb: FakeAdb, tmp_path: Path) -> Target:
        return create_target(device(tmp_path))

    @pytest.fixture
    def model(self, model: Path) -> Path:
        return model

    def reads_the_model(self) -> bool:
        return False


def profiled(model: Path, board: Device) -> Profile:
    request = ProfileRequest(models=[str(model)], devices=[board], plan=MeasurementPlan(), inputs=InputSource())
    (found,) = profile(request, on_update=lambda _: None)
    return found


def test_a_model_is_copied_timed_and_removed(model: Path, adb: FakeAdb, tmp_path: Path) -> None:
    board = replace(device(tmp_path, 'serial = "A1"'), options={"threads": 4})
    found = profiled(model, board)
    assert found.outcome is Outcome.OK, found.failure
    figures = summarise(found)
    assert figures["latency_s"].value == pytest.approx(2e-3)
    assert figures["latency_s"].provenance is Provenance.MEASURED
    assert figures["first_inference_s"].value == pytest.approx(2.612e-3)
    assert "peak_ram_bytes" not in figures
    assert len(found.processes[0].bursts) == 5
    assert found.versions["model"] == "Pretend 9"
    assert any("31.2 °C, battery 85%, charging, thermal status 0" in note for note in found.notes)
    assert adb.options["num_threads"] == "4"
    assert int(adb.options["num_runs"]) >= 50
    assert not any(name.endswith(".tflite") for name in adb.files)
    pushed = sum("push" in call for call in adb.calls)
    profiled(model, board)
    assert sum("push" in call for call in adb.calls) == pushed + 1, "the binary is there already"


@pytest.mark.parametrize(
    ("devices", "serial", "what", "remedy"),
    [
        ({}, "", "no device is attached", "USB debugging"),
        ({"A1": "device", "B2": "device"}, "", "2 devices are attached: A1, B2", "serial"),
        ({"A1": "device"}, "C3", "C3 is not attached: attached are A1", "correct serial"),
        ({"A1": "unauthorized"}, "", "not allowed this computer", "Allow USB debugging"),
        ({"A1": "offline"}, "A1", "offline", "adb reconnect"),
        ({"A1": "no permissions (user in plugdev group); see [http://x]"}, "", "may not use its USB", "udev"),
        ({"A1": "recovery"}, "", "recovery mode", "start Android"),
    ],
)
def test_a_device_that_cannot_be_used_says_why(
    devices: dict[str, str], serial: str, what: str, remedy: str, adb: FakeAdb, tmp_path: Path
) -> None:
    adb.set(devices=devices)
    with pytest.raises(TargetUnavailableError) as caught:
        create_target(device(tmp_path, f'serial = "{serial}"' if serial else "")).check()
    assert what in caught.value.what
    assert remedy in str(caught.value.remedy)
    assert "pixel.toml" in str(caught.value.where)


def test_one_of_several_is_chosen_by_its_number(adb: FakeAdb, tmp_path: Path) -> None:
    adb.set(devices={"A1": "unauthorized", "B2": "device"})
    assert create_target(device(tmp_path, 'serial = "B2"')).check()["abi"] == "arm64-v8a"


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ('serial = "-s x"', "serial"),
        ("loops = 0", "loops must be"),
        ('seriel = "A1"', "seriel"),
        ('[options]\nkernels = "reference"', "no reference kernels"),
    ],
)
def test_a_device_file_that_is_not_valid_says_why(keys: str, why: str, adb: FakeAdb, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=why):
        create_target(device(tmp_path, keys)).check()


def test_what_is_missing_here_is_named(adb: FakeAdb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board = device(tmp_path)
    (tmp_path / "benchmark_model").unlink()
    with pytest.raises(TargetUnavailableError, match="no file benchmark_model"):
        create_target(board).check()
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    with pytest.raises(TargetUnavailableError, match="adb is not installed"):
        create_target(board).check()


@pytest.mark.parametrize(
    ("change", "kind", "what"),
    [
        ({"full": True}, TargetUnavailableError, "no room on the device"),
        (
            {"output": "sh: x: not executable: 64-bit ELF file", "code": 126},
            TargetUnavailableError,
            "does not run on this device",
        ),
        ({"output": "ERROR: Op FlexErf", "code": 1}, UnsupportedModelError, "ended with 1: ERROR: Op FlexErf"),
        ({"output": "hello"}, TargetUnavailableError, "printed no timings: hello"),
        ({"output": "count=0 avg=0"}, TargetUnavailableError, "timed nothing"),
        ({"unplug_after": 1}, TargetUnavailableError, "none is attached"),
    ],
)
def test_what_goes_wrong_on_the_device_says_why(
    change: dict[str, object], kind: type[EdgebenchError], what: str, adb: FakeAdb, model: Path, tmp_path: Path
) -> None:
    board = device(tmp_path)
    adb.set(**change)
    with pytest.raises(kind, match=what) as caught, create_target(board).load(model, InputSource()) as loaded:
        loaded.run(3)
    assert caught.value.remedy


def test_a_device_that_is_unplugged_keeps_what_was_measured(adb: FakeAdb, model: Path, tmp_path: Path) -> None:
    adb.set(unplug_after=5)
    found = profiled(model, device(tmp_path))
    assert found.outcome is Outcome.UNAVAILABLE
    assert found.failure is not None
    assert "A1 is not attached: none is attached" in found.failure.message
    assert len(found.processes[0].bursts) == 2


def test_adb_that_hangs_is_ended(adb: FakeAdb, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_ANSWER_S", 0.5)
    android = client.AdbDevice("A1", "pixel.toml")
    adb.set(hang=True)
    with pytest.raises(TargetUnavailableError, match=r"does not finish within 0.5 s") as caught:
        android.shell(["getprop", "x"], 0.5)
    assert "adb reconnect" in str(caught.value.remedy)


def test_throttling_is_said(adb: FakeAdb, model: Path, tmp_path: Path) -> None:
    adb.set(thermalservice="Thermal Status: 2")
    with create_target(device(tmp_path)).load(model, InputSource()) as loaded:
        loaded.run(1)
        assert any("slowed itself down" in note for note in loaded.notes())


def test_the_last_statistics_are_those_of_the_timed_runs() -> None:
    found = read_timings(OUTPUT.replace("COUNT", "50"), "x")
    assert (found.count, found.latency_s, found.total_s) == (50, pytest.approx(2e-3), pytest.approx(0.1005))
    older = read_timings("count=7 first=1 curr=1 min=1 max=1 avg=2.5e+03 std=1", "x")
    assert (older.count, older.latency_s, older.is_median) == (7, pytest.approx(2.5e-3), False)


def test_conditions_are_read_as_far_as_they_are_told() -> None:
    assert read_condition(BATTERY, THERMAL) == Condition(celsius=31.2, charge=0.85, plugged=True, throttling=0)
    assert str(read_condition("", "")) == "unknown"


@given(battery=st.text(), thermal=st.text())
def test_no_text_is_too_strange(battery: str, thermal: str) -> None:
    assert str(read_condition(battery, thermal))
