"""A host's sessions, without Dask and without processes."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from edgebench.core.model import InputSource
from edgebench.core.profile import Outcome, Sample
from edgebench.farm import host as hosts
from edgebench.farm.admission import admitted, own_device
from edgebench.farm.host import Host
from edgebench.farm.messages import REQUESTS, Asked, HostStatus, Kind, Replied, packed, unpacked
from edgebench.links.base import LinkError
from edgebench.machine.folders import cache_folder
from edgebench.store.devices import find_device
from edgebench.tasks.recipe import Recipe
from edgebench.workers.measuring.board_jobs import FindStored, StorePart
from edgebench.workers.measuring.jobs import Done, Load, Reserve, Run, Waiting
from edgebench.workers.protocol import (
    FailureKind,
    Order,
    ProtocolError,
    Trouble,
    open_envelope,
    order_message,
    read_answer,
    read_progress,
    request_message,
)
from edgebench.workers.training.jobs import SpaceText, TaskText, TrainJob
from edgebench.workers.worker import ChildError
from tests.canned_workers import Answers, CannedWorkers

FAKE = find_device("fake")
SAMPLE = Sample(latencies_s=(1.0,))


@contextmanager
def session(answers: Answers, name: str = "s") -> Iterator[tuple[Host, CannedWorkers]]:
    workers = CannedWorkers(answers)
    host = Host([FAKE], workers=workers)
    thread = threading.Thread(target=host.hold, args=(name, "somebody"))
    thread.start()
    until(lambda: name in host.status().sessions)
    try:
        yield host, workers
    finally:
        host.end()
        thread.join(10)
        assert not thread.is_alive()


def until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def asked(message: bytes | None, process: str = "p") -> Asked:
    return Asked(
        process=process, kind=Kind.MEASURING, timeout_s=5.0, message=None if message is None else message.decode()
    )


def test_a_process_answers_and_ends_with_its_session() -> None:
    with session({Run: lambda _: SAMPLE}) as (host, workers):
        request = Run(iterations=3)
        replied = host.exchange("s", asked(request_message(request)))
        assert read_answer(open_envelope((replied.message or "").encode()), request) == SAMPLE
        host.exchange("s", asked(request_message(request), "other"))
        assert len(workers.links) == 2
        host.exchange("s", asked(None))
        until(lambda: [link.closed for link in workers.links] == [1, 0])
    until(lambda: [link.closed for link in workers.links] == [1, 1])
    assert host.status().sessions == {}
    assert host.exchange("s", asked(request_message(request))).lost


def test_progress_waits_for_the_order_to_continue() -> None:
    waits = [Waiting(owner="another"), Waiting(owner="another"), Done()]
    request = Reserve(device=FAKE, owner="me")
    for order, steps in ((Order.CONTINUE, 2), (Order.STOP, 1)):
        with session({Reserve: lambda _: waits}) as (host, _):
            reply = host.exchange("s", asked(request_message(request))).message or ""
            seen = 0
            while read_progress(open_envelope(reply.encode()), request) is not None:
                seen += 1
                reply = host.exchange("s", asked(order_message(order))).message or ""
            assert seen == steps
            assert read_answer(open_envelope(reply.encode()), request) == Done()


def test_a_failure_arrives_as_it_was() -> None:
    trouble = Trouble(kind=FailureKind.UNSUPPORTED, what="no such operator", remedy="another", operators=("Odd",))
    with session({Run: lambda _: trouble}) as (host, _):
        error = host.exchange("s", asked(request_message(Run(iterations=1)))).error()
    assert (error.outcome, error.message, error.operators) == (Outcome.UNSUPPORTED, "no such operator", ("Odd",))
    with session({Run: lambda _: LinkError("the board is gone")}) as (host, _):
        error = host.exchange("s", asked(request_message(Run(iterations=1)))).error()
    assert error.outcome is Outcome.UNAVAILABLE
    assert not error.lost


def test_a_session_whose_command_is_gone_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "FIRST_LEASE_S", 0.2)
    monkeypatch.setattr(hosts, "LEASE_S", 1.5)
    monkeypatch.setattr(hosts, "_LOOK_S", 0.02)
    with session({Run: lambda _: SAMPLE}) as (host, _):
        host.renew(["s"])
        time.sleep(0.5)
        assert "s" in host.status().sessions
        until(lambda: "s" not in host.status().sessions)


def test_files_are_stored_without_a_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with session({}) as (host, workers):
        request = FindStored(digests={"model.onnx": "0" * 64}, size_bytes=1)
        replied = host.exchange("s", asked(request_message(request)))
        found = read_answer(open_envelope((replied.message or "").encode()), request)
        assert found.missing == ("model.onnx",)  # type: ignore[union-attr]
        assert str(tmp_path) in found.folder  # type: ignore[union-attr]
        assert workers.asked == []


def test_a_host_does_only_what_it_knows() -> None:
    assert "prepare" not in REQUESTS
    assert "write project" not in REQUESTS
    with session({}) as (host, _):
        replied = host.exchange("s", asked(b'{"protocol": 1, "request": "prepare", "body": {}}'))
        assert replied.outcome is Outcome.UNAVAILABLE


def test_the_device_is_the_hosts_own() -> None:
    theirs = replace(FAKE, meter="command:rm -rf /", link="ssh", reached={"host": "elsewhere"}, options={"noise": 0.5})
    own = own_device(theirs, {"fake": FAKE})
    assert own == replace(FAKE, options={"noise": 0.5})
    assert own_device(replace(FAKE, name="fake:noise=1"), {"fake": FAKE}).name == "fake:noise=1"
    with pytest.raises(ChildError, match="does not announce other"):
        own_device(replace(FAKE, name="other"), {"fake": FAKE})


@pytest.mark.parametrize(
    "options", [{"compiler": "/tmp/evil"}, {"library": "evil.so"}, {"provider_options": {"path": "/tmp/evil.so"}}]
)
def test_programs_that_others_name_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ChildError, match="only programs that its own device files name"):
        own_device(replace(FAKE, options=options), {"fake": FAKE})  # type: ignore[arg-type]
    known = replace(FAKE, options=options)  # type: ignore[arg-type]
    assert own_device(known, {"fake": known}) == known


def test_models_are_those_that_were_sent() -> None:
    def load(path: str) -> Load:
        return Load(device=FAKE, model=path, inputs=InputSource())

    sent = str(cache_folder("models") / "0" / "model.onnx")
    admitted(load(sent), {"fake": FAKE}, Path("w"))
    for path in ("/etc/passwd", f"{cache_folder('models')}/../secret.onnx"):
        with pytest.raises(ChildError, match="was not sent here"):
            admitted(load(path), {"fake": FAKE}, Path("w"))
    with pytest.raises(ChildError, match="was not sent here"):
        admitted(replace(load(sent), inputs=InputSource(file="/etc/passwd")), {"fake": FAKE}, Path("w"))


def test_trainings_run_no_code_of_others_and_write_where_the_host_says() -> None:
    job = TrainJob(
        space=SpaceText(name="s", family="dscnn", options={}),
        architecture=(0,),
        task=TaskText(text="digits", seed=0),
        recipe=Recipe(epochs=1),
        seed=0,
        weights="/etc/passwd",
    )
    found = admitted(job, {}, Path("/there/weights.npz"))
    assert found.weights == "/there/weights.npz"  # type: ignore[attr-defined]
    wrong = (
        replace(job, task=TaskText(text="os:getcwd", seed=0)),
        replace(job, space=SpaceText(name="s", family="function", options={"function": "os:getcwd"})),
        replace(job, teacher=((0,), "/etc/passwd")),
    )
    for one in wrong:
        with pytest.raises(ChildError):
            admitted(one, {}, Path("w"))


def test_messages_travel_and_nonsense_does_not() -> None:
    status = Host([FAKE], name="lab").status()
    assert unpacked(HostStatus, packed(status)) == status
    assert status.devices[0].origin == ""
    failed = Replied.failed(ChildError(Outcome.CRASHED, "it", "do", FailureKind.CRASHED, ("A",), lost=True))
    again = unpacked(Replied, packed(failed)).error()
    assert (again.outcome, again.message, again.remedy, again.lost) == (Outcome.CRASHED, "it", "do", True)
    for nonsense in (b"", b"[]", b'{"process": 1}', b"[" * 100_000, "text"):
        with pytest.raises(ProtocolError):
            unpacked(Asked, nonsense)


def test_parts_of_files_go_where_the_host_keeps_them() -> None:
    with session({}) as (host, _):
        request = StorePart(folder="/etc", name="../passwd", offset=0, content="", digest=None)
        assert host.exchange("s", asked(request_message(request))).outcome is Outcome.BAD_INPUT
