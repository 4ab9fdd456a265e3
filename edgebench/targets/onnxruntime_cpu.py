"""ONNX Runtime on this machine's CPU."""

from __future__ import annotations

import importlib
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from edgebench.core.device import Device
from edgebench.core.metric import Provenance
from edgebench.core.model import InputSource, ModelFormat, TensorSpec
from edgebench.core.options import read_options
from edgebench.core.profile import LayerCost, Sample
from edgebench.errors import InputError, UnsupportedModelError
from edgebench.models.inputs import make_inputs
from edgebench.targets.base import PlainModel
from edgebench.targets.onnxruntime_profile import profile_layers
from edgebench.targets.packages import require_package
from edgebench.targets.timing import time_calls


@dataclass(frozen=True, slots=True, kw_only=True)
class OnnxRuntimeOptions:
    """Options of the ``onnxruntime`` target.

    Attributes:
        threads: Threads within an operator; 1 repeats best.
        optimization: Graph optimisation level of ONNX Runtime.
    """

    threads: int = 1
    optimization: Literal["none", "basic", "extended", "all"] = "all"

    def __post_init__(self) -> None:
        if self.threads < 1:
            raise ValueError(f"threads must be at least 1, not {self.threads}")


_DTYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    "tensor(bfloat16)": "bfloat16",
    "tensor(bool)": "bool",
    "tensor(string)": "string",
    **{f"tensor({sign}int{bits})": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}


class OnnxRuntimeTarget:
    """Measures ``.onnx`` models with ONNX Runtime's CPU execution provider."""

    options_type: ClassVar[type] = OnnxRuntimeOptions
    formats: ClassVar[tuple[ModelFormat, ...]] = (ModelFormat.ONNX,)
    dtype: str | None = None
    deterministic: bool = False
    latency_provenance: Provenance = Provenance.MEASURED

    def __init__(self, device: Device) -> None:
        self.device = device

    def check(self) -> dict[str, str]:
        """Version of ONNX Runtime.

        Raises:
            TargetUnavailableError: It is not installed.
        """
        read_options(self.device, OnnxRuntimeOptions)
        return {"onnxruntime": require_package("onnxruntime")}

    def import_runtime(self) -> None:
        """Import onnxruntime."""
        importlib.import_module("onnxruntime")

    @contextmanager
    def load(self, model: Path, inputs: InputSource) -> Iterator[OnnxRuntimeModel]:
        """Create a session with one fixed input.

        Raises:
            UnsupportedModelError: ONNX Runtime does not support an operator or a version of it.
            InputError: The file or the inputs are not valid.
        """
        yield OnnxRuntimeModel(model, inputs, read_options(self.device, OnnxRuntimeOptions))

    def operators(self, model: Path) -> Mapping[str, int]:
        """Operators of the graph as ONNX Runtime rewrites it for this processor, such as ``ReorderInput``.

        Raises:
            UnsupportedModelError: ONNX Runtime does not support an operator or a version of it.
            InputError: The file is not valid.
        """
        import onnx

        options = session_options(read_options(self.device, OnnxRuntimeOptions))
        with tempfile.TemporaryDirectory(prefix="edgebench-") as folder:
            place = Path(folder) / "optimized.onnx"
            options.optimized_model_filepath = str(place)
            create_session(model, options, ["CPUExecutionProvider"])
            graph = onnx.load(str(place), load_external_data=False).graph
        return Counter(f"{node.domain}.{node.op_type}".lstrip(".") for node in graph.node)


class OnnxRuntimeModel(PlainModel):
    """A session and the inputs of every inference."""

    def __init__(self, model: Path, inputs: InputSource, options: OnnxRuntimeOptions) -> None:
        import onnxruntime

        onnxruntime.set_default_logger_severity(4)
        self._model = model
        self._options = options
        self._session = self.create_session()
        specs = [_spec(node) for node in self._session.get_inputs()]
        self._feeds = make_inputs(specs, inputs)
        self._outputs: list[Any] = []

    def create_session(self, *, profiling: str | None = None) -> Any:
        """A session for the model.

        Args:
            profiling: Where ONNX Runtime's profiler writes, if it is to run.
        """
        return create_session(self._model, session_options(self._options, profiling), ["CPUExecutionProvider"])

    @property
    def method(self) -> str:
        """Runtime and settings."""
        import onnxruntime

        threads = f"{self._options.threads} thread{'s' if self._options.threads > 1 else ''}"
        return (
            f"wall clock around session.run, onnxruntime {onnxruntime.__version__} CPU, "
            f"{threads}, optimization {self._options.optimization}"
        )

    def run(self, iterations: int) -> Sample:
        """Time ``iterations`` calls of ``session.run``.

        Raises:
            UnsupportedModelError: ONNX Runtime loads the model but cannot run it.
        """
        from onnxruntime.capi import onnxruntime_pybind11_state as states

        run, feeds = self._session.run, self._feeds

        def call() -> None:
            self._outputs = run(None, feeds)

        try:
            return time_calls(call, iterations, single_thread=self.one_cpu_thread)
        except (states.NotImplemented, states.InvalidArgument, states.Fail) as error:
            raise UnsupportedModelError(
                f"ONNX Runtime cannot run the model: {_short(error)}",
                remedy="check its shapes with onnx.checker.check_model(model, full_check=True), and export it again",
            ) from error

    def outputs(self) -> Mapping[str, NDArray[np.generic]]:
        """Tensor outputs of the last inference."""
        names = [node.name for node in self._session.get_outputs()]
        return {name: value for name, value in zip(names, self._outputs, strict=False) if isinstance(value, np.ndarray)}

    def layers(self) -> list[LayerCost]:
        """Share of each kernel in the time that ONNX Runtime's profiler saw inside kernels."""
        return profile_layers(lambda place: self.create_session(profiling=place), self._feeds)

    @property
    def one_cpu_thread(self) -> bool:
        """Whether all work stays on the calling thread, so that its processor time can be compared with the clock."""
        return self._options.threads == 1


def session_options(options: OnnxRuntimeOptions, profiling: str | None = None) -> Any:
    """ONNX Runtime's session options for ours; ``profiling`` is where its profiler writes."""
    import onnxruntime

    level = onnxruntime.GraphOptimizationLevel
    result = onnxruntime.SessionOptions()
    result.intra_op_num_threads = options.threads
    result.inter_op_num_threads = 1
    result.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    result.graph_optimization_level = {
        "none": level.ORT_DISABLE_ALL,
        "basic": level.ORT_ENABLE_BASIC,
        "extended": level.ORT_ENABLE_EXTENDED,
        "all": level.ORT_ENABLE_ALL,
    }[options.optimization]
    result.log_severity_level = 4
    if profiling is not None:
        result.enable_profiling = True
        result.profile_file_prefix = profiling
    return result


def _spec(node: Any) -> TensorSpec:
    if node.type not in _DTYPES:
        raise UnsupportedModelError(
            f"input {node.name!r} is a {node.type}",
            remedy="edgebench feeds only tensors; export the model with tensor inputs",
        )
    return TensorSpec(
        name=node.name,
        dtype=_DTYPES[node.type],
        shape=tuple(size if isinstance(size, int) else None for size in node.shape),
        dimensions=tuple(size if isinstance(size, str) else "" for size in node.shape),
    )


def create_session(model: Path, options: Any, providers: list[str] | None) -> Any:
    """A session, with ONNX Runtime's errors explained.

    Args:
        model: An ``.onnx`` file.
        options: ONNX Runtime's session options.
        providers: Providers to use, or None for those that the options name.

    Raises:
        UnsupportedModelError: ONNX Runtime does not support an operator or a version of it.
        InputError: The file is not valid.
    """
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as states

    try:
        return onnxruntime.InferenceSession(str(model), options, providers=providers)
    except (states.NotImplemented, states.NoSuchFile, states.InvalidGraph, states.Fail) as error:
        raise _explained(error, model) from error
    except (states.InvalidProtobuf, states.InvalidArgument, states.RuntimeException) as error:
        raise InputError(f"ONNX Runtime cannot read the model: {_short(error)}") from error


def _explained(error: Exception, model: Path) -> InputError | UnsupportedModelError:
    text = _short(error)
    if "is not a registered function/op" in text or "Could not find an implementation" in text:
        operator = text.split("Error:")[-1].strip()
        return UnsupportedModelError(
            f"ONNX Runtime's CPU provider does not have an operator of the model: {operator}",
            remedy=_what_helps(model, text),
        )
    if "opset" in text and "support" in text:
        return UnsupportedModelError(
            f"the model is newer than the installed ONNX Runtime: {text}",
            remedy="pip install --upgrade onnxruntime, or export with a lower opset",
        )
    return InputError(f"ONNX Runtime cannot load the model: {text}")


def _what_helps(model: Path, text: str) -> str:
    """Why an operator of a readable file may be missing: its opset, its types, or a library."""
    from edgebench.models.onnx.file import FIRST_OPSET, MODERN_OPSET, opset_of, parse_graph, unusual_types

    parsed = parse_graph(model)
    if opset_of(parsed) < FIRST_OPSET:
        return f"convert it to a newer opset: onnx.version_converter.convert_version(model, {MODERN_OPSET})"
    types = unusual_types(parsed)
    if types and "not a registered" not in text:
        return f"the runtime has few operators for {' and '.join(types)}: export the model in float32"
    return "export the model without it, or run it with its custom library registered"


def _short(error: Exception) -> str:
    text = str(error).partition(" : ")[2] or str(error)
    return " ".join(text.split())[:400]
