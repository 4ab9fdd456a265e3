"""PyTorch on this machine's CPU, for TorchScript and exported programs."""

from __future__ import annotations

import importlib
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from edgebench.core.device import Device
from edgebench.core.metric import Provenance
from edgebench.core.model import InputSource, ModelFormat, TensorSpec
from edgebench.core.options import read_options
from edgebench.core.profile import LayerCost, Sample
from edgebench.errors import InputError, UnsupportedModelError
from edgebench.models.input_file import array_shapes
from edgebench.models.inputs import make_inputs
from edgebench.models.pytorch.safety import sanitised_archive
from edgebench.models.source import identify
from edgebench.targets.base import PlainModel
from edgebench.targets.packages import require_package
from edgebench.targets.timing import time_calls


@dataclass(frozen=True, slots=True, kw_only=True)
class TorchOptions:
    """Options of the ``torch`` target.

    Attributes:
        threads: Threads within an operator; 1 repeats best.
    """

    threads: int = 1

    def __post_init__(self) -> None:
        if self.threads < 1:
            raise ValueError(f"threads must be at least 1, not {self.threads}")


class TorchTarget:
    """Measures TorchScript and ``torch.export`` files, which contain programs, not pickled objects."""

    options_type: ClassVar[type] = TorchOptions
    formats: ClassVar[tuple[ModelFormat, ...]] = (ModelFormat.TORCH_EXPORT, ModelFormat.TORCHSCRIPT)
    dtype: str | None = None
    deterministic: bool = False
    latency_provenance: Provenance = Provenance.MEASURED

    def __init__(self, device: Device) -> None:
        self.device = device

    def check(self) -> dict[str, str]:
        """Version of PyTorch.

        Raises:
            TargetUnavailableError: It is not installed.
        """
        read_options(self.device, TorchOptions)
        return {"torch": require_package("torch", remedy="pip install -c constraints.txt 'edgebench[train]'")}

    def import_runtime(self) -> None:
        """Import torch."""
        importlib.import_module("torch")

    @contextmanager
    def load(self, model: Path, inputs: InputSource) -> Iterator[TorchModel]:
        """Load the program and place its inputs.

        Raises:
            UnsupportedModelError: The program needs something this PyTorch lacks.
            InputError: The file or the inputs are not valid.
        """
        yield TorchModel(model, inputs, read_options(self.device, TorchOptions))


class TorchModel(PlainModel):
    """A loaded program and the inputs of every inference."""

    def __init__(self, model: Path, inputs: InputSource, options: TorchOptions) -> None:
        import torch

        torch.set_num_threads(options.threads)
        self._options = options
        self._program, specs = _load(model, inputs)
        arrays = make_inputs(specs, inputs)
        self._arguments = [torch.from_numpy(arrays[spec.name]) for spec in specs]
        self._outputs: Any = ()

    @property
    def method(self) -> str:
        """Runtime and settings."""
        import torch

        threads = f"{self._options.threads} thread{'s' if self._options.threads > 1 else ''}"
        return f"wall clock around a call in inference mode, torch {torch.__version__} CPU, {threads}"

    def run(self, iterations: int) -> Sample:
        """Time ``iterations`` calls of the program.

        Raises:
            UnsupportedModelError: The program cannot run with these inputs.
        """
        import torch

        program, arguments = self._program, self._arguments

        def call() -> None:
            self._outputs = program(*arguments)

        try:
            with torch.inference_mode():
                return time_calls(call, iterations, single_thread=self._options.threads == 1)
        except (RuntimeError, TypeError, AssertionError) as error:
            raise UnsupportedModelError(
                f"the program does not run with these inputs: {' '.join(str(error).split())[:300]}",
                remedy="give the shapes that it was made for with --shape NAME=1,3,224,224",
            ) from error

    def outputs(self) -> Mapping[str, NDArray[np.generic]]:
        """Tensor outputs of the last call, numbered."""
        import torch

        outputs = self._outputs if isinstance(self._outputs, (tuple, list)) else [self._outputs]
        return {
            f"output_{index}": value.numpy() for index, value in enumerate(outputs) if isinstance(value, torch.Tensor)
        }

    def layers(self) -> list[LayerCost]:
        """Share of each ATen operator in PyTorch's own profile, by operator."""
        import torch

        with torch.inference_mode(), torch.profiler.profile() as recorded:
            for _ in range(20):
                self._program(*self._arguments)
        totals = {event.key: event.self_cpu_time_total for event in recorded.key_averages()}
        whole = sum(totals.values())
        return [
            LayerCost(name=name, operator=name, share=time / whole)
            for name, time in sorted(totals.items(), key=lambda item: -item[1])
            if whole and time > 0
        ]


def _load(model: Path, inputs: InputSource) -> tuple[Any, list[TensorSpec]]:
    import torch

    try:
        if identify(model) is ModelFormat.TORCHSCRIPT:
            program = torch.jit.load(str(model), map_location="cpu").eval()
            return program, _script_specs(program, inputs)
        exported = torch.export.load(sanitised_archive(model))
    except (RuntimeError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(
            f"torch cannot load the model: {' '.join(str(error).split())[:300]}",
            remedy="export it again with the installed version of torch",
        ) from error
    return exported.module(), _exported_specs(exported)


def _exported_specs(exported: Any) -> list[TensorSpec]:
    values = {node.name: node.meta["val"] for node in exported.graph.nodes if node.op == "placeholder"}
    return [
        TensorSpec(
            name=name,
            dtype=str(values[name].dtype).removeprefix("torch."),
            shape=tuple(size if isinstance(size, int) else None for size in values[name].shape),
        )
        for name in exported.graph_signature.user_inputs
    ]


def _script_specs(program: Any, inputs: InputSource) -> list[TensorSpec]:
    """Inputs of a TorchScript program, which does not store their shapes."""
    names = [value.debugName() for value in program.graph.inputs()][1:]
    names = [name.split(".")[0] for name in names]
    shapes = {**(array_shapes(Path(inputs.file)) if inputs.file else {}), **inputs.shapes}
    missing = [name for name in names if name not in shapes]
    if missing:
        raise InputError(
            f"TorchScript does not store the shapes of its inputs {', '.join(missing)}",
            remedy="give " + " ".join(f"--shape {name}=1,3,224,224" for name in missing),
        )
    return [TensorSpec(name=name, dtype="float32", shape=shapes[name]) for name in names]
