"""Boards at a serial port are profiled as everything else is: in children, with limits, and one after the other."""

import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edgebench.core.board_link import exclusive_place
from edgebench.core.device import Device
from edgebench.core.figure import LATENCY
from edgebench.core.metric import Provenance
from edgebench.core.model import InputSource
from edgebench.core.plan import MeasurementPlan
from edgebench.core.profile import Outcome, Profile
from edgebench.core.summary import disturbances, summarise
from edgebench.flows.gate.pairs import LOAD, PROCESS_RAM, Side, run_pair
from edgebench.flows.profile.preparation import Preparation, Ready
from edgebench.flows.profile.profile import ProfileRequest, profile
from edgebench.machine.lock import wait_in_line
from edgebench.store.codec import from_plain, to_plain
from edgebench.store.devices import read_device
from edgebench.workers.local import LOCAL
from edgebench.workers.measuring.race_jobs import Race
from edgebench.workers.measuring.reservation import lock_of
from tests.extras import needs_mcu
from tests.targets.mcu.boards import Firmware, flashed_board, needs_qemu, running
from tests.targets.mcu.test_board_target import EXTERNAL, WithModel, Wrong, device, model

pytestmark = [pytest.mark.child, needs_mcu]
__all__ = ["model"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Locks of its own; kernels that are compiled stay where they are."""
    if request.node.get_closest_marker("slow") is None:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def profiled(models: list[str], board: Device, said: list[str] | None = None) -> tuple[Profile, ...]:
    request = ProfileRequest(models=models, devices=[board], plan=MeasurementPlan(), inputs=InputSource())
    return profile(
        request,
        on_update=lambda _: None,
        on_progress=lambda progress: said.append(progress.text) if said is not None else None,
    )


def test_a_board_is_measured_by_its_own_counter(model: Path, tmp_path: Path) -> None:
    with running(WithModel(model)) as path:
        (found,) = profiled([str(model)], device(tmp_path, EXTERNAL.format(port=path)))
    assert found.outcome is Outcome.OK, found.failure
    figures = summarise(found)
    assert figures["latency_s"].value == pytest.approx(1e-3)
    assert figures["latency_s"].provenance is Provenance.MEASURED
    (process,) = found.processes
    assert len(process.bursts) == 5
    assert all(burst.wall_s is not None and burst.wall_s >= 1 for burst in process.bursts)
    assert not {"load_s", "peak_ram_bytes"} & set(figures), "of this machine, not of the board"
    assert disturbances(found) == []
    assert found.method.startswith("loops of 1,020 inferences, counter of the board")
    assert not any("not confined" in note for note in found.notes)
    assert from_plain(Profile, to_plain(found), where="run") == found


def test_wrong_results_are_its_outcome(model: Path, tmp_path: Path) -> None:
    with running(Wrong(model)) as path:
        (found,) = profiled([str(model)], device(tmp_path, EXTERNAL.format(port=path)))
    assert found.outcome is Outcome.WRONG_RESULTS


def test_a_board_that_leaves_keeps_what_it_has_measured(model: Path, tmp_path: Path) -> None:
    class Tired(WithModel):
        loops = 0

        def infer(self, times: int, warm_up: int) -> list[str]:
            self.loops += 1
            # Outputs, a first inference, a trial, and two loops.
            return super().infer(times, warm_up) if self.loops < 6 else ["m-init-done"]

    with running(Tired(model)) as path:
        (found,) = profiled([str(model)], device(tmp_path, EXTERNAL.format(port=path)))
    assert found.outcome is Outcome.UNAVAILABLE
    assert found.failure is not None
    assert "restarted during 'infer'" in found.failure.message
    assert found.failure.remedy
    assert len(found.processes[0].bursts) == 2


def test_two_queue_for_one_board_and_are_told_for_whom_they_wait(model: Path, tmp_path: Path) -> None:
    with running(WithModel(model)) as path:
        board = device(tmp_path, EXTERNAL.format(port=path))
        place = lock_of(board)
        assert place is not None
        told, said = threading.Event(), []

        def says(text: str) -> None:
            said.append(text)
            if "waits for" in text:
                told.set()

        request = ProfileRequest(models=[str(model)], devices=[board], plan=MeasurementPlan(), inputs=InputSource())
        found: list[Profile] = []
        measures = threading.Thread(
            target=lambda: found.extend(
                profile(request, on_update=lambda _: None, on_progress=lambda progress: says(progress.text))
            )
        )
        with wait_in_line(place, "kws on mine (process 1)", lambda _: None):
            measures.start()
            assert told.wait(60)
            assert not found
        measures.join()
    assert any("waits for kws on mine (process 1)" in text for text in said)
    assert found[0].outcome is Outcome.OK


def test_names_of_one_port_share_a_lock(tmp_path: Path, model: Path) -> None:
    with running(Firmware()) as path:
        (tmp_path / "by-id").symlink_to(path)
        one = device(tmp_path, EXTERNAL.format(port=path))
        other = device(tmp_path, EXTERNAL.format(port=tmp_path / "by-id"))
        assert lock_of(one) == lock_of(other)
    assert exclusive_place(one) is not None
    assert lock_of(replace(one, link="")) is None


def test_models_in_a_race_have_the_board_one_after_the_other(model: Path, tmp_path: Path) -> None:
    firmware = WithModel(model)
    with running(firmware) as path:
        board = device(tmp_path, EXTERNAL.format(port=path))
        with LOCAL.measuring() as worker:
            raced = worker.ask(Race(device=board, models=(str(model), str(model)), seconds=0.6), timeout_s=60)
    assert [result.latency_s for result in raced.results] == pytest.approx([1e-3, 1e-3])
    assert [command for command in firmware.commands if command.startswith("infer")][-3:] == ["infer 100 0"] * 3


def test_a_pair_of_a_gate_has_the_board_one_after_the_other(model: Path, tmp_path: Path) -> None:
    with running(WithModel(model)) as path:
        board = device(tmp_path, EXTERNAL.format(port=path))
        ready = Preparation(str(tmp_path), MeasurementPlan(), InputSource(), LOCAL).prepare(str(model), board)
        assert isinstance(ready, Ready)
        sides = [Side(ready, MeasurementPlan(), InputSource(), LOCAL) for _ in range(2)]
        pair = run_pair(sides[0], sides[1], 0)
    assert pair.ratios[LATENCY] == pytest.approx(0)
    assert not {LOAD, PROCESS_RAM} & set(pair.ratios)


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Device]:
    with flashed_board(tmp_path / "board") as path:
        yield read_device(path)


@needs_qemu
@pytest.mark.slow
def test_firmware_is_built_written_and_measured_for_each_model(board: Device, tmp_path: Path) -> None:
    found = profiled(["zoo:tiny", "zoo:fc-autoencoder"], board)
    emulated = profiled(["zoo:tiny", "zoo:fc-autoencoder"], replace(board, link="", reached={}))
    for measured, counted in zip(found, emulated, strict=True):
        assert measured.outcome is Outcome.OK, measured.failure
        figures = summarise(measured)
        assert figures["latency_s"].provenance is Provenance.MEASURED
        assert figures["ram_bytes"].provenance is Provenance.EXACT
        # An instruction takes 32 ns here; the console fills the inputs before each inference.
        instructions = figures["latency_s"].value / 32e-9
        assert instructions == pytest.approx(counted.metrics["instructions"].value, rel=0.03)
        assert figures["flash_bytes"].value > counted.metrics["flash_bytes"].value
        (process,) = measured.processes
        assert len(process.bursts) == 5
        assert all(burst.wall_s is not None and burst.wall_s >= 10 for burst in process.bursts)
        assert any("not confined" in note for note in measured.notes) == any(
            "not confined" in note for note in counted.notes
        )


@needs_qemu
@pytest.mark.slow
def test_a_probe_that_does_not_write_is_noticed(tmp_path: Path) -> None:
    with flashed_board(tmp_path / "board") as path:
        board = read_device(path)
        assert profiled(["zoo:tiny"], board)[0].outcome is Outcome.OK
        (tmp_path / "board" / "probe.sh").write_text("#!/bin/sh\nexit 0\n")
        (stale,) = profiled(["zoo:fc-autoencoder"], board)
        assert stale.outcome is Outcome.UNAVAILABLE
        assert stale.failure is not None
        assert "another model" in stale.failure.message
        (tmp_path / "board" / "probe.sh").write_text("#!/bin/sh\necho 'no probe found'\nexit 1\n")
        (failed,) = profiled(["zoo:fc-autoencoder"], board)
        assert failed.failure is not None
        assert "no probe found" in failed.failure.message
        os.kill(int((tmp_path / "board" / "pid").read_text()), 9)
