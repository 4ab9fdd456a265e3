"""What every link must satisfy, as tests that its author inherits.

A test class derives from ``LinkContract`` and overrides the fixture ``new_link``, and ``command`` if Python is
started differently at the other end::

    class TestMyLink(LinkContract):
        @pytest.fixture
        def new_link(self):
            return lambda: MyLink("board")

        def command(self, program):
            return ["/usr/bin/python3", "-u", "-c", program]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Protocol

import pytest

from edgebench.links.base import (
    Ending,
    Limits,
    Link,
    LinkClosedError,
    LinkError,
    LinkTimeoutError,
    MessageTooLongError,
)

_SOON_S = 30.0
"""Time for what takes a moment, on a busy machine at the end of a slow link."""
_LIMITS = Limits(message_bytes=16 << 20)
_SMALL = Limits(message_bytes=1 << 16)
_MEMORY = Limits(message_bytes=1 << 16, memory_bytes=256 << 20)
_ECHO = "import sys\nfor line in sys.stdin.buffer: sys.stdout.buffer.write(line); sys.stdout.buffer.flush()"
_SILENT = "import time; time.sleep(1000)"
_LOCKER = """
import fcntl, os, sys, time
file = open(sys.argv[1], 'w')
fcntl.flock(file, fcntl.LOCK_EX)
os.write(1, b'locked\\n')
time.sleep(1000)
"""
_PARENT = f"""
import os, subprocess, sys, tempfile, time
path = tempfile.mkstemp()[1]
locker = subprocess.Popen([sys.executable, '-c', {_LOCKER!r}, path], stdout=subprocess.PIPE)
locker.stdout.readline()
os.write(1, path.encode() + b'\\n')
"""
_PROBE = """
import fcntl, os, sys, time
path = sys.stdin.buffer.readline().strip()
file = open(path, 'w')
for _ in range(100):
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        break
    except OSError:
        time.sleep(0.1)
else:
    sys.exit('still locked')
os.unlink(path)
os.write(1, b'free\\n')
"""
_ORPHAN = (
    "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(1000)']); sys.exit(3)"
)


class Start(Protocol):
    """Starts a Python program at the other end of a new link."""

    def __call__(self, program: str, limits: Limits = ..., /) -> Link:
        """The link, started."""


class LinkContract:
    """Tests of one kind of link; pytest runs them for each class that derives from this one.

    The children are Python programs that need nothing but the standard library.
    """

    @pytest.fixture
    def new_link(self) -> Callable[[], Link]:
        """Makes a link that has not been started; the test class provides it."""
        raise NotImplementedError("override the fixture `new_link`")

    def command(self, program: str) -> Sequence[str]:
        """How the other end is told to run a Python program that does not buffer its output."""
        return [sys.executable, "-u", "-c", program]

    def bounds_memory(self) -> bool:
        """Whether the place can enforce ``memory_bytes``."""
        return sys.platform == "linux"

    @pytest.fixture
    def start(self, new_link: Callable[[], Link]) -> Iterator[Start]:
        """Starts programs, and closes their links after the test."""
        with ExitStack() as stack:

            def started(program: str, limits: Limits = _LIMITS) -> Link:
                link = new_link()
                stack.callback(link.close)
                link.start(self.command(program), limits)
                return link

            yield started

    def test_a_message_arrives_whole_and_comes_back(self, start: Start) -> None:
        """Every byte except the line break passes, and a message may be empty."""
        link = start(_ECHO)
        every = bytes(byte for byte in range(256) if byte != 0x0A)
        for message in (b"hello", b"", every, b'{"text": "\xc2\xb5s"}', b"\r"):
            link.send(message)
            assert link.receive(_SOON_S) == message, "a message is changed on its way"

    def test_messages_keep_their_order(self, start: Start) -> None:
        """Many may be in transit at once."""
        link = start(_ECHO)
        messages = [b"%d" % number for number in range(500)]
        for message in messages:
            link.send(message)
        assert [link.receive(_SOON_S) for _ in messages] == messages, "messages are lost, doubled or out of order"

    def test_large_messages_pass(self, start: Start) -> None:
        """Larger than any buffer on the way, in both directions at once."""
        link = start(_ECHO)
        large = bytes(range(32, 127)) * 44_151
        for _ in range(2):
            link.send(large)
        for _ in range(2):
            assert link.receive(_SOON_S) == large, "a large message is changed on its way"

    def test_a_child_that_does_not_read_blocks_nobody(self, start: Start) -> None:
        """``send`` does not wait and ``receive`` keeps to its time limit."""
        link = start(_SILENT)
        begin = time.monotonic()
        link.send(b"x" * (4 << 20))
        with pytest.raises(LinkTimeoutError):
            link.receive(0.5)
        assert time.monotonic() - begin < _SOON_S

    def test_what_is_no_message_is_refused(self, start: Start) -> None:
        """A line break would split it in two, and what is too long is not sent."""
        link = start(_ECHO)
        for wrong in (b"two\nlines", b"\n", b"x" * (_LIMITS.message_bytes + 1)):
            with pytest.raises(ValueError, match="not a message"):
                link.send(wrong)
        link.send(b"right")
        assert link.receive(_SOON_S) == b"right", "something of the wrong messages has been sent"

    def test_waiting_ends_with_its_time(self, start: Start) -> None:
        """A time-out comes in time and ends nothing: the message may still arrive."""
        link = start(
            "import os, sys; sys.stdin.readline(); os.write(1, b'half'); sys.stdin.readline(); os.write(1, b'.\\n')"
        )
        link.send(b"begin")
        begin = time.monotonic()
        with pytest.raises(LinkTimeoutError):
            link.receive(0.5)
        assert 0.4 < time.monotonic() - begin < _SOON_S
        link.send(b"go on")
        assert link.receive(_SOON_S) == b"half.", "what came before the time-out is lost"

    def test_a_child_that_trickles_is_late_too(self, start: Start) -> None:
        """A byte now and then is not a message."""
        link = start("import os, time\nwhile True: os.write(1, b'x'); time.sleep(0.01)")
        begin = time.monotonic()
        with pytest.raises(LinkTimeoutError):
            link.receive(0.5)
        assert time.monotonic() - begin < _SOON_S

    def test_an_exit_is_told_with_its_code_and_last_words(self, start: Start) -> None:
        """After everything that came before it, and for each call."""
        link = start("import sys; print('one'); print('two'); sys.exit('first words\\nlast \\x1b[31mwords\\n')")
        assert [link.receive(_SOON_S), link.receive(_SOON_S)] == [b"one", b"two"], "what came before the end is lost"
        for _ in range(2):
            ending = self._ending(link)
            assert (ending.exit_code, ending.signal) == (1, None)
            assert ending.last_words.startswith("last "), "the last line of standard error is what explains a death"
            assert ending.last_words.isprintable(), "last words are printed in one line of a terminal"
        link.send(b"is anybody there?")
        assert self._ending(link).exit_code == 1, "a message to a dead child changes how it died"

    def test_half_a_message_is_none(self, start: Start) -> None:
        """A line in which a child dies does not count."""
        assert self._ending(start("import os; os.write(1, b'half'); os._exit(4)")).exit_code == 4

    def test_a_signal_is_told_by_name(self, start: Start) -> None:
        """A crash of a runtime is a signal."""
        link = start("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
        assert self._ending(link) == Ending(signal="SIGSEGV")

    def test_death_is_told_though_a_grandchild_holds_the_output(self, start: Start) -> None:
        """There is no waiting for a dead child."""
        begin = time.monotonic()
        assert self._ending(start(_ORPHAN)).exit_code == 3
        assert time.monotonic() - begin < _SOON_S

    def test_a_child_that_closes_its_output_is_ended(self, start: Start) -> None:
        """It is alive but will never answer; that is neither an exit nor a signal."""
        ending = self._ending(start("import os, time; os.close(1); time.sleep(1000)"))
        assert (ending.exit_code, ending.signal) == (None, None)

    def test_a_line_without_end_is_cut_off(self, start: Start) -> None:
        """A message has a limit, so that no child can fill the parent's memory."""
        link = start("import os\nwhile True: os.write(1, b'x' * 4096)", _SMALL)
        with pytest.raises(MessageTooLongError):
            link.receive(_SOON_S)
        with pytest.raises(LinkClosedError):
            link.receive(_SOON_S)

    def test_the_limit_of_a_message_is_exact(self, start: Start) -> None:
        """A message as long as the limit passes; one byte more does not."""
        link = start(f"for more in (0, 1): print('x' * ({_SMALL.message_bytes} + more))", _SMALL)
        assert len(link.receive(_SOON_S)) == _SMALL.message_bytes
        with pytest.raises(MessageTooLongError):
            link.receive(_SOON_S)

    def test_memory_is_bounded(self, start: Start) -> None:
        """A child that requests more than its limit does not get it."""
        if not self.bounds_memory():
            pytest.skip("memory cannot be limited there")
        program = "import sys; sys.stdin.readline(); taken = bytearray({}); print('taken')"
        modest = start(program.format(16 << 20), _MEMORY)
        greedy = start(program.format(1 << 30), _MEMORY)
        for link in (modest, greedy):
            link.send(b"")
        assert modest.receive(_SOON_S) == b"taken"
        assert "MemoryError" in self._ending(greedy).last_words

    @pytest.mark.parametrize("end", [_SILENT, "os.close(1); time.sleep(1000)", "sys.exit(0)"])
    def test_closing_ends_all_that_the_child_started(self, start: Start, end: str) -> None:
        """Whether the child lives, or has ended before."""
        link = start(_PARENT + end)
        path = link.receive(_SOON_S)
        if end != _SILENT:
            self._ending(link)
        link.close()
        probe = start(_PROBE)
        probe.send(path)
        assert probe.receive(_SOON_S) == b"free", "something that the child started lives on"

    def test_a_child_may_end_by_itself_when_it_is_closed(self, start: Start) -> None:
        """Its input ends, and it has a moment to release its resources."""
        link = start(_PARENT.replace("locker.stdout.readline()", "locker.kill()") + "sys.stdin.read(); os.unlink(path)")
        path = link.receive(_SOON_S)
        link.close()
        probe = start("import os, sys; print(os.path.exists(sys.stdin.readline().strip()))")
        probe.send(path)
        assert probe.receive(_SOON_S) == b"False", "the child has not seen the end of its input"

    def test_it_closes_twice_and_tells_nothing_afterwards(self, start: Start) -> None:
        """A link is closed by a ``with`` statement and perhaps once more after an error."""
        link = start(_ECHO)
        link.send(b"unheard")
        link.close()
        link.close()
        link.send(b"unheard")
        with pytest.raises(LinkClosedError):
            link.receive(_SOON_S)

    def test_it_closes_before_it_starts(self, new_link: Callable[[], Link]) -> None:
        """If something fails before ``start``, its link is closed nonetheless."""
        new_link().close()

    def test_a_program_that_is_not_there_is_an_error(self, new_link: Callable[[], Link]) -> None:
        """At the start, or at the first message if the link learns it late."""
        link = new_link()

        def begin() -> None:
            link.start(["/no/such/program-of-edgebench"], _LIMITS)
            link.receive(_SOON_S)

        try:
            with pytest.raises(LinkError):
                begin()
        finally:
            link.close()

    @staticmethod
    def _ending(link: Link) -> Ending:
        with pytest.raises(LinkClosedError) as caught:
            link.receive(_SOON_S)
        return caught.value.ending
