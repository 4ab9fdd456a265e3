"""Runs that were interrupted go on: what is finished is kept, the rest is measured, in the same file."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edgebench.core.device import Device
from edgebench.core.model import InputSource
from edgebench.core.profile import Failure, Outcome
from edgebench.core.run import Run
from edgebench.errors import NotComparableError, StorageError
from edgebench.flows.profile.profile import ProfileProgress, ProfileRequest, is_finished
from edgebench.flows.profile.resume import cells_left, resumed_request
from edgebench.flows.recording import RecordedRun, record_profiles
from edgebench.machine.description import describe_machine
from edgebench.store.runs import RunStore
from tests.flows.profile.test_profile import QUICK, fake
from tests.models_on_disk import write_onnx

pytestmark = pytest.mark.child
Progress = Callable[[ProfileProgress], None]


@pytest.fixture
def models(tmp_path: Path) -> list[str]:
    return [str(write_onnx(tmp_path / f"{name}.onnx", channels=size)) for name, size in (("a", 8), ("b", 16))]


def silent(_: ProfileProgress) -> None:
    pass


def interrupting(at: str) -> Progress:
    def on_progress(progress: ProfileProgress) -> None:
        if at in progress.text:
            raise KeyboardInterrupt

    return on_progress


def begun(folder: Path, models: list[str], devices: list[Device], on_progress: Progress = silent) -> RecordedRun:
    request = ProfileRequest(models=models, devices=devices, plan=QUICK, inputs=InputSource())
    return record_profiles(request, RunStore(folder), command=(), on_progress=on_progress)


def gone_on(
    folder: Path, run: Run, models: list[str], devices: list[Device], on_progress: Progress = silent
) -> RecordedRun:
    request = resumed_request(run, models, devices, InputSource(), describe_machine())
    return record_profiles(request, RunStore(folder), command=(), resumed=run, on_progress=on_progress)


def with_lost(store: RunStore, run: Run, number: int, outcome: Outcome, link: str = "") -> Run:
    """The run as it would be if one of its devices had been lost."""
    lost = run.profiles[number]
    lost = replace(
        lost, outcome=outcome, failure=Failure(message="gone"), processes=(), device=replace(lost.device, link=link)
    )
    profiles = (*run.profiles[:number], lost, *run.profiles[number + 1 :])
    store.save(replace(run, profiles=profiles, complete=False))
    return store.load(run.name)


def test_what_is_finished_is_not_measured_again(tmp_path: Path, models: list[str]) -> None:
    devices = [fake(), fake(name="other")]
    whole = begun(tmp_path, models, devices).run
    store = RunStore(tmp_path)
    run = with_lost(store, whole, 1, Outcome.INTERRUPTED)
    request = resumed_request(run, models, devices, InputSource(), describe_machine())
    assert cells_left(request) == [(models[0], "other")]
    said: list[str] = []
    found = gone_on(tmp_path, run, models, devices, lambda progress: said.append(progress.text)).run
    assert not any("b" in Path(text.split()[-1]).stem for text in said if text.startswith("reading"))
    assert store.names() == [whole.name]
    assert found.complete
    assert store.load(run.name) == found
    kept = [profile for number, profile in enumerate(found.profiles) if number != 1]
    assert kept == [profile for number, profile in enumerate(whole.profiles) if number != 1]
    assert found.profiles[1].outcome is Outcome.OK
    assert any("interrupted, and went on at" in warning for warning in found.warnings)
    assert found.started == whole.started


def test_an_interrupted_run_goes_on_after_it_went_on_and_was_interrupted(tmp_path: Path, models: list[str]) -> None:
    devices = [fake()]
    first = begun(tmp_path, models, devices, interrupting("reading"))
    assert first.interrupted
    assert first.run.profiles == ()
    second = gone_on(tmp_path, first.run, models, devices, interrupting("process 2"))
    assert [len(profile.processes) for profile in second.run.profiles] == [1, 1]
    # Nothing is lost where it is interrupted again before anything was read.
    third = gone_on(tmp_path, second.run, models, devices, interrupting("reading"))
    assert third.run.profiles == second.run.profiles
    last = gone_on(tmp_path, RunStore(tmp_path).load(first.run.name), models, devices)
    assert [profile.outcome for profile in last.run.profiles] == [Outcome.OK] * 2
    assert last.run.complete


def test_a_model_that_is_another_one_is_refused(tmp_path: Path, models: list[str]) -> None:
    store, devices = RunStore(tmp_path), [fake(), fake(name="other")]
    run = with_lost(store, begun(tmp_path, models, devices).run, 3, Outcome.INTERRUPTED)
    before = store.path(run.name).read_bytes()
    write_onnx(Path(models[1]), channels=17)
    with pytest.raises(NotComparableError, match="digest is another") as caught:
        gone_on(tmp_path, run, models, devices)
    assert caught.value.where == models[1]
    assert caught.value.remedy
    assert store.path(run.name).read_bytes() == before
    write_onnx(Path(models[1]), channels=16)
    assert gone_on(tmp_path, run, models, devices).run.complete


def test_other_devices_and_machines_are_refused(tmp_path: Path, models: list[str]) -> None:
    run = begun(tmp_path, models[:1], [fake()]).run
    slower = replace(fake(), options={**fake().options, "noise": 0.5})
    for devices in ([slower], [fake(name="other")]):
        with pytest.raises(NotComparableError, match="description of this device has changed"):
            resumed_request(run, models, devices, InputSource(), describe_machine())
    with pytest.raises(NotComparableError, match="another machine: cpu was"):
        resumed_request(run, models, [fake()], InputSource(), {**describe_machine(), "cpu": "another"})


def test_two_processes_do_not_write_one_run(tmp_path: Path, models: list[str]) -> None:
    store = RunStore(tmp_path)
    run = with_lost(store, begun(tmp_path, models, [fake()]).run, 0, Outcome.INTERRUPTED)
    with store.writing(run.name), pytest.raises(StorageError, match="another process"):
        gone_on(tmp_path, run, models, [fake()])
    assert store.load(run.name) == run
    assert gone_on(tmp_path, run, models, [fake()]).run.complete
    assert not list((tmp_path / "runs").glob(".*.lock"))


@pytest.mark.parametrize(
    ("outcome", "link", "finished"),
    [
        (Outcome.OK, "", True), (Outcome.OK, "ssh", True), (Outcome.CRASHED, "", True),
        (Outcome.UNSUPPORTED, "ssh", True),
        (Outcome.UNAVAILABLE, "", False), (Outcome.INTERRUPTED, "", False), (Outcome.CRASHED, "ssh", False),
        (Outcome.TIMED_OUT, "serial", False), (Outcome.TIMED_OUT, "", True),
    ],
)  # fmt: skip
def test_a_lost_board_is_measured_again(
    tmp_path: Path, models: list[str], outcome: Outcome, link: str, finished: bool
) -> None:
    store = RunStore(tmp_path)
    run = with_lost(store, begun(tmp_path, models[:1], [fake()]).run, 0, outcome, link)
    assert is_finished(run.profiles[0]) is finished
