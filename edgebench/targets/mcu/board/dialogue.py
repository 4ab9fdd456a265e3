"""The host's side of MLPerf Tiny's serial protocol: commands, replies, and what silence or noise means."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgebench.errors import TargetUnavailableError, UnsupportedModelError
from edgebench.machine.serial_port import SerialPort

READY, STARTED = "m-ready", "m-init-done"
BYTES_A_COMMAND = 31
"""With "db " and the end of the command this is within the 80 characters that firmware keeps."""
_PATIENCE_S = 1.0
_QUIET_S = 0.15
_REPLY_S = 10.0
_LONGEST_LINE = 1 << 20
_WRAP_US = 1 << 32
_LAP = "m-lap-us-"
_ENOUGH_RESTARTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Inferences:
    """What ``infer`` answers.

    Attributes:
        seconds: Time of all inferences by the board's own counter.
        results: Outputs as real numbers, as text.
        heard_s: When its times arrived, those of its begin and its end, by this machine's monotonic clock.
    """

    seconds: float
    results: tuple[str, ...]
    heard_s: tuple[float, float] = (0.0, 0.0)


class Dialogue:
    """A board that obeys commands.

    Args:
        port: Leads to it.
        boot_s: How long it may take to start before it answers, in seconds.
    """

    def __init__(self, port: SerialPort, boot_s: float) -> None:
        self._port = port
        self._boot_s = boot_s
        self._received = b""
        self._heard_s: list[float] = []
        self.restarted = False
        """Whether the board started anew when its port was opened."""

    def greet(self) -> str:
        """Wait until the board answers; returns its name.

        Raises:
            TargetUnavailableError: It is silent, or what comes is noise or something else.
        """
        deadline = time.monotonic() + self._boot_s
        heard, starts = b"", 0
        while time.monotonic() < deadline:
            self._port.write(b"name%")
            answers, content = self._listen(min(_PATIENCE_S, max(_QUIET_S, deadline - time.monotonic())))
            heard += content
            starts += answers.count(STARTED)
            name = _field(answers, "name-dut")
            if starts >= _ENOUGH_RESTARTS:
                raise self._failed(
                    "the board starts again and again",
                    "check its supply, its watchdog, and that the firmware fits its memory",
                )
            if name is not None and READY in answers:
                self.restarted = starts > 0
                # Answers to earlier questions, which it had not read yet.
                self._listen(_QUIET_S, until_quiet=True)
                return name
        raise self._unintelligible(heard)

    def ask(self, command: str, timeout_s: float = _REPLY_S) -> list[str]:
        """Send a command; returns the lines of the reply without ``m-ready``.

        Raises:
            TargetUnavailableError: The reply does not come, or the board starts anew.
        """
        self._port.write(f"{command}%".encode("ascii"))
        lines: list[str] = []
        self._heard_s = []
        deadline = time.monotonic() + timeout_s
        while True:
            line = self._line(deadline)
            if line is None:
                raise self._failed(
                    f"no reply to {command.split(maxsplit=1)[0]!r} within {timeout_s:g} s"
                    + (f", only {lines[-1]!r}" if lines else ""),
                    "restart the board and run the command again; if it stops there again, its firmware hangs",
                )
            if line == STARTED:
                raise self._failed(
                    f"the board restarted during {command.split(maxsplit=1)[0]!r}",
                    "check its supply and its watchdog: a model that runs long must not trigger it",
                )
            if line == READY:
                return lines
            if line.startswith(_LAP):
                self._heard_s.append(time.monotonic())
            lines.append(line)

    def identity(self) -> tuple[str, str | None]:
        """Which model the firmware says it has, and its digest if it is edgebench's firmware."""
        model = _field(self.ask("profile"), "model") or ""
        return model, _field(self.ask("digest"), "digest")

    def load(self, content: bytes) -> None:
        """Load inputs.

        Raises:
            UnsupportedModelError: The board expects another number of bytes.
            TargetUnavailableError: It does not take them.
        """
        self._accept(self.ask(f"db load {len(content)}"))
        reply: list[str] = []
        for at in range(0, len(content), BYTES_A_COMMAND):
            reply = self.ask(f"db {content[at : at + BYTES_A_COMMAND].hex()}")
            self._accept(reply)
        if "m-load-done" not in reply:
            raise self._failed(
                "bytes were lost while inputs were loaded",
                "lower baud on both sides, or check the cable; the firmware must read each byte in time",
            )

    def infer(self, times: int, warm_up: int, timeout_s: float) -> Inferences:
        """Run inferences, timed by the board.

        Raises:
            UnsupportedModelError: The board refuses.
            TargetUnavailableError: It does not answer in time, or not according to the protocol.
        """
        lines = self.ask(f"infer {times} {warm_up}", timeout_s)
        self._accept(lines)
        laps = [int(match[1]) for line in lines if (match := re.fullmatch(rf"{_LAP}(\d{{1,10}})", line))]
        results = _field(lines, "results")
        if len(laps) != 2 or results is None:
            raise self._failed(
                f"the reply to 'infer' has {len(laps)} times instead of 2, and "
                f"{'no' if results is None else 'its'} results",
                "the firmware must time in performance mode, not in energy mode",
            )
        # Counters have 32 bits, and wrap after 71 minutes.
        return Inferences(
            seconds=(laps[1] - laps[0]) % _WRAP_US * 1e-6,
            results=tuple(results.split(",")),
            heard_s=(self._heard_s[0], self._heard_s[-1]),
        )

    def outputs(self) -> bytes:
        """The bytes of all outputs; only edgebench's firmware has this command.

        Raises:
            TargetUnavailableError: The reply is not what it should be.
        """
        content = _field(self.ask("outputs"), "outputs") or ""
        try:
            return bytes.fromhex(content)
        except ValueError:
            raise self._failed("outputs are not hexadecimal digits", "check the cable, or lower baud") from None

    def _accept(self, lines: Sequence[str]) -> None:
        for line in lines:
            if line.startswith(("e-[", "Input db has")) or "exceeds maximum" in line:
                raise UnsupportedModelError(
                    f"the board refuses: {line.removeprefix('e-[').removesuffix(']')}",
                    where=self._port.path,
                    remedy="the firmware has another model, or too small a buffer: build it for this model",
                )

    def _listen(self, seconds: float, *, until_quiet: bool = False) -> tuple[list[str], bytes]:
        """Lines, and all bytes, that come within some time; until a reply is complete, or nothing more comes."""
        lines: list[str] = []
        heard = self._received
        deadline = time.monotonic() + seconds
        while True:
            content = self._port.read(deadline - time.monotonic())
            if not content:
                return lines, heard
            heard += content
            self._received += content
            lines.extend(self._complete_lines())
            if until_quiet:
                deadline = time.monotonic() + seconds
            elif lines and lines[-1] == READY and any(line.startswith("m-name") for line in lines):
                return lines, heard

    def _complete_lines(self) -> list[str]:
        *whole, self._received = self._received.split(b"\n")
        return [text for line in whole if (text := line.decode("ascii", "replace").strip("\r\0 "))]

    def _line(self, deadline: float) -> str | None:
        """The next line, or None if it does not come in time."""
        while b"\n" not in self._received:
            content = self._port.read(deadline - time.monotonic())
            if not content or len(self._received) > _LONGEST_LINE:
                return None
            self._received += content
        line, _, self._received = self._received.partition(b"\n")
        return line.decode("ascii", "replace").strip("\r\0 ") or self._line(deadline)

    def _unintelligible(self, heard: bytes) -> TargetUnavailableError:
        if not heard.strip(b"\0\r\n "):
            return self._failed(
                f"the board does not answer within {self._boot_s:g} s",
                "check that this is its port, that it has firmware with MLPerf Tiny's protocol "
                "(edgebench export --to c has it), and that baud is the firmware's",
            )
        odd = sum(not (32 <= byte < 127 or byte in b"\r\n\t") for byte in heard)
        if odd * 10 > len(heard):
            return self._failed(
                f"{odd} of {len(heard)} bytes that came are no text: the rate is probably wrong",
                "set baud to the rate of the firmware; 115200 and 9600 are usual",
            )
        shown = heard.decode("ascii", "replace").split("\n")[0].strip()[:60]
        return self._failed(
            f"the board says something else than MLPerf Tiny's protocol: {shown!r}",
            "check that this is its port, and that it runs the firmware that edgebench exports",
        )

    def _failed(self, what: str, remedy: str) -> TargetUnavailableError:
        return TargetUnavailableError(what, where=self._port.path, remedy=remedy)


def _field(lines: Sequence[str], name: str) -> str | None:
    """The value of ``m-NAME-[VALUE]``, or None."""
    found = (re.fullmatch(rf"m-{name}-\[([^\]]*)\]", line) for line in lines)
    return next((match[1] for match in found if match), None)


def open_dialogue(path: str, baud: int, boot_s: float, appears_s: float = 0.0) -> tuple[SerialPort, Dialogue]:
    """Open a port and wait until its board answers; the caller closes the port.

    Args:
        path: The port.
        baud: Its rate.
        boot_s: How long the board may take to answer.
        appears_s: How long the port may take to appear, as one of a USB device does after its firmware was written.

    Raises:
        TargetUnavailableError: The port cannot be used, or the board does not answer as it should.
    """
    deadline = time.monotonic() + appears_s
    port = _opened(lambda: SerialPort(path, baud), deadline)
    try:
        dialogue = Dialogue(port, boot_s)
        dialogue.greet()
    except BaseException:
        port.close()
        raise
    return port, dialogue


def _opened(attempt: Callable[[], SerialPort], deadline: float) -> SerialPort:
    while True:
        try:
            return attempt()
        except TargetUnavailableError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.1)
