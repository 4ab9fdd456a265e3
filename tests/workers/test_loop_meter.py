"""A power meter that sees a board which times itself."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from edgebench.core.model import InputSource, ModelFormat
from edgebench.core.profile import Sample
from edgebench.errors import InputError
from edgebench.models.convert import quantise
from edgebench.models.zoo import export
from edgebench.store.devices import read_device
from edgebench.workers.measuring.loop_meter import LoopMeter
from edgebench.workers.measuring.session import MeasurementSession, open_device_meter
from tests.extras import needs_mcu
from tests.targets.mcu.boards import arriving, behaving
from tests.targets.mcu.test_board_target import WithModel

# 2 W, and 5 W while the board is busy.
METER = """
import os, sys, time
while True:
    watts = 5 if os.path.exists(sys.argv[1]) else 2
    print(f"{time.monotonic():.6f} {watts}W", flush=True)
    time.sleep(0.004)
"""
FILE = """\
schema = "edgebench.device/1"
kind = "mcu"
target = "mcu"
description = "a board"
link = "{link}"
port = "{port}"
firmware = "external"
loop = "1s"
[options]
core = "cortex-m4"
clock = "120MHz"
[energy]
meter = "command"
meter_command = "{command}"
idle = "300ms"
{more}
"""


class Pulse:
    """Stands for the user's program: 5 W, always."""

    resolution_s = 0.01
    scope = "power by pulse"

    def energy_between(self, begin_s: float, end_s: float) -> float:
        return 5 * (end_s - begin_s)


@pytest.mark.parametrize(
    ("heard_s", "iterations", "known"),
    [((10.0, 11.0), 1000, True), ((10.0, 11.02), 1000, True), ((10.0, 10.0), 1000, False), ((10.0, 10.1), 100, False)],
)
def test_a_loop_has_energy_if_it_is_known_when_it_ran(
    heard_s: tuple[float, float], iterations: int, known: bool
) -> None:
    meter = LoopMeter(Pulse(), 0.0)  # type: ignore[arg-type]
    found = meter.metered(Sample(latencies_s=(1e-3,)), iterations, heard_s)
    assert found.energy_j == (pytest.approx(5e-3) if known else None)
    assert any("no energy" in note for note in meter.notes()) is not known


@contextmanager
def in_real_time(firmware: WithModel, busy: Path) -> Iterator[str]:
    """A board that takes the time that its counter shows, and is busy meanwhile."""
    import os

    def obeys(board: int, over: threading.Event) -> None:
        received = b""
        for content in arriving(board, over):
            *commands, received = (received + content).split(b"%")
            for command in commands:
                lines = firmware.reply(command.decode()).splitlines(keepends=True)
                laps = [index for index, line in enumerate(lines) if line.startswith(b"m-lap-us-")]
                if laps:
                    times = [int(lines[index].strip().rpartition(b"-")[2]) for index in laps]
                    os.write(board, b"".join(lines[: laps[1]]))
                    busy.touch()
                    time.sleep((times[1] - times[0]) * 1e-6)
                    busy.unlink()
                    lines = lines[laps[1] :]
                os.write(board, b"".join(lines))

    with behaving(obeys) as path:
        yield path


@needs_mcu
@pytest.mark.child
@pytest.mark.slow
def test_energy_of_a_microcontroller_is_that_of_its_loops(tmp_path: Path) -> None:
    export("tiny", ModelFormat.TFLITE, tmp_path / "float.tflite")
    model = quantise(tmp_path / "float.tflite", tmp_path / "int8.tflite", None, seed=0).path
    (tmp_path / "meter.py").write_text(METER)
    command = f"{sys.executable} {tmp_path}/meter.py {tmp_path}/busy"
    with in_real_time(WithModel(model), tmp_path / "busy") as port:
        path = tmp_path / "board.toml"
        path.write_text(FILE.format(link="serial", port=port, command=command, more=""))
        device = read_device(path)
        meter = open_device_meter(device)
        assert meter is not None
        with meter, closing(MeasurementSession(device, model, InputSource(), meter)) as session:
            loaded = session.load()
            samples = [session.run(loaded.iterations) for _ in range(2)]
            finished = session.finish(layers=False)
    assert "W when idle" in (loaded.energy_scope or "")
    assert "dated by the arrival" in (loaded.energy_scope or "")
    for sample in samples:
        assert sample.energy_j == pytest.approx(3e-3, rel=0.15)
    assert any("dated to ±" in note for note in finished.notes)


@pytest.mark.parametrize(
    ("link", "more", "what"), [("serial", 'meter_at = "board"', "no program"), ("adb", "", "Android")]
)
def test_what_a_meter_cannot_see_is_refused(tmp_path: Path, link: str, more: str, what: str) -> None:
    path = tmp_path / "board.toml"
    text = FILE.format(link=link, port="/dev/ttyACM0", command="m", more=more)
    if link == "adb":
        text = text.replace(
            'port = "/dev/ttyACM0"\nfirmware = "external"', 'binary = "/data/local/tmp/benchmark_model"'
        )
    path.write_text(text)
    with pytest.raises(InputError, match=what):
        read_device(path)
