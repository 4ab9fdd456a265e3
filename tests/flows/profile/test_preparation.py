"""From a model and a device to what can be measured, without a child process: workers answer from a table."""

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edgebench.core.device import Device
from edgebench.core.metric import Metric, Provenance
from edgebench.core.model import InputSource, ModelFormat, ModelInfo, TensorSpec
from edgebench.core.plan import MeasurementPlan
from edgebench.core.profile import Footprint, Outcome, Profile, Sample
from edgebench.core.run import Run as StoredRun
from edgebench.core.summary import summarise
from edgebench.core.surroundings import Surroundings
from edgebench.flows.export import ExportForm, export_model
from edgebench.flows.profile.preparation import Preparation, Ready
from edgebench.flows.profile.profile import ProfileRequest, profile
from edgebench.links.base import Ending, LinkClosedError, LinkError, LinkTimeoutError
from edgebench.models.prepare import Prepared
from edgebench.reports.profiles import report
from edgebench.store.devices import find_device
from edgebench.targets.fake import FakeTarget
from edgebench.workers.measuring.board_jobs import CoolDown, Cooled
from edgebench.workers.measuring.jobs import (
    Done,
    Finish,
    Finished,
    ListedLayers,
    ListLayers,
    Load,
    Loaded,
    MakeReady,
    Prepare,
    Run,
)
from edgebench.workers.measuring.model_jobs import WriteProject, Written
from edgebench.workers.protocol import FailureKind, Trouble
from tests.canned_workers import CannedWorkers

PLAN = MeasurementPlan(repetitions=3, goal=10.0, time_limit_s=20, memory_limit_bytes=2**30)
FAKE = find_device("fake")
INFO = ModelInfo(
    name="m",
    source="m.onnx",
    format=ModelFormat.ONNX,
    digest="ab",
    size_bytes=300,
    inputs=(TensorSpec(name="word", dtype="int64", shape=(1, 8), upper=99),),
)
LOADED = Loaded(load_s=0.25, first=Sample(latencies_s=(5e-3,)), iterations=2, burst_s=2e-3, method="canned")
FINISHED = Finished(peak_ram_bytes=1000, footprint=Footprint(), notes=("well rested",))
BURST = Sample(latencies_s=(1e-3, 2e-3), wall_s=3e-3)
DIED = LinkClosedError("the child has ended", Ending(signal="SIGSEGV"))


@pytest.fixture(autouse=True)
def no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise AssertionError("a child process was started")

    monkeypatch.setattr(subprocess, "Popen", refused)


HOT, COOL = Surroundings(temperature_c=85.0, throttled=("heat",)), Surroundings(temperature_c=45.0)


def canned(**answers: Callable[..., object]) -> CannedWorkers:
    return CannedWorkers(
        {
            Prepare: answers.get("prepare", lambda request: Prepared(info=INFO, path="m.onnx")),
            Load: answers.get("load", lambda _: LOADED),
            Run: answers.get("run", lambda _: BURST),
            Finish: answers.get("finish", lambda _: FINISHED),
            ListLayers: answers.get("list_layers", lambda _: ListedLayers(layers=())),
            CoolDown: answers.get("cool_down", lambda _: Cooled(waited_s=0.0, temperature_c=45.0)),
            MakeReady: answers.get("make_ready", lambda _: Done()),
            WriteProject: answers.get("write_project", lambda _: Written(files=())),
        }
    )


def profiled(workers: CannedWorkers, *devices: Device, **changes: object) -> tuple[Profile, ...]:
    request = ProfileRequest(models=["m.onnx"], devices=devices, plan=PLAN, inputs=InputSource(seed=4))
    return profile(replace(request, **changes), on_update=lambda _: None, workers=workers)


def test_a_profile_needs_workers_and_no_process() -> None:
    workers = canned()
    (found,) = profiled(workers, FAKE)
    assert found.outcome is Outcome.OK
    assert found.failure is None
    assert (found.model, found.method, found.versions) == (INFO, "canned", {"fake": "1"})
    assert found.latency_provenance is Provenance.SIMULATED
    assert [process.load_s for process in found.processes] == [0.25] * 3
    assert [process.first_inference_s for process in found.processes] == [5e-3] * 3
    assert {burst for process in found.processes for burst in process.bursts} == {BURST}
    assert summarise(found)["latency_s"].value == pytest.approx(1.5e-3)
    assert "well rested" in found.notes
    assert all(link.closed for link in workers.links)


LATE = LinkTimeoutError("no message")


@pytest.mark.parametrize("fault", [LATE, DIED, Trouble(kind=FailureKind.UNSUPPORTED, what="no profiler")])
def test_operators_that_cannot_be_measured_cost_no_other_figure(fault: LinkError | Trouble) -> None:
    workers = canned(list_layers=lambda _: fault)
    (found,) = profiled(workers, FAKE, plan=replace(PLAN, layers=True))
    assert (found.outcome, found.failure, found.layers) == (Outcome.OK, None, ())
    assert summarise(found)["latency_s"].value == pytest.approx(1.5e-3)
    assert any(note.startswith("single operators were not measured: ") for note in found.notes)
    # They are asked for once, and with the whole time limit.
    asked = [seconds for request, seconds in workers.patience if request is ListLayers]
    assert asked == [PLAN.time_limit_s]


def test_what_a_machine_was_like_is_kept_and_throttling_is_told() -> None:
    workers = canned(load=lambda _: replace(LOADED, before=COOL), finish=lambda _: replace(FINISHED, after=HOT))
    (found,) = profiled(workers, FAKE)
    assert {(process.before, process.after) for process in found.processes} == {(COOL, HOT)}
    assert any("slowed down while it was measured: heat; 45 °C to 85 °C" in note for note in found.notes)


@pytest.mark.parametrize(
    ("temperature_c", "note"), [(45.0, None), (62.0, "still 62 °C after 7 s"), (None, "cannot be read")]
)
def test_each_process_waits_until_it_is_cool(temperature_c: float | None, note: str | None) -> None:
    workers = canned(cool_down=lambda _: Cooled(waited_s=7.0, temperature_c=temperature_c))
    (found,) = profiled(workers, replace(FAKE, cool_to_c=50.0, cool_within_s=400.0))
    assert found.outcome is Outcome.OK
    asked = [type(request) for request in workers.asked if isinstance(request, (CoolDown, Load))]
    assert asked == [CoolDown, Load] * 3
    assert all(seconds > 400 for kind, seconds in workers.patience if kind is CoolDown), "waiting has its own limit"
    assert [note is not None and note in told for told in found.notes].count(True) == (note is not None)


def test_a_board_that_is_lost_while_it_cools_is_a_result() -> None:
    (found,) = profiled(
        canned(cool_down=lambda _: LinkError("it is gone", remedy="plug it in")), replace(FAKE, cool_to_c=50.0)
    )
    assert found.outcome is Outcome.UNAVAILABLE
    assert found.failure is not None
    assert found.failure.remedy == "plug it in"


def test_what_is_known_of_a_model_reaches_the_worker() -> None:
    workers = canned()
    profiled(workers, FAKE)
    load = next(request for request in workers.asked if isinstance(request, Load))
    assert (load.device, load.model) == (FAKE, "m.onnx")
    assert load.inputs == InputSource(seed=4, upper={"word": 99})
    # One to prepare, then one for each repetition, counted.
    assert workers.numbers == [0, 0, 1, 2]


def test_devices_that_take_the_same_share_one_preparation() -> None:
    workers = canned()
    found = profiled(workers, FAKE, replace(FAKE, name="other"))
    assert [one.outcome for one in found] == [Outcome.OK] * 2
    assert sum(isinstance(request, Prepare) for request in workers.asked) == 1


def test_a_process_that_dies_ends_the_sampling_and_keeps_what_there_is() -> None:
    runs = iter([BURST, BURST, DIED])
    (found,) = profiled(canned(run=lambda _: next(runs)), FAKE)
    assert found.outcome is Outcome.CRASHED
    assert found.failure is not None
    assert "SIGSEGV" in found.failure.message
    assert [process.bursts for process in found.processes] == [(BURST, BURST)]


def test_nonsense_is_a_crash_of_one_profile() -> None:
    loads = iter([Finished(peak_ram_bytes=1, footprint=Footprint()), LOADED, LOADED, LOADED])
    broken, sound = profiled(canned(load=lambda _: next(loads)), FAKE, replace(FAKE, name="other"))
    assert broken.outcome is Outcome.CRASHED
    assert broken.failure is not None
    assert broken.failure.message.startswith("the worker's answer is invalid")
    assert sound.outcome is Outcome.OK


def prepared(workers: CannedWorkers, device: Device, model: str = "m.onnx") -> Ready | Profile:
    return Preparation("/tmp", PLAN, InputSource(), workers).prepare(model, device)


def test_what_is_ready_is_whole() -> None:
    deployed = replace(INFO, format=ModelFormat.TFLITE, size_bytes=100)
    answer = Prepared(info=INFO, path="", deployed=deployed, notes=("converted",))
    device = replace(FAKE, notes=("a fake",))
    ready = prepared(canned(prepare=lambda it: replace(answer, path=f"{it.wanted.folder}/m.tflite")), device)
    assert isinstance(ready, Ready)
    assert (ready.model, ready.deployed, ready.loaded) == (INFO, deployed, deployed)
    assert Path(ready.path).name == "m.tflite"
    assert ready.notes == ("a fake", "converted")
    assert ready.name == "m.onnx on fake"
    assert ready.sampled


@pytest.mark.parametrize(
    ("model", "name"), [("folder/net.onnx", "net.onnx"), ("zoo:ds-cnn", "ds-cnn"), ("net.tflite", "net.tflite")]
)
def test_a_model_that_cannot_be_read_has_no_format(model: str, name: str) -> None:
    trouble = Trouble(kind=FailureKind.BAD_INPUT, what="it is no model", where=model, remedy="export it again")
    found = prepared(canned(prepare=lambda _: trouble), FAKE, model)
    assert isinstance(found, Profile)
    assert found.outcome is Outcome.BAD_INPUT
    assert found.failure is not None
    assert (found.failure.message, found.failure.remedy) == (f"{model}: it is no model", "export it again")
    assert (found.model.name, found.model.source, found.model.format) == (name, model, None)
    assert found.versions == {"fake": "1"}
    assert found.latency_provenance is Provenance.SIMULATED
    shown = report([StoredRun(name="r", started="", command=(), edgebench="1", plan=PLAN, profiles=(found,))])
    assert "onnx" not in {cell for table in shown.tables for row in table.rows for cell in row.values()}
    assert any("it is no model" in remark.text for remark in shown.remarks)


def test_a_missing_device_is_reported_before_a_model_is_read() -> None:
    workers = canned()
    away = prepared(workers, replace(FAKE, options={"misbehave": "unavailable"}))
    odd = prepared(workers, replace(FAKE, options={"colour": "red"}))
    strange = prepared(workers, replace(FAKE, target="toaster"))
    assert isinstance(away, Profile)
    assert isinstance(odd, Profile)
    assert isinstance(strange, Profile)
    assert (away.outcome, odd.outcome, strange.outcome) == (
        Outcome.UNAVAILABLE,
        Outcome.BAD_INPUT,
        Outcome.BAD_INPUT,
    )
    assert all(one.failure and one.failure.message for one in (away, odd, strange))
    assert away.latency_provenance is None
    assert away.versions == {}
    assert workers.asked == []


def pending(monkeypatch: pytest.MonkeyPatch, what: str | None) -> None:
    """Give the fake target something to do before its first model."""
    monkeypatch.setattr(FakeTarget, "pending", lambda _: what, raising=False)
    monkeypatch.setattr(FakeTarget, "make_ready", lambda _: None, raising=False)


def test_what_a_target_does_once_is_reported_and_not_part_of_the_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    pending(monkeypatch, "compiling kernels, once")
    told: list[str] = []
    workers = canned()
    request = ProfileRequest(models=["m.onnx"], devices=[FAKE], plan=PLAN, inputs=InputSource())
    profile(request, on_update=lambda _: None, on_progress=lambda step: told.append(step.text), workers=workers)
    assert told.index("compiling kernels, once") < next(n for n, text in enumerate(told) if "process 1" in text)
    kinds = [type(request) for request in workers.asked]
    assert kinds.index(MakeReady) < kinds.index(Load)
    limits = [seconds for kind, seconds in workers.patience if kind is MakeReady]
    assert min(limits) > PLAN.time_limit_s

    pending(monkeypatch, None)
    idle = canned()
    profiled(idle, FAKE)
    assert not any(isinstance(request, MakeReady) for request in idle.asked)


def test_a_target_that_cannot_be_made_ready_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    pending(monkeypatch, "compiling kernels, once")
    trouble = Trouble(kind=FailureKind.UNAVAILABLE, what="the compiler failed", remedy="see its message")
    (found,) = profiled(canned(make_ready=lambda _: trouble), FAKE)
    assert found.outcome is Outcome.UNAVAILABLE
    assert found.failure is not None
    assert (found.failure.message, found.failure.remedy) == ("the compiler failed", "see its message")


def test_a_deterministic_target_runs_once_and_has_no_samples() -> None:
    loaded = replace(LOADED, first=Sample(latencies_s=()), iterations=1, burst_s=0.0)
    metric = Metric(value=3e-3, unit="s", provenance=Provenance.ESTIMATED, method="canned", source="a test")
    finished = replace(FINISHED, metrics={"latency_s": metric})
    workers = canned(load=lambda _: loaded, finish=lambda _: finished)
    (found,) = profiled(workers, find_device("ethos-u55-128"))
    if found.outcome is Outcome.UNAVAILABLE:
        pytest.skip("needs Vela")
    assert found.outcome is Outcome.OK
    assert len(found.processes) == 1
    assert found.processes[0].first_inference_s is None
    assert found.metrics == {"latency_s": metric}
    assert not any(isinstance(request, Run) for request in workers.asked)


def test_an_export_needs_workers_and_no_process(tmp_path: Path) -> None:
    def make(request: Prepare) -> Prepared:
        made = Path(request.wanted.folder) / "made"
        made.write_bytes(b"a model")
        return Prepared(info=INFO, path=str(made), notes=("quantised",))

    files, notes = export_model(
        "m.onnx", ExportForm.TFLITE, tmp_path / "out", InputSource(), workers=canned(prepare=make)
    )
    assert (files, notes) == ([tmp_path / "out"], ("quantised",))
    assert (tmp_path / "out").read_bytes() == b"a model"


def test_a_project_is_written_by_a_worker(tmp_path: Path) -> None:
    def write(request: WriteProject) -> Written:
        assert request.model == "m.onnx"
        assert request.inputs.seed == 3
        (Path(request.folder) / "kernels").mkdir()
        for name in ("model.c", "kernels/a.c"):
            (Path(request.folder) / name).write_text(name)
        return Written(files=("model.c", "kernels/a.c"), notes=("it is C",))

    workers = canned(write_project=write)
    files, notes = export_model("m.onnx", ExportForm.C, tmp_path / "out", InputSource(seed=3), workers=workers)
    assert [path.relative_to(tmp_path / "out").as_posix() for path in files] == ["model.c", "kernels/a.c"]
    assert all(path.read_text() == path.relative_to(tmp_path / "out").as_posix() for path in files)
    assert notes == ("it is C",)


def test_two_devices_of_one_name_have_a_profile_each() -> None:
    other = replace(FAKE, notes=("another",))
    found = profiled(canned(), FAKE, other)
    assert [profile.device for profile in found] == [FAKE, other]
