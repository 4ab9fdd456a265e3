"""Energy from a program that the user declares: a USB power meter, a shunt, a bench supply.

The program runs without a shell for as long as the meter is open, and prints a line for each reading: a time in
seconds, by any clock that goes forward, and a power (``12.345 2.31W``) or an energy counted from some moment on
(``12.345 17.2J``). Power is integrated by the trapezoidal rule over these times.
"""

from __future__ import annotations

import contextlib
import re
import shlex
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from edgebench.errors import InputError, TargetUnavailableError
from edgebench.meters.base import EnergyMeter
from edgebench.meters.integrator import TrapezoidSum
from edgebench.meters.readings import Readings

_LINE = re.compile(
    rb"\s*(\d{1,12}(?:\.\d{0,12})?)[\s,;]+(-?\d{1,12}(?:\.\d{0,12})?(?:[eE][+-]?\d{1,2})?)\s*(m|u)?(W|J)\s*"
)
_SCALE = {b"": 1.0, b"m": 1e-3, b"u": 1e-6}
_FIRST_S = 10.0
"""Time for the first readings."""
_FIRST_STEPS = 3
_SHORTEST_S = 1e-3
_SILENCE = 20
"""A program that is silent for so many intervals, and for longer than ``_LEAST_SILENCE_S``, has failed."""
_LEAST_SILENCE_S = 2.0
_LONGEST_LINE = 200
_END_S = 2.0
_NAME_LENGTH = 60


class CommandMeter(EnergyMeter):
    """Reads the lines of a program until it is closed.

    Args:
        command: Program and arguments.

    Raises:
        InputError: The command is empty, or what it prints is not a reading.
        TargetUnavailableError: It cannot be started, or prints nothing.
    """

    def __init__(self, command: Sequence[str]) -> None:
        if not command:
            raise InputError("meter_command is empty", where="energy", remedy="name the program that prints readings")
        self.name = "command"
        self._command = command
        self._changed = threading.Condition()
        self._failure: str | None = None
        self._last_s: float | None = None
        self._steps: list[float] = []
        self._arrived_s = time.monotonic()
        self._sum: TrapezoidSum | None = None
        self._counted_j: tuple[float, float] | None = None
        self._readings = Readings()
        self._is_closed = False
        self._process = self._started(command)
        self._thread = threading.Thread(target=self._follow, name="power readings", daemon=True)
        self._thread.start()
        try:
            self._wait_for_first()
        except BaseException:
            self.close()
            raise
        steps = sorted(self._steps)
        self.resolution_s = max(steps[len(steps) // 2], _SHORTEST_S)
        kind = "energy" if self._counted_j is not None else "power"
        self.scope = f"{kind} by {_shown(Path(command[0]).name)}, a reading every {self.resolution_s * 1e3:.3g} ms"

    @classmethod
    def selectors(cls, sysfs: Path) -> Sequence[str]:
        """None: only a device file knows the command."""
        del sysfs
        return []

    @classmethod
    def open(cls, selector: str, sysfs: Path) -> CommandMeter:
        """Start the program.

        Args:
            selector: The command, as a shell would read it; none is used.
            sysfs: Not used.

        Raises:
            InputError: It is not a command, or what it prints is not a reading.
            TargetUnavailableError: It cannot be started, or prints nothing.
        """
        del sysfs
        if not selector:
            raise TargetUnavailableError(
                "no command is declared",
                remedy='write meter = "command" and meter_command under [energy] of a device file',
            )
        try:
            return cls(shlex.split(selector))
        except ValueError as error:
            raise InputError(f"meter_command cannot be read: {error}", where="energy") from None

    def read_j(self) -> float:
        """Energy since the first reading, in joules; it waits for the reading that ends the present interval.

        Raises:
            TargetUnavailableError: The program has ended, or is silent.
        """
        asked_s = time.monotonic()
        with self._changed:
            self._wait_until(lambda: self._arrived_s >= asked_s)
            return self._energy_j()

    def energy_between(self, begin_s: float, end_s: float) -> float:
        """Energy between two moments, in joules; it waits for the reading that ends them.

        Args:
            begin_s: The first, by this machine's monotonic clock, after the meter was opened.
            end_s: The second, which may be now.

        Raises:
            TargetUnavailableError: The program has ended, or is silent, or that time is too long ago.
        """
        with self._changed:
            self._wait_until(lambda: self._readings.covers(end_s))
            try:
                return self._readings.between(begin_s, end_s)
            except ValueError as error:
                raise TargetUnavailableError(
                    f"meter_command: {error}", remedy="let it print fewer readings each second"
                ) from None

    def _wait_until(self, is_known: Callable[[], bool]) -> None:
        """Wait for a reading, with the lock held."""
        patience_s = max(_LEAST_SILENCE_S, _SILENCE * self.resolution_s)
        self._changed.wait_for(lambda: self._failure is not None or is_known(), patience_s)
        if self._failure is None and not is_known():
            self._failure = f"it has printed nothing for {patience_s:.1f} s"
        if self._failure is not None:
            raise TargetUnavailableError(
                f"meter_command failed: {self._failure}", remedy=f"try it: {shlex.join(self._command)}"
            )

    def close(self) -> None:
        """End the program."""
        self._is_closed = True
        # A confined process may signal nobody outside; then the program ends with what it was started for.
        with contextlib.suppress(OSError):
            self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_S)
        self._thread.join(timeout=_END_S)
        if self._process.stdout is not None and not self._thread.is_alive():
            self._process.stdout.close()

    def _energy_j(self) -> float:
        if self._counted_j is not None:
            return max(0.0, self._counted_j[1] - self._counted_j[0])
        return 0.0 if self._sum is None else self._sum.energy_j

    @staticmethod
    def _started(command: Sequence[str]) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                list(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        except OSError as error:
            raise TargetUnavailableError(
                f"meter_command cannot be started: {command[0]}: {error.strerror}",
                remedy="install it where the model runs, or correct meter_command under [energy]",
            ) from error

    def _wait_for_first(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._failure is not None or len(self._steps) >= _FIRST_STEPS, _FIRST_S)
            if self._failure is not None:
                raise InputError(
                    f"meter_command failed: {self._failure}",
                    where="energy",
                    remedy='it must print lines such as "12.345 2.31W" or "12.345 17.2J" for as long as it runs',
                )
            if len(self._steps) < _FIRST_STEPS:
                raise TargetUnavailableError(
                    f"meter_command printed too few readings within {_FIRST_S:g} s",
                    remedy="it must flush each line: PYTHONUNBUFFERED=1, or stdbuf -oL",
                )

    def _follow(self) -> None:
        stream = self._process.stdout
        with contextlib.suppress(ValueError, OSError):
            while stream is not None and (line := stream.readline(_LONGEST_LINE)):
                if line.strip():
                    self._take(line)
                if self._failure is not None:
                    return
        with self._changed:
            if not self._is_closed:
                self._failure = self._failure or "it has ended"
                self._changed.notify_all()

    def _take(self, line: bytes) -> None:
        found = _LINE.fullmatch(line)
        with self._changed:
            if found is None:
                self._failure = f"{_shown(line.decode('utf-8', 'replace'))!r} is not a time and a value in W or J"
            else:
                self._add(float(found[1]), float(found[2]) * _SCALE[found[3] or b""], is_energy=found[4] == b"J")
            self._arrived_s = time.monotonic()
            if self._failure is None and self._last_s is not None:
                self._readings.add(self._last_s, self._energy_j(), self._arrived_s)
            self._changed.notify_all()

    def _add(self, time_s: float, value: float, *, is_energy: bool) -> None:
        if self._last_s is not None:
            if time_s <= self._last_s or is_energy != (self._counted_j is not None):
                self._failure = "its times do not go forward" if time_s <= self._last_s else "it mixes watts and joules"
                return
            if len(self._steps) < _FIRST_STEPS:
                self._steps.append(time_s - self._last_s)
        self._last_s = time_s
        if is_energy:
            first, last = self._counted_j or (value, value)
            if value < last:
                self._failure = "its energy decreases"
            self._counted_j = (first, max(last, value))
        elif self._sum is None:
            self._sum = TrapezoidSum(time_s, value)
        else:
            self._sum.add(time_s, value)


def _shown(text: str) -> str:
    return "".join(letter for letter in text if letter.isprintable())[:_NAME_LENGTH]
