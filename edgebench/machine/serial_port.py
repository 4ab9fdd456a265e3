"""A serial port of this machine, with the terminal interface of POSIX.

The package pyserial is not used: its last release is of 2020, a fork of another project overwrites its folder, and
what it would save on POSIX systems is this file.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import grp
import os
import select
import termios
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from edgebench.errors import InputError, TargetUnavailableError

_WRITE_S = 10.0
_GONE = "check the cable and the board's supply, and run the command again"
_BUSY = "close what uses it (a terminal program, a debugger's console), and run the command again"
_PIECE = 4096


class SerialPort:
    """An open port: 8 data bits, no parity, one stop bit, nothing translated, used by nobody else.

    Args:
        path: The port, such as ``/dev/ttyACM0``.
        baud: Its rate.

    Raises:
        InputError: The rate is not one that serial ports have.
        TargetUnavailableError: It is missing, in use, not permitted, or not a serial port.
    """

    def __init__(self, path: str, baud: int) -> None:
        speed = getattr(termios, f"B{baud}", None)
        if not isinstance(speed, int) or baud <= 0:
            raise InputError(f"{baud} is not a rate of serial ports", where="baud", remedy="115200 is usual")
        self.path = path
        self._descriptor = _opened(path)
        try:
            self._reserve()
            self._configure(speed)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def read(self, timeout_s: float) -> bytes:
        """What has arrived, as soon as there is something; nothing if the time is up.

        Raises:
            TargetUnavailableError: The port is gone.
        """
        try:
            ready, _, _ = select.select([self._descriptor], [], [], max(0.0, timeout_s))
            content = os.read(self._descriptor, _PIECE) if ready else None
        except BlockingIOError:
            return b""
        except OSError as error:
            raise self._lost(error.strerror) from None
        if content == b"":
            raise self._lost("it has ended")
        return content or b""

    def write(self, content: bytes) -> None:
        """Send all of it.

        Raises:
            TargetUnavailableError: The port is gone, or accepts nothing.
        """
        deadline = time.monotonic() + _WRITE_S
        while content:
            try:
                _, ready, _ = select.select([], [self._descriptor], [], max(0.0, deadline - time.monotonic()))
                if not ready:
                    raise TargetUnavailableError(
                        "the serial port accepts nothing", where=self.path, remedy="check the cable and the adapter"
                    )
                content = content[os.write(self._descriptor, content) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise self._lost(error.strerror) from None

    def close(self) -> None:
        """Give the port back."""
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):
                fcntl.ioctl(self._descriptor, termios.TIOCNXCL)
            os.close(self._descriptor)
            self._descriptor = -1

    def _reserve(self) -> None:
        """Keep other programs out: those that lock ports, and those that only open them."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.ioctl(self._descriptor, termios.TIOCEXCL)
        except OSError:
            raise _in_use(self.path) from None
        # Whoever opened it before sees what is meant for us.
        if _users(self.path):
            raise _in_use(self.path)

    def _configure(self, speed: int) -> None:
        try:
            flags = termios.tcgetattr(self._descriptor)
            control = flags[2] & ~(termios.CSIZE | termios.PARENB | termios.CSTOPB | termios.CRTSCTS | termios.HUPCL)
            control |= termios.CS8 | termios.CREAD | termios.CLOCAL
            characters = flags[6]
            characters[termios.VMIN], characters[termios.VTIME] = 0, 0
            termios.tcsetattr(self._descriptor, termios.TCSANOW, [0, 0, control, 0, speed, speed, characters])
            termios.tcflush(self._descriptor, termios.TCIFLUSH)
        except (OSError, termios.error) as error:
            raise TargetUnavailableError(
                f"the serial port does not take its settings: {error.args[-1]}",
                where=self.path,
                remedy="name a serial port, with a rate that it has",
            ) from None

    def _lost(self, reason: str | None) -> TargetUnavailableError:
        return TargetUnavailableError(f"the serial port is gone in the middle: {reason}", where=self.path, remedy=_GONE)


def serial_ports() -> list[str]:
    """Ports with names that stay the same, or without such names, those that USB devices have."""
    named = sorted(str(path) for path in Path("/dev/serial/by-id").glob("*"))
    return named or sorted(str(path) for pattern in ("ttyACM*", "ttyUSB*") for path in Path("/dev").glob(pattern))


def _opened(path: str) -> int:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        known = serial_ports()
        raise TargetUnavailableError(
            "there is no such serial port",
            where=path,
            remedy=f"ports here are {', '.join(known)}" if known else "plug the board in: no serial port is here",
        ) from None
    except PermissionError:
        raise _forbidden(path) from None
    except OSError as error:
        if error.errno == errno.EBUSY:
            raise _in_use(path) from None
        raise TargetUnavailableError(f"cannot be opened: {error.strerror}", where=path, remedy=_GONE) from None
    if not os.isatty(descriptor):
        os.close(descriptor)
        raise TargetUnavailableError("not a serial port", where=path, remedy="name one, such as /dev/ttyACM0")
    return descriptor


def _forbidden(path: str) -> TargetUnavailableError:
    """Who may use a port is the business of a group, or of udev."""
    try:
        group = grp.getgrgid(os.stat(path).st_gid).gr_name  # noqa: PTH116 - a device, not a file
    except (OSError, KeyError):
        group = "dialout"
    rule = 'SUBSYSTEM=="tty", SUBSYSTEMS=="usb", TAG+="uaccess"'
    joined = f"sudo usermod -aG {group} $USER, and log in again; or " if group != "root" else ""
    return TargetUnavailableError(
        "you may not use this serial port",
        where=path,
        remedy=f"{joined}write {rule} to /etc/udev/rules.d/70-serial.rules, sudo udevadm control --reload, and plug "
        "the board in again",
    )


def _in_use(path: str) -> TargetUnavailableError:
    users = _users(path)
    by = f" by {', '.join(users)}" if users else " by another program"
    return TargetUnavailableError(f"the serial port is in use{by}", where=path, remedy=_BUSY)


def _users(path: str) -> list[str]:
    """Other programs that have it open, as far as this user may see them."""
    found = []
    real = os.path.realpath(path)
    for process in Path("/proc").glob("[0-9]*"):
        if process.name == str(os.getpid()):
            continue
        with contextlib.suppress(OSError):
            if any(os.readlink(entry) == real for entry in (process / "fd").iterdir()):  # noqa: PTH115 - not a path
                name = (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
                found.append(f"{name} (process {process.name})")
    return found
