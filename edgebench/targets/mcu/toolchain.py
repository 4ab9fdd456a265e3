"""Compiles the kernels once for each core and set of flags, and a model in a second."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from edgebench.errors import TargetUnavailableError
from edgebench.targets.mcu.cores import Core

_SOURCES = Path(__file__).parent / "c"
_OWN_SOURCES = ("edgebench_dense.c", "edgebench_kernels.c", "edgebench_memory.c")
_COMPILE_S = 300
_FLAGS = ("-ffunction-sections", "-fdata-sections", "-g", "-std=c11", "-w")
ROUND_ONCE = "-DCMSIS_NN_USE_SINGLE_ROUNDING"
SINGLE_ROUNDING = {"arm_nn_vec_mat_mult_t_s8", "edgebench_dense"}
"""Kernels of fully connected layers: LiteRT rounds once there when it rescales, and twice in the others."""
_EXTRA = "pip install 'edgebench[mcu]'"


class Toolchain:
    """A C compiler for one core.

    Args:
        core: The core.
        compiler: ``zig`` for the one of the package ziglang, else the name of a GNU compiler.
        optimization: ``O2``, ``O3``, ``Os``, ...
        cmsis_nn: A checkout of CMSIS-NN, or None for the sources in the package bakenn.

    Raises:
        TargetUnavailableError: The compiler or the kernels are not here.
    """

    def __init__(self, core: Core, *, compiler: str, optimization: str, cmsis_nn: Path | None = None) -> None:
        self.core = core
        self._optimization = f"-{optimization}"
        self._zig = compiler == "zig"
        if self._zig:
            if find_spec("ziglang") is None:
                raise TargetUnavailableError("the compiler zig is not installed", remedy=_EXTRA)
            self._command = [sys.executable, "-m", "ziglang", "cc", *core.zig]
            self.version = f"zig {version('ziglang')}"
        else:
            path = shutil.which(compiler)
            if path is None:
                raise TargetUnavailableError(
                    f"the compiler {compiler} is not here", remedy='install it, or use compiler = "zig"'
                )
            self._command = [path, *core.gcc]
            answer = subprocess.run([path, "-dumpversion"], capture_output=True, text=True, timeout=30, check=False)
            self.version = f"{compiler} {answer.stdout.strip()}"
        self._kernels = _kernel_folder(cmsis_nn)

    @property
    def include_flags(self) -> list[str]:
        """Where headers lie."""
        folders = [_SOURCES, *([_SOURCES / "include"] if self._zig else []), *self._kernels.includes]
        return [part for folder in folders for part in ("-I", str(folder))]

    @property
    def kernel_sources(self) -> list[Path]:
        """All kernels, ours and CMSIS-NN's."""
        return [*(_SOURCES / name for name in _OWN_SOURCES), *self._kernels.sources]

    @property
    def kernel_includes(self) -> list[Path]:
        """Folders of all headers."""
        return [_SOURCES, _SOURCES / "include", *self._kernels.includes]

    def build(self, model: Path, folder: Path) -> Path:
        """Compile a model's C file and link it with the kernels it uses.

        Args:
            model: ``model.c`` with ``model.h`` beside it.
            folder: Where the program is written.

        Returns:
            An ELF file.

        Raises:
            TargetUnavailableError: The compiler fails; its command and message are given.
        """
        program = folder / "model.elf"
        script = folder / "memory.ld"
        script.write_text(_LINKER_SCRIPT, encoding="utf-8")
        self._run(
            [str(model), *map(str, self._kernel_objects()), "-I", str(model.parent), "-T", str(script), "-nostartfiles",
             "-Wl,-e,edgebench_invoke", "-Wl,--gc-sections", *([] if self._zig else ["-specs=nosys.specs"]),
             "-o", str(program)]
        )  # fmt: skip
        return program

    def _kernel_objects(self) -> list[Path]:
        """Object files of all kernels, compiled once and kept."""
        sources = self.kernel_sources
        settings = (self.version, self._command, self._optimization, _FLAGS, sorted(SINGLE_ROUNDING))
        key = hashlib.sha256(repr(settings).encode())
        for source in (*sources, *sorted(_SOURCES.rglob("*.h"))):
            key.update(source.read_bytes())
        folder = _cache_folder() / f"kernels-{self.core.name}-{key.hexdigest()[:16]}"
        if not folder.is_dir():
            # Built aside and renamed: of two processes at once one wins, and both find whole files.
            building = folder.with_name(f"{folder.name}.{os.getpid()}")
            building.mkdir(parents=True, exist_ok=True)
            for source in sources:
                rounding = [ROUND_ONCE] if source.stem in SINGLE_ROUNDING else []
                self._run(["-c", *rounding, str(source), "-o", str(building / f"{source.stem}.o")])
            try:
                building.rename(folder)
            except OSError:
                shutil.rmtree(building, ignore_errors=True)
        return sorted(folder.glob("*.o"))

    def _run(self, arguments: Sequence[str]) -> None:
        command = [*self._command, self._optimization, *_FLAGS, *self.include_flags, *arguments]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_COMPILE_S, check=False)
        except subprocess.TimeoutExpired:
            raise TargetUnavailableError(f"the compiler did not end within {_COMPILE_S} s") from None
        if done.returncode != 0:
            reason = " ".join((done.stderr or done.stdout).split())[:600]
            raise TargetUnavailableError(
                f"the compiler failed: {reason}",
                where=" ".join(command[:6]) + " ...",
                remedy="see the compiler's message",
            )


class _Kernels:
    """Sources and headers of CMSIS-NN."""

    def __init__(self, sources: list[Path], includes: list[Path]) -> None:
        self.sources = sources
        self.includes = includes


def _kernel_folder(checkout: Path | None) -> _Kernels:
    groups = ("ConvolutionFunctions", "FullyConnectedFunctions", "PoolingFunctions", "NNSupportFunctions")
    if checkout is not None:
        found = [path for group in groups for path in sorted((checkout / "Source" / group).glob("*_s8*.c"))]
        includes = [checkout / "Include"]
    else:
        spec = find_spec("bakenn")
        if spec is None or not spec.submodule_search_locations:
            raise TargetUnavailableError("the kernels (package bakenn) are not installed", remedy=_EXTRA)
        vendor = Path(spec.submodule_search_locations[0]) / "backend" / "cmsis_nn" / "vendor"
        found = [path for group in groups for path in sorted((vendor / "cmsis_nn" / "Source" / group).glob("arm_*.c"))]
        includes = [vendor / "cmsis_nn" / "Include", vendor / "cmsis_core" / "Include"]
    if not found:
        raise TargetUnavailableError(
            f"there are no CMSIS-NN sources in {checkout}", remedy="name a checkout of CMSIS-NN"
        )
    return _Kernels(found, includes)


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "edgebench" / "mcu"


def compile_block_hook() -> Path:
    """The counting hook as a shared library for this machine, compiled once and kept.

    Raises:
        TargetUnavailableError: zig is not installed, or fails.
    """
    source = _SOURCES / "block_hook.c"
    digest = hashlib.sha256(source.read_bytes()).hexdigest()[:16]
    library = _cache_folder() / f"block_hook-{digest}.so"
    if not library.is_file():
        library.parent.mkdir(parents=True, exist_ok=True)
        building = library.with_suffix(f".{os.getpid()}.so")
        command = [sys.executable, "-m", "ziglang", "cc", "-O2", "-shared", "-fPIC", "-o", str(building), str(source)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_COMPILE_S, check=False)
        if done.returncode != 0:
            raise TargetUnavailableError(f"the counting hook does not compile: {done.stderr[:300]}", remedy=_EXTRA)
        building.replace(library)
    return library


_LINKER_SCRIPT = """\
/* A memory map wide enough for any model: whether it fits a device is decided by the sizes. */
MEMORY { FLASH (rx) : ORIGIN = 0x00000000, LENGTH = 256M  RAM (rw) : ORIGIN = 0x20000000, LENGTH = 256M }
SECTIONS {
  .text : { KEEP(*(.text.edgebench_invoke)) KEEP(*(.text.edgebench_layer_*)) *(.text .text.*) } > FLASH
  .weights : { *(.rodata.edgebench_weights) } > FLASH
  .rodata : { *(.rodata .rodata.*) } > FLASH
  .ARM.exidx : { *(.ARM.exidx .ARM.exidx.*) } > FLASH
  .data : { *(.data .data.*) } > RAM AT > FLASH
  .bss (NOLOAD) : { *(.bss .bss.* COMMON) } > RAM
}
"""
