"""Runs a compiled model instruction by instruction, and counts."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebench.errors import UnsupportedModelError
from edgebench.targets.mcu.cores import Core
from edgebench.targets.mcu.toolchain import compile_block_hook

_RAM_START = 0x20000000
_STACK_BYTES = 1 << 20
_STACK_START = 0x30000000
_RETURN = 0x0FFF0000
_PAINT = 0xA5
_PAGE = 1 << 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """An ELF file taken apart.

    Attributes:
        flash: Content of program memory from address 0.
        code_bytes: Instructions.
        constant_bytes: Read-only data that is not weights.
        weight_bytes: Weights, biases and their multipliers.
        data_bytes: Initialised writable data, which lies in flash and in RAM.
        zeroed_bytes: Writable data that starts as zero, the arena among it.
        symbols: Addresses by name.
    """

    flash: bytes
    code_bytes: int
    constant_bytes: int
    weight_bytes: int
    data_bytes: int
    zeroed_bytes: int
    symbols: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One inference on the emulator.

    Attributes:
        output: What the model wrote, all outputs one after the other.
        instructions: Instructions of each layer.
        other_instructions: Instructions that belong to no layer.
        stack_bytes: The deepest the stack went.
    """

    output: NDArray[np.int8]
    instructions: tuple[int, ...]
    other_instructions: int
    stack_bytes: int


class _Counter(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_char_p),
        ("code_start", ctypes.c_uint64),
        ("code_size", ctypes.c_uint64),
        ("lengths", ctypes.c_void_p),
        ("counts", ctypes.c_void_p),
        ("entries", ctypes.c_void_p),
        ("layers", ctypes.c_uint64),
        ("current", ctypes.c_uint64),
        ("riscv", ctypes.c_uint64),
    )


def read_program(path: Path) -> Program:
    """Read an ELF file that ``Toolchain.build`` wrote."""
    from elftools.elf.elffile import ELFFile

    sizes = {".text": 0, ".rodata": 0, ".weights": 0, ".data": 0, ".bss": 0}
    image = bytearray()
    with path.open("rb") as file:
        elf = ELFFile(file)
        for segment in elf.iter_segments():
            if segment["p_type"] == "PT_LOAD" and segment["p_paddr"] < _RAM_START:
                end = segment["p_paddr"] + segment["p_filesz"]
                image.extend(bytes(max(0, end - len(image))))
                image[segment["p_paddr"] : end] = segment.data()
        for section in elf.iter_sections():
            name = ".rodata" if section.name == ".ARM.exidx" else section.name
            if name in sizes:
                sizes[name] += section["sh_size"]
        symbols = {symbol.name: int(symbol["st_value"]) for symbol in elf.get_section_by_name(".symtab").iter_symbols()}
    return Program(
        flash=bytes(image),
        code_bytes=sizes[".text"],
        constant_bytes=sizes[".rodata"],
        weight_bytes=sizes[".weights"],
        data_bytes=sizes[".data"],
        zeroed_bytes=sizes[".bss"],
        symbols=symbols,
    )


class Emulator:
    """A core with a program in its memory.

    Args:
        core: The core.
        program: What to run.
        layers: Number of layers; their functions are ``edgebench_layer_0`` and so on.
    """

    def __init__(self, core: Core, program: Program, layers: int) -> None:
        self._core = core
        self._program = program
        entries = [program.symbols[f"edgebench_layer_{index}"] & ~1 for index in range(layers)]
        self._order = np.argsort(entries).astype(np.int64)
        self._entries = np.array(sorted(entries), dtype=np.uint64)
        self._engine = self._create_engine()

    def run(
        self, inputs: Sequence[tuple[int, bytes]], outputs: Sequence[tuple[int, int]], timeout_s: float
    ) -> Execution:
        """Run one inference.

        Args:
            inputs: Offset of each input in the arena, and its bytes.
            outputs: Offset and size of each output in the arena.
            timeout_s: The emulation is stopped after this many seconds.

        Raises:
            UnsupportedModelError: The program faults, reports a failed layer, or does not end in time.
        """
        from unicorn import UcError

        arena = self._program.symbols["edgebench_arena"]
        self._engine.mem_write(_STACK_START, bytes([_PAINT]) * _STACK_BYTES)
        for offset, content in inputs:
            self._engine.mem_write(arena + offset, content)
        counts = np.zeros(len(self._entries) + 1, dtype=np.uint64)
        counter, hook = self._count(counts)
        entry = self._program.symbols["edgebench_invoke"]
        result_register = self._prepare_registers()
        try:
            self._engine.emu_start(entry if self._core.riscv else entry | 1, _RETURN, timeout=int(timeout_s * 1e6))
        except UcError as error:
            raise UnsupportedModelError(f"the emulated program faults: {error}") from error
        finally:
            self._remove(hook)
        del counter
        self._check_end(result_register, timeout_s)
        by_layer = np.zeros(len(self._entries), dtype=np.uint64)
        by_layer[self._order] = counts[:-1]
        data = b"".join(bytes(self._engine.mem_read(arena + offset, size)) for offset, size in outputs)
        return Execution(
            output=np.frombuffer(data, np.int8),
            instructions=tuple(int(count) for count in by_layer),
            other_instructions=int(counts[-1]),
            stack_bytes=self._stack_depth(),
        )

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
        engine.mem_map(_RAM_START, _pages(self._program.data_bytes + self._program.zeroed_bytes + _PAGE))
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

    def _check_end(self, result_register: int, timeout_s: float) -> None:
        from unicorn import arm_const, riscv_const

        counter_register = riscv_const.UC_RISCV_REG_PC if self._core.riscv else arm_const.UC_ARM_REG_PC
        if self._engine.reg_read(counter_register) & ~1 != _RETURN:
            raise UnsupportedModelError(
                f"the emulated program did not end within {timeout_s:.0f} s", remedy="raise --time-limit"
            )
        status = self._engine.reg_read(result_register)
        if status != 0:
            raise UnsupportedModelError(f"layer {status} of the emulated program reports an error")

    def _count(self, counts: NDArray[np.uint64]) -> tuple[_Counter, ctypes.c_size_t]:
        """Install the counting hook; what it points to must outlive the run."""
        import unicorn

        self._lengths = np.zeros(len(self._program.flash) // 2 + 1, dtype=np.uint16)
        counter = _Counter(
            code=self._program.flash,
            code_start=0,
            code_size=len(self._program.flash),
            lengths=self._lengths.ctypes.data,
            counts=counts.ctypes.data,
            entries=self._entries.ctypes.data,
            layers=len(self._entries),
            current=len(self._entries),
            riscv=int(self._core.riscv),
        )
        library = ctypes.CDLL(str(compile_block_hook()))
        handle = ctypes.c_size_t()
        add = _unicorn_library().uc_hook_add
        add.restype = ctypes.c_int
        status = add(
            self._engine._uch,  # noqa: SLF001 - a hook in C needs the engine's own handle
            ctypes.byref(handle),
            ctypes.c_int(unicorn.UC_HOOK_BLOCK),
            ctypes.cast(library.edgebench_block, ctypes.c_void_p),
            ctypes.byref(counter),
            ctypes.c_uint64(1),
            ctypes.c_uint64(0),
        )
        if status != 0:
            raise UnsupportedModelError(f"Unicorn refuses the counting hook (error {status})")
        return counter, handle

    def _remove(self, hook: ctypes.c_size_t) -> None:
        _unicorn_library().uc_hook_del(self._engine._uch, hook)  # noqa: SLF001

    def _stack_depth(self) -> int:
        stack = np.frombuffer(bytes(self._engine.mem_read(_STACK_START, _STACK_BYTES - 64)), np.uint8)
        used = np.flatnonzero(stack != _PAINT)
        return int(len(stack) - used[0]) if len(used) else 0


def _pages(size: int) -> int:
    return -(-size // _PAGE) * _PAGE


def _unicorn_library() -> Any:
    from unicorn.unicorn_py3.unicorn import uclib

    return uclib
