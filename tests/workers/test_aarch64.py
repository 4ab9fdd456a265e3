"""A board with another processor: programs for aarch64 run on this machine's, behind a real OpenSSH server.

This says whether the way there works, and nothing about time. What it needs is made by ``tests/aarch64_userland.sh``.
"""

import os
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from edgebench.core.device import Device
from edgebench.core.model import InputSource
from edgebench.core.plan import MeasurementPlan
from edgebench.core.profile import Outcome
from edgebench.flows.profile.profile import ProfileRequest, profile
from edgebench.machine.machine_lock import PLACE
from edgebench.machine.own_wheel import write_wheel
from edgebench.store.devices import find_device
from edgebench.workers.local import LocalWorkers
from edgebench.workers.measuring import boards
from tests.ssh_server import SshServer, ssh_server

pytestmark = [pytest.mark.child, pytest.mark.slow]
_FOLDER = os.environ.get("EDGEBENCH_AARCH64", "")
_PATIENCE_S = 600.0


def environment(folder: Path) -> Path:
    """What stands for the board's environment: its Python is emulated, and has this edgebench."""
    userland = Path(_FOLDER)
    if not _FOLDER or not (userland / "site" / "onnxruntime").is_dir():
        pytest.skip("EDGEBENCH_AARCH64 names no folder made by tests/aarch64_userland.sh")
    own = folder / "own"
    with zipfile.ZipFile(write_wheel(folder)) as wheel:
        wheel.extractall(own)
    python = folder / "worker" / "bin" / "python"
    python.parent.mkdir(parents=True)
    root = userland / "root"
    python.write_text(
        f"#!/bin/sh\nPYTHONPATH={userland}/site:{own} exec {userland}/qemu/usr/bin/qemu-aarch64 -L {root} "
        f'{root}/usr/bin/python3.11 "$@"\n'
    )
    python.chmod(0o755)
    return folder / "worker"


def at(server: SshServer, place: Path) -> Device:
    reached = {
        "host": "board", "ssh_config": str(server.config), "python": f"{place}/bin/python", "environment": str(place),
    }  # fmt: skip
    return replace(find_device("host"), name="pi", link="ssh", reached=reached)


def test_a_board_with_another_processor_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boards, "_LOOK_S", _PATIENCE_S)
    place = environment(tmp_path)
    plan = MeasurementPlan(repetitions=1, goal=1.0, time_limit_s=_PATIENCE_S)
    with ssh_server(
        tmp_path / "sshd", settings=f"SetEnv XDG_CACHE_HOME={tmp_path}/c {PLACE}={tmp_path}/lock\n"
    ) as server:
        device, workers = at(server, place), LocalWorkers()
        assert workers.probe(device, timeout_s=_PATIENCE_S)["python"].startswith("3.11")
        request = ProfileRequest(models=["zoo:tiny"], devices=[device], plan=plan, inputs=InputSource())
        (found,) = profile(request, on_update=lambda _: None, workers=workers)
    assert found.outcome is Outcome.OK, found.failure
    assert found.machine["architecture"] == "aarch64"
    assert found.processes[0].bursts
    assert found.processes[0].after is not None
