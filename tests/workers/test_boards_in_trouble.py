"""Boards that are full, closed, of another kind, lost or restarted; a real OpenSSH server stands for them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgebench.core.device import Device
from edgebench.core.model import InputSource
from edgebench.core.profile import Outcome
from edgebench.errors import EdgebenchError, StorageError, UnavailableError
from edgebench.store.devices import find_device
from edgebench.workers.local import LocalWorkers
from edgebench.workers.measuring.installing import Installer, fits
from edgebench.workers.measuring.jobs import Load, Run
from edgebench.workers.worker import ChildError
from tests.ssh_server import SshServer, ssh_server
from tests.workers.test_requests_at_boards import model

pytestmark = [pytest.mark.child, pytest.mark.slow]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SshServer]:
    with ssh_server(tmp_path / "sshd", settings=f"SetEnv XDG_CACHE_HOME={tmp_path}/cache\n") as running:
        yield running


def at(server: SshServer, **keys: Any) -> Device:
    reached = {
        "host": "board", "ssh_config": str(server.config), "python": sys.executable, "environment": sys.prefix, **keys,
    }  # fmt: skip
    return replace(find_device("host"), name="desk", link="ssh", reached=reached)


@contextmanager
def small_disk(folder: Path, options: str) -> Iterator[Path]:
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("needs the right to mount a file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def loaded(device: Device, path: Path) -> None:
    with LocalWorkers().measuring() as worker:
        worker.ask(Load(device=device, model=str(path), inputs=InputSource()), timeout_s=60)


@pytest.mark.parametrize(
    ("options", "what"), [("size=1m", "the board's disk is full"), ("ro,size=1m", "file system is read-only")]
)
def test_a_disk_without_room_is_told_and_another_one_helps(
    server: SshServer, tmp_path: Path, options: str, what: str
) -> None:
    path = model(tmp_path)
    with small_disk(tmp_path / "small", options) as small:
        with pytest.raises(ChildError, match=what) as caught:
            loaded(at(server, cache=str(small)), path)
        assert caught.value.outcome is Outcome.BAD_INPUT
        assert "cache" in (caught.value.remedy or "")
        with pytest.raises(StorageError) as refused:
            Installer(at(server, environment=f"{small}/worker")).install()
        assert "`environment`" in (refused.value.remedy or "")
    # The remedy, done.
    loaded(at(server, cache=str(tmp_path / "roomy")), path)
    assert list((tmp_path / "roomy" / "edgebench" / "models").iterdir())


def test_wheels_for_another_processor_are_told_before_anything_is_sent(server: SshServer, tmp_path: Path) -> None:
    wheels, place = tmp_path / "wheels", tmp_path / "worker"
    wheels.mkdir()
    other = "x86_64" if os.uname().machine == "aarch64" else "aarch64"
    (wheels / "pydantic-2.13.0-py3-none-any.whl").write_bytes(b"")
    (wheels / f"numpy-2.4.6-cp311-cp311-manylinux_2_27_{other}.manylinux_2_28_{other}.whl").write_bytes(b"")
    with pytest.raises(UnavailableError, match="not for this board") as caught:
        Installer(at(server, environment=str(place))).install(wheels)
    remedy = caught.value.remedy or ""
    assert f"manylinux_2_28_{os.uname().machine}" in remedy
    assert f"--python-version {sys.version_info[0]}.{sys.version_info[1]}" in remedy
    assert "onnxruntime==" in remedy
    assert not place.exists()


@pytest.mark.parametrize(
    ("name", "version", "machine", "fitting"),
    [
        ("a-1-py3-none-any.whl", (3, 12), "armv7l", True),
        ("a-1-cp311-abi3-manylinux_2_28_aarch64.whl", (3, 12), "aarch64", True),
        ("a-1-cp311-cp311-manylinux_2_28_aarch64.whl", (3, 12), "aarch64", False),
        ("a-1-cp312-cp312-manylinux_2_17_aarch64.manylinux2014_aarch64.whl", (3, 12), "aarch64", True),
        ("a-1-cp312-cp312-manylinux_2_28_x86_64.whl", (3, 12), "aarch64", False),
        ("a.whl", (3, 12), "aarch64", False),
    ],
)
def test_whom_a_wheel_is_for_stands_in_its_name(
    name: str, version: tuple[int, int], machine: str, fitting: bool
) -> None:
    assert fits(Path(name), version, machine) is fitting


def test_a_board_whose_date_is_wrong_is_measured_and_warned_of(
    server: SshServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers, now = LocalWorkers(), time.time()
    assert not [text for text in workers.look(at(server)).warnings if "date" in text]
    monkeypatch.setattr("edgebench.workers.measuring.boards.time.time", lambda: now + 20 * 365 * 86_400)
    (told,) = [text for text in LocalWorkers().look(at(server)).warnings if "date" in text]
    assert "7,300 days" in told
    facts = {
        "version": [3, 12], "place": "/", "above": "/", "free": 1 << 40, "writable": True, "venv": True, "made": False,
        "time": 0.0,
    }  # fmt: skip
    with pytest.raises(UnavailableError, match="clock is wrong"):
        Installer(at(server))._require(facts)
    Installer(at(server))._require(facts, is_online=False)


@pytest.mark.parametrize("said", ["SyntaxError: invalid syntax", "ImportError: no module named contextlib"])
def test_a_python_too_old_for_anything_is_told(server: SshServer, tmp_path: Path, said: str) -> None:
    old = tmp_path / "python2"
    old.write_text(f"#!/bin/sh\necho '{said}' >&2\nexit 1\n")
    old.chmod(0o755)
    device = at(server, python=str(old))
    attempts = (
        lambda: LocalWorkers().look(device),
        lambda: Installer(device).install(),
        lambda: LocalWorkers().probe(device, timeout_s=10),
    )
    for attempt in attempts:
        with pytest.raises(EdgebenchError, match="does not work") as caught:
            attempt()
        assert "3.11 or newer" in (caught.value.remedy or "")


def test_a_board_that_restarts_in_the_middle_is_told_and_measures_again(server: SshServer, tmp_path: Path) -> None:
    path = model(tmp_path)
    with LocalWorkers().measuring() as worker:
        worker.ask(Load(device=at(server), model=str(path), inputs=InputSource()), timeout_s=60)
        sessions = server.sessions()
        server.process.kill()
        server.process.wait()
        for pid in sessions:
            os.kill(pid, signal.SIGKILL)
        with pytest.raises(ChildError) as caught:
            worker.ask(Run(iterations=2), timeout_s=60)
        assert caught.value.outcome is Outcome.UNAVAILABLE
        assert "switched on" in (caught.value.remedy or "")
    with pytest.raises(ChildError, match="no SSH server") as caught:
        loaded(at(server), path)
    assert caught.value.outcome is Outcome.UNAVAILABLE
    log = (server.folder / "log").open("wb")
    again = subprocess.Popen(
        [str(server.process.args[0]), "-D", "-e", "-f", str(server.folder / "sshd_config")],  # type: ignore[index]
        stderr=log,
        start_new_session=True,
    )
    try:
        time.sleep(1)
        loaded(at(server), path)
    finally:
        again.kill()
        again.wait()
        log.close()


def test_what_a_killed_process_was_sent_is_deleted_by_the_next(server: SshServer, tmp_path: Path) -> None:
    path = model(tmp_path)
    loaded(at(server), path)
    (folder,) = (tmp_path / "cache" / "edgebench" / "models").iterdir()
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
    (folder / f".model-model.onnx.{gone.pid}").write_bytes(b"half")
    loaded(at(server), path)
    assert [item.name for item in folder.iterdir()] == ["model-model.onnx"]
