"""The ``mcu`` target: instructions, memory and outputs of a network on an emulated microcontroller."""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from edgebench.core.calibration import Work
from edgebench.core.device import Device, Memory
from edgebench.core.dtype import DataType
from edgebench.core.metric import Metric, Provenance
from edgebench.core.model import InputSource, ModelFormat
from edgebench.core.options import read_options
from edgebench.core.profile import Footprint, LayerCost, Sample
from edgebench.core.support import Support
from edgebench.core.units import Dimension, parse_quantity
from edgebench.errors import InputError, TargetUnavailableError, UnsupportedModelError
from edgebench.models.tflite.quantised_graph import read_quantised_graph
from edgebench.targets.base import PlainModel
from edgebench.targets.mcu.block_counter import compile_block_hook, has_block_hook
from edgebench.targets.mcu.calibration import calibration_for, layer_works
from edgebench.targets.mcu.cores import CORES, Core
from edgebench.targets.mcu.emulator import create_emulator
from edgebench.targets.mcu.generator import GeneratedModel, generate
from edgebench.targets.mcu.latency import LatencyModel
from edgebench.targets.mcu.layer_code import arrays_in
from edgebench.targets.mcu.ports import split_outputs
from edgebench.targets.mcu.program import Execution, Program, read_program
from edgebench.targets.mcu.qemu_emulator import qemu_version
from edgebench.targets.mcu.reference import NoReferenceError, reference_outputs
from edgebench.targets.mcu.toolchain import Toolchain
from edgebench.targets.mcu.trying import try_generating
from edgebench.targets.packages import require_package

EMULATION_S = 3600.0
"""A last resort: the time limit of a profile ends its process earlier."""
MAX_BYTES = 100 << 20
"""Maximum memory that the emulators have for a program; no microcontroller has as much."""
_EXTRA = "pip install 'edgebench[mcu]'"


@dataclass(frozen=True, slots=True, kw_only=True)
class McuOptions:
    """Options of the ``mcu`` target.

    Attributes:
        core: The processor core.
        clock: Its clock, such as ``120MHz``.
        compiler: ``zig``, or the name of a GNU compiler such as ``arm-none-eabi-gcc``.
        optimization: Optimisation level of the compiler.
        cmsis_nn: A checkout of CMSIS-NN to use instead of the sources in the package bakenn.
    """

    core: str
    clock: str
    compiler: str = "zig"
    optimization: Literal["O1", "O2", "O3", "Os"] = "O2"
    cmsis_nn: str = ""

    def __post_init__(self) -> None:
        if self.core not in CORES:
            raise ValueError(f"there is no core {self.core!r}; known cores are {', '.join(CORES)}")

    @property
    def clock_hz(self) -> float:
        """The clock in hertz."""
        return parse_quantity(self.clock, Dimension.FREQUENCY, where="clock")


class McuTarget:
    """Compiles int8 models to C and ELF, and executes them instruction by instruction."""

    options_type: ClassVar[type] = McuOptions
    formats: ClassVar[tuple[ModelFormat, ...]] = (ModelFormat.TFLITE,)
    dtype: str | None = DataType.INT8
    deterministic: bool = True
    latency_provenance: Provenance = Provenance.ESTIMATED

    def __init__(self, device: Device) -> None:
        self.device = device

    def check(self) -> dict[str, str]:
        """Versions of emulator, compiler and kernels.

        Raises:
            TargetUnavailableError: One of them is missing.
            InputError: The device's options or calibration are not valid.
        """
        options = _read_options(self.device)
        latency_model(self.device)
        versions = {"pyelftools": require_package("pyelftools", remedy=_EXTRA)}
        if CORES[options.core].machine:
            versions["qemu"] = qemu_version()
        else:
            versions["unicorn"] = require_package("unicorn", remedy=_EXTRA)
        if not options.cmsis_nn:
            versions["bakenn"] = require_package("bakenn", remedy=_EXTRA)
        versions["compiler"] = device_toolchain(self.device).version
        return versions

    def pending(self) -> str | None:
        """Kernels and the counting hook are compiled once, and kept."""
        toolchain = device_toolchain(self.device)
        if toolchain.has_kernels and (toolchain.core.machine or has_block_hook()):
            return None
        return f"compiling kernels for {toolchain.core.name}, once"

    def make_ready(self) -> None:
        """Compile them.

        Raises:
            TargetUnavailableError: The compiler fails.
        """
        toolchain = device_toolchain(self.device)
        toolchain.make_ready()
        if not toolchain.core.machine:
            # Without it, instructions are counted in Python.
            with suppress(TargetUnavailableError):
                compile_block_hook()

    def import_runtime(self) -> None:
        """Import what reads programs, and the emulator if it is a library."""
        importlib.import_module("elftools")
        if not CORES[_read_options(self.device).core].machine:
            importlib.import_module("unicorn")

    def write_deployed(self, model: Path, inputs: InputSource, folder: Path) -> tuple[Sequence[str], Sequence[str]]:
        """A C project with the model, its kernels, a test vector and a Makefile."""
        from edgebench.targets.mcu.project import write_project

        return write_project(model, self.device, inputs, folder)

    def try_model(self, model: Path) -> Support:
        """Write the C code without compiling it, and say which operators have no kernel."""
        toolchain = device_toolchain(self.device)
        return try_generating(read_quantised_graph(model), helium=toolchain.core.helium, newer=toolchain.newer)

    @contextmanager
    def load(self, model: Path, inputs: InputSource) -> Iterator[McuModel]:
        """Write the C, compile it, and put it into the emulator.

        Raises:
            UnsupportedModelError: The model is not int8, or has an operator without a kernel.
            TargetUnavailableError: The compiler fails.
            InputError: The file is damaged.
        """
        options = _read_options(self.device)
        toolchain = device_toolchain(self.device)
        generated = generate(read_quantised_graph(model), helium=toolchain.core.helium, newer=toolchain.newer)
        require_some_size(generated, device_memory=self.device.memory)
        with tempfile.TemporaryDirectory(prefix="edgebench-") as folder:
            program = read_program(toolchain.build(generated, Path(folder)))
            yield McuModel(self.device, options, toolchain, generated, program, model, inputs.seed)


def require_some_size(generated: GeneratedModel, device_memory: Memory | None) -> None:
    """Refuse what does not fit into a microcontroller or its emulator.

    Raises:
        UnsupportedModelError: It is too large.
    """
    sizes = {"RAM": generated.plan.size, "flash": generated.constant_bytes}
    for name, size in sizes.items():
        if size > MAX_BYTES:
            limit = device_memory and (device_memory.ram_bytes if name == "RAM" else device_memory.flash_bytes)
            has = f"the device has {limit:,}" if limit else f"{MAX_BYTES:,} are the most that can be emulated"
            raise UnsupportedModelError(f"does not fit: it needs {size:,} bytes of {name}, {has}")


def _read_options(device: Device) -> McuOptions:
    options = read_options(device, McuOptions)
    if options.clock_hz <= 0:
        raise InputError("the clock must be above 0", where=f"{device.origin}, options.clock")
    return options


def device_toolchain(device: Device) -> Toolchain:
    """The compiler and kernels of a microcontroller.

    Raises:
        TargetUnavailableError: They are missing.
        InputError: The device is not a microcontroller, or its options are not valid.
    """
    if device.target != "mcu":
        raise InputError(f"{device.name} is not a microcontroller", remedy="choose a device with the target mcu")
    options = _read_options(device)
    return Toolchain(
        CORES[options.core],
        compiler=options.compiler,
        optimization=options.optimization,
        cmsis_nn=Path(options.cmsis_nn) if options.cmsis_nn else None,
    )


def latency_model(device: Device) -> LatencyModel:
    """How latency follows from a device's instructions.

    Raises:
        InputError: The device's options or calibration are not valid.
    """
    options = _read_options(device)
    calibration = calibration_for(
        device,
        core=options.core,
        compiler=Path(options.compiler).name,
        optimization=options.optimization,
        clock_hz=options.clock_hz,
    )
    return LatencyModel(
        calibration=calibration, core=CORES[options.core], clock=options.clock, clock_hz=options.clock_hz
    )


class McuModel(PlainModel):
    """A program in the emulator."""

    def __init__(
        self,
        device: Device,
        options: McuOptions,
        toolchain: Toolchain,
        generated: GeneratedModel,
        program: Program,
        model: Path,
        seed: int,
    ) -> None:
        self._device = device
        self._options = options
        self._toolchain = toolchain
        self._generated = generated
        self._program = program
        self._path = model
        self._core: Core = CORES[options.core]
        self._latency = latency_model(device)
        self._emulator = create_emulator(self._core, program, len(generated.layers))
        random = np.random.default_rng(seed)
        self._inputs = [port.random_values(random) for port in generated.inputs]
        self._execution: Execution | None = None
        self._uncompared = ""

    @property
    def method(self) -> str:
        """Core, compiler and kernels."""
        return (
            f"{self._core.name} in {self._emulator.name}, {self._toolchain.version} -{self._options.optimization}, "
            "CMSIS-NN s8"
        )

    def run(self, iterations: int) -> Sample:  # noqa: ARG002 - one inference is enough
        """Execute one inference; its latency is estimated among the metrics."""
        generated = self._generated
        self._execution = self._emulator.run(
            [(port.offset, values.tobytes()) for port, values in zip(generated.inputs, self._inputs, strict=True)],
            [(port.offset, port.size) for port in generated.outputs],
            EMULATION_S,
        )
        return Sample(latencies_s=())

    def outputs(self) -> Mapping[str, NDArray[np.generic]]:
        """What the emulated program wrote."""
        ports = self._generated.outputs
        values = split_outputs(self._ran.output, ports)
        if len({port.dtype for port in ports}) == 1:
            return {"output": np.concatenate(values)}
        return {port.name: value for port, value in zip(ports, values, strict=True)}

    def faults(self) -> list[str]:
        """Outputs that are not those of LiteRT's reference kernels, to the bit."""
        if self._reference is None:
            return []
        found = split_outputs(self._ran.output, self._generated.outputs)
        different = sum(int(np.count_nonzero(a != b)) for a, b in zip(self._reference, found, strict=True))
        if not different:
            return []
        return [f"{different} of {sum(map(len, self._reference))} outputs differ from LiteRT's reference kernels"]

    @cached_property
    def _reference(self) -> list[NDArray[Any]] | None:
        """The results of LiteRT's reference kernels, or None if there are none, as for roots of negative values."""
        try:
            return reference_outputs(self._path, self._inputs)
        except NoReferenceError as error:
            self._uncompared = f"outputs were not compared with LiteRT's reference kernels, which refuse: {error}"
            return None

    @property
    def footprint(self) -> Footprint:
        """RAM including the maximum stack depth; flash with everything that the program stores."""
        program = self._program
        ram = program.data_bytes + program.zeroed_bytes + self._ran.stack_bytes
        return Footprint(
            ram_bytes=self._metric(ram, "bytes", Provenance.EXACT, "static RAM of the ELF + peak stack (simulated)"),
            flash_bytes=self._metric(self._flash_bytes, "bytes", Provenance.EXACT, "code, constants and weights"),
        )

    def metrics(self) -> Mapping[str, Metric]:
        """Instructions, memory by kind, and latency if the core is calibrated."""
        program, plan = self._program, self._generated.plan
        figures = {
            "instructions": self._metric(
                self._instructions, "instructions", Provenance.SIMULATED, "instructions of one inference"
            ),
            "code_bytes": self._metric(program.code_bytes, "bytes", Provenance.EXACT, "code"),
            "constant_bytes": self._metric(
                program.constant_bytes, "bytes", Provenance.EXACT, "constants other than weights"
            ),
            "weight_bytes": self._metric(program.weight_bytes, "bytes", Provenance.EXACT, "weights and biases"),
            "arena_bytes": self._metric(
                plan.size, "bytes", Provenance.EXACT, f"planned arena; no plan is smaller than {plan.lower_bound}"
            ),
            "stack_bytes": self._metric(self._ran.stack_bytes, "bytes", Provenance.SIMULATED, "deepest stack"),
        }
        return figures | self._latency.metrics(self._work, self.method)

    def layers(self) -> list[LayerCost]:
        """Instructions, RAM and flash of each operator."""
        alive = dict(enumerate(self._generated.plan.alive))
        return [
            LayerCost(
                name=layer.name.rpartition(";")[2],
                operator=layer.kind,
                share=count / self._instructions,
                metrics=self._latency.of_layer(layer.kind, count, layer.macs, self.method)
                | {
                    "instructions": self._metric(count, "instructions", Provenance.SIMULATED, "of the operator"),
                    "flash_bytes": self._metric(
                        sum(
                            self._program.sizes.get(name, 0)
                            for name in (f"edgebench_layer_{number}", *arrays_in(layer.constants))
                        ),
                        "bytes",
                        Provenance.EXACT,
                        "weights and code of the operator, kernels not counted",
                    ),
                    "macs": self._metric(layer.macs, "", Provenance.EXACT, "MACs of the operator"),
                    "live_bytes": self._metric(
                        alive.get(number, 0), "bytes", Provenance.EXACT, "of the arena, alive while the operator runs"
                    ),
                    "code_bytes": self._metric(
                        self._program.sizes[f"edgebench_layer_{number}"],
                        "bytes",
                        Provenance.EXACT,
                        "code of the operator, kernels not counted",
                    ),
                },
            )
            for number, (layer, count) in enumerate(zip(self._generated.layers, self._ran.instructions, strict=True))
        ]

    def notes(self) -> list[str]:
        """Whether it fits, which layer is the peak, and what is unknown."""
        plan = self._generated.plan
        bound = "and no plan is smaller" if plan.size == plan.lower_bound else f"no plan is below {plan.lower_bound:,}"
        size = f"the arena takes {plan.size:,} bytes, {bound}"
        for peak in self._generated.layers[plan.peak : plan.peak + 1]:
            size += f"; its peak is {peak.kind} {peak.name.rpartition(';')[2]!r}"
        notes = [*self._generated.notes, size]
        if self._reference is None:
            notes.append(self._uncompared)
        return [*notes, *self._latency.notes(self._work)]

    @property
    def _ran(self) -> Execution:
        if self._execution is None:
            self.run(1)
        if self._execution is None:
            raise InputError("the model has not run")
        return self._execution

    @property
    def _instructions(self) -> int:
        return sum(self._ran.instructions) + self._ran.other_instructions

    @property
    def _work(self) -> Work:
        layers = self._generated.layers
        return layer_works(
            [layer.kind for layer in layers],
            self._ran.instructions,
            [layer.macs for layer in layers],
            self._ran.other_instructions,
        )

    @property
    def _flash_bytes(self) -> int:
        program = self._program
        return program.code_bytes + program.constant_bytes + program.weight_bytes + program.data_bytes

    def _metric(self, value: float, unit: str, provenance: Provenance, what: str) -> Metric:
        return Metric(value=value, unit=unit, provenance=provenance, method=f"{what}; {self.method}")
