"""PyTorch on this machine's CPU, for TorchScript and exported programs."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from edgebench.core.device import Device
from edgebench.core.metric import Provenance
from edgebench.core.model import InputSource, ModelFormat
from edgebench.core.options import read_options
from edgebench.core.profile import LayerCost, Sample
from edgebench.models.inputs import make_inputs
from edgebench.models.pytorch.load import TRAIN_EXTRA, array_of, cannot_run, load_program
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
        return {"torch": require_package("torch", remedy=TRAIN_EXTRA)}

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
        program = load_program(model, inputs.shapes, inputs.file)
        arrays = make_inputs(program.specs, inputs)
        self._arguments, self._named = program.arguments(program.tensors(arrays))
        self._program = program.runnable()
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

        program, arguments, named = self._program, self._arguments, self._named

        def call() -> None:
            self._outputs = program(*arguments, **named)

        try:
            with torch.inference_mode():
                return time_calls(call, iterations, single_thread=self._options.threads == 1)
        except (RuntimeError, TypeError, AssertionError) as error:
            raise cannot_run(error) from error

    def outputs(self) -> Mapping[str, NDArray[np.generic]]:
        """Tensor outputs of the last call, numbered."""
        import torch

        outputs = self._outputs if isinstance(self._outputs, (tuple, list)) else [self._outputs]
        return {
            f"output_{index}": array_of(value) for index, value in enumerate(outputs) if isinstance(value, torch.Tensor)
        }

    def layers(self) -> list[LayerCost]:
        """Share of each ATen operator in PyTorch's own profile, by operator."""
        import torch

        with torch.inference_mode(), torch.profiler.profile() as recorded:
            for _ in range(20):
                self._program(*self._arguments, **self._named)
        totals = {event.key: event.self_cpu_time_total for event in recorded.key_averages()}
        whole = sum(totals.values())
        return [
            LayerCost(name=name, operator=name, share=time / whole)
            for name, time in sorted(totals.items(), key=lambda item: -item[1])
            if whole and time > 0
        ]
