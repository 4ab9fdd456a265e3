"""The child's side: answers whatever happens, and ends with its input."""

import errno
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from edgebench.core.record import Record
from edgebench.errors import InputError, NotComparableError, StorageError, TargetUnavailableError, UnsupportedModelError
from edgebench.tasks.recipe import TrainingFailed
from edgebench.workers.protocol import LongRequest, Order, Request, order_message, request_message
from edgebench.workers.server import Server
from edgebench.workers.training.server import TrainingServer
from tests.canned_workers import envelope


@dataclass(frozen=True, slots=True, kw_only=True)
class Number(Record):
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Half(Request[Number]):
    verb: ClassVar[str] = "half"
    step: ClassVar[str] = "while it was halved"
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Count(LongRequest[Number, Number]):
    verb: ClassVar[str] = "count"
    step: ClassVar[str] = "while it was counted"
    upto: int


def talked(*lines: bytes, half: Callable[[Half], Number] | None = None, server: type[Server] = Server) -> list[Any]:
    """What a server answers to lines."""
    answers = io.BytesIO()
    served = server(answers, io.BytesIO(b"".join(line + b"\n" for line in lines)))
    served.on(Half, half or (lambda request: Number(value=request.value / 2)))

    def count(request: Count, goes_on: Callable[[Number], bool]) -> Number:
        reached = 0
        while reached < request.upto and goes_on(Number(value=reached)):
            reached += 1
        return Number(value=reached)

    served.on_long(Count, count)
    served.serve()
    return [json.loads(line) for line in answers.getvalue().splitlines()]


def failing(error: BaseException) -> Callable[[Half], Number]:
    def fails(_: Half) -> Number:
        raise error

    return fails


HALF = request_message(Half(value=3))
COUNT = request_message(Count(upto=2))


def test_requests_are_answered_in_turn() -> None:
    assert talked(HALF, HALF) == [{"protocol": 1, "answer": {"value": 1.5}}] * 2


def test_what_is_not_a_request_is_answered_as_such_and_harms_nothing() -> None:
    found = talked(b"hello", envelope(request="sing", body={}), envelope(request="half", body={}), HALF)
    assert [answer["failure"]["kind"] for answer in found[:3]] == ["protocol"] * 3
    assert found[3]["answer"] == {"value": 1.5}


def test_another_version_is_answered_with_both() -> None:
    (answer,) = talked(json.dumps({"protocol": 2, "request": "half", "body": {"value": 1}}).encode())
    assert "protocol 2" in answer["failure"]["what"]
    assert "protocol 1" in answer["failure"]["what"]


@pytest.mark.parametrize(
    ("error", "kind", "exception"),
    [
        (InputError("wrong", where="here", remedy="mend it"), "bad input", None),
        (StorageError("full"), "bad input", None),
        (UnsupportedModelError("no"), "unsupported", None),
        (TargetUnavailableError("gone"), "unavailable", None),
        (MemoryError(), "out of memory", None),
        (RuntimeError("std::bad_alloc"), "out of memory", None),
        (NotComparableError("apples"), "crashed", "NotComparableError"),
        (RuntimeError("two\nlines"), "crashed", "RuntimeError"),
        (KeyError(), "crashed", "KeyError"),
        (RecursionError(), "crashed", "RecursionError"),
    ],
)
def test_errors_are_reported_by_kind(error: Exception, kind: str, exception: str | None) -> None:
    (answer,) = talked(HALF, half=failing(error))
    failure = answer["failure"]
    assert (failure["kind"], failure["exception"]) == (kind, exception)
    assert failure["what"]
    assert "\n" not in failure["what"]
    if isinstance(error, InputError):
        assert (failure["where"], failure["remedy"]) == ("here", "mend it")


def test_a_training_that_fails_is_one_for_the_training_server_only() -> None:
    for server, kind in ((Server, "crashed"), (TrainingServer, "training failed")):
        (answer,) = talked(HALF, half=failing(TrainingFailed("the loss became nan")), server=server)
        assert answer["failure"]["kind"] == kind


def test_an_answer_that_cannot_be_sent_is_a_failure() -> None:
    (answer,) = talked(HALF, half=lambda _: Number(value=float("nan")))
    assert "not a number" in answer["failure"]["what"]
    assert answer["failure"]["kind"] == "protocol"


def test_progress_is_reported_until_all_is_done_or_enough() -> None:
    proceed, stop = order_message(Order.CONTINUE), order_message(Order.STOP)
    zero, one = ({"protocol": 1, "progress": {"value": value}} for value in (0, 1))
    assert talked(COUNT, proceed, proceed, HALF)[:3] == [zero, one, {"protocol": 1, "answer": {"value": 2}}]
    assert talked(COUNT, proceed, stop, HALF) == [
        zero,
        one,
        {"protocol": 1, "answer": {"value": 1}},
        {"protocol": 1, "answer": {"value": 1.5}},
    ]
    assert talked(COUNT) == [zero, {"protocol": 1, "answer": {"value": 0}}], "the end of the input is a stop"
    assert talked(COUNT, HALF)[1]["failure"]["kind"] == "protocol", "a request is no order"


def test_half_a_line_is_no_request() -> None:
    answers = io.BytesIO()
    Server(answers, io.BytesIO(HALF[:-3])).serve()
    assert answers.getvalue() == b""


NOISY = """
import os, subprocess, sys
from dataclasses import dataclass
from typing import ClassVar
from edgebench.core.record import Record
from edgebench.workers.protocol import Request
from edgebench.workers.server import Server, main

@dataclass(frozen=True, slots=True, kw_only=True)
class Text(Record):
    text: str

@dataclass(frozen=True, slots=True, kw_only=True)
class Shout(Request[Text]):
    verb: ClassVar[str] = "shout"
    step: ClassVar[str] = "while it was shouted"

class Noisy(Server):
    def __init__(self, answers, requests):
        super().__init__(answers, requests)
        self.on(Shout, self._shout)

    def _shout(self, request):
        print("a runtime prints")
        os.write(1, b"and writes\\n")
        read = subprocess.run([sys.executable, "-c", "print(len(input()))"], capture_output=True, text=True)
        subprocess.run([sys.executable, "-c", "print('and its children print')"])
        return Text(text=os.environ["EDGEBENCH_PROCESS"] + read.stderr[-9:])

main(Noisy)
"""


@pytest.mark.child
def test_what_runtimes_print_and_read_does_not_disturb_the_answers() -> None:
    shout = envelope(request="shout", body={}) + b"\n"
    done = subprocess.run(
        [sys.executable, "-u", "-c", NOISY, "5"], input=shout * 3, capture_output=True, timeout=60, env={**os.environ}
    )
    assert [json.loads(line)["answer"]["text"] for line in done.stdout.splitlines()] == ["5g a line\n"] * 3
    assert b"a runtime prints\nand writes\nand its children print\n" in done.stderr
    assert done.returncode == 0, "the end of its input ends it"


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("write failed: No space left on device")]
)
def test_a_full_disk_is_no_crash(error: Exception) -> None:
    (answer,) = talked(request_message(Half(value=1.0)), half=failing(error))
    assert answer["failure"]["kind"] == "unavailable"
    assert "the disk is full" in answer["failure"]["what"]
    assert "TMPDIR" in answer["failure"]["remedy"]


def test_a_model_that_is_refused_while_the_disk_is_full_is_not_blamed(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=0))
    (answer,) = talked(request_message(Half(value=1.0)), half=failing(UnsupportedModelError("rejected")))
    assert answer["failure"]["kind"] == "unavailable"
    assert "the disk is full" in answer["failure"]["what"]
