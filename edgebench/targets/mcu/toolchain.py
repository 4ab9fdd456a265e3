"""Compiles the kernels once for each core and set of flags, and then a model in a second."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from edgebench.errors import TargetUnavailableError
from edgebench.machine.child_environment import child_environment
from edgebench.machine.folders import cache_folder
from edgebench.machine.kept import is_intact, seal
from edgebench.machine.lock import one_process_at_a_time
from edgebench.machine.system_errors import full_disk, refusal
from edgebench.targets.mcu.cores import Core
from edgebench.targets.mcu.generator import GeneratedModel
from edgebench.targets.mcu.newer_kernels import NewerKernels, newer_kernels
from edgebench.targets.mcu.qemu_emulator import board_header

_SOURCES = Path(__file__).parent / "c"
_BOARDS = Path(__file__).parent / "boards"
_OBJECTS = "objects.txt"
_COMPILE_S = 300
_FLAGS = (
    *("-ffunction-sections", "-fdata-sections", "-g", "-std=c11", "-w"),
    *("-fno-unwind-tables", "-fno-asynchronous-unwind-tables"),
)
_OF_A_MODEL = ("-Wl,-e,edgebench_invoke", "-Wl,-u,edgebench_arena")
"""What the linker keeps of a model without firmware around it."""
ROUND_ONCE = "-DCMSIS_NN_USE_SINGLE_ROUNDING"
SINGLE_ROUNDING = {"arm_nn_vec_mat_mult_t_s8", "edgebench_dense"}
"""Kernels of fully connected layers: LiteRT rounds once when it rescales there, and twice in the others."""
_MAKE_ROOM = "make room there, or set XDG_CACHE_HOME to another folder"
_EXTRA = "pip install 'edgebench[mcu]'"


class Toolchain:
    """A C compiler for one core.

    Args:
        core: The core.
        compiler: ``zig`` for the one in the package ziglang, otherwise the name of a GNU compiler.
        optimization: ``O2``, ``O3``, ``Os``, ...
        cmsis_nn: A checkout of CMSIS-NN, or None for the sources in the package bakenn.

    Raises:
        TargetUnavailableError: The compiler or the kernels are missing.
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
                    f"the compiler {compiler} is not installed", remedy='install it, or use compiler = "zig"'
                )
            self._command = [path, *core.gcc]
            self.version = f"{compiler} {_version_of(path)}"
        self._kernels = _kernel_folder(cmsis_nn)

    @property
    def include_flags(self) -> list[str]:
        """Where headers are."""
        folders = [_SOURCES, *([_SOURCES / "include"] if self._zig else []), *self._kernels.includes]
        return [part for folder in folders for part in ("-I", str(folder))]

    @property
    def kernel_sources(self) -> list[Path]:
        """All kernels, ours and CMSIS-NN's."""
        return [*sorted(_SOURCES.glob("edgebench_*.c")), *self._kernels.sources]

    @property
    def newer(self) -> NewerKernels | None:
        """What the kernels need from their callers if they are a later release than the one in the package bakenn."""
        return self._kernels.newer

    @property
    def stand_ins(self) -> Path:
        """Headers for compilers without a C library."""
        return _SOURCES / "include"

    @property
    def kernel_includes(self) -> list[Path]:
        """Folders of all headers."""
        return [_SOURCES, *self._kernels.includes]

    def build(self, generated: GeneratedModel, folder: Path) -> Path:
        """Compile a model and link it with the kernels it uses, and, if QEMU runs the core, with the board's code.

        Args:
            generated: The model.
            folder: Where sources and program are written.

        Returns:
            An ELF file.

        Raises:
            TargetUnavailableError: The compiler fails; its command and message are given.
        """
        for name, text in generated.files.items():
            (folder / name).write_text(text, encoding="utf-8")
        sources, script = [folder / "model.c"], _BOARDS / "any.ld"
        if self.core.machine:
            (folder / "board_model.h").write_text(board_header(generated), encoding="utf-8")
            board = _BOARDS / self.core.machine
            sources.append(board.with_suffix(".c"))
            script = board.with_suffix(".ld")
        program = folder / "model.elf"
        self._link(sources, program, script, [folder], _OF_A_MODEL)
        return program

    def build_firmware(self, files: Mapping[str, str], sources: Sequence[Path], board: Path, folder: Path) -> Path:
        """Compile and link firmware: a model, what talks to a host, and a board's own code.

        Args:
            files: Generated C and headers by name.
            sources: Further C files; headers beside them are found.
            board: A folder with C or assembler files and one linker script, which names the entry.
            folder: Where generated files and the program are written.

        Returns:
            An ELF file.

        Raises:
            TargetUnavailableError: The compiler fails, as it does if the firmware does not fit into the board.
        """
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
        own = [folder / name for name in files if name.endswith(".c")]
        of_board = sorted(path for path in board.iterdir() if path.suffix in {".c", ".s", ".S"})
        headers = [folder, board, *dict.fromkeys(path.parent for path in sources)]
        program = folder / "firmware.elf"
        self._link([*own, *sources, *of_board], program, next(board.glob("*.ld")), headers, ())
        return program

    def _link(
        self, sources: Sequence[Path], program: Path, script: Path, headers: Sequence[Path], entry: Sequence[str]
    ) -> None:
        objects = self._kernel_objects()
        includes = [part for folder in headers for part in ("-I", str(folder.absolute()))]
        self._run(
            [*(str(path.absolute()) for path in sources), f"@{objects.name}", *includes,
             "-T", str(script.absolute()), "-nostartfiles", *entry, "-Wl,--gc-sections",
             *([] if self._zig else ["-specs=nosys.specs"]), "-o", str(program)],
            objects.parent,
        )  # fmt: skip

    @property
    def has_kernels(self) -> bool:
        """Whether the kernels are compiled."""
        return is_intact(self._kernels_at())

    def make_ready(self) -> None:
        """Compile the kernels, and let the compiler build what it needs to link for this core.

        Raises:
            TargetUnavailableError: The compiler fails.
        """
        nothing = "int8_t edgebench_arena[16];\nint edgebench_invoke(void) { return 0; }\n"
        with tempfile.TemporaryDirectory(prefix="edgebench-") as folder:
            source, program = Path(folder) / "nothing.c", Path(folder) / "nothing.elf"
            source.write_text(f"#include <stdint.h>\n{nothing}", encoding="utf-8")
            self._link([source], program, _BOARDS / "any.ld", [Path(folder)], _OF_A_MODEL)

    def _kernels_at(self) -> Path:
        """Where the compiled kernels are, or will be."""
        settings = (self.version, self._command, self._optimization, _FLAGS, sorted(SINGLE_ROUNDING))
        key = hashlib.sha256(repr(settings).encode())
        headers = [*_SOURCES.rglob("*.h"), *(path for folder in self._kernels.includes for path in folder.rglob("*.h"))]
        for source in (*self.kernel_sources, *sorted(headers)):
            key.update(source.read_bytes())
        return cache_folder("mcu") / f"kernels-{self.core.name}-{key.hexdigest()[:16]}"

    def _kernel_objects(self) -> Path:
        """A file that names the object files of all kernels to the linker; they are compiled once and kept."""
        folder = self._kernels_at()
        try:
            with one_process_at_a_time(folder.with_name(f"{folder.name}.lock")):
                # What was damaged is compiled again.
                if not is_intact(folder):
                    shutil.rmtree(folder, ignore_errors=True)
                    self._compile_kernels(self.kernel_sources, folder)
        except OSError as error:
            raise TargetUnavailableError(
                f"the compiled kernels cannot be kept: {error.strerror}",
                where=str(folder.parent),
                remedy=_MAKE_ROOM,
            ) from None
        return folder / _OBJECTS

    def _compile_kernels(self, sources: Sequence[Path], folder: Path) -> None:
        """Build elsewhere and rename, so that existing folders are complete; what a killed process left is replaced."""
        building = folder.with_name(f"{folder.name}.building")
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir(parents=True)
        try:
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                list(pool.map(partial(self._compile_kernel, folder=building), sources))
            # Only names, because compilers differ in how they read quotes: the linker runs in this folder.
            (building / _OBJECTS).write_text("\n".join(f"{source.stem}.o" for source in sources), encoding="utf-8")
            building.rename(folder)
            seal(folder)
        finally:
            shutil.rmtree(building, ignore_errors=True)

    def _compile_kernel(self, source: Path, folder: Path) -> None:
        rounding = [ROUND_ONCE] if source.stem in SINGLE_ROUNDING else []
        self._run(["-c", *rounding, str(source), "-o", str(folder / f"{source.stem}.o")])

    def _run(self, arguments: Sequence[str], folder: Path | None = None) -> None:
        command = [*self._command, self._optimization, *_FLAGS, *self.include_flags, *arguments]
        done = _answer(command, _COMPILE_S, folder)
        output = Path(arguments[-1])
        if done.returncode != 0 or not output.is_file():
            reason = " ".join((done.stderr or done.stdout).split())[:600] or f"exit code {done.returncode}, no message"
            # Some compilers end without a word when a file cannot be written.
            full = refusal(OSError(reason)) or full_disk(output.parent)
            if full is not None:
                raise full
            raise TargetUnavailableError(
                f"the compiler failed: {reason}; the command was: {shlex.join(command)}",
                remedy="read the compiler's message",
            )


def _version_of(path: str) -> str:
    done = _answer([path, "-dumpversion"], 30)
    if done.returncode != 0 or not done.stdout.strip():
        raise TargetUnavailableError(
            f"{path} does not report its version", remedy='use a GNU compiler, or compiler = "zig"'
        )
    return done.stdout.strip()


def _answer(command: Sequence[str], seconds: float, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
            cwd=folder,
            env=child_environment(),
        )
    except subprocess.TimeoutExpired:
        raise TargetUnavailableError(f"the compiler {command[0]} did not finish within {seconds:.0f} s") from None
    except OSError as error:
        raise TargetUnavailableError(
            f"the compiler {command[0]} cannot be run: {error.strerror}", remedy='install it, or use compiler = "zig"'
        ) from None


_GROUPS = ("ConvolutionFunctions", "FullyConnectedFunctions", "PoolingFunctions", "NNSupportFunctions")
_FLOATS = ("_f16", "_f32", "_flt")
"""Suffixes of CMSIS-NN's floating-point sources, which integer models do not need."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kernels:
    """CMSIS-NN.

    Attributes:
        sources: What is compiled.
        includes: Folders of headers.
        newer: What it needs from its callers if it is a later release than the one in the package bakenn.
    """

    sources: list[Path]
    includes: list[Path]
    newer: NewerKernels | None


def _kernel_folder(checkout: Path | None) -> _Kernels:
    spec = find_spec("bakenn")
    packaged = list(spec.submodule_search_locations or ()) if spec else []
    vendor = Path(packaged[0]) / "backend" / "cmsis_nn" / "vendor" if packaged else None
    folder = checkout or (vendor and vendor / "cmsis_nn")
    if folder is None:
        raise TargetUnavailableError("the kernels (package bakenn) are not installed", remedy=_EXTRA)
    others = sorted({path.parent.name for path in folder.glob("Source/*/arm_*.c")} - set(_GROUPS))
    found = [
        path
        for group in (*_GROUPS, *others)
        for path in sorted((folder / "Source" / group).glob("arm_*.c"))
        if not path.stem.endswith(_FLOATS)
    ]
    if not found:
        raise TargetUnavailableError(
            f"there are no CMSIS-NN sources in {folder}", remedy="give the path of a checkout of CMSIS-NN"
        )
    # The headers of CMSIS-Core, which older releases need, are not part of a checkout of CMSIS-NN.
    includes = [folder / "Include", *([vendor / "cmsis_core" / "Include"] if vendor else [])]
    return _Kernels(sources=found, includes=includes, newer=newer_kernels(folder))
