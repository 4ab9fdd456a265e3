"""The child: reads requests from standard input, one per line, and answers each.

Whatever a runtime prints goes to standard error; requests and answers have their own channels.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import gettempdir
from typing import Any, BinaryIO, ClassVar

from edgebench.core.record import Record
from edgebench.errors import EdgebenchError, InputError, StorageError, UnavailableError, UnsupportedModelError
from edgebench.machine.processes import end_descendants
from edgebench.machine.system_errors import full_disk, refusal
from edgebench.workers.limits import limit_this_process
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
    answer_message,
    failure_message,
    progress_message,
    read_order,
    read_request,
)

PROCESS_NUMBER = "EDGEBENCH_PROCESS"
"""Environment variable with the index of a process among the fresh processes of one measurement."""


class Server:
    """Answers requests until its input ends. A subclass registers them with ``on``.

    Args:
        answers: Where answers are written.
        requests: Where requests come from.

    Attributes:
        failures: What exceptions are reported as; all others are crashes.
    """

    failures: ClassVar[Mapping[type[BaseException], FailureKind]] = {
        InputError: FailureKind.BAD_INPUT,
        StorageError: FailureKind.BAD_INPUT,
        UnsupportedModelError: FailureKind.UNSUPPORTED,
        UnavailableError: FailureKind.UNAVAILABLE,
        MemoryError: FailureKind.OUT_OF_MEMORY,
        ProtocolError: FailureKind.PROTOCOL,
    }

    def __init__(self, answers: BinaryIO, requests: BinaryIO) -> None:
        self._answers = answers
        self._requests = requests
        self._kinds: dict[str, type[Request[Any]]] = {}
        self._handlers: dict[str, Callable[[Any], Record]] = {}

    def on(self, kind: type[Request[Answer]], handler: Callable[[Any], Answer]) -> None:
        """Answer requests of a kind.

        Args:
            kind: Class of the requests.
            handler: Takes one, and returns its answer.
        """
        self._kinds[kind.verb] = kind
        self._handlers[kind.verb] = handler

    def on_long(
        self,
        kind: type[LongRequest[Answer, Progress]],
        handler: Callable[[Any, Callable[[Progress], bool]], Answer],
    ) -> None:
        """Answer requests of a kind whose progress is reported.

        Args:
            kind: Class of the requests.
            handler: Takes one, and a function that reports progress and returns whether to continue.
        """
        self.on(kind, lambda request: handler(request, self._goes_on))

    def serve(self) -> None:
        """Answer each line of the requests."""
        while (line := self._next()) is not None:
            self._send(self._reply(line))

    def _next(self) -> bytes | None:
        """The next line, or None at the end of the input; a line that is too long ends it as well."""
        line = self._requests.readline(MAX_MESSAGE_BYTES + 2)
        return line[:-1] if line.endswith(b"\n") else None

    def _reply(self, line: bytes) -> bytes:
        try:
            request = read_request(line, self._kinds)
            return answer_message(self._handlers[request.verb](request))
        except MemoryError as error:
            return failure_message(self._described(error))
        except Exception as error:
            if not isinstance(error, EdgebenchError):
                traceback.print_exc()
            refused = refusal(error) or full_disk(Path(gettempdir()))
            if refused is not None:
                # Neither the model nor the runtime is at fault.
                error = UnavailableError(refused.what, where=refused.where, remedy=refused.remedy)
            return failure_message(self._described(error))

    def _goes_on(self, progress: Record) -> bool:
        self._send(progress_message(progress))
        line = self._next()
        return line is not None and read_order(line) is Order.CONTINUE

    def _send(self, message: bytes) -> None:
        self._answers.write(message + b"\n")
        self._answers.flush()

    def _described(self, error: Exception) -> Trouble:
        kinds = (self.failures[kind] for kind in type(error).__mro__ if kind in self.failures)
        kind = next(kinds, FailureKind.OUT_OF_MEMORY if _is_out_of_memory(error) else FailureKind.CRASHED)
        exception = type(error).__name__ if kind is FailureKind.CRASHED else None
        if isinstance(error, EdgebenchError):
            operators = error.operators if isinstance(error, UnsupportedModelError) else ()
            return Trouble(
                kind=kind,
                what=error.what,
                where=error.where,
                remedy=error.remedy,
                exception=exception,
                operators=operators,
            )
        if isinstance(error, MemoryError):
            return Trouble(kind=kind, what="the process cannot allocate more memory")
        text = " ".join(str(error).split())[:500] or type(error).__name__
        return Trouble(kind=kind, what=text, exception=exception)


def _is_out_of_memory(error: Exception) -> bool:
    text = str(error).lower()
    return any(sign in text for sign in ("bad_alloc", "out of memory", "failed to allocate", "can't allocate"))


def main(server: Callable[[BinaryIO, BinaryIO], Server]) -> None:
    """Entry point of a child: ``python -m edgebench.workers.measuring [NUMBER]``.

    Args:
        server: Makes the server that answers.
    """
    answers, requests = os.fdopen(os.dup(sys.stdout.fileno()), "wb"), os.fdopen(os.dup(sys.stdin.fileno()), "rb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    # A program that a runtime starts must not read requests.
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123 - a device, not a file
        os.dup2(nothing.fileno(), sys.stdin.fileno())
    limit_this_process()
    if len(sys.argv) > 1:
        os.environ[PROCESS_NUMBER] = sys.argv[1]
    server(answers, requests).serve()
    end_descendants(os.getpid())
    # All is answered and released. Unloading a runtime's libraries takes 0.1 s, and crashes some of them.
    sys.stderr.flush()
    os._exit(0)
