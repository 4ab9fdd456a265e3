"""The parent's handle on a worker, with children that are real and behave badly."""

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from edgebench.core.model import InputSource, ModelFormat
from edgebench.core.profile import Outcome
from edgebench.links.local import LocalLink
from edgebench.models.prepare import PrepareRequest
from edgebench.store.devices import find_device
from edgebench.tasks.recipe import Recipe
from edgebench.workers.local import LOCAL
from edgebench.workers.measuring.jobs import Finish, Load, Prepare, Run
from edgebench.workers.protocol import FailureKind, Trouble, answer_message, failure_message
from edgebench.workers.training.jobs import Epoch, Score, SharedAccuracy, SpaceText, TaskText, Trained, TrainJob
from edgebench.workers.worker import ChildError, Worker
from tests.canned_workers import CannedWorkers, TalkingLink
from tests.models_on_disk import write_onnx

pytestmark = pytest.mark.child

RUN = Run(iterations=2)
JOB = TrainJob(
    space=SpaceText(name="s", family="dscnn", options={}),
    architecture=(0,),
    task=TaskText(text="digits", seed=0),
    recipe=Recipe(epochs=3),
    seed=0,
)
EPOCHS = [Epoch(number=1, accuracy=0.1), Epoch(number=2, accuracy=0.2), Trained(epochs=3, accuracy=0.2)]


def failed(program: str, *, timeout_s: float = 30, memory: int | None = None) -> ChildError:
    """What comes of a Python program that is taken for a worker."""
    with Worker(LocalLink(), [sys.executable, "-u", "-c", program], memory_limit_bytes=memory) as worker:
        with pytest.raises(ChildError) as caught:
            worker.ask(RUN, timeout_s=timeout_s)
        with pytest.raises(ChildError):
            worker.ask(RUN, timeout_s=timeout_s)
    return caught.value


@pytest.mark.parametrize(
    ("program", "outcome", "words"),
    [
        ("import sys; sys.exit(7)", Outcome.CRASHED, "crashed while the model ran with exit code 7"),
        ("raise KeyError('x')", Outcome.CRASHED, "exit code 1: KeyError: 'x'"),
        ("import os; os.kill(os.getpid(), 11)", Outcome.CRASHED, "crashed while the model ran with SIGSEGV"),
        ("import os; os.kill(os.getpid(), 9)", Outcome.OUT_OF_MEMORY, "killed by SIGKILL while the model ran"),
        ("raise MemoryError", Outcome.OUT_OF_MEMORY, "while the model ran"),
        ("import sys; sys.exit('std::bad_alloc')", Outcome.OUT_OF_MEMORY, "while the model ran"),
        ("import os, time; os.close(1); time.sleep(999)", Outcome.CRASHED, "stopped answering while the model ran"),
        ("print('hello'); input()", Outcome.CRASHED, "the worker's answer is invalid: not JSON: hello"),
        ("import os\nwhile True: os.write(1, b'x' * 65536)", Outcome.CRASHED, "invalid: a message of more than"),
    ],
)
def test_whatever_happens_to_a_child_is_reported(program: str, outcome: Outcome, words: str) -> None:
    error = failed(program)
    assert error.outcome is outcome
    assert words in error.message
    assert error.remedy
    assert error.kind is None


def test_a_child_that_is_silent_is_given_up_and_ended() -> None:
    before = set(psutil.Process().children())
    begin = time.monotonic()
    error = failed("import time; time.sleep(999)", timeout_s=1)
    assert error.outcome is Outcome.TIMED_OUT
    assert "no answer within 1 s (while the model ran)" in error.message
    assert time.monotonic() - begin < 20
    assert set(psutil.Process().children()) <= before


def test_a_limit_of_memory_is_named() -> None:
    error = failed("bytearray(1 << 30)", memory=200 << 20)
    assert error.outcome is Outcome.OUT_OF_MEMORY
    assert "(limit 0.2 GiB)" in error.message
    assert "--memory-limit" in str(error.remedy)


def test_a_missing_program_is_reported() -> None:
    with Worker(LocalLink(), ["/no/such/program"]) as worker, pytest.raises(ChildError) as caught:
        worker.ask(RUN, timeout_s=1)
    assert caught.value.outcome is Outcome.UNAVAILABLE
    assert "/no/such/program cannot be started" in caught.value.message


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        (FailureKind.BAD_INPUT, Outcome.BAD_INPUT),
        (FailureKind.UNSUPPORTED, Outcome.UNSUPPORTED),
        (FailureKind.UNAVAILABLE, Outcome.UNAVAILABLE),
        (FailureKind.OUT_OF_MEMORY, Outcome.OUT_OF_MEMORY),
        (FailureKind.TRAINING_FAILED, Outcome.CRASHED),
        (FailureKind.PROTOCOL, Outcome.CRASHED),
        (FailureKind.CRASHED, Outcome.CRASHED),
    ],
)
def test_a_failure_that_is_reported_spares_the_child(kind: FailureKind, outcome: Outcome) -> None:
    exception = "OddError" if kind is FailureKind.CRASHED else None
    trouble = Trouble(kind=kind, what="it \x1b[31mbroke", where="m.onnx", remedy="mend it", exception=exception)
    link = TalkingLink(failure_message(trouble), answer_message(Score(value=1)))
    worker = Worker(link, ["x"])
    with pytest.raises(ChildError) as caught:
        worker.ask(RUN, timeout_s=1)
    assert (caught.value.outcome, caught.value.kind) == (outcome, kind)
    prefix = "OddError: " if exception else ""
    assert caught.value.message == f"{prefix}m.onnx: it \ufffd[31mbroke"
    assert link.closed == 0
    assert worker.ask(SharedAccuracy(architecture=(0,)), timeout_s=1).value == 1


def test_following_reports_every_step_and_passes_the_orders_on() -> None:
    workers = CannedWorkers({TrainJob: lambda _: EPOCHS})
    seen: list[Epoch] = []
    found = workers.training().follow(JOB, lambda epoch: not seen.append(epoch), timeout_s=1)
    assert (seen, found) == (EPOCHS[:2], EPOCHS[2])
    seen.clear()
    found = workers.training().follow(JOB, lambda epoch: bool(seen.append(epoch)), timeout_s=1)
    assert (seen, found) == (EPOCHS[:1], EPOCHS[2])


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError("the disk is full")])
def test_an_error_of_the_listener_ends_the_child_and_is_passed_on(error: BaseException) -> None:
    """A child that waits for an order would answer out of turn."""
    workers = CannedWorkers({TrainJob: lambda _: EPOCHS})

    def fails(_: Epoch) -> bool:
        raise error

    with pytest.raises(type(error)):
        workers.training().follow(JOB, fails, timeout_s=1)
    assert workers.links[0].closed


def test_nothing_starts_before_it_is_asked() -> None:
    before = set(psutil.Process().children())
    worker = LOCAL.measuring()
    assert set(psutil.Process().children()) <= before
    worker.close()
    worker.close()


def test_a_measuring_worker_prepares_loads_runs_and_finishes(tmp_path: Path) -> None:
    device = find_device("fake")
    with LOCAL.measuring(number=3) as worker:
        missing = PrepareRequest(source=str(tmp_path / "no.onnx"), formats=(ModelFormat.ONNX,), folder=str(tmp_path))
        with pytest.raises(ChildError, match="no such file") as caught:
            worker.ask(Prepare(wanted=missing), timeout_s=60)
        assert caught.value.kind is FailureKind.BAD_INPUT
        with pytest.raises(ChildError, match="no model is loaded"):
            worker.ask(RUN, timeout_s=60)
        model = str(write_onnx(tmp_path / "model.onnx"))
        wanted = PrepareRequest(source=model, formats=(ModelFormat.ONNX,), folder=str(tmp_path))
        prepared = worker.ask(Prepare(wanted=wanted), timeout_s=60)
        assert prepared.info.format is ModelFormat.ONNX
        loaded = worker.ask(Load(device=device, model=prepared.path, inputs=InputSource()), timeout_s=60)
        assert len(worker.ask(Run(iterations=loaded.iterations), timeout_s=60).latencies_s) == loaded.iterations
        assert len(worker.ask(Finish(layers=True), timeout_s=60).layers) == 2


def test_fresh_processes_are_numbered(tmp_path: Path) -> None:
    """The fake device draws other numbers in each, and the same ones again under the same number."""
    load = Load(device=find_device("fake"), model=str(write_onnx(tmp_path / "model.onnx")), inputs=InputSource())
    firsts = []
    for number in (0, 1, 1):
        with LOCAL.measuring(number=number) as worker:
            firsts.append(worker.ask(load, timeout_s=60).first.latencies_s)
    assert firsts[0] != firsts[1] == firsts[2]


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells a child of its parent's death")
def test_a_worker_dies_with_its_parent(tmp_path: Path) -> None:
    program = (
        "import sys, time\n"
        "from edgebench.core.model import InputSource\n"
        "from edgebench.store.devices import find_device\n"
        "from edgebench.workers.local import LOCAL\n"
        "from edgebench.workers.measuring.jobs import Load\n"
        "load = Load(device=find_device('fake'), model=sys.argv[1], inputs=InputSource())\n"
        "worker = LOCAL.measuring()\n"
        "worker.ask(load, timeout_s=60)\n"
        "print(worker._here._link._process.pid, flush=True)\n"
        "time.sleep(999)\n"
    )
    model = write_onnx(tmp_path / "model.onnx")
    parent = subprocess.Popen([sys.executable, "-c", program, str(model)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    try:
        child = psutil.Process(int(parent.stdout.readline()))
    finally:
        parent.kill()
        parent.wait()
        parent.stdout.close()
    deadline = time.monotonic() + 20
    while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the worker lives on without its parent"
        time.sleep(0.05)
