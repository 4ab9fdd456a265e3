"""What flows do when a host is lost: what was finished is kept, samples are of one machine, a pair is of one host."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from edgebench.core.device import Device
from edgebench.core.model import InputSource
from edgebench.core.place import Seen
from edgebench.core.plan import MeasurementPlan
from edgebench.core.profile import Outcome, Profile
from edgebench.errors import TargetUnavailableError
from edgebench.flows.gate.gate import gate
from edgebench.flows.gate.request import GateRequest, Reference
from edgebench.flows.lut import bench as benches
from edgebench.flows.lut.bench import Bench
from edgebench.flows.profile.profile import ProfileRequest, profile
from edgebench.gate.limits import Limits
from edgebench.gate.verdict import Verdict
from edgebench.workers.measuring.race_jobs import Race, Raced, RaceResult
from edgebench.workers.protocol import Answer, Request
from edgebench.workers.training.jobs import SpaceText
from edgebench.workers.training.pool import RETRIES as TRIES
from edgebench.workers.training.pool import TrainingProcess, TrialFailedError
from edgebench.workers.worker import ChildError, Worker
from tests.canned_workers import CannedWorkers
from tests.flows.gate.machine import FAKE, Machine, Model
from tests.small_space import open_twelve

LOST = ChildError(Outcome.UNAVAILABLE, "the connection to host one was lost", "run it again", lost=True)
PLAN = MeasurementPlan(repetitions=3, goal=10.0, time_limit_s=60.0)


class LosingWorker(Worker):
    """A worker whose host is lost at certain requests."""

    def __init__(self, worker: Worker, is_lost: Callable[[], bool]) -> None:
        self._worker, self._is_lost = worker, is_lost

    def ask(self, request: Request[Answer], *, timeout_s: float) -> Answer:
        if type(request).__name__ in {"Load", "Run", "Race"} and self._is_lost():
            raise LOST
        return self._worker.ask(request, timeout_s=timeout_s)

    def close(self) -> None:
        self._worker.close()


class LosingMachine(Machine):
    """A farm whose hosts are lost with certain requests, counted from 1; the next host takes over."""

    def __init__(self, models: Mapping[str, Model], losses: set[int], hosts: list[str]) -> None:
        super().__init__(models)
        self.losses, self.hosts, self.count, self.lost = losses, hosts, 0, 0

    def measuring(self, *, number: int = 0, memory_limit_bytes: int | None = None) -> Worker:
        return LosingWorker(super().measuring(number=number), self._is_lost)

    def look(self, device: Device, *, meters: bool = False) -> Seen:
        host = self.hosts[min(self.lost, len(self.hosts) - 1)]
        return replace(super().look(device), host=host, machine={"cpu": "a", "host": host}, warnings=())

    def _is_lost(self) -> bool:
        self.count += 1
        self.lost += self.count in self.losses
        return self.count in self.losses


def measured(losses: set[int], hosts: list[str]) -> Profile:
    machine = LosingMachine({"a.onnx": Model()}, losses, hosts)
    request = ProfileRequest(models=["a.onnx"], devices=[FAKE], plan=PLAN, inputs=InputSource())
    (found,) = profile(request, on_update=lambda _: None, workers=machine)
    return found


def test_a_process_is_begun_again_where_the_host_comes_back() -> None:
    undisturbed, disturbed = measured(set(), ["one"]), measured({3, 9}, ["one"])
    assert disturbed.outcome is Outcome.OK
    assert disturbed.processes == undisturbed.processes
    assert disturbed.machine == {"cpu": "a", "host": "one"}


def test_what_another_machine_had_measured_does_not_count() -> None:
    # The second process is lost: what the first one measured was of another machine.
    found = measured({20}, ["one", "other"])
    assert found.outcome is Outcome.OK
    assert found.machine["host"] == "other"
    assert len(found.processes) == PLAN.repetitions


def test_a_host_that_is_lost_again_and_again_is_a_result() -> None:
    found = measured(set(range(1, 100)), ["one"])
    assert found.outcome is Outcome.UNAVAILABLE
    assert found.failure is not None
    assert "lost" in found.failure.message


def test_a_gate_measures_all_pairs_again() -> None:
    machine = LosingMachine({"old.onnx": Model(), "new.onnx": Model()}, {5}, ["one", "other"])
    request = GateRequest(
        cells=[("new.onnx", FAKE)],
        limits=Limits(()),
        plan=PLAN,
        inputs=InputSource(),
        references={"new.onnx": Reference(path="old.onnx", given=True)},
    )
    findings = gate(request, workers=machine).findings
    assert {finding.verdict for finding in findings} == {Verdict.PASSED}
    assert len(findings) > 1


class LosingRaces(CannedWorkers):
    """Races, some of which are lost with their host."""

    def __init__(self, losses: set[int], hosts: list[str]) -> None:
        super().__init__({Race: _raced})
        self.losses, self.hosts, self.count, self.lost = losses, hosts, 0, 0

    def measuring(self, *, number: int = 0, memory_limit_bytes: int | None = None) -> Worker:
        return LosingWorker(super().measuring(number=number), self._is_lost)

    def look(self, device: Device, *, meters: bool = False) -> Seen:
        return replace(super().look(device), host=self.hosts[min(self.lost, len(self.hosts) - 1)])

    def _is_lost(self) -> bool:
        self.count += 1
        self.lost += self.count in self.losses
        return self.count in self.losses


def _raced(race: Race) -> Raced:
    return Raced(results=tuple(RaceResult(latency_p5_s=1e-3, latency_s=1e-3) for _ in race.models))


def test_a_group_of_blocks_is_measured_again_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benches, "REFERENCE_PROCESSES", 1)
    space = open_twelve(tmp_path)
    workers = LosingRaces({3}, ["one"])
    with Bench(FAKE, "float32", tmp_path, space.network(space.largest), workers=workers) as bench:
        assert len(bench.race_each([space.network(space.smallest)], 0.1)) == benches.RACE_PROCESSES
    # One for the reference, one before the loss, the loss, and all of them again.
    assert workers.count == 3 + benches.RACE_PROCESSES


def test_a_table_is_not_continued_on_another_machine_meanwhile(tmp_path: Path) -> None:
    space = open_twelve(tmp_path)
    workers = LosingRaces({2}, ["one", "other"])
    with (
        Bench(FAKE, "float32", tmp_path, space.network(space.largest), workers=workers) as bench,
        pytest.raises(TargetUnavailableError, match="host one has left, and other is another machine"),
    ):
        bench.race([space.network(space.smallest)], 0.1)


def test_a_training_is_begun_again() -> None:
    class Trainers(CannedWorkers):
        count = 0

        def training(self) -> Worker:
            self.count += 1
            return _Lost()

    workers = Trainers({})
    space = SpaceText(name="s", family="dscnn", options={})
    with pytest.raises(TrialFailedError, match="lost"):
        TrainingProcess(workers).synflow(space, (0,))
    assert workers.count == TRIES + 1


class _Lost(Worker):
    def __init__(self) -> None:
        pass

    def ask(self, request: Request[Answer], *, timeout_s: float) -> Answer:
        raise LOST

    def close(self) -> None:
        pass
