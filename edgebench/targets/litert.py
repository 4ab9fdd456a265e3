"""LiteRT (the successor of TensorFlow Lite) on this machine's CPU."""

from __future__ import annotations

import math
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from edgebench.core.device import Device
from edgebench.core.metric import Provenance
from edgebench.core.model import InputSource, ModelFormat, TensorSpec
from edgebench.core.options import read_options
from edgebench.core.profile import LayerCost, Sample
from edgebench.errors import InputError, TargetUnavailableError, UnsupportedModelError
from edgebench.models.input_file import OtherNames
from edgebench.models.input_shapes import shapes_by_tensor, with_name
from edgebench.models.inputs import make_inputs
from edgebench.models.tflite.inspect import other_names
from edgebench.models.tflite.signatures import write_signature
from edgebench.targets.base import PlainModel
from edgebench.targets.litert_layers import profile_layers
from edgebench.targets.litert_signature import SignatureInterpreter
from edgebench.targets.packages import package_version
from edgebench.targets.timing import time_calls

_PACKAGES = ("ai-edge-litert", "tflite-runtime")


@dataclass(frozen=True, slots=True, kw_only=True)
class LiteRtOptions:
    """Options of the ``litert`` target.

    Attributes:
        threads: Threads of the interpreter; 1 repeats best.
        kernels: ``default`` uses XNNPACK if it can, ``builtin`` the optimised kernels without it,
            ``reference`` the slow reference kernels.
    """

    threads: int = 1
    kernels: Literal["default", "builtin", "reference"] = "default"

    def __post_init__(self) -> None:
        if self.threads < 1:
            raise ValueError(f"threads must be at least 1, not {self.threads}")


class CpuOptions(Protocol):
    """Options that a model needs for the operators it runs on the CPU."""

    @property
    def threads(self) -> int:
        """Threads of the interpreter."""

    @property
    def kernels(self) -> str:
        """Which kernels."""


class LiteRtTarget:
    """Measures ``.tflite`` models with ai-edge-litert, or tflite-runtime if only that is installed."""

    options_type: ClassVar[type] = LiteRtOptions
    formats: ClassVar[tuple[ModelFormat, ...]] = (ModelFormat.TFLITE,)
    dtype: str | None = None
    deterministic: bool = False
    latency_provenance: Provenance = Provenance.MEASURED

    def __init__(self, device: Device) -> None:
        self.device = device

    def check(self) -> dict[str, str]:
        """Which of the two runtimes is installed, and its version.

        Raises:
            TargetUnavailableError: Neither is.
        """
        read_options(self.device, LiteRtOptions)
        return dict([litert_runtime()])

    def import_runtime(self) -> None:
        """Import the interpreter."""
        _runtime()

    @contextmanager
    def load(self, model: Path, inputs: InputSource) -> Iterator[LiteRtModel]:
        """Create an interpreter with one fixed input.

        Raises:
            UnsupportedModelError: The runtime lacks an operator.
            InputError: The file or the inputs are not valid.
        """
        options = read_options(self.device, LiteRtOptions)
        interpreter = create_interpreter(model, threads=options.threads, kernels=options.kernels)
        if inputs.signature is not None:
            interpreter = SignatureInterpreter(interpreter, inputs.signature)
        set_inputs(interpreter, inputs, other_names(model, inputs.signature))
        yield LiteRtModel(model, inputs, options, litert_runtime(), interpreter)


class LiteRtModel(PlainModel):
    """An interpreter and the inputs of every inference."""

    def __init__(
        self, model: Path, inputs: InputSource, options: CpuOptions, runtime: tuple[str, str], interpreter: Any
    ) -> None:
        self._model = model
        self._inputs = inputs
        self._options = options
        self._runtime = " ".join(runtime)
        self._interpreter = interpreter

    @property
    def method(self) -> str:
        """Runtime and settings."""
        threads = f"{self._options.threads} thread{'s' if self._options.threads > 1 else ''}"
        return f"wall clock around interpreter.invoke, {self._runtime} CPU, {threads}, {self._options.kernels} kernels"

    def run(self, iterations: int) -> Sample:
        """Time ``iterations`` calls of ``invoke``; inputs are set and outputs read outside."""
        try:
            return time_calls(self._interpreter.invoke, iterations, single_thread=self.one_cpu_thread)
        except RuntimeError as error:
            raise UnsupportedModelError(
                f"LiteRT cannot run the model: {_readable(error)}",
                remedy="read what the runtime says about the operator; another version may run the model",
            ) from error

    @property
    def one_cpu_thread(self) -> bool:
        """Whether all work stays on the calling thread, so that its processor time can be compared with the clock."""
        return self._options.threads == 1

    def outputs(self) -> Mapping[str, NDArray[np.generic]]:
        """Outputs of the last inference."""
        return {
            detail["name"]: self._interpreter.get_tensor(detail["index"])
            for detail in self._interpreter.get_output_details()
        }

    def layers(self) -> list[LayerCost]:
        """Time of each operator, by the differences of cut models."""
        names = other_names(self._model, self._inputs.signature)

        def make_interpreter(path: Path) -> Any:
            interpreter = create_interpreter(path, threads=self._options.threads, kernels=self._options.kernels)
            set_inputs(interpreter, self._inputs, names)
            return interpreter

        if self._inputs.signature is None:
            return profile_layers(self._model, make_interpreter)
        with tempfile.TemporaryDirectory() as folder:
            alone = Path(folder) / "signature.tflite"
            write_signature(self._model, self._inputs.signature, alone)
            return profile_layers(alone, make_interpreter)


def litert_runtime() -> tuple[str, str]:
    """Name and version of the runtime that is installed.

    Raises:
        TargetUnavailableError: None is.
    """
    for package in _PACKAGES:
        version = package_version(package)
        if version is not None:
            return package, version
    raise TargetUnavailableError("no LiteRT runtime is installed", remedy="pip install ai-edge-litert")


def create_interpreter(model: Path, *, threads: int = 1, kernels: str = "default", delegates: Any = None) -> Any:
    """An interpreter over a memory-mapped file, from whichever runtime is installed.

    Raises:
        UnsupportedModelError: The runtime lacks an operator.
        InputError: The file is not valid.
    """
    runtime = _runtime()
    resolver = {
        "default": runtime.OpResolverType.AUTO,
        "builtin": runtime.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        "reference": runtime.OpResolverType.BUILTIN_REF,
    }[kernels]
    try:
        return runtime.Interpreter(
            model_path=str(model),
            num_threads=threads,
            experimental_op_resolver_type=resolver,
            experimental_delegates=delegates,
        )
    except (ValueError, RuntimeError) as error:
        raise _explained(error) from error


def _runtime() -> Any:
    try:
        from ai_edge_litert import interpreter
    except ModuleNotFoundError:
        from tflite_runtime import interpreter
    return interpreter


def set_inputs(interpreter: Any, inputs: InputSource, names: OtherNames | None = None) -> None:
    """Give an interpreter its shapes and inputs, and let it plan its memory.

    Args:
        interpreter: To set.
        inputs: Where they come from.
        names: Further names of inputs.

    Raises:
        UnsupportedModelError: It cannot prepare an operator.
        InputError: The inputs do not match the model.
    """
    details = interpreter.get_input_details()
    shapes = with_name(inputs.shapes, [detail["name"] for detail in details])
    inputs = replace(inputs, shapes=shapes_by_tensor(shapes, names or {}))
    arrays = make_inputs([_spec(detail, inputs) for detail in details], inputs, names)
    try:
        for detail in details:
            array = arrays[detail["name"]]
            if tuple(detail["shape"]) != array.shape:
                interpreter.resize_tensor_input(detail["index"], list(array.shape))
        interpreter.allocate_tensors()
        for detail in details:
            interpreter.set_tensor(detail["index"], arrays[detail["name"]])
    except (ValueError, RuntimeError) as error:
        raise _explained(error, _tensor_bytes(interpreter)) from error


def _spec(detail: Mapping[str, Any], inputs: InputSource) -> TensorSpec:
    """An input's shape: open dimensions have a size in the file, which is used unless the user gives another."""
    signature = detail.get("shape_signature")
    open_shape = signature if signature is not None and len(signature) else detail["shape"]
    shape = open_shape if detail["name"] in inputs.shapes or inputs.file else detail["shape"]
    return TensorSpec(
        name=detail["name"],
        dtype=np.dtype(detail["dtype"]).name if detail["dtype"] is not np.bytes_ else "string",
        shape=tuple(int(size) if size >= 0 else None for size in shape),
    )


def _tensor_bytes(interpreter: Any) -> int:
    details = interpreter.get_tensor_details()
    return sum(math.prod(map(int, detail["shape"])) * np.dtype(detail["dtype"]).itemsize for detail in details)


def _explained(error: Exception, needed_bytes: int = 0) -> InputError | UnsupportedModelError:
    text = _readable(error)
    if not text and needed_bytes:
        # It reports nothing if memory is not available.
        return UnsupportedModelError(
            f"LiteRT cannot allocate the model's tensors, which take {needed_bytes / 2**30:,.1f} GiB together",
            remedy="give smaller shapes with --shape, or use a smaller model",
        )
    if "custom op" in text or "Didn't find op" in text or "unresolved" in text.lower():
        return UnsupportedModelError(
            f"LiteRT has no kernel for an operator of the model: {text}",
            remedy="export the model without custom operators, or use a runtime that registers them",
        )
    if "failed to prepare" in text or "Failed to apply" in text:
        return UnsupportedModelError(
            f"LiteRT cannot prepare the model: {text}",
            remedy="read what the runtime says about the operator; other input shapes may work",
        )
    return InputError(f"LiteRT cannot load the model: {text}", remedy="check that the file is complete")


def _readable(error: Exception) -> str:
    """LiteRT joins its sentences without a space: split them before certain words."""
    text = re.sub(r"(?<=[a-z.])(Node number|Restored original|See instructions)", r" \1", str(error))
    return " ".join(text.split())[:400]
