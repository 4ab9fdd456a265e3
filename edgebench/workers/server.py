"""The child process: reads requests from standard input, one JSON object a line, and answers each.

Whatever a runtime prints goes to standard error; the answers have a channel of their own.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from edgebench.core.device import Device
from edgebench.core.model import InputSource
from edgebench.errors import EdgebenchError
from edgebench.store.codec import from_plain, to_plain
from edgebench.workers.limits import limit_this_process

Handler = Callable[[dict[str, Any]], Any]


class Server:
    """Answers requests until its input ends.

    Args:
        answers: Where answers are written.
        requests: Where requests come from.
    """

    def __init__(self, answers: TextIO, requests: TextIO) -> None:
        self._answers = answers
        self._requests = requests
        self._handlers: dict[str, Handler] = {}

    def serve(self) -> None:
        """Answer each line of the requests."""
        while (request := self._next()) is not None:
            self._answer(self._outcome(request))

    def _next(self) -> dict[str, Any] | None:
        """The next request, or None at the end."""
        line = self._requests.readline()
        return json.loads(line) if line else None

    def _outcome(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            return {"result": to_plain(self._handlers[request["do"]](request))}
        except EdgebenchError as error:
            return {"error": _described(error)}
        except MemoryError:
            return {"error": {"kind": "MemoryError", "what": "the process may not allocate more memory"}}
        except Exception as error:
            traceback.print_exc()
            kind = "MemoryError" if _is_out_of_memory(error) else type(error).__name__
            return {"error": {"kind": kind, "what": " ".join(str(error).split())[:500] or type(error).__name__}}

    def _answer(self, answer: dict[str, Any]) -> None:
        self._answers.write(json.dumps(answer) + "\n")
        self._answers.flush()


class Worker(Server):
    """Prepares and runs models."""

    def __init__(self, answers: TextIO, requests: TextIO) -> None:
        super().__init__(answers, requests)
        self._handlers = {
            "prepare": self._prepare,
            "load": self._load,
            "run": self._run,
            "finish": self._finish,
            "race": self._race,
        }
        self._session: Any = None

    def _prepare(self, request: dict[str, Any]) -> Any:
        from edgebench.models.prepare import PrepareRequest, prepare

        return prepare(from_plain(PrepareRequest, request["request"], where="request"))

    def _load(self, request: dict[str, Any]) -> Any:
        from edgebench.workers.measuring.session import MeasurementSession

        self._session = MeasurementSession(
            from_plain(Device, request["device"], where="request"),
            Path(request["model"]),
            from_plain(InputSource, request["inputs"], where="request"),
        )
        return self._session.load()

    def _run(self, request: dict[str, Any]) -> Any:
        return self._session.run(request["iterations"])

    def _finish(self, request: dict[str, Any]) -> Any:
        finished = self._session.finish(layers=request["layers"])
        self._session.close()
        return finished

    def _race(self, request: dict[str, Any]) -> Any:
        from edgebench.workers.measuring.race import race

        return race(
            from_plain(Device, request["device"], where="request"),
            [Path(model) for model in request["models"]],
            InputSource(),
            request["seconds"],
        )


def _described(error: EdgebenchError) -> dict[str, Any]:
    return {"kind": type(error).__name__, "what": error.what, "where": error.where, "remedy": error.remedy}


def _is_out_of_memory(error: Exception) -> bool:
    text = str(error).lower()
    return any(sign in text for sign in ("bad_alloc", "out of memory", "failed to allocate", "can't allocate"))


def main(server: type[Server] = Worker) -> None:
    """Entry point of the child: ``python -m edgebench.workers.server MEMORY_LIMIT``."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    limit_this_process(memory_bytes=int(sys.argv[1]) or None)
    server(answers, sys.stdin).serve()
    # All is answered and released. Taking a runtime's libraries apart takes 0.1 s, and crashes some of them.
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
