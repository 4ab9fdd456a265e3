"""Serial ports: opened for one program only, and clear about what is wrong with them."""

import fcntl
import grp
import os
import pty
import subprocess
import sys
import termios
import time
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgebench.errors import InputError, TargetUnavailableError
from edgebench.machine import serial_port
from edgebench.machine.serial_port import SerialPort


@pytest.fixture
def ends() -> Iterator[tuple[int, str]]:
    """The board's end of a port, and the port's name."""
    board, port = pty.openpty()
    path = os.ttyname(port)
    os.close(port)
    yield board, path
    os.close(board)


def test_bytes_go_through_as_they_are(ends: tuple[int, str]) -> None:
    board, path = ends
    every = bytes(range(256))
    with SerialPort(path, 115200) as port:
        port.write(every)
        assert os.read(board, 1000) == every
        os.write(board, every)
        received = b""
        while len(received) < len(every):
            received += port.read(5)
        assert received == every
        assert port.read(0.01) == b""


def test_the_port_is_raw_and_has_the_rate(ends: tuple[int, str]) -> None:
    board, path = ends
    with SerialPort(path, 9600):
        flags = termios.tcgetattr(board)
    assert flags[4] == flags[5] == termios.B9600
    assert not flags[3] & (termios.ECHO | termios.ICANON | termios.ISIG)
    assert flags[2] & termios.CSIZE == termios.CS8
    assert not flags[2] & termios.HUPCL


def test_what_came_before_it_was_opened_is_forgotten(ends: tuple[int, str]) -> None:
    board, path = ends
    held = os.open(path, os.O_RDWR | os.O_NOCTTY)
    tty.setraw(held)
    os.write(board, b"old")
    time.sleep(0.05)
    os.close(held)
    with SerialPort(path, 115200) as port:
        os.write(board, b"new")
        assert port.read(5) == b"new"


@pytest.mark.parametrize("baud", [0, -1, 12345, 115201])
def test_a_rate_that_no_port_has_is_refused(baud: int, ends: tuple[int, str]) -> None:
    with pytest.raises(InputError, match=str(baud)) as caught:
        SerialPort(ends[1], baud)
    assert "115200" in str(caught.value.remedy)


def test_a_port_that_is_missing_is_named_with_those_that_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serial_port, "serial_ports", lambda: ["/dev/serial/by-id/usb-board"])
    with pytest.raises(TargetUnavailableError, match="no such serial port") as caught:
        SerialPort("/dev/ttyNOTHING0", 115200)
    assert "usb-board" in str(caught.value.remedy)
    assert caught.value.where == "/dev/ttyNOTHING0"
    monkeypatch.setattr(serial_port, "serial_ports", list)
    with pytest.raises(TargetUnavailableError) as caught:
        SerialPort("/dev/ttyNOTHING0", 115200)
    assert "plug the board in" in str(caught.value.remedy)


def test_what_is_no_serial_port_is_refused(tmp_path: Path) -> None:
    (tmp_path / "port").touch()
    with pytest.raises(TargetUnavailableError, match="not a serial port"):
        SerialPort(str(tmp_path / "port"), 115200)


def test_without_permission_groups_and_udev_are_the_remedy(
    ends: tuple[int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*arguments: object) -> int:
        raise PermissionError

    monkeypatch.setattr(os, "open", refuses)
    monkeypatch.setattr(grp, "getgrgid", lambda _: grp.struct_group(("dialout", "x", 20, [])))
    with pytest.raises(TargetUnavailableError, match="may not use") as caught:
        SerialPort(ends[1], 115200)
    remedy = str(caught.value.remedy)
    assert "usermod -aG dialout" in remedy
    assert "uaccess" in remedy
    assert "/etc/udev/rules.d/" in remedy


def test_two_do_not_use_one_port(ends: tuple[int, str]) -> None:
    with SerialPort(ends[1], 115200), pytest.raises(TargetUnavailableError, match="in use") as caught:
        SerialPort(ends[1], 115200)
    assert "close what uses it" in str(caught.value.remedy)
    SerialPort(ends[1], 115200).close()


def test_a_program_that_locks_ports_is_respected(ends: tuple[int, str]) -> None:
    other = os.open(ends[1], os.O_RDWR | os.O_NOCTTY)
    fcntl.flock(other, fcntl.LOCK_EX)
    with pytest.raises(TargetUnavailableError, match="in use"):
        SerialPort(ends[1], 115200)
    os.close(other)


@pytest.mark.child
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_program_that_has_it_open_is_named(ends: tuple[int, str]) -> None:
    code = f"import os, sys; os.open({ends[1]!r}, os.O_RDWR | os.O_NOCTTY); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(TargetUnavailableError, match=rf"in use by .*process {other.pid}"):
            SerialPort(ends[1], 115200)
        other.communicate(b"")


def test_a_port_that_disappears_is_missed_in_both_directions() -> None:
    for act in ("read", "write"):
        board, end = pty.openpty()
        path = os.ttyname(end)
        os.close(end)
        with SerialPort(path, 115200) as port:
            os.close(board)
            with pytest.raises(TargetUnavailableError, match="gone in the middle") as caught:
                _ = port.read(1) if act == "read" else port.write(b"name%")
            assert "cable" in str(caught.value.remedy)
