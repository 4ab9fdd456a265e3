"""The parent's handle on one worker: sends requests, and turns whatever goes wrong into a ``ChildError``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from edgebench.core.profile import Outcome
from edgebench.errors import EdgebenchError
from edgebench.links.base import (
    Ending,
    Limits,
    Link,
    LinkClosedError,
    LinkError,
    LinkTimeoutError,
    MessageTooLongError,
)
from edgebench.workers.protocol import (
    MAX_MESSAGE_BYTES,
    Answer,
    FailureKind,
    LongRequest,
    Order,
    Progress,
    ProtocolError,
    Request,
    Trouble,
    VersionMismatchError,
    open_envelope,
    order_message,
    read_answer,
    read_progress,
    request_message,
)

_OUTCOMES: Mapping[FailureKind, Outcome] = {
    FailureKind.BAD_INPUT: Outcome.BAD_INPUT,
    FailureKind.UNSUPPORTED: Outcome.UNSUPPORTED,
    FailureKind.UNAVAILABLE: Outcome.UNAVAILABLE,
    FailureKind.OUT_OF_MEMORY: Outcome.OUT_OF_MEMORY,
}
RETRIES = 3
"""How often what a lost host was doing is done again."""
_LONGEST_TEXT = 10_000
_REPORT = "this is a fault of the runtime or of edgebench, not of your input: please report it"


class ChildError(EdgebenchError):
    """A child did not give the requested answer.

    Attributes:
        outcome: What happened to it.
        message: One sentence.
        remedy: What to do next, if known.
        kind: What the child itself reported, or None if it did not survive to report it.
        operators: Operators that are not supported, if that is the reason.
        lost: Whether the host of the child is gone, and not the child's fault: it can be done again elsewhere.
    """

    def __init__(
        self,
        outcome: Outcome,
        message: str,
        remedy: str | None = None,
        kind: FailureKind | None = None,
        operators: tuple[str, ...] = (),
        *,
        lost: bool = False,
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.lost = lost
        self.outcome = outcome
        self.message = message
        self.kind = kind
        self.operators = operators


class Worker:
    """A fresh process that answers requests, bounded in time and memory; started at its first request.

    After a failure that the child reports, it accepts further requests. After anything else it is gone.

    Args:
        link: Connects to where it runs; not started yet.
        command: What runs there.
        memory_limit_bytes: Data it may allocate, or None for no limit.
    """

    def __init__(self, link: Link, command: Sequence[str], *, memory_limit_bytes: int | None = None) -> None:
        self._link = link
        self._command = command
        self._limits = Limits(message_bytes=MAX_MESSAGE_BYTES, memory_bytes=memory_limit_bytes)
        self._started = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def ask(self, request: Request[Answer], *, timeout_s: float) -> Answer:
        """Send a request and wait for its answer.

        Raises:
            ChildError: The child reported a failure, died, talked nonsense, or did not answer in time.
        """
        message = _sendable(request)
        with self._ended_by_errors(request, timeout_s):
            return self._answer(self._exchange(message, timeout_s), request)

    def follow(
        self, request: LongRequest[Answer, Progress], on_progress: Callable[[Progress], bool], *, timeout_s: float
    ) -> Answer:
        """Send a request, follow its progress and wait for its answer.

        Args:
            request: The request.
            on_progress: Called for each step; returns whether to continue.
            timeout_s: For each step.

        Raises:
            ChildError: The child reported a failure, died, talked nonsense, or did not report in time.
        """
        message = _sendable(request)
        with self._ended_by_errors(request, timeout_s):
            order = Order.CONTINUE
            envelope = self._exchange(message, timeout_s)
            while order is Order.CONTINUE and (progress := read_progress(envelope, request)) is not None:
                order = Order.CONTINUE if on_progress(progress) else Order.STOP
                envelope = self._exchange(order_message(order), timeout_s)
            return self._answer(envelope, request)

    def close(self) -> None:
        """End the child and all it has started."""
        self._link.close()

    def _exchange(self, message: bytes, timeout_s: float) -> Mapping[str, Any]:
        if not self._started:
            self._started = True
            self._link.start(self._command, self._limits)
        self._link.send(message)
        return open_envelope(self._link.receive(timeout_s))

    @contextmanager
    def _ended_by_errors(self, request: Request[Any], timeout_s: float) -> Iterator[None]:
        """Ends the child after anything that it did not report itself: its later answers could only be out of turn."""
        try:
            yield
        except ChildError:
            raise
        except BaseException as error:
            self.close()
            told = self._explained(error, request.step, timeout_s)
            if told is None:
                raise
            raise told from None

    def _explained(self, error: BaseException, step: str, timeout_s: float) -> ChildError | None:
        if isinstance(error, LinkTimeoutError):
            return ChildError(
                Outcome.TIMED_OUT,
                f"no answer within {timeout_s:.0f} s ({step})",
                "raise --time-limit if the model is that slow; otherwise it hangs on this device",
            )
        if isinstance(error, LinkClosedError):
            return self._death(error.ending, step)
        if isinstance(error, VersionMismatchError):
            return ChildError(Outcome.UNAVAILABLE, error.what, error.remedy)
        if isinstance(error, (ProtocolError, MessageTooLongError)):
            return ChildError(Outcome.CRASHED, f"the worker's answer is invalid: {error.what}", _REPORT)
        if isinstance(error, LinkError):
            place = f"{error.where}: " if error.where else ""
            return ChildError(Outcome.UNAVAILABLE, _printable(f"{place}{error.what}"), error.remedy)
        return None

    def _answer(self, envelope: Mapping[str, Any], request: Request[Answer]) -> Answer:
        answer = read_answer(envelope, request)
        if isinstance(answer, Trouble):
            raise self._reported(answer)
        return answer

    def _reported(self, trouble: Trouble) -> ChildError:
        outcome = _OUTCOMES.get(trouble.kind, Outcome.CRASHED)
        where = f"{trouble.where}: " if trouble.where else ""
        message, remedy = f"{where}{trouble.what}", trouble.remedy
        if trouble.exception:
            message = f"{trouble.exception}: {message}"
        if trouble.kind in {FailureKind.CRASHED, FailureKind.PROTOCOL}:
            remedy = remedy or _REPORT
        if outcome is Outcome.OUT_OF_MEMORY:
            message, remedy = self._out_of_memory(message)
        operators = tuple(_printable(operator) for operator in trouble.operators)
        return ChildError(outcome, _printable(message), remedy and _printable(remedy), trouble.kind, operators)

    def _out_of_memory(self, message: str) -> tuple[str, str]:
        limit = self._limits.memory_bytes
        shown = "" if limit is None else f" (limit {limit / 2**30:.1f} GiB)"
        return f"{message}{shown}", "use smaller input shapes, or raise --memory-limit"

    def _death(self, ending: Ending, step: str) -> ChildError:
        last = ending.last_words
        if "bad_alloc" in last or "MemoryError" in last:
            return ChildError(Outcome.OUT_OF_MEMORY, *self._out_of_memory(step))
        if ending.signal == "SIGKILL":
            return ChildError(
                Outcome.OUT_OF_MEMORY,
                f"killed by SIGKILL {step}, most likely because the system ran out of memory",
                "free memory or use smaller input shapes",
            )
        detail = f": {last}" if last else ""
        if ending.signal is None and ending.exit_code is None:
            return ChildError(Outcome.CRASHED, f"stopped answering {step}, without ending{detail}", _REPORT)
        return ChildError(
            Outcome.CRASHED,
            f"crashed {step} with {ending.signal or f'exit code {ending.exit_code}'}{detail}",
            "the runtime died on this model; try another version of it, or report the model to its authors",
        )


def _sendable(request: Request[Any]) -> bytes:
    try:
        return request_message(request)
    except ProtocolError as error:
        raise ChildError(Outcome.BAD_INPUT, error.what) from None


def _printable(text: str) -> str:
    """Text without characters that would move a terminal's cursor; line breaks are kept."""
    shown = text[:_LONGEST_TEXT]
    return "".join(character if character.isprintable() or character in "\n\t" else "\ufffd" for character in shown)
