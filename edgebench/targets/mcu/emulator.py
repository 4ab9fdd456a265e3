"""Which emulator runs a core."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from edgebench.targets.mcu.cores import Core
from edgebench.targets.mcu.program import Execution, Program
from edgebench.targets.mcu.qemu_emulator import QemuEmulator
from edgebench.targets.mcu.unicorn_emulator import UnicornEmulator


class Emulator(Protocol):
    """A core with a program in its memory."""

    @property
    def name(self) -> str:
        """What a reader of a figure must know about it."""

    def run(
        self, inputs: Sequence[tuple[int, bytes]], outputs: Sequence[tuple[int, int]], timeout_s: float
    ) -> Execution:
        """Run one inference.

        Args:
            inputs: Offset of each input in the arena, and its bytes.
            outputs: Offset and size of each output in the arena.
            timeout_s: The emulation is stopped after this many seconds.

        Raises:
            UnsupportedModelError: The program faults, reports a failed layer, or does not finish in time.
            TargetUnavailableError: The emulator does not start.
        """


def create_emulator(core: Core, program: Program, layers: int) -> Emulator:
    """The emulator that supports the core."""
    return QemuEmulator(core, program, layers) if core.machine else UnicornEmulator(core, program, layers)
