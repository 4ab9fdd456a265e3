"""A target: models run, and are timed, in the reference implementation of ONNX.

A target finds out what is missing without importing it (``check``), imports what it needs (``import_runtime``), and
yields a model that runs bursts (``load``). All of it happens in a child process, which a model may crash.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from edgebench.core.device import Device
from edgebench.core.metric import Provenance
from edgebench.core.model import InputSource, ModelFormat, TensorSpec
from edgebench.core.options import read_options
from edgebench.core.profile import Sample
from edgebench.errors import InputError, TargetUnavailableError, UnsupportedModelError
from edgebench.models.inputs import make_inputs
from edgebench.targets.base import PlainModel
from edgebench.targets.timing import time_calls


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceOptions:
    """The keys of ``[options]`` in a device file; edgebench refuses any others.

    Attributes:
        full_check: Infer all shapes before the model runs, and refuse it if its shapes do not match.
    """

    full_check: bool = True


class ReferenceTarget:
    """Measures ``.onnx`` models in ``onnx.reference``."""

    options_type: ClassVar[type] = ReferenceOptions
    formats: ClassVar[tuple[ModelFormat, ...]] = (ModelFormat.ONNX,)
    dtype: str | None = None
    deterministic: bool = False
    latency_provenance: Provenance = Provenance.MEASURED

    def __init__(self, device: Device) -> None:
        self.device = device

    def check(self) -> dict[str, str]:
        """Version of onnx.

        Raises:
            TargetUnavailableError: It is not installed.
        """
        read_options(self.device, ReferenceOptions)
        try:
            return {"onnx": version("onnx")}
        except PackageNotFoundError:
            raise TargetUnavailableError("onnx is not installed", remedy="pip install onnx") from None

    def import_runtime(self) -> None:
        """Import the evaluator, so that the loading time covers only the model."""
        importlib.import_module("onnx.reference")

    @contextmanager
    def load(self, model: Path, inputs: InputSource) -> Iterator[ReferenceModel]:
        """Read the model and make its inputs.

        Raises:
            UnsupportedModelError: The reference implementation lacks an operator.
            InputError: The file or the inputs are not valid.
        """
        yield ReferenceModel(model, inputs, read_options(self.device, ReferenceOptions))


class ReferenceModel(PlainModel):
    """A model and the inputs of every inference. ``PlainModel`` provides what this target does not know."""

    def __init__(self, model: Path, inputs: InputSource, options: ReferenceOptions) -> None:
        import onnx
        from onnx.reference import ReferenceEvaluator

        try:
            proto = onnx.load(str(model))
            onnx.checker.check_model(proto, full_check=options.full_check)
        except Exception as error:
            # A file that is not a model breaks its readers in many ways.
            raise InputError(f"onnx cannot read the model: {str(error).partition(chr(10))[0]}") from error
        try:
            self._evaluator: Any = ReferenceEvaluator(proto)
        except NotImplementedError as error:
            raise UnsupportedModelError(
                f"the reference implementation lacks an operator: {error}", remedy="run it on the device `host`"
            ) from error
        stored = {tensor.name for tensor in proto.graph.initializer}
        specs = [_spec(value) for value in proto.graph.input if value.name not in stored]
        self._feeds = make_inputs(specs, inputs)
        self._outputs: list[Any] = []

    @property
    def method(self) -> str:
        """How the figures are obtained, in one phrase."""
        return f"wall clock around ReferenceEvaluator.run, onnx {version('onnx')}"

    def run(self, iterations: int) -> Sample:
        """Time ``iterations`` inferences."""

        def call() -> None:
            self._outputs = self._evaluator.run(None, self._feeds)

        # numpy may use several threads, whose processor time says nothing about the wall clock.
        return time_calls(call, iterations, single_thread=False)

    def outputs(self) -> Mapping[str, NDArray[np.generic]]:
        """Outputs of the last inference."""
        return dict(zip(self._evaluator.output_names, self._outputs, strict=False))


def _spec(value: Any) -> TensorSpec:
    import onnx

    tensor = value.type.tensor_type
    if not tensor.elem_type:
        raise UnsupportedModelError(f"input {value.name!r} is not a tensor", remedy="export the model with tensors")
    return TensorSpec(
        name=value.name,
        dtype=str(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)),
        shape=tuple(size.dim_value if size.HasField("dim_value") else None for size in tensor.shape.dim),
        dimensions=tuple(size.dim_param for size in tensor.shape.dim),
    )
