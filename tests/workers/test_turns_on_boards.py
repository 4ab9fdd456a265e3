"""Two commands on one board, which a real OpenSSH server stands for: the second waits, never for the dead."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from edgebench.core.device import Device
from edgebench.core.model import InputSource
from edgebench.core.plan import MeasurementPlan
from edgebench.core.profile import Outcome
from edgebench.flows.profile.profile import ProfileRequest, profile
from edgebench.machine.machine_lock import PLACE
from edgebench.store.devices import read_device
from edgebench.workers.local import LocalWorkers
from edgebench.workers.measuring import reserving
from edgebench.workers.measuring.boards import RoutedWorker
from edgebench.workers.measuring.reserving import reserve
from edgebench.workers.worker import ChildError
from tests.ssh_server import SshServer, ssh_server

pytestmark = [pytest.mark.child, pytest.mark.slow]
_HOLD = """
import sys, time
from pathlib import Path
from edgebench.store.devices import read_device
from edgebench.workers.local import LocalWorkers
sys.argv = ["edgebench", "lut", "build", "mobile"]
worker = LocalWorkers().measuring()
worker.take_turn(read_device(Path(PATH)), lambda other: None)
print("has it", flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    folder = tmp_path_factory.mktemp("board")
    settings = f"SetEnv XDG_CACHE_HOME={folder}/cache {PLACE}={folder}/lock\n"
    with ssh_server(folder / "sshd", settings=settings) as running:
        yield running


@pytest.fixture
def file(server: SshServer, tmp_path: Path) -> Path:
    path = tmp_path / "desk.toml"
    path.write_text(
        'schema = "edgebench.device/1"\nkind = "cpu"\ntarget = "onnxruntime"\ndescription = "A board"\nlink = "ssh"\n'
        f'host = "board"\nssh_config = "{server.config}"\npython = "{sys.executable}"\nenvironment = "{sys.prefix}"\n'
    )
    return path


@pytest.fixture
def device(file: Path) -> Device:
    return read_device(file)


@contextmanager
def other_command(file: Path) -> Iterator[subprocess.Popen[str]]:
    """Another edgebench, which has the board."""
    program = _HOLD.replace("PATH", repr(str(file)))
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "has it\n"
            yield process
        finally:
            process.kill()


def taken_within_s(device: Device) -> float:
    begin = time.monotonic()
    with LocalWorkers().measuring() as worker:
        assert isinstance(worker, RoutedWorker)
        worker.take_turn(device, lambda _: None)
        return time.monotonic() - begin


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_who_has_a_board_is_told_and_not_waited_for_once_dead_or_cut_off(
    file: Path, device: Device, how: signal.Signals
) -> None:
    told: list[str] = []
    with other_command(file) as other, LocalWorkers().measuring() as worker:

        def waits(text: str) -> None:
            told.append(text)
            if len(told) == 2:
                # Killed, or silent like one whose network is gone.
                os.kill(other.pid, how)

        reserve(worker, device, "ds-cnn on desk", waits)
        begin = time.monotonic()
        assert "ds-cnn on desk waits for" in told[0]
        assert "edgebench lut build mobile" in told[0]
        assert f"process {other.pid}" in told[0]
        assert ", for " in told[-1]
        other.kill()
    assert taken_within_s(device) < 10, time.monotonic() - begin


def test_waiting_ends_after_a_reasonable_time(file: Path, device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reserving, "_PATIENCE_S", 0.0)
    with other_command(file), LocalWorkers().measuring() as worker, pytest.raises(ChildError) as caught:
        reserve(worker, device, "x", lambda _: None)
    assert caught.value.outcome is Outcome.UNAVAILABLE
    assert "lut build mobile" in caught.value.message
    assert caught.value.remedy
    assert taken_within_s(device) < 10


def test_a_wait_is_not_charged_to_the_models_time(file: Path, device: Device) -> None:
    """The time limit is shorter than the wait."""
    plan = MeasurementPlan(repetitions=1, goal=1.0, time_limit_s=20.0)
    request = ProfileRequest(models=["zoo:ds-cnn"], devices=[device], plan=plan, inputs=InputSource())
    said: list[str] = []
    with other_command(file) as other:
        begin = time.monotonic()

        def progress(update: object) -> None:
            said.append(str(update))
            if time.monotonic() - begin > plan.time_limit_s + 2:
                other.kill()

        (found,) = profile(request, on_update=lambda _: None, on_progress=progress, workers=LocalWorkers())
    assert found.outcome is Outcome.OK, found.failure
    assert any("waits for" in text for text in said)


def test_a_connection_that_was_lost_between_two_processes_is_made_again(server: SshServer, device: Device) -> None:
    workers = LocalWorkers()
    for _ in range(2):
        with workers.measuring() as worker:
            reserve(worker, device, "x", lambda _: None)
        server.cut()


def test_one_command_with_two_names_for_a_board_does_not_wait_for_itself(device: Device) -> None:
    again = replace(device, reached={**device.reached, "ssh_port": 0})
    with LocalWorkers().measuring() as worker:
        for one in (device, again, device):
            reserve(worker, one, "x", pytest.fail)


def test_a_board_where_nothing_can_be_locked_is_measured_all_the_same(tmp_path: Path, device: Device) -> None:
    with ssh_server(tmp_path / "sshd", settings=f"SetEnv {PLACE}={tmp_path}/none/lock\n") as bare:
        there = replace(device, reached={**device.reached, "ssh_config": str(bare.config)})
        with LocalWorkers().measuring() as worker:
            reserve(worker, there, "x", pytest.fail)
