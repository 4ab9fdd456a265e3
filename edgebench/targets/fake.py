"""A device that runs nothing: for tests, documentation and authors of plug-ins.

Its numbers follow only from the size of the model file and a seed, and go through the same child process,
files and tables as those of a real device. It says so in every profile: its latencies are *simulated*.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from edgebench.core.device import Device
from edgebench.core.metric import Metric, Provenance
from edgebench.core.model import InputSource, ModelFormat
from edgebench.core.options import read_options
from edgebench.core.profile import Footprint, LayerCost, Sample
from edgebench.errors import TargetUnavailableError, UnsupportedModelError
from edgebench.targets.base import PlainModel

Misbehaviour = Literal[
    "none", "unavailable", "unsupported", "crash", "crash-later", "hang", "exhaust-memory", "nan", "error"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeOptions:
    """Options of the fake target.

    Attributes:
        bytes_per_second: Latency is the file's size divided by this.
        noise: Relative standard deviation of the latencies.
        process_noise: Relative standard deviation of a process's mean.
        misbehave: How to fail, to try out what users then see.
    """

    bytes_per_second: float = 1e8
    noise: float = 0.01
    process_noise: float = 0.001
    misbehave: Misbehaviour = "none"


class FakeTarget:
    """Deterministic given the model file, the seed and the number of the process."""

    options_type: ClassVar[type] = FakeOptions
    formats: ClassVar[tuple[ModelFormat, ...]] = tuple(ModelFormat)
    dtype: str | None = None
    deterministic: bool = False
    latency_provenance: Provenance = Provenance.SIMULATED

    def __init__(self, device: Device) -> None:
        self.device = device

    def check(self) -> dict[str, str]:
        """Nothing is needed.

        Raises:
            TargetUnavailableError: Only if asked to misbehave so.
        """
        options = read_options(self.device, FakeOptions)
        if options.misbehave == "unavailable":
            raise TargetUnavailableError("the fake board is not attached", remedy="attach the fake board")
        return {"fake": "1"}

    def import_runtime(self) -> None:
        """Nothing to import."""

    @contextmanager
    def load(self, model: Path, inputs: InputSource) -> Iterator[FakeModel]:
        """Read the file's size; nothing is executed."""
        options = read_options(self.device, FakeOptions)
        if options.misbehave == "unsupported":
            raise UnsupportedModelError(
                "the fake device does not support the operator Frobnicate",
                operators=("Frobnicate",),
                remedy="replace Frobnicate with an operator that exists",
            )
        _misbehave_on_load(options.misbehave)
        yield FakeModel(model.stat().st_size, inputs.seed, options)


class FakeModel(PlainModel):
    """A model that does not exist."""

    method = "file size / bytes_per_second, with seeded noise"

    def __init__(self, size: int, seed: int, options: FakeOptions) -> None:
        self._options = options
        self._size = size
        # The parent numbers its processes, so that fresh ones differ as real ones do, and repeat.
        process = int(os.environ.get("EDGEBENCH_PROCESS", "0"))
        self._random = np.random.default_rng((seed, size, process))
        self._mean = size / options.bytes_per_second
        self._mean *= 1 + options.process_noise * float(self._random.standard_normal())

    @property
    def footprint(self) -> Footprint:
        """The file in flash, a tenth of it in memory."""
        return Footprint(
            ram_bytes=self._metric(self._size // 10, "bytes"), flash_bytes=self._metric(self._size, "bytes")
        )

    def run(self, iterations: int) -> Sample:
        """Draw ``iterations`` latencies."""
        if self._options.misbehave == "crash-later":
            os.kill(os.getpid(), signal.SIGSEGV)
        noise = np.abs(self._random.standard_normal(iterations)) * self._options.noise
        latencies = self._mean * (1 + noise)
        total = float(latencies.sum())
        return Sample(latencies_s=tuple(latencies.tolist()), cpu_s=total, wall_s=total)

    def outputs(self) -> Mapping[str, NDArray[np.generic]]:
        """One number, or NaN if asked to misbehave."""
        return {"output": np.array([np.nan if self._options.misbehave == "nan" else 0.5], dtype=np.float32)}

    def layers(self) -> list[LayerCost]:
        """Two layers, one three times the other."""
        return [
            LayerCost(name="first", operator="Conv", share=0.75),
            LayerCost(name="second", operator="Gemm", share=0.25),
        ]

    def metrics(self) -> Mapping[str, Metric]:
        """Cycles of a 100 MHz processor."""
        return {"cycles": self._metric(round(self._mean * 1e8), "cycles")}

    def notes(self) -> list[str]:
        """Says what this is."""
        return ["the fake device runs nothing: its numbers only show what a profile looks like"]

    def _metric(self, value: float, unit: str) -> Metric:
        return Metric(value=value, unit=unit, provenance=Provenance.SIMULATED, method=self.method)


def _misbehave_on_load(how: Misbehaviour) -> None:
    if how == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif how == "hang":
        while True:
            time.sleep(1)
    elif how == "exhaust-memory":
        hoard = []
        while True:
            hoard.append(np.ones(2**24))
    elif how == "error":
        raise RuntimeError("the fake runtime failed for no reason")
