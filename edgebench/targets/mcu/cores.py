"""The processor cores that can be emulated, and what a compiler must be told about each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """One core.

    Attributes:
        name: What a device file writes.
        zig: Target and processor for ``zig cc``.
        gcc: Flags for a GNU compiler.
        unicorn: Name of Unicorn's processor model, or of its word size for RISC-V; empty if Unicorn has none.
        machine: QEMU's board with this core, for cores that Unicorn lacks.
        riscv: Whether it is a RISC-V core.
        least_cycles: Minimum cycles per instruction, on average: half of one if two are issued at once.
        helium: Whether it has Arm's vector extension for microcontrollers; CMSIS-NN's kernels need more scratch memory.
    """

    name: str
    zig: tuple[str, ...]
    gcc: tuple[str, ...]
    unicorn: str = ""
    machine: str = ""
    riscv: bool = False
    least_cycles: float = 1.0
    helium: bool = False

    @property
    def gnu_compiler(self) -> str:
        """Name of the GNU compiler for it, as Debian and vendors call it."""
        return "riscv64-unknown-elf-gcc" if self.riscv else "arm-none-eabi-gcc"


_NOT_ARM = ("-D__GNUC_PYTHON__", "-D__RESTRICT=__restrict", "-D__CLZ=__builtin_clz")
"""What CMSIS-NN's headers need on processors other than Arm's: no intrinsics, and names that Arm's would define."""

CORES: Mapping[str, Core] = {
    core.name: core
    for core in (
        Core(
            name="cortex-m0+",
            zig=("-target", "thumb-freestanding-eabi", "-mcpu=cortex_m0plus"),
            gcc=("-mthumb", "-mcpu=cortex-m0plus"),
            unicorn="UC_CPU_ARM_CORTEX_M0",
        ),
        Core(
            name="cortex-m3",
            zig=("-target", "thumb-freestanding-eabi", "-mcpu=cortex_m3"),
            gcc=("-mthumb", "-mcpu=cortex-m3"),
            unicorn="UC_CPU_ARM_CORTEX_M3",
        ),
        Core(
            name="cortex-m4",
            zig=("-target", "thumb-freestanding-eabihf", "-mcpu=cortex_m4"),
            gcc=("-mthumb", "-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"),
            unicorn="UC_CPU_ARM_CORTEX_M4",
        ),
        Core(
            name="cortex-m7",
            zig=("-target", "thumb-freestanding-eabihf", "-mcpu=cortex_m7"),
            gcc=("-mthumb", "-mcpu=cortex-m7", "-mfpu=fpv5-d16", "-mfloat-abi=hard"),
            unicorn="UC_CPU_ARM_CORTEX_M7",
            least_cycles=0.5,
        ),
        Core(
            name="cortex-m33",
            zig=("-target", "thumb-freestanding-eabihf", "-mcpu=cortex_m33+dsp"),
            gcc=("-mthumb", "-mcpu=cortex-m33", "-mfpu=fpv5-sp-d16", "-mfloat-abi=hard"),
            unicorn="UC_CPU_ARM_CORTEX_M33",
        ),
        Core(
            name="cortex-m55",
            zig=("-target", "thumb-freestanding-eabihf", "-mcpu=cortex_m55+mve"),
            gcc=("-mthumb", "-mcpu=cortex-m55", "-mfloat-abi=hard"),
            machine="mps3-an547",
            least_cycles=0.5,
            helium=True,
        ),
        Core(
            name="rv32imc",
            zig=("-target", "riscv32-freestanding-none", "-mcpu=generic_rv32+m+c", *_NOT_ARM),
            gcc=("-march=rv32imc", "-mabi=ilp32", *_NOT_ARM),
            unicorn="UC_CPU_RISCV32_ANY",
            riscv=True,
        ),
    )
}
