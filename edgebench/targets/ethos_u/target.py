"""The ``ethos-u`` target: latency and memory as Arm's compiler estimates them."""

from __future__ import annotations

import importlib
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from edgebench.core.device import Device
from edgebench.core.dtype import DataType
from edgebench.core.metric import Metric, Provenance
from edgebench.core.model import InputSource, ModelFormat
from edgebench.core.named_function import first_line
from edgebench.core.profile import Footprint, LayerCost, Sample
from edgebench.core.support import LeftOperators, Support
from edgebench.errors import InputError, UnsupportedModelError
from edgebench.models.tflite.int8.state import write_without_variables
from edgebench.targets.base import PlainModel
from edgebench.targets.ethos_u.compile import Compilation, Operation, compile_model
from edgebench.targets.ethos_u.error import BAND_SOURCE, OUTSIDE, error_factor, is_tiny
from edgebench.targets.ethos_u.options import LARGEST, EthosUOptions, read_ethos_u_options
from edgebench.targets.ethos_u.truth import is_added, write_without_truth
from edgebench.targets.litert import create_interpreter
from edgebench.targets.packages import require_package

_HANDED_OVER = (
    "the network's variables become inputs and outputs of the compiled model: the application passes them from one "
    "inference to the next, which is not counted"
)
CAVEAT = (
    "cycles are Vela's estimate for this one configuration, not a measurement; Arm advises against comparing "
    "them across configurations"
)


class EthosUTarget:
    """Compiles int8 ``.tflite`` models with Vela and reads its estimate; nothing is executed."""

    options_type: ClassVar[type] = EthosUOptions
    formats: ClassVar[tuple[ModelFormat, ...]] = (ModelFormat.TFLITE,)
    dtype: str | None = DataType.INT8
    deterministic: bool = True
    latency_provenance: Provenance = Provenance.ESTIMATED

    def __init__(self, device: Device) -> None:
        self.device = device

    def check(self) -> dict[str, str]:
        """Version of Vela.

        Raises:
            TargetUnavailableError: It is not installed.
            InputError: The device names a configuration that does not exist.
        """
        version = require_package("ethos-u-vela")
        read_ethos_u_options(self.device)
        return {"ethos-u-vela": version}

    def import_runtime(self) -> None:
        """Import the compiler."""
        importlib.import_module("ethosu.regor")
        importlib.import_module("ethosu.vela.vela")

    @contextmanager
    def load(self, model: Path, inputs: InputSource) -> Iterator[EthosUModel]:  # noqa: ARG002 - nothing is fed
        """Compile the model.

        Raises:
            UnsupportedModelError: The compiler refuses it, or no operator runs on the NPU.
        """
        options = read_ethos_u_options(self.device)
        compilation, notes = _ready(model, options)
        helps = _what_helps(model, options) if compilation.on_cpu else ""
        if not any(operation.on_npu for operation in compilation.operations):
            raise UnsupportedModelError(
                f"no operator of the model runs on the NPU: {fallback_summary(compilation.on_cpu)}",
                operators=tuple(sorted({operation.operator for operation in compilation.on_cpu})),
                remedy=helps,
            )
        if compilation.on_cpu:
            notes.append(_fallback_note(compilation, helps))
        yield EthosUModel(compilation, options, self.check()["ethos-u-vela"], notes)

    def write_deployed(self, model: Path, inputs: InputSource, folder: Path) -> tuple[Sequence[str], Sequence[str]]:  # noqa: ARG002
        """The compiled model: a ``.tflite`` file with the NPU's command stream."""
        self.import_runtime()
        options = read_ethos_u_options(self.device)
        compilation, notes = _ready(model, options)
        if compilation.on_cpu:
            notes = [*notes, _fallback_note(compilation, "they run on the CPU beside the NPU")]
        (folder / "model_vela.tflite").write_bytes(compilation.model)
        return ["model_vela.tflite"], notes

    def try_model(self, model: Path) -> Support:
        """Compile the model, and say which operators are left to the CPU."""
        self.import_runtime()
        options = read_ethos_u_options(self.device)
        compilation, notes = _ready(model, options)
        runs = any(operation.on_npu for operation in compilation.operations)
        counts = Counter((operation.operator, operation.reason) for operation in compilation.on_cpu)
        return Support(
            left=tuple(
                LeftOperators(operator=operator, count=count, reason=reason)
                for (operator, reason), count in counts.most_common()
            ),
            runs=runs,
            reason=None if runs else "no operator of the model runs on the NPU",
            remedy=_what_helps(model, options) if counts else None,
            notes=tuple(notes),
            at_least={
                "ram_bytes": compilation.ram_bytes,
                "flash_bytes": compilation.constant_bytes,
            },
        )


class EthosUModel(PlainModel):
    """A compiled model."""

    def __init__(
        self, compilation: Compilation, options: EthosUOptions, version: str, notes: Sequence[str] = ()
    ) -> None:
        self._notes = notes
        self._compilation = compilation
        self._options = options
        self._version = version

    @property
    def method(self) -> str:
        """Compiler and configuration."""
        options = self._options
        return (
            f"Vela {self._version}, {options.accelerator}, {options.system_config}, {options.memory_mode}, "
            f"optimization {options.optimization}"
        )

    @property
    def footprint(self) -> Footprint:
        """What the compiler allocated: writable memory, and constants with the command stream."""
        compilation = self._compilation
        return Footprint(
            ram_bytes=self._exact(compilation.ram_bytes, "peak use of all memories but flash, as Vela places tensors"),
            flash_bytes=self._exact(compilation.constant_bytes, "constants and command stream as Vela stores them"),
        )

    def run(self, iterations: int) -> Sample:  # noqa: ARG002 - nothing runs
        """Nothing runs: the estimate is among the metrics."""
        return Sample(latencies_s=())

    def layers(self) -> list[LayerCost]:
        """Every operation; those on the CPU have no cycles, because Vela does not count them."""
        return [self._layer(operation) for operation in self._compilation.operations]

    def metrics(self) -> Mapping[str, Metric]:
        """Cycles, latency unless operators fell back, utilisation, and the use of each memory."""
        compilation = self._compilation
        figures = {"npu_cycles": self._banded(compilation.cycles, "cycles", "cycles of the NPU's part")}
        if not compilation.on_cpu:
            seconds = compilation.cycles / compilation.clock_hz
            clock = f"cycles / {compilation.clock_hz / 1e6:g} MHz"
            figures["latency_s"] = self._banded(seconds, "s", clock)
            figures["throughput_per_s"] = self._banded(1 / seconds, "1/s", "1 / latency")
            peak = compilation.cycles * self._options.macs_per_cycle
            figures["utilisation"] = self._estimated(
                compilation.macs / peak, "1", f"MACs / (cycles x {self._options.macs_per_cycle} MACs per cycle)"
            )
        for name, memory in compilation.memories.items():
            key = _snake_case(name)
            figures[f"{key}_bytes"] = self._exact(memory.peak_bytes, f"peak use of {name}")
            figures[f"{key}_traffic_bytes"] = self._estimated(
                memory.read_bytes + memory.written_bytes, "bytes", f"bytes to and from {name} in one inference"
            )
        return figures

    def notes(self) -> list[str]:
        """Arm's caveat, and what is not counted."""
        return [CAVEAT, *([OUTSIDE] if is_tiny(self._compilation.macs) else []), *self._notes]

    def _layer(self, operation: Operation) -> LayerCost:
        total = self._compilation.cycles
        if operation.on_npu and not (operation.cycles or operation.live_bytes or operation.macs):
            # An activation that the operation before it applies.
            return LayerCost(name=operation.name, operator=operation.operator, placement="NPU")
        metrics = {"live_bytes": self._exact(operation.live_bytes, "working memory in use while it runs")}
        if operation.on_npu:
            metrics |= {
                "cycles": self._estimated(operation.cycles, "cycles", "cycles of the operation"),
                "macs": self._exact(operation.macs, "MACs as Vela counts them", unit=""),
            }
        return LayerCost(
            name=operation.name.rpartition(";")[2],
            operator=operation.operator,
            share=operation.cycles / total if operation.on_npu and total else None,
            metrics=metrics,
            placement="NPU" if operation.on_npu else "CPU",
            reason=operation.reason,
        )

    def _estimated(self, value: float, unit: str, what: str) -> Metric:
        return Metric(
            value=value,
            unit=unit,
            provenance=Provenance.ESTIMATED,
            method=f"{what}; {self.method}",
            source=f"Vela {self._version}'s performance model; Arm publishes no error band",
        )

    def _banded(self, value: float, unit: str, what: str) -> Metric:
        """An estimate of time with its error band; a network that is too small for it has none."""
        plain = self._estimated(value, unit, what)
        if is_tiny(self._compilation.macs):
            return plain
        factor = error_factor()
        source = f"Vela {self._version}'s model; {BAND_SOURCE}"
        return replace(plain, low=value / factor, high=value * factor, source=source)

    def _exact(self, value: float, what: str, unit: str = "bytes") -> Metric:
        return Metric(value=value, unit=unit, provenance=Provenance.EXACT, method=f"{what}; {self.method}")


def _ready(model: Path, options: EthosUOptions) -> tuple[Compilation, list[str]]:
    """What the compiler makes of a model, and what happened to the model before."""
    _require_prepared(model)
    with tempfile.TemporaryDirectory() as folder:
        stateless = None if _takes_all(options) else write_without_variables(model, Path(folder) / model.name)
        compilation = _compiled(stateless or model, options, Path(folder))
        return compilation, [] if stateless is None else [_HANDED_OVER]


def _require_prepared(model: Path) -> None:
    """Refuse what LiteRT itself refuses: the compiler takes some damaged files, and would give them figures.

    Custom operators are the application's own, so LiteRT cannot judge them.

    Raises:
        UnsupportedModelError: LiteRT cannot prepare it.
        InputError: It is damaged.
    """
    try:
        create_interpreter(model, kernels="builtin").allocate_tensors()
    except UnsupportedModelError as error:
        if not error.operators:
            raise
    except (ValueError, RuntimeError) as error:
        raise UnsupportedModelError(
            f"LiteRT, which runs such files, refuses it: {first_line(error)}", remedy="export the model again"
        ) from None


def _takes_all(options: EthosUOptions) -> bool:
    """Whether a product reads and writes variables itself, and compares."""
    return options.accelerator.startswith("ethos-u85")


def _compiled(model: Path, options: EthosUOptions, folder: Path) -> Compilation:
    """Compile; where the compiler fails, the error says what helps."""
    mended = None if _takes_all(options) else write_without_truth(model, folder / "without_truth.tflite")
    try:
        found = compile_model(mended or model, options)
    except UnsupportedModelError as error:
        raise UnsupportedModelError(error.what, remedy=_what_helps(model, options)) from error
    if mended is None:
        return found
    return replace(found, operations=tuple(operation for operation in found.operations if not is_added(operation.name)))


def _fallback_note(compilation: Compilation, helps: str) -> str:
    count = f"{len(compilation.on_cpu)} of {len(compilation.operations)}"
    unknown = "fall back to the CPU and their time is unknown, so there is no latency"
    return f"{count} operators {unknown}: {fallback_summary(compilation.on_cpu)}; {helps}"


def _what_helps(model: Path, options: EthosUOptions) -> str:
    """What to do about operators that an accelerator does not take; a larger product is only named if it does."""
    change = "change what the reason names, or run the model on a CPU: -d host-litert"
    if _takes_all(options):
        return change
    try:
        others = compile_model(model, LARGEST)
    except (InputError, UnsupportedModelError):
        return change
    return change if others.on_cpu else f"an Ethos-U85 takes all of it: -d {LARGEST.accelerator}"


def fallback_summary(operations: tuple[Operation, ...]) -> str:
    """Operators on the CPU with their number and first reason."""
    counts = Counter(operation.operator for operation in operations)
    reasons = {operation.operator: operation.reason for operation in reversed(operations)}
    return ", ".join(
        f"{count} x {operator}" + (f" ({reasons[operator]})" if reasons[operator] else "")
        for operator, count in counts.most_common()
    )


def _snake_case(name: str) -> str:
    """``OffChipFlash`` to ``off_chip_flash``."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")
