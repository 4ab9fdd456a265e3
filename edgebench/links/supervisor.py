"""Runs one child at the far end of a link, and ends it with the link.

This file is sent to the board as text and runs there before anything is installed: it uses nothing but Python's
standard library, from Python 3.8 on. It reads lines from standard input: ``m`` and a message for the child, or ``k``,
which says that the other side lives. The child's messages go to standard output as they are. What happens to the
child is told on standard error, in lines that begin with a mark that only the other side knows.
"""

from __future__ import annotations

import base64
import contextlib
import ctypes
import json
import os
import re
import selectors
import signal
import subprocess
import sys
import time
from typing import Any

_CHUNK = 1 << 18
_LOOK_S = 1.0
_GRACE_S = 2.0
"""Time from the end of a child's output to its own end."""
_FAREWELL_S = 0.5
"""Time for a child to end by itself when its input ends."""
_LAST_S = 3.0
"""Time to hand over what a dead child has said."""
_BRIEF_S = 0.05
_DESCRIPTORS = 256
_TAIL = 4096
_LAST_WORDS = 500
_PR_SET_PDEATHSIG = 1
_MESSAGE, _ALIVE = ord("m"), ord("k")
_HELD = re.compile(r"^(?:RssAnon|RssShmem|VmSwap):\s*(\d{1,15}) kB$", re.MULTILINE)
_TOO_MUCH_MEMORY = "MemoryError: with what it shares, it holds more than it may"


class Unframed:
    """Takes the lines for the child out of what the other side sends."""

    def __init__(self) -> None:
        self._kind: int | None = None

    def feed(self, data: bytes) -> bytes:
        """What of these bytes is for the child; they need not be whole lines."""
        found = bytearray()
        begin = 0
        while begin < len(data):
            if self._kind is None:
                self._kind = data[begin]
                begin += 1
            end = data.find(b"\n", begin) + 1
            part = data[begin : end or len(data)]
            if self._kind == _MESSAGE:
                found += part
            if end:
                self._kind = None
            begin = end or len(data)
        return bytes(found)


class Supervisor:
    """One child, its streams, and how long the other side has been silent.

    Args:
        mark: What lines to the other side begin with.
        lease_s: Silence of the other side after which the child is ended.
        most_waiting: Bytes that may wait for the child.
    """

    def __init__(self, mark: str, lease_s: float, most_waiting: int) -> None:
        self._mark = mark
        self._lease_s = lease_s
        self._most_waiting = most_waiting
        self._unframed = Unframed()
        self._to_child, self._to_parent, self._tail = bytearray(), bytearray(), bytearray()
        self._heard = time.monotonic()
        self._input_ended = False
        self._deadline: float | None = None
        self._code: int | None = None
        self._memory_bytes: int | None = None
        self._looked = time.monotonic()
        self._words = ""
        self._alarm, alarm = os.pipe()
        for descriptor in (self._alarm, alarm):
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(alarm, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_signal)

    def tell(self, **content: Any) -> None:
        """A line to the other side, if it still listens."""
        with contextlib.suppress(OSError):
            os.write(2, ("\n%s %s\n" % (self._mark, json.dumps(content))).encode())  # noqa: UP031

    def run(self, command: list[str], environment: dict[str, str], memory_bytes: int | None) -> None:
        """Start the child, carry its messages, and end it."""
        self._memory_bytes = memory_bytes
        program = os.path.expanduser(command[0])  # noqa: PTH111 - cheaper than pathlib
        try:
            self._child = subprocess.Popen(
                [program, *command[1:]],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                env={**os.environ, **environment},
                start_new_session=True,
                preexec_fn=lambda: _limit(memory_bytes),  # noqa: PLW1509 - this process has one thread
            )
        except OSError as error:
            self.tell(failed=error.strerror or str(error), errno=error.errno, program=program)
            return
        self._in, self._out, self._err = (
            stream.fileno() if stream else -1 for stream in (self._child.stdin, self._child.stdout, self._child.stderr)
        )
        self._guarded = _guard(self._child.pid)
        for descriptor in (0, 1, self._in, self._out, self._err):
            os.set_blocking(descriptor, False)
        self.tell(started=self._child.pid, python="%d.%d.%d" % sys.version_info[:3])  # noqa: UP031
        while not self._is_over():
            self._pump(self._wait_s())
        self._finish()

    def _is_over(self) -> bool:
        if self._child.poll() is not None:
            if self._code is None:
                self._code = self._child.returncode
            return True
        now = time.monotonic()
        if self._holds_too_much(now):
            self._words = _TOO_MUCH_MEMORY
            return True
        if self._deadline is None and (self._input_ended or now - self._heard > self._lease_s):
            self._to_child.clear()
            self._close(self._in)
            self._in = -1
            self._deadline = now + _FAREWELL_S
        return self._deadline is not None and now >= self._deadline

    def _holds_too_much(self, now: float) -> bool:
        """Whether the child holds more memory than it may; the system's own limit does not count what it shares."""
        if self._memory_bytes is None or now - self._looked < _LOOK_S:
            return False
        self._looked = now
        try:
            with open("/proc/%d/status" % self._child.pid, encoding="ascii", errors="replace") as file:  # noqa: PTH123, UP031
                held = 1024 * sum(map(int, _HELD.findall(file.read())))
        except OSError:
            return False
        return held > self._memory_bytes

    def _wait_s(self) -> float:
        if self._deadline is None:
            return _LOOK_S
        return max(0.0, min(_LOOK_S, self._deadline - time.monotonic()))

    def _pump(self, wait_s: float) -> bool:
        """Carry what can be carried within some time; returns whether there was anything."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._alarm, selectors.EVENT_READ)
            if not self._input_ended and len(self._to_child) <= self._most_waiting:
                selector.register(0, selectors.EVENT_READ)
            if self._out >= 0 and len(self._to_parent) < _CHUNK:
                selector.register(self._out, selectors.EVENT_READ)
            if self._err >= 0:
                selector.register(self._err, selectors.EVENT_READ)
            if self._to_child and self._in >= 0:
                selector.register(self._in, selectors.EVENT_WRITE)
            if self._to_parent:
                selector.register(1, selectors.EVENT_WRITE)
            ready = [key.fd for key, _ in selector.select(wait_s)]
        for descriptor in ready:
            self._carry(descriptor)
        return bool(set(ready) - {self._alarm})

    def _carry(self, descriptor: int) -> None:
        if descriptor == self._alarm:
            _read(descriptor)
        elif descriptor == 0:
            data = _read(0)
            self._input_ended = data == b""
            if data:
                self._heard = time.monotonic()
                self._to_child += self._unframed.feed(data)
        elif descriptor == self._out:
            data = _read(descriptor)
            self._to_parent += data or b""
            if data == b"":
                self._out = self._close(descriptor)
                if self._deadline is None:
                    self._deadline = time.monotonic() + _GRACE_S
        elif descriptor == self._err:
            data = _read(descriptor)
            self._tail = (self._tail + (data or b""))[-_TAIL:]
            if data == b"":
                self._err = self._close(descriptor)
        elif descriptor == self._in:
            self._in = self._write(descriptor, self._to_child)
        elif self._write(descriptor, self._to_parent) < 0:
            # Nobody listens any more.
            self._input_ended = True

    def _finish(self) -> None:
        """Kill what is left, hand over what was said before, and tell how the child ended."""
        code = self._code
        self._kill()
        self._child.wait()
        with contextlib.suppress(OSError):
            os.write(self._guarded, b".")
        end = time.monotonic() + _LAST_S
        self._to_child.clear()
        # What the child wrote is in the pipes; they may be held open by something in a session of its own.
        while time.monotonic() < end:
            if not self._pump(_BRIEF_S if self._to_parent else 0.0) and (self._input_ended or not self._to_parent):
                break
        if self._to_parent and not self._input_ended:
            return
        self.tell(
            exit_code=code if code is not None and code >= 0 else None,
            signal=-code if code is not None and code < 0 else None,
            last_words=self._words or _last_line(bytes(self._tail)),
        )

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._child.pid, signal.SIGKILL)

    def _on_signal(self, number: int, _frame: object) -> None:
        if number in {signal.SIGTERM, signal.SIGINT}:
            self._kill()
            os._exit(1)

    def _write(self, descriptor: int, data: bytearray) -> int:
        """Write what is taken at once; returns the descriptor, or -1 when nobody reads from it."""
        try:
            while data:
                del data[: os.write(descriptor, data)]
        except BlockingIOError:
            pass
        except OSError:
            data.clear()
            return self._close(descriptor) if descriptor > 1 else -1
        return descriptor

    def _close(self, descriptor: int) -> int:
        for stream in (self._child.stdin, self._child.stdout, self._child.stderr):
            if stream is not None and not stream.closed and stream.fileno() == descriptor:
                with contextlib.suppress(OSError):
                    stream.close()
        return -1


def _guard(group: int) -> int:
    """Start a process that ends a process group if this one is killed.

    Returns:
        Where to write a byte when the group has ended otherwise.
    """
    waiting, alive = os.pipe()
    if os.fork():
        os.close(waiting)
        return alive
    signal.set_wakeup_fd(-1)
    os.setsid()
    # It must not keep the connection's streams, nor those of the child, open.
    os.closerange(0, waiting)
    os.closerange(waiting + 1, _DESCRIPTORS)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        if not os.read(waiting, 1):
            os.killpg(group, signal.SIGKILL)
    os._exit(0)


def memory_limit(spec: dict[str, Any]) -> int | None:
    """Bytes that the child may allocate: as given, or a share of what is available here now."""
    given: int | None = spec["memory_bytes"]
    if given is not None or spec["memory_share"] is None:
        return given
    try:
        with open("/proc/meminfo", encoding="ascii", errors="replace") as file:  # noqa: PTH123
            fields = dict(line.split(":", 1) for line in file if ":" in line)
        return int(int(fields["MemAvailable"].split()[0]) * 1024 * spec["memory_share"])
    except (OSError, KeyError, ValueError):
        return None


def _limit(memory_bytes: int | None) -> None:
    """In the child, before its program: it dies with this process and gets no more memory than it may."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if memory_bytes is not None:
        import resource

        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))


def _read(descriptor: int) -> bytes | None:
    """What there is to read, None if there is nothing now, and nothing at the end."""
    try:
        return os.read(descriptor, _CHUNK)
    except BlockingIOError:
        return None
    except OSError:
        return b""


def _last_line(text: bytes) -> str:
    lines = text.decode("utf-8", "replace").strip().splitlines()
    return lines[-1][:_LAST_WORDS] if lines else ""


def main() -> None:
    """Entry point: the last argument says what to do, as JSON in base64."""
    spec = json.loads(base64.b64decode(sys.argv[-1]))
    supervisor = Supervisor(spec["mark"], spec["lease_s"], spec["message_bytes"] + _CHUNK)
    supervisor.run(spec["command"], spec["environment"], memory_limit(spec))
    os._exit(0)


if __name__ == "__main__":
    main()
