"""Workers without processes: what they answer is written down by the test, and goes through the real protocol."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from edgebench.core.device import Device
from edgebench.core.place import Seen
from edgebench.core.record import Record
from edgebench.links.base import Ending, Limits, LinkClosedError, LinkError
from edgebench.workers.measuring.looking import look
from edgebench.workers.protocol import (
    LongRequest,
    Request,
    Trouble,
    answer_message,
    failure_message,
    progress_message,
    read_order,
    read_request,
)
from edgebench.workers.worker import Worker

Answers = Mapping[type[Request[Any]], Callable[[Any], Record | LinkError | Sequence[Record]]]
"""For each kind of request what makes its answer: a record, a ``Trouble``, an error of the link, or for requests that
report progress all that is reported, the answer last."""


class CannedLink:
    """The other end of a worker: answers what it was told to."""

    def __init__(
        self, answers: Answers, asked: list[Request[Any]], patience: list[tuple[type[Request[Any]], float]]
    ) -> None:
        self._answers = answers
        self._asked = asked
        self._patience = patience
        self._waiting: list[bytes | LinkError] = []
        self._steps: list[Record] = []
        self.closed = 0
        self.command: Sequence[str] = ()

    def start(self, command: Sequence[str], limits: Limits) -> None:
        self.command = command

    def send(self, message: bytes) -> None:
        if self._steps:
            self._steps = self._steps if read_order(message) == "continue" else self._steps[-1:]
            self._next_step()
            return
        request = read_request(message, {kind.verb: kind for kind in self._answers})
        self._asked.append(request)
        answer = self._answers[type(request)](request)
        if isinstance(answer, LinkError):
            self._waiting.append(answer)
        elif isinstance(request, LongRequest):
            self._steps = [answer] if isinstance(answer, Record) else list(answer)
            self._next_step()
        else:
            self._waiting.append(self._final(answer))

    def receive(self, timeout_s: float) -> bytes:
        if self.closed or not self._waiting:
            raise LinkClosedError("the child has ended", Ending(exit_code=0))
        self._patience.append((type(self._asked[-1]), timeout_s))
        message = self._waiting.pop(0)
        if isinstance(message, LinkError):
            raise message
        return message

    def close(self) -> None:
        self.closed += 1

    def _next_step(self) -> None:
        step = self._steps.pop(0)
        self._waiting.append(progress_message(step) if self._steps else self._final(step))

    @staticmethod
    def _final(answer: Record) -> bytes:
        return failure_message(answer) if isinstance(answer, Trouble) else answer_message(answer)


class WithoutBoards:
    """What workers are asked about devices, where no device is on a board."""

    def look(self, device: Device, *, meters: bool = False) -> Seen:
        return look(device)

    def probe(self, device: Device, *, timeout_s: float) -> Mapping[str, str]:
        return {}

    def install(self, device: Device, wheels: Path | None, on_progress: Callable[[str], None]) -> None:
        raise NotImplementedError

    def holding(self, device: Device, on_wait: Callable[[str], None]) -> AbstractContextManager[object]:
        return nullcontext()


class CannedWorkers(WithoutBoards):
    """Gives workers that answer from a table, and keeps what they were asked.

    Attributes:
        asked: All requests, in order.
        links: Of all workers there were.
        patience: For each request how many seconds its answer may take.
    """

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self.asked: list[Request[Any]] = []
        self.links: list[CannedLink] = []
        self.numbers: list[int] = []
        self.patience: list[tuple[type[Request[Any]], float]] = []

    def measuring(self, *, number: int = 0, memory_limit_bytes: int | None = None) -> Worker:
        self.numbers.append(number)
        return self._worker(memory_limit_bytes)

    def training(self) -> Worker:
        return self._worker(None)

    def _worker(self, memory_limit_bytes: int | None) -> Worker:
        self.links.append(CannedLink(self._answers, self.asked, self.patience))
        return Worker(self.links[-1], ["canned"], memory_limit_bytes=memory_limit_bytes)


class TalkingLink:
    """Says what a test puts into its mouth, whatever it is asked; then it is dead."""

    def __init__(self, *messages: bytes | LinkError) -> None:
        self._messages = list(messages)
        self.sent: list[bytes] = []
        self.closed = 0

    def start(self, command: Sequence[str], limits: Limits) -> None:
        pass

    def send(self, message: bytes) -> None:
        self.sent.append(message)

    def receive(self, timeout_s: float) -> bytes:
        if not self._messages:
            raise LinkClosedError("the child has ended", Ending(exit_code=0))
        message = self._messages.pop(0)
        if isinstance(message, LinkError):
            raise message
        return message

    def close(self) -> None:
        self.closed += 1


def envelope(**content: Any) -> bytes:
    """A message of the protocol as it is written on the wire."""
    return json.dumps({"protocol": 1, **content}).encode()
