"""A child may say and do anything: its own cell of a profile fails for a fair reason, and nothing else happens."""

from __future__ import annotations

import json
import os
import pty
import secrets
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from edgebench.cli.output import Format, _text
from edgebench.core.model import InputSource
from edgebench.core.plan import MeasurementPlan
from edgebench.core.profile import Outcome, Profile
from edgebench.flows.profile.profile import ProfileRequest, profile
from edgebench.flows.recording import new_run
from edgebench.links.local import LocalLink
from edgebench.machine.child_environment import child_environment
from edgebench.machine.landlock import version
from edgebench.reports.profiles import report
from edgebench.store.devices import find_device
from edgebench.store.runs import RunStore
from edgebench.workers.protocol import Answer, Request
from edgebench.workers.worker import Worker
from tests.adversarial.hostile_child import ATTACKS, MARK
from tests.canned_workers import WithoutBoards
from tests.models_on_disk import write_onnx

pytestmark = [pytest.mark.child, pytest.mark.slow]
CHILD = Path(__file__).with_name("hostile_child.py")
TIME_LIMIT_S = 10.0
FORMATS = (Format.TERMINAL, Format.MARKDOWN, Format.CSV, Format.JSON, Format.HTML)


class HostileWorker(Worker):
    """Becomes hostile if it is asked about the hostile model first."""

    def __init__(self, attack: str, number: int, variables: Mapping[str, str]) -> None:
        super().__init__(
            LocalLink(child_environment(**variables)),
            [sys.executable, "-u", "-m", "edgebench.workers.measuring", str(number)],
            memory_limit_bytes=1 << 30,
        )
        self._attack = attack

    def ask(self, request: Request[Answer], *, timeout_s: float) -> Answer:
        if not self._started and "villain.onnx" in repr(request):
            self._command = [sys.executable, "-u", str(CHILD), "0", self._attack]
        return super().ask(request, timeout_s=timeout_s)


class HostileWorkers(WithoutBoards):
    def __init__(self, attack: str, variables: Mapping[str, str]) -> None:
        self._attack, self._variables = attack, variables

    def measuring(self, *, number: int = 0, memory_limit_bytes: int | None = None) -> Worker:
        return HostileWorker(self._attack, number, self._variables)

    def training(self) -> Worker:
        raise NotImplementedError


@pytest.fixture
def terminal() -> Iterator[tuple[int, str]]:
    """A terminal of this user, as the one from which edgebench is started: its other side, and its name."""
    master, slave = pty.openpty()
    yield master, os.ttyname(slave)
    os.close(master)
    os.close(slave)


@pytest.mark.parametrize("name", ATTACKS)
def test_a_hostile_child_spoils_its_own_cell_only(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, terminal: tuple[int, str]
) -> None:
    attack = ATTACKS[name]
    models = [str(write_onnx(tmp_path / f"{which}.onnx")) for which in ("villain", "good")]
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    service = f"edgebench-{secrets.token_hex(8)}"
    variables = {
        MARK: str(tmp_path), "TMPDIR": str(temporary), "EDGEBENCH_HOSTILE_MODEL": models[0],
        "EDGEBENCH_HOSTILE_TERMINAL": terminal[1], "EDGEBENCH_HOSTILE_SOCKET": service,
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }  # fmt: skip
    plan = MeasurementPlan(repetitions=1, time_limit_s=TIME_LIMIT_S, layers=attack.layers)
    request = ProfileRequest(models=models, devices=[find_device("fake")], plan=plan, inputs=InputSource())
    store = RunStore(tmp_path / "results")
    run = new_run(store, plan, seed=0, command=["edgebench", "profile"])
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("\0" + service)
        listening.listen()
        hostile, good = profile(
            request,
            on_update=lambda profiles: store.save(replace(run, profiles=profiles)) and None,
            workers=HostileWorkers(name, variables),
        )
    assert good.outcome is Outcome.OK, good.failure
    assert good.processes
    _fair(hostile, name)
    # What is kept can be read again, and shown in every format.
    kept = store.load(run.name)
    assert kept.profiles == (hostile, good)
    assert store.path(run.name).stat().st_size < 10 << 20
    for form in FORMATS:
        _inert(_text(report([kept]), "profile", form), form)
    os.set_blocking(terminal[0], False)
    with pytest.raises(BlockingIOError):
        os.read(terminal[0], 100)
    assert list(temporary.iterdir()) == []
    assert not _left_behind(tmp_path)


def _fair(hostile: Profile, name: str) -> None:
    attack = ATTACKS[name]
    if not attack.words:
        assert hostile.outcome is Outcome.OK or version() < 6, hostile.failure
        return
    if attack.verb == "list layers":
        # Everything else was known by then.
        assert hostile.outcome is Outcome.OK
        assert any(words in note for words in attack.words for note in hostile.notes), hostile.notes
        return
    assert hostile.outcome not in {Outcome.OK, Outcome.INTERRUPTED, Outcome.BAD_INPUT}, hostile
    assert hostile.failure is not None
    assert any(words in hostile.failure.message for words in attack.words), hostile.failure
    assert hostile.failure.remedy
    assert len(hostile.failure.message) < 11_000


def _inert(text: str, form: Format) -> None:
    assert "Traceback" not in text
    if form is Format.JSON:
        json.loads(text)
        text = text.encode().decode("ascii")
    for forbidden in "\x1b\x07\x9b\u202e\b":
        assert forbidden not in text
    assert not any(line.startswith("::error") for line in text.splitlines())


def _left_behind(folder: Path) -> list[psutil.Process]:
    """Processes that an attack started and that live on; they may take a moment to die."""
    mark = f"{MARK}={folder}".encode()
    until = time.monotonic() + 2
    while True:
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(psutil.Process(int(entry.name)))
            except (OSError, psutil.NoSuchProcess):
                continue
        if not found or time.monotonic() > until:
            return found
        time.sleep(0.05)
