"""A real ``adb`` against a server that speaks its protocol: what it prints is what edgebench reads."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgebench.core.model import InputSource
from edgebench.core.profile import Outcome
from edgebench.errors import TargetUnavailableError
from edgebench.targets.registry import create_target
from tests.targets.adb.fake_adb import FakeAdb
from tests.targets.adb.fake_server import serving
from tests.targets.adb.test_adb import device, model, profiled

pytestmark = [pytest.mark.child, pytest.mark.skipif(shutil.which("adb") is None, reason="needs adb")]
__all__ = ["model"]


@pytest.fixture
def android(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAdb]:
    fake = FakeAdb(tmp_path / "tools")
    with serving(fake) as port:
        monkeypatch.setenv("ADB_SERVER_SOCKET", f"tcp:127.0.0.1:{port}")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        yield fake


def test_a_model_is_copied_and_timed(android: FakeAdb, model: Path, tmp_path: Path) -> None:
    found = profiled(model, device(tmp_path))
    assert found.outcome is Outcome.OK, found.failure
    assert found.versions["model"] == "Pretend 9"
    assert any("31.2 °C" in note for note in found.notes)
    assert not any(name.endswith(".tflite") for name in android.files)
    assert (tmp_path / "tools" / "options").exists()


@pytest.mark.parametrize(
    ("devices", "what"),
    [
        ({}, "no device is attached"),
        ({"A1": "unauthorized"}, "not allowed this computer"),
        ({"A1": "offline"}, "offline"),
        ({"A1": "device", "B2": "device"}, "2 devices are attached: A1, B2"),
        ({"A1": "no permissions (user in plugdev group; are your udev rules wrong?)"}, "may not use its USB"),
    ],
)
def test_states_are_understood(devices: dict[str, str], what: str, android: FakeAdb, tmp_path: Path) -> None:
    android.set(devices=devices)
    with pytest.raises(TargetUnavailableError, match=what):
        create_target(device(tmp_path)).check()


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"full": True}, "no room on the device"),
        ({"unplug_after": 1}, "none is attached"),
        ({"output": "sh: not executable: 64-bit ELF file", "code": 126}, "does not run on this device"),
    ],
)
def test_what_goes_wrong_is_understood(
    change: dict[str, object], what: str, android: FakeAdb, model: Path, tmp_path: Path
) -> None:
    board = device(tmp_path)
    android.set(**change)
    target = create_target(board)
    with pytest.raises(TargetUnavailableError, match=what), target.load(model, InputSource()) as loaded:
        loaded.run(3)


def test_a_server_that_is_gone_is_not_waited_for(
    android: FakeAdb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # An address that no server can be started at.
    monkeypatch.setenv("ADB_SERVER_SOCKET", "local:/nonexistent/adb")
    with pytest.raises(TargetUnavailableError, match="adb devices fails"):
        create_target(device(tmp_path)).check()
