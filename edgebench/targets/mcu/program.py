"""What the compiler made of a model, and what an emulator found when running it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RAM_START = 0x20000000


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """The parts of an ELF file.

    Attributes:
        path: The file.
        flash: Content of program memory from address 0.
        code_bytes: Instructions.
        constant_bytes: Read-only data that is not weights.
        weight_bytes: Weights, biases and their multipliers.
        data_bytes: Initialised writable data, which is in flash and in RAM.
        zeroed_bytes: Writable data that starts as zero, including the arena.
        symbols: Addresses by name.
        sizes: Bytes of each symbol.
    """

    path: Path
    flash: bytes
    code_bytes: int
    constant_bytes: int
    weight_bytes: int
    data_bytes: int
    zeroed_bytes: int
    symbols: Mapping[str, int]
    sizes: Mapping[str, int]

    def file_offset(self, symbol: str) -> int:
        """Where in the file the content of a symbol is."""
        from elftools.elf.elffile import ELFFile

        address = self.symbols[symbol]
        with self.path.open("rb") as file:
            return int(next(ELFFile(file).address_offsets(address)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One inference on the emulator.

    Attributes:
        output: What the model wrote, all outputs one after the other, byte for byte.
        instructions: Instructions of each layer.
        other_instructions: Instructions that belong to no layer.
        stack_bytes: Maximum depth of the stack.
    """

    output: NDArray[np.int8]
    instructions: tuple[int, ...]
    other_instructions: int
    stack_bytes: int


def read_program(path: Path) -> Program:
    """Read an ELF file that ``Toolchain.build`` wrote."""
    from elftools.elf.elffile import ELFFile

    sizes = {".text": 0, ".rodata": 0, ".weights": 0, ".data": 0, ".bss": 0}
    image = bytearray()
    with path.open("rb") as file:
        elf = ELFFile(file)
        for segment in elf.iter_segments():
            if segment["p_type"] == "PT_LOAD" and segment["p_paddr"] < RAM_START:
                end = segment["p_paddr"] + segment["p_filesz"]
                image.extend(bytes(max(0, end - len(image))))
                image[segment["p_paddr"] : end] = segment.data()
        for section in elf.iter_sections():
            name = ".rodata" if section.name in {".ARM.exidx", ".ARM.extab"} else section.name
            if name in sizes:
                sizes[name] += section["sh_size"]
        table = list(elf.get_section_by_name(".symtab").iter_symbols())
    return Program(
        path=path,
        flash=bytes(image),
        code_bytes=sizes[".text"],
        constant_bytes=sizes[".rodata"],
        weight_bytes=sizes[".weights"],
        data_bytes=sizes[".data"],
        zeroed_bytes=sizes[".bss"],
        symbols={symbol.name: int(symbol["st_value"]) for symbol in table},
        sizes={symbol.name: int(symbol["st_size"]) for symbol in table},
    )


def memory_of(path: Path) -> tuple[int, int]:
    """Static RAM and flash of any program, in bytes: what it writes to, and what it stores."""
    from elftools.elf.constants import SH_FLAGS
    from elftools.elf.elffile import ELFFile

    ram = flash = 0
    with path.open("rb") as file:
        for section in ELFFile(file).iter_sections():
            if not section["sh_flags"] & SH_FLAGS.SHF_ALLOC:
                continue
            size = int(section["sh_size"])
            ram += size if section["sh_flags"] & SH_FLAGS.SHF_WRITE else 0
            flash += size if section["sh_type"] != "SHT_NOBITS" else 0
    return ram, flash
