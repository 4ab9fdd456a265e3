"""Runs a compiled model in QEMU, for the cores that Unicorn lacks."""

from __future__ import annotations

import os
import selectors
import shutil
import struct
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgebench.errors import TargetUnavailableError, UnsupportedModelError
from edgebench.targets.mcu.program import Execution, Program

if TYPE_CHECKING:
    from edgebench.targets.mcu.cores import Core
    from edgebench.targets.mcu.generator import GeneratedModel

QEMU = "qemu-system-arm"
_SHIFT = 10
_TICKS_PER_INSTRUCTION = (1 << _SHIFT) * 32e6 / 1e9
"""With ``-icount shift=N`` an instruction takes 2^N ns; the board's system counter runs at 32 MHz (Arm DAI 0547)."""
_NUMBER = struct.Struct("<Q")


def qemu_version() -> str:
    """Version of the installed QEMU.

    Raises:
        TargetUnavailableError: It is not installed.
    """
    path = shutil.which(QEMU)
    if path is None:
        raise TargetUnavailableError(
            f"{QEMU} is not installed", remedy="install QEMU with your system's packages (Debian: qemu-system-arm)"
        )
    answer = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=30, check=False)
    words = answer.stdout.split()
    return words[3] if len(words) > 3 else "unknown"


def board_header(generated: GeneratedModel) -> str:
    """What the board's code must know about a model, as C."""
    names = [f"edgebench_layer_{number}" for number in range(len(generated.layers))]
    pairs = {
        kind: ", ".join(f"{{{port.offset}, {port.size}}}" for port in ports)
        for kind, ports in (("INPUTS", generated.inputs), ("OUTPUTS", generated.outputs))
    }
    return (
        "".join(f"int {name}(void);\n" for name in names)
        + f"#define BOARD_LAYERS {' '.join(f'{name},' for name in names)}\n#define BOARD_LAYER_COUNT {len(names)}\n"
        + ("void edgebench_reset(void);\n#define BOARD_RESET edgebench_reset()\n" if generated.state_bytes else "")
        + "".join(f"#define BOARD_{kind} {text}\n" for kind, text in pairs.items())
        + f"#define BOARD_INPUT_BYTES {generated.input_bytes}\n"
    )


class QemuEmulator:
    """A board with a program in its memory.

    Args:
        core: The core.
        program: What to run, linked with the board's code.
        layers: Number of layers.
    """

    def __init__(self, core: Core, program: Program, layers: int) -> None:
        self._core = core
        self._layers = layers
        self._version = qemu_version()
        self._image = program.path.read_bytes()
        self._inputs_at = program.file_offset("board_input_values")

    @property
    def name(self) -> str:
        """The emulator and its board."""
        return f"QEMU {self._version} {self._core.machine}"

    def run(
        self, inputs: Sequence[tuple[int, bytes]], outputs: Sequence[tuple[int, int]], timeout_s: float
    ) -> Execution:
        """Run each layer separately, then one inference; see ``Emulator``."""
        values = b"".join(content for _, content in inputs)
        image = bytearray(self._image)
        image[self._inputs_at : self._inputs_at + len(values)] = values
        size = sum(length for _, length in outputs)
        with tempfile.TemporaryDirectory(prefix="edgebench-") as folder:
            (Path(folder) / "model.elf").write_bytes(image)
            answer = self._answer(folder, _NUMBER.size * (3 + self._layers) + size, timeout_s)
        numbers = [number for (number,) in _NUMBER.iter_unpack(answer[: len(answer) - size])]
        whole, stack, *ticks, empty = numbers
        counts = [_instructions(of_layer - empty) for of_layer in ticks]
        return Execution(
            output=np.frombuffer(answer[len(answer) - size :], np.int8),
            instructions=tuple(counts),
            other_instructions=_instructions(whole - empty) - sum(counts),
            stack_bytes=stack,
        )

    def _answer(self, folder: str, size: int, timeout_s: float) -> bytes:
        """What the board sends after a successful run."""
        command = [
            *(QEMU, "-M", self._core.machine, "-nodefaults", "-no-user-config", "-nic", "none"),
            *("-accel", "tcg,tb-size=64", "-icount", f"shift={_SHIFT},align=off,sleep=off"),
            *(
                "-display",
                "none",
                "-monitor",
                "none",
                "-chardev",
                "stdio,id=uart,signal=off",
                "-serial",
                "chardev:uart",
            ),
            *("-kernel", "model.elf"),
        ]
        deadline = time.monotonic() + timeout_s
        with (Path(folder) / "errors").open("w+b") as errors:
            process = subprocess.Popen(
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors
            )
            try:
                outcome = _read(process, 1, deadline)
                answer = _read(process, size if outcome == b"E" else _NUMBER.size, deadline)
            except TimeoutError:
                raise UnsupportedModelError(
                    f"the emulated program did not finish within {timeout_s:.0f} s", remedy="raise --time-limit"
                ) from None
            except EOFError:
                process.wait()
                errors.seek(0)
                # What follows the reason is a dump of all registers.
                reason = " ".join(errors.read(600).decode(errors="replace").partition("R00=")[0].split())
                raise TargetUnavailableError(f"QEMU {self._version} stopped: {reason or 'no message'}") from None
            finally:
                process.kill()
                process.wait()
                if process.stdout is not None:
                    process.stdout.close()
        if outcome == b"E":
            return answer
        (number,) = _NUMBER.unpack(answer)
        if outcome == b"L":
            raise UnsupportedModelError(f"layer {number} of the emulated program reports an error")
        raise UnsupportedModelError(f"the emulated program faults at {number:#x}")


def _instructions(ticks: int) -> int:
    """Instructions of a function, from ticks above those of one that only returns 0, in two instructions."""
    return round(ticks / _TICKS_PER_INSTRUCTION) + 2


def _read(process: subprocess.Popen[bytes], size: int, deadline: float) -> bytes:
    """Read this many bytes.

    Raises:
        TimeoutError: They do not arrive in time.
        EOFError: The process ends before.
    """
    if process.stdout is None:
        raise EOFError
    content = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while len(content) < size:
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise TimeoutError
            part = os.read(process.stdout.fileno(), size - len(content))
            if not part:
                raise EOFError
            content += part
    return content
