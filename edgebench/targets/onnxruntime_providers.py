"""An accelerator behind an execution provider of ONNX Runtime: built in, or a plug-in library."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Literal

from edgebench.core.device import Device
from edgebench.core.metric import Metric, Provenance
from edgebench.core.model import InputSource
from edgebench.core.options import read_options
from edgebench.core.profile import LayerCost, Sample
from edgebench.errors import InputError, TargetUnavailableError, UnsupportedModelError
from edgebench.targets.libraries import onnxruntime_has_provider
from edgebench.targets.onnxruntime_cpu import (
    OnnxRuntimeModel,
    OnnxRuntimeOptions,
    OnnxRuntimeTarget,
    create_session,
    session_options,
)
from edgebench.targets.output_comparison import output_difference
from edgebench.targets.packages import require_package

_CPU = "CPUExecutionProvider"
_PACKAGE_PREFIX = "package:"
_NO_FALLBACK = "session.disable_cpu_ep_fallback"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderOptions:
    """Options of the ``onnxruntime-ep`` target.

    Attributes:
        provider: The execution provider, by its name in ONNX Runtime.
        library: A plug-in provider's library: a path, or ``package:NAME/FILE`` for a file in an installed
            Python package. Empty for providers of the installed ONNX Runtime itself.
        provider_options: Passed to the provider; values may be ``package:NAME/FILE`` too.
        allow_cpu_fallback: Whether operators that the provider refuses may run on the CPU.
        emulated: Whether the library emulates the accelerator, so that its latency means nothing.
        tolerance: Largest difference of an output from the CPU's, as a fraction of its size.
        threads: Threads of operators on the CPU.
        optimization: Graph optimisation level of ONNX Runtime.
    """

    provider: str
    library: str = ""
    provider_options: Mapping[str, str] = field(default_factory=dict)
    allow_cpu_fallback: bool = False
    emulated: bool = False
    tolerance: float = 0.02
    threads: int = 1
    optimization: Literal["none", "basic", "extended", "all"] = "all"

    def __post_init__(self) -> None:
        if self.provider == _CPU:
            raise ValueError(f"{_CPU} is not an accelerator; the CPU's target is onnxruntime")
        if self.threads < 1:
            raise ValueError(f"threads must be at least 1, not {self.threads}")

    def cpu_options(self) -> OnnxRuntimeOptions:
        """The same session on the CPU only."""
        return OnnxRuntimeOptions(threads=self.threads, optimization=self.optimization)


class ProviderTarget(OnnxRuntimeTarget):
    """Measures ``.onnx`` models on an execution provider, and never counts the CPU as one."""

    options_type: ClassVar[type] = ProviderOptions

    def __init__(self, device: Device) -> None:
        super().__init__(device)
        # An emulation runs once: there is nothing to sample.
        self.deterministic = device.options.get("emulated") is True
        if self.deterministic:
            self.latency_provenance = Provenance.SIMULATED

    def check(self) -> dict[str, str]:
        """ONNX Runtime and the plug-in library.

        Raises:
            TargetUnavailableError: One of them is not installed.
            InputError: The device's options are not valid for this target.
        """
        options = read_options(self.device, ProviderOptions)
        versions = {"onnxruntime": require_package("onnxruntime")}
        if options.library:
            library = _resolved(options.library)
            if not library.is_file():
                raise TargetUnavailableError(
                    f"the provider library {options.library} does not exist",
                    remedy="install the accelerator's package, or correct `library` in the device file",
                )
            versions[options.provider] = library.name
        elif not onnxruntime_has_provider(options.provider):
            raise TargetUnavailableError(
                f"the installed ONNX Runtime has no {options.provider}",
                remedy="install the build of ONNX Runtime for this accelerator, or specify a plug-in with `library`",
            )
        return versions

    @contextmanager
    def load(self, model: Path, inputs: InputSource) -> Iterator[ProviderModel]:
        """Create a session on the provider.

        Raises:
            TargetUnavailableError: The provider or its accelerator is missing.
            UnsupportedModelError: The provider does not take the whole model, and no fallback is allowed.
            InputError: The file or the inputs are not valid.
        """
        yield ProviderModel(model, inputs, read_options(self.device, ProviderOptions))


class ProviderModel(OnnxRuntimeModel):
    """A session on an accelerator."""

    def __init__(self, model: Path, inputs: InputSource, options: ProviderOptions) -> None:
        self._provider_options = options
        self._inputs = inputs
        super().__init__(model, inputs, options.cpu_options())

    def create_session(self, *, profiling: str | None = None) -> Any:
        """A session with the requested provider, and the CPU only if that is allowed."""
        options = self._provider_options
        settings = session_options(options.cpu_options(), profiling)
        _add_provider(settings, options)
        if not options.allow_cpu_fallback:
            settings.add_session_config_entry(_NO_FALLBACK, "1")
        try:
            session = create_session(self._model, settings, None)
        except (InputError, UnsupportedModelError) as error:
            if "fallback" not in error.what.lower():
                raise
            raise UnsupportedModelError(
                f"{options.provider} does not take the whole model, and fallback to the CPU is not allowed",
                remedy="set allow_cpu_fallback = true in the device file to see which operators stay on the CPU",
            ) from error
        if options.provider not in session.get_providers():
            raise TargetUnavailableError(
                f"ONNX Runtime left {options.provider} out and would have used "
                f"{', '.join(session.get_providers())} silently",
                remedy="check the accelerator's driver and the provider's options",
            )
        return session

    @property
    def one_cpu_thread(self) -> bool:
        """Never: an accelerator works while the processor waits."""
        return False

    @property
    def method(self) -> str:
        """Runtime, provider and settings."""
        return super().method.replace("CPU", self._provider_options.provider)

    def run(self, iterations: int) -> Sample:
        """Time inferences; an emulation's time is discarded."""
        sample = super().run(iterations)
        return Sample(latencies_s=()) if self._provider_options.emulated else sample

    def metrics(self) -> Mapping[str, Metric]:
        """How far the outputs are from the CPU's."""
        provenance = Provenance.SIMULATED if self._provider_options.emulated else Provenance.MEASURED
        method = f"largest difference of an output from ONNX Runtime's CPU provider / its size; {self.method}"
        figure = Metric(value=self._difference, unit="1", provenance=provenance, method=method)
        return {"output_difference": figure} if self._difference < 1e300 else {}

    def notes(self) -> list[str]:
        """What stayed on the CPU, and what an emulation cannot show."""
        notes = []
        on_cpu = Counter(layer.operator for layer in self._placements if layer.placement == "CPU")
        if on_cpu:
            listed = ", ".join(f"{count} x {name}" for name, count in on_cpu.most_common())
            notes.append(f"left to the CPU: {listed}")
        if self._provider_options.emulated:
            notes.append("the accelerator is emulated: outputs and operators are checked, latency is not reported")
        return notes

    def faults(self) -> list[str]:
        """Outputs that differ from the CPU's, or an accelerator that did nothing."""
        faults = []
        if self._placements and all(layer.placement == "CPU" for layer in self._placements):
            faults.append(f"no operator ran on {self._provider_options.provider}: all fell back to the CPU")
        if self._difference > self._provider_options.tolerance:
            faults.append(f"outputs differ from the CPU's by {self._difference:.1%} of their size")
        return faults

    @cached_property
    def _difference(self) -> float:
        reference = OnnxRuntimeModel(self._model, self._inputs, self._provider_options.cpu_options())
        reference.run(1)
        return output_difference(reference.outputs(), self.outputs())

    @cached_property
    def _placements(self) -> list[LayerCost]:
        """Operators with their processors; looked up only if a fallback is possible."""
        return self.layers() if self._provider_options.allow_cpu_fallback else []


def _add_provider(settings: Any, options: ProviderOptions) -> None:
    import onnxruntime

    values = {
        key: str(_resolved(value)) if value.startswith(_PACKAGE_PREFIX) else value
        for key, value in options.provider_options.items()
    }
    if options.library:
        _register_library(options)
    devices = [device for device in onnxruntime.get_ep_devices() if device.ep_name == options.provider]
    if devices:
        settings.add_provider_for_devices(devices[:1], values)
    elif options.provider in onnxruntime.get_available_providers():
        settings.add_provider(options.provider, values)
    else:
        available = [*onnxruntime.get_available_providers(), *(d.ep_name for d in onnxruntime.get_ep_devices())]
        raise TargetUnavailableError(
            f"ONNX Runtime has no {options.provider} here; it has {', '.join(dict.fromkeys(available))}",
            remedy="install the build or the plug-in of ONNX Runtime for this accelerator, and attach it",
        )


def _register_library(options: ProviderOptions) -> None:
    import onnxruntime

    if any(device.ep_name == options.provider for device in onnxruntime.get_ep_devices()):
        return
    try:
        onnxruntime.register_execution_provider_library(options.provider, str(_resolved(options.library)))
    except Exception as error:
        # The bindings raise their own exception class for whatever the library reports.
        raise TargetUnavailableError(
            f"the provider library cannot be loaded: {' '.join(str(error).split())[:300]}",
            remedy="check that it is a plug-in execution provider for this version of ONNX Runtime",
        ) from error


def _resolved(text: str) -> Path:
    """A path; ``package:NAME/FILE`` is a file in an installed package, found without importing it."""
    if not text.startswith(_PACKAGE_PREFIX):
        return Path(text)
    package, _, file = text.removeprefix(_PACKAGE_PREFIX).partition("/")
    spec = find_spec(package) if package.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise TargetUnavailableError(
            f"the package {package} is not installed", remedy=f"pip install {package.replace('_', '-')}"
        )
    return Path(spec.submodule_search_locations[0]) / file
