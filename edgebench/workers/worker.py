"""The parent's handle on one child process."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from types import TracebackType
from typing import Any, Self

import psutil

from edgebench.core.profile import Outcome

_SIGNALS = {-number.value: number.name for number in signal.Signals}
_KINDS = {
    "InputError": Outcome.BAD_INPUT,
    "StorageError": Outcome.BAD_INPUT,
    "UnsupportedModelError": Outcome.UNSUPPORTED,
    "TargetUnavailableError": Outcome.UNAVAILABLE,
    "MemoryError": Outcome.OUT_OF_MEMORY,
}


WORKER = "edgebench.workers.server"


class ChildError(Exception):
    """A child did not give the answer that was asked for.

    Attributes:
        outcome: What became of it.
        message: One sentence.
        remedy: What to do next, if known.
    """

    def __init__(self, outcome: Outcome, message: str, remedy: str | None = None) -> None:
        super().__init__(message)
        self.outcome = outcome
        self.message = message
        self.remedy = remedy


class ChildProcess:
    """A fresh Python process that prepares or runs one model, bounded in time and memory.

    Args:
        number: Counts the fresh processes of one measurement.
        memory_limit_bytes: Data it may allocate; by default four fifths of what is available now.
        module: What runs in it: a module whose ``main`` answers requests.
    """

    def __init__(self, *, number: int = 0, memory_limit_bytes: int | None = None, module: str = WORKER) -> None:
        limit = memory_limit_bytes or int(psutil.virtual_memory().available * 0.8)
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the child
        self._limit = limit
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, str(limit)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, "EDGEBENCH_PROCESS": str(number), "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )
        self._pending = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def ask(self, request: dict[str, Any], *, timeout_s: float) -> Any:
        """Send a request and wait for its answer.

        Raises:
            ChildError: The child reported an error, died, or did not answer in time; in the last two cases
                it is gone.
        """
        deadline = time.monotonic() + timeout_s
        try:
            self._stdin.write(json.dumps(request).encode() + b"\n")
            self._stdin.flush()
        except (BrokenPipeError, OSError):
            raise self._death(request["do"]) from None
        answer = json.loads(self._read_line(request["do"], deadline, timeout_s))
        if "error" in answer:
            raise self._reported(answer["error"])
        return answer["result"]

    def close(self) -> None:
        """End the child and all it has started."""
        with contextlib.suppress(OSError):
            self._stdin.close()
        try:
            self._process.wait(timeout=0.5)
        except subprocess.TimeoutExpired:
            self._kill()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._log.close()

    @property
    def _stdin(self) -> Any:
        return self._process.stdin

    def _read_line(self, step: str, deadline: float, timeout_s: float) -> bytes:
        stdout = self._process.stdout
        if stdout is None:
            raise self._death(step)
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            while b"\n" not in self._pending:
                if not selector.select(timeout=max(0.0, deadline - time.monotonic())):
                    self._kill()
                    raise ChildError(
                        Outcome.TIMED_OUT,
                        f"no answer within {timeout_s:.0f} s ({_STEPS[step]})",
                        "raise --time-limit if the model is that slow; else it hangs on this device",
                    )
                chunk = os.read(stdout.fileno(), 1 << 16)
                if not chunk:
                    raise self._death(step)
                self._pending += chunk
        line, _, self._pending = self._pending.partition(b"\n")
        return line

    def _reported(self, error: dict[str, Any]) -> ChildError:
        outcome = _KINDS.get(error["kind"], Outcome.CRASHED)
        where = f"{error['where']}: " if error.get("where") else ""
        message = f"{where}{error['what']}"
        remedy = error.get("remedy")
        if outcome is Outcome.CRASHED:
            message = f"{error['kind']}: {message}"
            remedy = remedy or "this is a fault of the runtime or of edgebench, not of your input: please report it"
        if outcome is Outcome.OUT_OF_MEMORY:
            message, remedy = self._out_of_memory(message)
        return ChildError(outcome, message, remedy)

    def _out_of_memory(self, message: str) -> tuple[str, str]:
        return (
            f"{message} (limit {self._limit / 2**30:.1f} GiB)",
            "use smaller input shapes, or raise --memory-limit",
        )

    def _death(self, step: str) -> ChildError:
        code = self._process.wait()
        last = self._last_words()
        if "bad_alloc" in last or "MemoryError" in last:
            return ChildError(Outcome.OUT_OF_MEMORY, *self._out_of_memory(_STEPS[step]))
        name = _SIGNALS.get(code, f"exit code {code}")
        if name == "SIGKILL":
            return ChildError(
                Outcome.OUT_OF_MEMORY,
                f"killed by SIGKILL {_STEPS[step]}, most likely by the system for want of memory",
                "free memory or use smaller input shapes",
            )
        detail = f": {last}" if last else ""
        return ChildError(
            Outcome.CRASHED,
            f"crashed {_STEPS[step]} with {name}{detail}",
            "the runtime died on this model; try another version of it, or report the model to its authors",
        )

    def _last_words(self) -> str:
        """The last line that the child wrote to standard error."""
        self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, self._log.tell() - 4096))
        lines = self._log.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1].strip()[:300] if lines else ""

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


_STEPS = {
    "prepare": "while the model file was read",
    "load": "while the model was loaded and warmed up",
    "run": "while the model ran",
    "finish": "while the last figures were read",
    "race": "while models ran in turn",
    "train": "while a network was trained",
    "continue": "while a network was trained",
    "stop": "while a training was stopped",
    "supernet": "while shared weights were trained",
    "shared": "while shared weights were tried",
    "export": "while a network was exported",
    "predict": "while a network was tried on data",
    "synflow": "while a network was rated",
    "task": "while a task was loaded",
}
