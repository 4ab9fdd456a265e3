"""Devices on boards: a real OpenSSH server on loopback stands for the board."""

import contextlib
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import psutil
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgebench.core.device import Device
from edgebench.core.model import InputSource
from edgebench.core.plan import MeasurementPlan
from edgebench.core.profile import Outcome
from edgebench.errors import InputError, TargetUnavailableError
from edgebench.flows.profile.profile import ProfileRequest, profile
from edgebench.machine.folders import cache_folder
from edgebench.store.devices import read_device
from edgebench.workers.local import LocalWorkers
from edgebench.workers.measuring.board_jobs import FindStored, StorePart
from edgebench.workers.measuring.boards import require_same
from edgebench.workers.measuring.jobs import Finish, Load, Run
from edgebench.workers.measuring.looking import look
from edgebench.workers.measuring.race_jobs import Race
from edgebench.workers.measuring.stored_files import find_stored, store_part
from edgebench.workers.worker import ChildError
from tests.ssh_server import SshServer, ssh_server

pytestmark = [pytest.mark.child, pytest.mark.slow]
PLAN = MeasurementPlan(repetitions=1, goal=1.0, time_limit_s=60.0)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    cache = tmp_path_factory.mktemp("cache")
    settings = f"SetEnv XDG_CACHE_HOME={cache}\n"
    with ssh_server(tmp_path_factory.mktemp("sshd"), settings=settings) as running:
        yield running


def text_of(server: SshServer, *lines: str, link: str = "ssh") -> str:
    keys = "\n".join(lines)
    return f"""schema = "edgebench.device/1"
kind = "cpu"
target = "onnxruntime"
description = "A board on the desk"
link = "{link}"
host = "board"
ssh_config = "{server.config}"
python = "{sys.executable}"
environment = "{sys.prefix}"
{keys}
"""


@pytest.fixture
def device(server: SshServer, tmp_path: Path) -> Device:
    path = tmp_path / "desk.toml"
    path.write_text(text_of(server))
    return read_device(path)


def model(folder: Path, *, external: bool = False, name: str = "model.onnx") -> Path:
    weight = numpy_helper.from_array(np.ones((64, 64), dtype=np.float32), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 64])],
        [weight],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    path = folder / name
    onnx.save(made, path, save_as_external_data=external, location="weights.bin", size_threshold=0)
    return path


def test_a_profile_on_a_board_is_that_of_the_board(device: Device, tmp_path: Path) -> None:
    workers = LocalWorkers()
    request = ProfileRequest(models=[str(model(tmp_path))], devices=[device], plan=PLAN, inputs=InputSource())
    (found,) = profile(request, on_update=lambda _: None, workers=workers)
    assert found.outcome is Outcome.OK, found.failure
    assert found.processes[0].bursts
    assert found.device.link == "ssh"
    assert found.versions["onnxruntime"]
    assert found.machine["cpu"], "the profile's machine is the board"
    assert found.processes[0].before is not None
    assert found.processes[0].after is not None


@pytest.mark.parametrize("external", [False, True])
@pytest.mark.parametrize("name", ["model.onnx", "odd $name; \u00b5.onnx"])
def test_models_are_sent_once_with_what_belongs_to_them(
    device: Device, tmp_path: Path, external: bool, name: str
) -> None:
    workers, path = LocalWorkers(), model(tmp_path, external=external, name=name)
    for _ in range(2):
        with workers.measuring() as worker:
            loaded = worker.ask(Load(device=device, model=str(path), inputs=InputSource()), timeout_s=60)
            assert worker.ask(Run(iterations=2), timeout_s=60).latencies_s
            worker.ask(Finish(layers=False), timeout_s=60)
        assert loaded.first.latencies_s


def test_a_program_on_the_board_measures_energy(device: Device, tmp_path: Path) -> None:
    meter = tmp_path / "meter.py"
    meter.write_text("import time\nwhile True: print(f'{time.monotonic():.6f} 3W', flush=True); time.sleep(0.005)")
    metered = replace(device, meter=f"command:{sys.executable} {meter}")
    with LocalWorkers().measuring() as worker:
        loaded = worker.ask(Load(device=metered, model=str(model(tmp_path)), inputs=InputSource()), timeout_s=60)
        burst = worker.ask(Run(iterations=loaded.iterations), timeout_s=60)
        worker.ask(Finish(layers=False), timeout_s=60)
    assert "a reading every" in (loaded.energy_scope or "")
    assert burst.energy_j is not None
    assert burst.wall_s is not None
    assert burst.energy_j == pytest.approx(3 * burst.wall_s, rel=0.5)


@pytest.mark.parametrize("idle_s", [0.0, 0.3])
def test_a_meter_at_this_machine_sees_the_board(device: Device, tmp_path: Path, idle_s: float) -> None:
    meter = tmp_path / "meter.py"
    meter.write_text("import time\nwhile True: print(f'{time.monotonic():.6f} 3W', flush=True); time.sleep(0.005)")
    metered = replace(device, meter=f"command:{sys.executable} {meter}", meter_at="host", idle_s=idle_s)
    paths = tuple(str(model(tmp_path, name=f"{number}.onnx")) for number in range(2))
    with LocalWorkers().measuring() as worker:
        loaded = worker.ask(Load(device=metered, model=paths[0], inputs=InputSource()), timeout_s=60)
        burst = worker.ask(Run(iterations=loaded.iterations), timeout_s=60)
        worker.ask(Finish(layers=False), timeout_s=60)
        assert with_words(str(meter))
    assert not with_words(str(meter)), "the program ends with the process"
    assert "at this machine, the board's clock known to" in (loaded.energy_scope or "")
    assert ("when idle" in (loaded.energy_scope or "")) == (idle_s > 0)
    assert burst.energy_j is not None
    assert burst.wall_s is not None
    assert burst.energy_j == pytest.approx(0 if idle_s else 3 * burst.wall_s, rel=0.05, abs=0.02 * 3 * burst.wall_s)
    with LocalWorkers().measuring() as worker:
        raced = worker.ask(Race(device=metered, models=paths, seconds=0.1), timeout_s=60)
    assert all(result.energy_j is not None and not result.moments for result in raced.results)


@pytest.mark.parametrize(
    ("program", "what"), [("print('no reading')", "is not a time"), ("import sys; sys.exit(3)", "it has ended")]
)
def test_a_meter_at_this_machine_that_fails_is_told(device: Device, tmp_path: Path, program: str, what: str) -> None:
    (tmp_path / "meter.py").write_text(program)
    metered = replace(device, meter=f"command:{sys.executable} {tmp_path}/meter.py", meter_at="host")
    with LocalWorkers().measuring() as worker, pytest.raises(ChildError, match=what) as caught:
        worker.ask(Load(device=metered, model=str(model(tmp_path)), inputs=InputSource()), timeout_s=60)
    assert caught.value.remedy


def test_races_are_run_there(device: Device, tmp_path: Path) -> None:
    paths = tuple(str(model(tmp_path, name=f"{number}.onnx")) for number in range(2))
    with LocalWorkers().measuring() as worker:
        assert len(worker.ask(Race(device=device, models=paths, seconds=0.1), timeout_s=60).results) == 2


def test_a_board_that_is_cut_off_is_a_result(device: Device, server: SshServer, tmp_path: Path) -> None:
    with LocalWorkers().measuring() as worker:
        worker.ask(Load(device=device, model=str(model(tmp_path)), inputs=InputSource()), timeout_s=60)
        server.cut()
        with pytest.raises(ChildError) as caught:
            worker.ask(Run(iterations=2), timeout_s=60)
    assert caught.value.outcome is Outcome.UNAVAILABLE
    assert caught.value.remedy


def test_a_model_that_is_gone_is_told(device: Device, tmp_path: Path) -> None:
    with LocalWorkers().measuring() as worker, pytest.raises(ChildError) as caught:
        worker.ask(Load(device=device, model=str(tmp_path / "gone.onnx"), inputs=InputSource()), timeout_s=60)
    assert caught.value.outcome is Outcome.BAD_INPUT


def test_a_board_without_the_worker_is_told_how_to_get_it(device: Device, tmp_path: Path) -> None:
    bare = replace(device, reached={**device.reached, "environment": str(tmp_path / "none")})
    with pytest.raises(TargetUnavailableError) as caught:
        LocalWorkers().look(bare)
    assert "edgebench devices setup" in str(caught.value)


def test_another_edgebench_is_told(device: Device) -> None:
    seen = look(replace(device, link="", reached={}))
    require_same(device, seen)
    for wrong, what in (
        (replace(seen, edgebench="0.0.9"), "0.0.9"),
        (replace(seen, build="0"), "another build"),
    ):
        with pytest.raises(TargetUnavailableError, match=what) as caught:
            require_same(device, wrong)
        assert caught.value.remedy


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ('host = "-oProxyCommand=id"', "host"),
        ('host = "two words"', "host"),
        ("ssh_port = 70000", "ssh_port"),
        ('environment = "relative"', "environment"),
        ('python = "-c"', "-c"),
        ('runtime = "text"', "runtime"),
        ('port = "/dev/ttyACM0"', "port"),
    ],
)
def test_wrong_keys_of_a_link_are_told_with_their_place(
    server: SshServer, tmp_path: Path, line: str, what: str
) -> None:
    key = line.partition(" ")[0]
    kept = [own for own in text_of(server).splitlines() if not own.startswith(f"{key} ")]
    path = tmp_path / "wrong.toml"
    path.write_text("\n".join([*kept, line]))
    with pytest.raises(InputError, match=what) as caught:
        read_device(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("section", "what"),
    [
        ('[energy]\nmeter = "command"', "belong together"),
        ('[energy]\nmeter_command = "x"', "belong together"),
        ('[energy]\nmeter_at = "moon"', "moon"),
        ('[energy]\nmeter_at = "host"', "meter that is a command"),
        ('cool_to = "hot"', "temperature"),
        ('cool_to = "50ms"', "temperature"),
    ],
)
def test_wrong_conditions_are_told(server: SshServer, tmp_path: Path, section: str, what: str) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(text_of(server, section))
    with pytest.raises(InputError, match=what):
        read_device(path)


def test_conditions_of_a_file_are_read(server: SshServer, tmp_path: Path) -> None:
    path = tmp_path / "right.toml"
    path.write_text(
        text_of(server, 'cool_to = "50C"\ncool_within = "1min"\n[energy]\nmeter = "command"\nmeter_command = "m -x"')
    )
    found = read_device(path)
    assert (found.cool_to_c, found.cool_within_s, found.meter, found.idle_s) == (50.0, 60.0, "command:m -x", 2.0)


def test_a_link_that_is_none_is_told(server: SshServer, tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text("\n".join(line for line in text_of(server, link="telepathy").splitlines() if "=" in line))
    with pytest.raises(InputError):
        read_device(path)


class TestStoredFiles:
    """What a board keeps is what was sent, whole or not at all."""

    CONTENT = bytes(range(256)) * 10

    def digests(self) -> dict[str, str]:
        import hashlib

        return {"model.onnx": hashlib.sha256(self.CONTENT).hexdigest()}

    @pytest.fixture(autouse=True)
    def own_cache(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def part(self, folder: str, content: bytes, offset: int = 0, digest: str | None = None, **more: str) -> StorePart:
        import base64

        encoded = base64.b64encode(content).decode()
        return StorePart(
            **{"folder": folder, "name": "model.onnx", "offset": offset, "content": encoded, "digest": digest, **more}
        )

    def find(self) -> tuple[str, tuple[str, ...]]:
        stored = find_stored(FindStored(digests=self.digests(), size_bytes=len(self.CONTENT)))
        return stored.folder, stored.missing

    def test_parts_become_a_file(self) -> None:
        folder, missing = self.find()
        assert missing == ("model.onnx",)
        store_part(self.part(folder, self.CONTENT[:1000]))
        assert self.find()[1] == ("model.onnx",), "half a file is not one"
        store_part(self.part(folder, self.CONTENT[1000:], 1000, self.digests()["model.onnx"]))
        assert self.find() == (folder, ())
        assert (Path(folder) / "model.onnx").read_bytes() == self.CONTENT

    def test_what_changed_on_its_way_is_refused(self) -> None:
        folder, _ = self.find()
        with pytest.raises(InputError, match="changed on its way"):
            store_part(self.part(folder, self.CONTENT[:-1], 0, self.digests()["model.onnx"]))
        assert not [path for path in Path(folder).iterdir() if not path.name.startswith(".")]

    def test_what_was_changed_there_is_sent_again(self) -> None:
        folder, _ = self.find()
        store_part(self.part(folder, self.CONTENT, 0, self.digests()["model.onnx"]))
        (Path(folder) / "model.onnx").write_bytes(b"poison")
        assert self.find()[1] == ("model.onnx",)

    @pytest.mark.parametrize("name", ["../escaped", "/etc/passwd", "", ".hidden", "a/b"])
    def test_no_name_leads_elsewhere(self, name: str) -> None:
        folder, _ = self.find()
        with pytest.raises(InputError):
            store_part(self.part(folder, self.CONTENT, name=name))
        outside = cache_folder("").parent
        store_part(self.part(str(outside / "elsewhere" / Path(folder).name), self.CONTENT[:10]))
        assert not (outside / "elsewhere").exists()


@pytest.mark.slow
def test_nothing_is_left_on_the_board_whenever_a_profile_is_killed(server: SshServer, tmp_path: Path) -> None:
    """Killed at random moments; the same command then completes."""
    path, mark = model(tmp_path), f"edgebench-of-{os.getpid()}"
    # By the place of its environment this test's workers are told from all others.
    (tmp_path / mark).symlink_to(sys.prefix, target_is_directory=True)
    file = tmp_path / "devices" / "desk.toml"
    file.parent.mkdir()
    file.write_text(text_of(server).replace(f'environment = "{sys.prefix}"', f'environment = "{tmp_path / mark}"'))
    command = [sys.executable, "-m", "edgebench", "profile", str(path), "-d", "desk", "--trust"]
    for moment in range(8):
        killed = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(1.0 + 6.0 * random.Random(moment).random())
        killed.kill()
        killed.wait()
    end = time.monotonic() + 10
    while (left := with_words(mark)) and time.monotonic() < end:
        time.sleep(0.2)
    assert not left
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert again.returncode == 0, again.stderr


def with_words(words: str) -> list[int]:
    """Processes whose command line has the words."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if words in " ".join(process.cmdline()) and process.pid != os.getpid():
                found.append(process.pid)
    return found
