"""Installing the worker on a board that a server on loopback stands for."""

import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from edgebench.core.device import Device, DeviceKind
from edgebench.errors import EdgebenchError, InputError, StorageError, UnavailableError
from edgebench.machine.own_wheel import write_wheel
from edgebench.machine.package_digest import package_digest
from edgebench.workers.measuring import installing
from edgebench.workers.measuring.installing import Installer
from tests.ssh_server import ssh_server


def board(**reached: Any) -> Device:
    return Device(
        name="desk",
        kind=DeviceKind.CPU,
        target="fake",
        description="",
        link="ssh",
        reached={"host": "board", **reached},
    )


FACTS = {
    "version": [3, 12], "place": "/home/pi/worker", "above": "/home/pi", "free": 1 << 40, "writable": True,
    "venv": True, "made": False,
}  # fmt: skip


@pytest.mark.parametrize(
    ("fact", "what", "remedy"),
    [
        ({"version": [3, 9]}, "Python is 3.9", "`python`"),
        ({"version": [3, 15]}, "Python is 3.15", "`python`"),
        ({"venv": False}, "cannot make environments", "apt install python3.12-venv"),
        ({"writable": False}, "cannot write", "`environment`"),
        ({"free": 1 << 20}, "disk is full", "free some space"),
        ({"time": 0.0}, "clock is wrong", "timedatectl"),
    ],
)
def test_what_stands_in_the_way_is_told_before_anything_is_changed(
    fact: dict[str, Any], what: str, remedy: str
) -> None:
    with pytest.raises(EdgebenchError, match=what) as caught:
        Installer(board())._require({**FACTS, "time": time.time(), **fact})
    assert remedy in (caught.value.remedy or "")
    Installer(board())._require({**FACTS, "time": time.time()})


@pytest.mark.parametrize(
    ("said", "kind", "what"),
    [
        ("ERROR: No matching distribution found for numpy>=2.0", UnavailableError, "No matching distribution"),
        ("OSError: [Errno 28] No space left on device", StorageError, "no space left"),
        ("OSError: [Errno 30] Read-only file system: '/home'", StorageError, "read-only file system"),
        ("something new", UnavailableError, "something new"),
    ],
)
def test_what_pip_says_is_explained(said: str, kind: type[EdgebenchError], what: str) -> None:
    error = Installer(board())._explained(said)
    assert isinstance(error, kind)
    assert what in error.what
    assert error.remedy


def test_the_runtime_is_that_of_the_target_or_as_the_file_says() -> None:
    import onnxruntime

    device = Device(**{**{name: getattr(board(), name) for name in Device.__slots__}, "target": "onnxruntime"})
    assert f"onnxruntime=={onnxruntime.__version__}" in Installer(device).requirements()
    assert "tflite-runtime" in Installer(board(runtime=("tflite-runtime",))).requirements()


@pytest.mark.child
def test_the_wheel_is_the_code_that_runs(tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "there")
    program = "from edgebench.machine.package_digest import package_digest; print(package_digest())"
    said = subprocess.run(
        [sys.executable, "-S", "-c", program], cwd=tmp_path / "there", capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == package_digest()


@pytest.mark.child
def test_a_folder_without_wheels_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no wheels"):
        Installer(board()).install(tmp_path)


@pytest.mark.slow
def test_an_environment_is_made_and_brought_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installing, "_NEEDED", ())
    monkeypatch.setattr(installing.Installer, "requirements", lambda _: ["pip"])
    place = tmp_path / "deep" / "worker"
    with ssh_server(tmp_path / "sshd") as server:
        device = board(ssh_config=str(server.config), python=sys.executable, environment=str(place))
        told: list[str] = []
        for _ in range(2):
            Installer(device, told.append).install()
    assert any("sending edgebench" in text for text in told)
    program = "import importlib.metadata as m, edgebench; print(m.version('edgebench'), edgebench.__file__)"
    said = subprocess.run(
        [str(place / "bin" / "python"), "-I", "-c", program], capture_output=True, text=True, check=True
    )
    assert str(place) in said.stdout
