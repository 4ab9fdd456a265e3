"""Boards at a serial port without hardware: QEMU with real firmware, and firmware that is a Python function."""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import subprocess
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edgebench.targets.mcu.qemu_emulator import QEMU

MACHINE = "mps2-an386"
needs_qemu = pytest.mark.skipif(shutil.which(QEMU) is None, reason=f"needs {QEMU}")
QEMU_FLAGS = (
    *("-M", MACHINE, "-nodefaults", "-no-user-config", "-nic", "none", "-display", "none", "-monitor", "none"),
    *("-icount", "shift=5,align=off,sleep=off", "-serial", "pty"),
)
FLASH = f"""#!/bin/sh
# Stands for a debug probe: the board is started anew with the program, and its port keeps its name.
cd "$(dirname "$0")"
[ -f pid ] && kill "$(cat pid)"
cp "$1" firmware.elf
setsid {QEMU} {" ".join(QEMU_FLAGS)} -kernel firmware.elf > log 2>&1 < /dev/null &
echo $! > pid
for i in $(seq 100); do
  found=$(sed -n 's/.*redirected to \\([^ ]*\\).*/\\1/p' log)
  [ -n "$found" ] && break
  sleep 0.05
done
ln -sfn "$found" port
"""


@contextmanager
def qemu_board(firmware: Path) -> Iterator[str]:
    """A board with firmware; yields its port."""
    command = [QEMU, *QEMU_FLAGS, "-kernel", str(firmware)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"redirected to (\S+)", process.stdout.readline())
            assert found
            yield found[1]
        finally:
            process.kill()


@contextmanager
def flashed_board(folder: Path, more: str = "") -> Iterator[Path]:
    """A device file of a board that its command of ``flash`` starts; ended when the block is left."""
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / "probe.sh"
    script.write_text(FLASH)
    script.chmod(0o755)
    device = folder / "board.toml"
    device.write_text(
        'schema = "edgebench.device/1"\nkind = "mcu"\ntarget = "mcu"\ndescription = "an emulated board"\n'
        f'link = "serial"\nport = "{folder / "port"}"\nboard = "{MACHINE}"\nflash = "./probe.sh {{elf}}"\n{more}\n'
        '[options]\ncore = "cortex-m4"\nclock = "25MHz"\n'
    )
    try:
        yield device
    finally:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, ValueError):
            os.kill(int((folder / "pid").read_text()), 9)


class Firmware:
    """Speaks the protocol as a board with some model does; a subclass overrides what goes wrong."""

    name = "python"
    model = "edgebench-00000000"
    digest: str | None = None
    input_bytes = 4
    results = "0.250,0.750"
    outputs: bytes | None = None
    inference_us = 1000
    greeting = b"m-init-done\r\nm-ready\r\n"

    def __init__(self) -> None:
        self.clock_us = 0
        self.loaded = b""
        self.commands: list[str] = []

    def reply(self, command: str) -> bytes:
        """All of the reply to a command."""
        self.commands.append(command)
        lines = self.obey(*command.split())
        return "".join(f"{line}\r\n" for line in [*lines, "m-ready"]).encode()

    def obey(self, verb: str, *words: str) -> list[str]:
        """The lines of a reply."""
        if verb == "db" and words[0] == "load":
            self.loaded = b""
            return [f"m-[Expecting {words[1]} bytes]"]
        if verb == "db":
            self.loaded += bytes.fromhex(words[0])
            return ["m-load-done"] if len(self.loaded) >= self.input_bytes else []
        if verb == "infer":
            return self.infer(int(words[0]), int(words[1]))
        known = {
            "name": [f"m-name-dut-[{self.name}]"],
            "profile": ["m-profile-[ULPMark for tinyML Firmware V0.0.1]", f"m-model-[{self.model}]"],
            "results": [f"m-results-[{self.results}]"],
        }
        if self.digest is not None:
            known["digest"] = [f"m-digest-[{self.digest}]"]
        if self.outputs is not None:
            known["outputs"] = [f"m-outputs-[{self.outputs.hex()}]"]
        return known.get(verb, [f"e-[Unknown command: {verb}]"])

    def infer(self, times: int, warm_up: int) -> list[str]:
        """Takes no time but that of its counter of 32 bits."""
        start = self.clock_us
        self.clock_us = (start + times * self.inference_us) % (1 << 32)
        return [
            f"m-warmup-start-{warm_up}",
            "m-warmup-done",
            f"m-infer-start-{times}",
            f"m-lap-us-{start}",
            f"m-lap-us-{self.clock_us}",
            "m-infer-done",
            f"m-results-[{self.results}]",
        ]


Behaviour = Callable[[int, threading.Event], None]


@contextmanager
def behaving(behaviour: Behaviour) -> Iterator[str]:
    """A port behind which a function behaves as it likes: it is given the other end, and told when to end."""
    board, port = os.openpty()
    tty.setraw(port)
    path = os.ttyname(port)
    over = threading.Event()
    thread = threading.Thread(target=behaviour, args=(board, over))
    thread.start()
    # Nobody else has the port open; until edgebench has, reading from the other end fails.
    os.close(port)
    try:
        yield path
    finally:
        over.set()
        thread.join()
        with contextlib.suppress(OSError):
            os.close(board)


@contextmanager
def running(firmware: Firmware) -> Iterator[str]:
    """A port of a board with firmware."""

    def obeys(board: int, over: threading.Event) -> None:
        received = b""
        for content in arriving(board, over):
            *commands, received = (received + content).split(b"%")
            for command in commands:
                with contextlib.suppress(OSError):
                    os.write(board, firmware.reply(command.decode()))

    with behaving(obeys) as path:
        yield path


def arriving(board: int, over: threading.Event) -> Iterator[bytes]:
    """What the host sends."""
    while not over.is_set():
        try:
            ready, _, _ = select.select([board], [], [], 0.05)
            if ready:
                yield os.read(board, 4096)
        except OSError:
            # Nobody has opened the port yet, or it was closed.
            time.sleep(0.02)
