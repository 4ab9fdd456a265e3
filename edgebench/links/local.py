"""A child on this machine: standard input and output of a process in its own session."""

from __future__ import annotations

import contextlib
import os
import secrets
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from typing import IO

from edgebench.links import guard
from edgebench.links.base import Ending, Limits, LinkClosedError, LinkError, LinkTimeoutError, MessageTooLongError
from edgebench.machine.processes import end_descendants, end_marked, held_bytes

_CHUNK = 1 << 18
_LOOK_S = 0.2
"""Time between checks that the child is alive: a process that it started may keep its output open."""
_GRACE_S = 2.0
"""Time from the end of a child's output to its own end, in which the system takes its memory back."""
_FAREWELL_S = 0.5
"""Time for a child to end by itself when its input ends."""
_MOST_PRINTED = 64 << 20
"""Bytes that a child may print on standard error; they are kept in a file, which must not fill the disk."""
_MOST_SAID = 4 << 30
"""Bytes of messages in the life of a child."""
_LOG_TAIL = 4096
_LAST_WORDS = 300
_TOO_MUCH_MEMORY = "MemoryError: with what it shares, it holds more than it may"
_MARK = "EDGEBENCH_CHILD"
"""Environment variable by which what a child started is known when the child itself is gone."""


class LocalLink:
    """A subprocess in its own process group; what it writes to standard error goes to a temporary file.

    Args:
        environment: Its variables; by default, those of this process.
        farewell_s: Time for the process to end by itself when its input ends.
    """

    def __init__(self, environment: Mapping[str, str] | None = None, *, farewell_s: float = _FAREWELL_S) -> None:
        self._environment = environment
        self._farewell_s = farewell_s
        self._writing = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None
        self._limits = Limits(message_bytes=0)
        self._incoming = bytearray()
        self._searched = 0
        self._said = 0
        self._outgoing = bytearray()
        self._ending: Ending | None = None
        self._mark = secrets.token_hex(8)
        self._looked = 0.0

    def start(self, command: Sequence[str], limits: Limits) -> None:
        """Start the process.

        Raises:
            LinkError: There is no such program, or the system has no room for a process.
        """
        self._limits = limits
        try:
            self._log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the child
            self._process = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                bufsize=0,
                start_new_session=True,
                env={**(os.environ if self._environment is None else self._environment), _MARK: self._mark},
            )
        except OSError as error:
            raise LinkError(
                f"{command[0]} cannot be started: {error.strerror}",
                remedy="check that it is installed, and that the machine has room for another process",
            ) from error
        guard.watch(self._process.pid)
        if limits.memory_bytes is not None:
            _bound_memory(self._process.pid, limits.memory_bytes)
        os.set_blocking(_descriptor(self._process.stdin), False)

    def send(self, message: bytes) -> None:
        """Write what the child takes now, and keep the rest.

        Raises:
            ValueError: The message contains a line break, or is longer than the limit.
        """
        if b"\n" in message or len(message) > self._limits.message_bytes:
            raise ValueError(f"not a message: {len(message)} bytes, or more than one line")
        self.put(message)

    def put(self, line: bytes) -> None:
        """Write a line of any length, as ``send`` does; another thread may do this at any time."""
        if self._process is not None and self._ending is None:
            with self._writing:
                self._outgoing += line + b"\n"
            self._write()

    def printed(self) -> list[str]:
        """The last lines that the process wrote to standard error."""
        return [] if self._log is None or self._log.closed else _last_lines(self._log)

    def receive(self, timeout_s: float) -> bytes:
        """Wait for the next line, and write what is left of the messages sent.

        Raises:
            LinkTimeoutError: None has arrived in time.
            MessageTooLongError: The line is longer than the limit; the child has been killed.
            LinkClosedError: The child is gone.
        """
        deadline, late = time.monotonic() + timeout_s, False
        while (message := self._next_message()) is None:
            if self._ending is not None or self._process is None:
                raise LinkClosedError("the child has ended", self._ending or Ending())
            if late:
                raise LinkTimeoutError(f"no message within {timeout_s:g} s")
            left_s = deadline - time.monotonic()
            late = left_s <= 0
            self._pump(self._process, max(0.0, min(left_s, _LOOK_S)))
        return message

    def close(self) -> None:
        """End the process, by force if it does not end with its input, and then its whole group."""
        process, log = self._process, self._log
        self._incoming.clear()
        if process is not None and self._ending is None:
            self._close_input(process)
            self._end(process, self._farewell_s)
        if process is not None and process.stdout is not None:
            self._close_input(process)
            process.stdout.close()
        if log is not None:
            log.close()

    def _next_message(self) -> bytes | None:
        """The first complete line received.

        Raises:
            MessageTooLongError: It is too long.
        """
        limit = self._limits.message_bytes
        end = self._incoming.find(b"\n", self._searched)
        if end > limit or (end < 0 and len(self._incoming) > limit):
            self._incoming.clear()
            self._searched = 0
            if self._process is not None and self._ending is None:
                self._end(self._process, 0.0)
            raise MessageTooLongError(f"a message of more than {limit} bytes")
        if end < 0:
            self._searched = len(self._incoming)
            return None
        message = bytes(self._incoming[:end])
        del self._incoming[: end + 1]
        self._searched = 0
        return message

    def _pump(self, process: subprocess.Popen[bytes], wait_s: float) -> None:
        """Read and write what is possible within some time, and notice the child's end."""
        if self._said > _MOST_SAID or (self._log is not None and os.fstat(self._log.fileno()).st_size > _MOST_PRINTED):
            self._end(process, 0.0)
            raise MessageTooLongError(
                f"the child printed more than {_MOST_PRINTED >> 20} MiB, or said more than {_MOST_SAID >> 30} GiB"
            )
        if self._holds_too_much(process):
            self._end(process, 0.0, words=_TOO_MUCH_MEMORY)
            return
        output = _descriptor(process.stdout)
        dead = process.poll() is not None
        with selectors.DefaultSelector() as selector:
            selector.register(output, selectors.EVENT_READ)
            if self._outgoing:
                selector.register(_descriptor(process.stdin), selectors.EVENT_WRITE)
            ready = [key.fd for key, _ in selector.select(wait_s)]
        if dead and output not in ready:
            # All that it said has been read; its output is kept open by something that it started.
            self._end(process, 0.0)
            return
        if output in ready:
            chunk = os.read(output, _CHUNK)
            self._incoming += chunk
            self._said += len(chunk)
            if not chunk:
                self._end(process, _GRACE_S)
                return
        if any(descriptor != output for descriptor in ready):
            self._write()

    def _write(self) -> None:
        process = self._process
        with self._writing:
            if process is None or process.stdin is None or process.stdin.closed:
                return
            try:
                while self._outgoing:
                    del self._outgoing[: os.write(process.stdin.fileno(), self._outgoing)]
            except BlockingIOError:
                return
            except OSError:
                # Nobody reads any more; ``receive`` reports why.
                self._outgoing.clear()

    def _holds_too_much(self, process: subprocess.Popen[bytes]) -> bool:
        """Whether a process holds more memory than it may; the system's limit does not count what it shares."""
        now, limit = time.monotonic(), self._limits.memory_bytes
        if limit is None or now - self._looked < _LOOK_S:
            return False
        self._looked = now
        return held_bytes(process.pid) > limit

    def _end(self, process: subprocess.Popen[bytes], wait_s: float, *, words: str = "") -> None:
        """Wait for the process, kill it with all that it started, and keep how it ended."""
        code: int | None = None
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = process.wait(wait_s)
        if code is None:
            end_descendants(process.pid)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if code:
            # It died before it could end what it had started.
            end_marked(_MARK, self._mark)
        guard.release(process.pid)
        with self._writing:
            self._outgoing.clear()
        killed_by = signal_name(-code) if code is not None and code < 0 else None
        self._ending = Ending(
            exit_code=None if killed_by else code,
            signal=killed_by,
            last_words=words or ("" if self._log is None else _last_line(self._log)),
        )

    def _close_input(self, process: subprocess.Popen[bytes]) -> None:
        if process.stdin is not None:
            with self._writing, contextlib.suppress(OSError):
                process.stdin.close()


def _descriptor(stream: IO[bytes] | None) -> int:
    if stream is None:
        raise LinkError("the child has no pipe")
    return stream.fileno()


def _bound_memory(pid: int, data_bytes: int) -> None:
    """Set from outside, so that it applies to any program before it has read a message."""
    if sys.platform != "linux":
        return
    import resource

    with contextlib.suppress(ValueError, OSError):
        # The address space would count mapped files and reserved but unused ranges; data does not.
        resource.prlimit(pid, resource.RLIMIT_DATA, (data_bytes, data_bytes))


def signal_name(number: int) -> str:
    """Such as ``SIGSEGV``, or its number."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _last_lines(log: IO[bytes]) -> list[str]:
    log.seek(0, os.SEEK_END)
    log.seek(max(0, log.tell() - _LOG_TAIL))
    return log.read().decode("utf-8", "replace").strip().splitlines()


def _last_line(log: IO[bytes]) -> str:
    return last_words(_last_lines(log))


def last_words(lines: Sequence[str]) -> str:
    """The last of some lines, shortened, without characters that would move a terminal's cursor."""
    line = "".join(character for character in lines[-1] if character.isprintable()) if lines else ""
    return line.strip()[:_LAST_WORDS]
