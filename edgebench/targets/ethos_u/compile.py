"""One compilation by Vela inside this process: the same figures as its command line, in milliseconds.

``ethosu.regor`` is what the ``vela`` command calls. It is not a documented interface, so the version is
pinned and a test compares the figures with those of the command. Damaged files crash it: only call it in a
child process.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgebench.errors import InputError, UnsupportedModelError
from edgebench.targets.ethos_u.options import EthosUOptions

_ON_CHIP = {"shram", "lutram"}
"""Memory inside the accelerator, which does not use the system's memory."""
_FALLBACK = re.compile(r"operator: (\S+), ofm: '(.*)'\nReason: (.*)\n(?:(?!Warning|\n)(.*)\n)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryUse:
    """Use of one memory: its peak, and the bytes moved in one inference."""

    peak_bytes: int
    read_bytes: int
    written_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation of the compiled network.

    Attributes:
        name: Name of its output tensor.
        operator: Operator as the compiler names it.
        on_npu: Whether the accelerator runs it.
        cycles: Estimated cycles; 0 also if the compiler does not count (CPU, fused operations).
        macs: Multiply-accumulates.
        live_bytes: Working memory in use while it runs.
        reason: Why it stays on the CPU.
    """

    name: str
    operator: str
    on_npu: bool
    cycles: int
    macs: int
    live_bytes: int
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Compilation:
    """What Vela reports about a network.

    Attributes:
        cycles: Estimated cycles of one inference, only of the NPU's part.
        clock_hz: Clock of the system configuration.
        macs: Multiply-accumulates as Vela counts them.
        constant_bytes: Weights, biases and command streams as stored.
        memories: Use of each memory by name (``Sram``, ``Dram``, ``OffChipFlash``, ...).
        operations: In the order of execution.
        model: The compiled file.
    """

    cycles: int
    clock_hz: float
    macs: int
    constant_bytes: int
    memories: Mapping[str, MemoryUse]
    operations: tuple[Operation, ...]
    model: bytes = b""

    @property
    def ram_bytes(self) -> int:
        """Peak of the memories that are not flash; constants are in it if the memory mode puts them there."""
        return sum(memory.peak_bytes for name, memory in self.memories.items() if "flash" not in name.lower())

    @property
    def on_cpu(self) -> tuple[Operation, ...]:
        """Operations that the accelerator does not run."""
        return tuple(operation for operation in self.operations if not operation.on_npu)


def compile_model(model: Path, options: EthosUOptions) -> Compilation:
    """Compile a ``.tflite`` file for an accelerator.

    Raises:
        InputError: The configuration is contradictory.
        UnsupportedModelError: The compiler refuses the model.
    """
    from ethosu import regor
    from ethosu.vela import architecture_features, errors

    config = str(options.config_path)
    try:
        architecture = architecture_features.ArchitectureFeatures(
            vela_config_files=[config],
            system_config=options.system_config,
            memory_mode=options.memory_mode,
            accelerator_config=options.accelerator,
            max_blockdep=architecture_features.ArchitectureFeatures.MAX_BLOCKDEP,
            verbose_config=False,
            arena_cache_size=None,
        )
    except errors.VelaError as error:
        raise InputError(f"Vela refuses the configuration: {error}".strip()) from None
    product = "".join(part.capitalize() for part in options.accelerator.split("-")[:-1])
    with _captured_output() as log:
        try:
            compiled = regor.compile(
                product,
                model.read_bytes(),
                "TFLITE",
                _system_description(architecture, config),
                options=_compiler_options(architecture, options.optimization),
                verbose=False,
            )
        except (RuntimeError, ValueError) as error:
            raise UnsupportedModelError(f"Vela cannot compile the model: {error}") from error
    return _result(compiled, architecture.core_clock, log[0])


def _system_description(architecture: Any, config: str) -> str:
    return (
        f"[architecture]\nmacs={architecture.num_macs_per_cycle}\ncores={architecture.ncores}\n"
        f"[vela]\nsystem_config_name={architecture.system_config}\n"
        f"memory_mode_name={architecture.memory_mode}\n{Path(config).read_text(encoding='utf-8')}"
    )


def _compiler_options(architecture: Any, optimization: str) -> str:
    """The options that the command line has by default, and the performance database."""
    from ethosu.vela.vela import get_compiler_config

    switches = dict.fromkeys(
        (
            "enable_debug_db", "verbose_all", "verbose_high_level_command_stream", "verbose_register_command_stream",
            "verbose_schedule", "verbose_allocation", "verbose_graph", "verbose_quantization", "verbose_packing",
            "show_cpu_operations", "disable_chaining", "disable_fwd", "disable_cascading", "disable_buffering",
            "disable_ifm_reuse", "separate_io_regions",
        ),
        False,
    )  # fmt: skip
    options: str = get_compiler_config(
        **switches,
        optimize=optimization,
        arena_cache_size=architecture.arena_cache_size,
        verbose_performance=True,
        output_format="tflite",
        cop_format="COP1",
        cpu_tensor_alignment=16,
        tensor_allocator="HillClimb",
        softmax_int16_neg_exp_range=10.0,
    )
    return options


def _result(compiled: Any, clock_hz: float, log: str) -> Compilation:
    report = compiled.perf_report
    memories = {
        str(name): MemoryUse(
            peak_bytes=memory.peakUsage,
            read_bytes=sum(access.bytesRead for access in memory.accesses.values()),
            written_bytes=sum(access.bytesWritten for access in memory.accesses.values()),
        )
        for name, memory in report.memories.items()
        if str(name).lower() not in _ON_CHIP
    }
    return Compilation(
        cycles=report.totalCycles - report.cpuCycles,
        clock_hz=clock_hz,
        macs=report.macCount,
        constant_bytes=report.readOnlyPeakUsage,
        memories=memories,
        operations=_operations(compiled.opt_database, _reasons(log)),
        model=bytes(compiled.model),
    )


def _operations(database: Any, reasons: Mapping[str, tuple[str, str]]) -> tuple[Operation, ...]:
    table = database.tables.get("perf")
    if table is None:
        return ()
    column = {name: index for index, name in enumerate(table.header)}
    operations = []
    for row in table.data:
        name, kind = row[column["name"]], row[column["operator"]]
        on_npu = kind != "Passthrough"
        operator, reason = (kind, None) if on_npu else reasons.get(name, ("unknown", None))
        operations.append(
            Operation(
                name=name,
                operator=operator,
                on_npu=on_npu,
                cycles=int(row[column["op_cycles"]]),
                macs=int(row[column["mac_count"]]),
                live_bytes=int(row[column["staging_usage"]] or 0),
                reason=reason,
            )
        )
    return tuple(operations)


def _reasons(log: str) -> dict[str, tuple[str, str]]:
    """Operator and reason of each fallback, by the name of its output.

    Before it splits off a fused activation, the compiler calls the operator's own output by this suffix.
    """
    return {
        match[2].removesuffix("_act"): (match[1], "; ".join(part.strip() for part in (match[3], match[4]) if part))
        for match in _FALLBACK.finditer(log + "\n")
    }


@contextmanager
def _captured_output() -> Iterator[list[str]]:
    """Collect what the compiler's C++ code prints; the list contains the text after the block."""
    captured: list[str] = []
    with tempfile.TemporaryFile() as file:
        kept = {number: os.dup(number) for number in (1, 2)}
        try:
            for number in kept:
                os.dup2(file.fileno(), number)
            yield captured
        finally:
            for number, copy in kept.items():
                os.dup2(copy, number)
                os.close(copy)
            file.seek(0)
            captured.append(file.read().decode("utf-8", "replace"))
