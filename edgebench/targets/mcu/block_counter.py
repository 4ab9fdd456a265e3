"""Counts the instructions of each layer while Unicorn runs, once per basic block."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebench.errors import TargetUnavailableError
from edgebench.machine.child_environment import child_environment
from edgebench.machine.folders import cache_folder
from edgebench.machine.kept import is_intact, seal

_SOURCE = Path(__file__).parent / "c" / "block_hook.c"
_COMPILE_S = 60


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


class BlockCounter:
    """Counts by layer.

    Args:
        code: Content of the program memory from address 0.
        entries: Address of each layer's function.
        riscv: Whether the code is RISC-V's; otherwise it is Thumb.

    Attributes:
        counts: Instructions of each layer since the counter was made; the last entry is those of no layer.
    """

    def __init__(self, code: bytes, entries: Sequence[int], *, riscv: bool) -> None:
        self._code = code
        self._order = np.argsort(entries).astype(np.int64)
        self._entries = np.array(sorted(entries), dtype=np.uint64)
        self._counts = np.zeros(len(entries) + 1, dtype=np.uint64)
        self._riscv = riscv

    @property
    def counts(self) -> NDArray[np.uint64]:
        """Instructions of each layer in the order of ``entries``, then those of no layer."""
        found = np.empty_like(self._counts)
        found[self._order] = self._counts[:-1]
        found[-1] = self._counts[-1]
        return found

    @contextmanager
    def counting(self, engine: Any) -> Iterator[None]:
        """Count while the block runs: in C if this machine has a compiler, otherwise in Python, 25 times slower.

        Args:
            engine: A Unicorn engine.
        """
        try:
            library = ctypes.CDLL(str(compile_block_hook()))
        except (TargetUnavailableError, OSError):
            with self.counting_in_python(engine):
                yield
            return
        import unicorn
        from unicorn.unicorn_py3.unicorn import uclib

        lengths = np.zeros(len(self._code) // 2 + 1, dtype=np.uint16)
        counter = _Counter(
            code=self._code,
            code_start=0,
            code_size=len(self._code),
            lengths=lengths.ctypes.data,
            counts=self._counts.ctypes.data,
            entries=self._entries.ctypes.data,
            layers=len(self._entries),
            current=len(self._entries),
            riscv=int(self._riscv),
        )
        handle = ctypes.c_size_t()
        uclib.uc_hook_add.restype = ctypes.c_int
        status = uclib.uc_hook_add(
            engine._uch,  # noqa: SLF001 - a hook in C needs the engine's own handle
            ctypes.byref(handle),
            ctypes.c_int(unicorn.UC_HOOK_BLOCK),
            ctypes.cast(library.edgebench_block, ctypes.c_void_p),
            ctypes.byref(counter),
            ctypes.c_uint64(1),
            ctypes.c_uint64(0),
        )
        if status != 0:
            raise TargetUnavailableError(f"Unicorn refuses the counting hook (error {status})")
        try:
            yield
        finally:
            uclib.uc_hook_del(engine._uch, handle)  # noqa: SLF001

    @contextmanager
    def counting_in_python(self, engine: Any) -> Iterator[None]:
        """Count while the block runs, without a compiler."""
        import unicorn

        handle = engine.hook_add(unicorn.UC_HOOK_BLOCK, self._block_hook())
        try:
            yield
        finally:
            engine.hook_del(handle)

    def _block_hook(self) -> Callable[[Any, int, int, object], None]:
        entries = [int(entry) for entry in self._entries]
        layer_at = {entry: number for number, entry in enumerate(entries)}
        lengths: dict[int, int] = {}
        current = len(entries)

        def on_block(_engine: Any, address: int, size: int, _data: object) -> None:
            nonlocal current
            if size == 0 or address >= len(self._code):
                return
            current = layer_at.get(address, current)
            length = lengths.get(address)
            if length is None:
                length = lengths[address] = self._instructions(address, size)
            self._counts[current] += np.uint64(length)

        return on_block

    def _instructions(self, address: int, size: int) -> int:
        at, count = address, 0
        while at < address + size:
            half = int.from_bytes(self._code[at : at + 2], "little")
            wide = half & 3 == 3 if self._riscv else half >> 11 >= 0x1D
            at += 4 if wide else 2
            count += 1
        return count


def has_block_hook() -> bool:
    """Whether the counting hook is compiled."""
    return is_intact(_library())


def _library() -> Path:
    return cache_folder("mcu") / f"block_hook-{hashlib.sha256(_SOURCE.read_bytes()).hexdigest()[:16]}.so"


@cache
def compile_block_hook() -> Path:
    """The counting hook as a shared library for this machine, compiled once and kept.

    Raises:
        TargetUnavailableError: There is no compiler for this machine, it fails, or the cache cannot be written.
    """
    # zig's first program for this machine takes 5 s, because it compiles its own library first.
    compilers = [[path] for path in (shutil.which("cc"),) if path]
    compilers += [[sys.executable, "-m", "ziglang", "cc"]] if find_spec("ziglang") else []
    library = _library()
    if is_intact(library):
        return library
    reason = "there is none"
    for compiler in compilers:
        building = library.with_suffix(f".{os.getpid()}.so")
        command = [*compiler, "-O2", "-shared", "-fPIC", "-o", str(building), str(_SOURCE)]
        try:
            library.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(
                command, capture_output=True, text=True, timeout=_COMPILE_S, check=True, env=child_environment()
            )
            building.replace(library)
            seal(library)
        except (OSError, subprocess.SubprocessError) as error:
            reason = str(error)[:300]
            building.unlink(missing_ok=True)
            continue
        return library
    raise TargetUnavailableError(f"no compiler for this machine made the counting hook: {reason}")
