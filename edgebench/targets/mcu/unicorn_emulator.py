"""Runs a compiled model in Unicorn, and counts its instructions block by block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgebench.errors import UnsupportedModelError
from edgebench.targets.mcu.block_counter import BlockCounter
from edgebench.targets.mcu.cores import Core
from edgebench.targets.mcu.program import RAM_START, Execution, Program

_STACK_BYTES = 1 << 20
_STACK_START = 0x30000000
_RETURN = 0x0FFF0000
_PAINT = 0xA5
_PAGE = 1 << 12


class UnicornEmulator:
    """A core with a program in its memory.

    Args:
        core: The core.
        program: What to run.
        layers: Number of layers; their functions are ``edgebench_layer_0`` and so on.
    """

    def __init__(self, core: Core, program: Program, layers: int) -> None:
        self._core = core
        self._program = program
        self._entries = [program.symbols[f"edgebench_layer_{index}"] & ~1 for index in range(layers)]
        self._engine = self._create_engine()

    @property
    def name(self) -> str:
        """The emulator."""
        return "Unicorn"

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
        """
        arena = self._program.symbols["edgebench_arena"]
        if "edgebench_reset" in self._program.symbols:
            self._call("edgebench_reset", timeout_s)
        self._engine.mem_write(_STACK_START, bytes([_PAINT]) * _STACK_BYTES)
        for offset, content in inputs:
            self._engine.mem_write(arena + offset, content)
        counter = BlockCounter(self._program.flash, self._entries, riscv=self._core.riscv)
        with counter.counting(self._engine):
            status = self._call("edgebench_invoke", timeout_s)
        if status != 0:
            raise UnsupportedModelError(f"layer {status} of the emulated program reports an error")
        counts = [int(count) for count in counter.counts]
        data = b"".join(bytes(self._engine.mem_read(arena + offset, size)) for offset, size in outputs)
        return Execution(
            output=np.frombuffer(data, np.int8),
            instructions=tuple(counts[:-1]),
            other_instructions=counts[-1],
            stack_bytes=self._stack_depth(),
        )

    def _call(self, function: str, timeout_s: float) -> int:
        """Call a function without arguments, and return its result."""
        from unicorn import UcError

        entry = self._program.symbols[function]
        result_register = self._prepare_registers()
        try:
            self._engine.emu_start(entry if self._core.riscv else entry | 1, _RETURN, timeout=int(timeout_s * 1e6))
        except UcError as error:
            raise UnsupportedModelError(f"the emulated program faults: {error}") from error
        self._check_end(timeout_s)
        return int(self._engine.reg_read(result_register))

    def _create_engine(self) -> Any:
        import unicorn
        from unicorn import arm_const, riscv_const

        if self._core.riscv:
            engine = unicorn.Uc(unicorn.UC_ARCH_RISCV, unicorn.UC_MODE_RISCV32)
            engine.ctl_set_cpu_model(getattr(riscv_const, self._core.unicorn))
        else:
            engine = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
            engine.ctl_set_cpu_model(getattr(arm_const, self._core.unicorn))
        engine.mem_map(0, _pages(len(self._program.flash) + _PAGE))
        engine.mem_write(0, self._program.flash)
        engine.mem_map(RAM_START, _pages(self._program.data_bytes + self._program.zeroed_bytes + _PAGE))
        engine.mem_map(_STACK_START, _STACK_BYTES)
        engine.mem_map(_RETURN, _PAGE)
        return engine

    def _prepare_registers(self) -> int:
        from unicorn import arm_const, riscv_const

        top = _STACK_START + _STACK_BYTES - 64
        if self._core.riscv:
            self._engine.reg_write(riscv_const.UC_RISCV_REG_SP, top)
            self._engine.reg_write(riscv_const.UC_RISCV_REG_RA, _RETURN)
            return int(riscv_const.UC_RISCV_REG_A0)
        self._engine.reg_write(arm_const.UC_ARM_REG_SP, top)
        self._engine.reg_write(arm_const.UC_ARM_REG_LR, _RETURN | 1)
        if self._core.unicorn not in {"UC_CPU_ARM_CORTEX_M0", "UC_CPU_ARM_CORTEX_M3"}:
            # The floating-point unit's enable bit, which start-up code sets on a board.
            self._engine.reg_write(arm_const.UC_ARM_REG_FPEXC, 0x40000000)
        return int(arm_const.UC_ARM_REG_R0)

    def _check_end(self, timeout_s: float) -> None:
        from unicorn import arm_const, riscv_const

        counter_register = riscv_const.UC_RISCV_REG_PC if self._core.riscv else arm_const.UC_ARM_REG_PC
        if self._engine.reg_read(counter_register) & ~1 != _RETURN:
            raise UnsupportedModelError(
                f"the emulated program did not finish within {timeout_s:.0f} s", remedy="raise --time-limit"
            )

    def _stack_depth(self) -> int:
        stack = np.frombuffer(bytes(self._engine.mem_read(_STACK_START, _STACK_BYTES - 64)), np.uint8)
        used = np.flatnonzero(stack != _PAINT)
        return int(len(stack) - used[0]) if len(used) else 0


def _pages(size: int) -> int:
    return -(-size // _PAGE) * _PAGE
