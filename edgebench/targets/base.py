"""The seam between edgebench and what runs a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from edgebench.core.device import Device
from edgebench.core.metric import Metric, Provenance
from edgebench.core.model import InputSource, ModelFormat
from edgebench.core.profile import Footprint, LayerCost, Sample
from edgebench.core.support import Support


class LoadedModel(Protocol):
    """A model that is ready to run. It is in a child process and may crash it."""

    @property
    def footprint(self) -> Footprint:
        """Memory that the model takes, as far as the target knows."""

    def run(self, iterations: int) -> Sample:
        """Run one burst.

        Args:
            iterations: Inferences to run, at least 1.

        A deterministic target runs only one inference; its latency is a metric, not a sample.
        """

    def outputs(self) -> Mapping[str, NDArray[np.generic]]:
        """Outputs of the last inference by name; empty for a target that does not execute the model."""

    def layers(self) -> list[LayerCost]:
        """Cost of each operator; empty if the target does not know it. May run the model again."""

    def metrics(self) -> Mapping[str, Metric]:
        """Further figures of this target by name (``cycles``, ``utilisation``, ...); valid after ``run``."""

    def notes(self) -> list[str]:
        """What a reader of the numbers must know, such as operators that fell back to the CPU."""

    def faults(self) -> list[str]:
        """Reasons not to trust the results, such as outputs that differ from the CPU's; valid after ``run``."""

    @property
    def method(self) -> str:
        """How the latencies are obtained, in one phrase: runtime, version, settings."""


class PlainModel:
    """Default answers to the questions that only some targets can answer."""

    @property
    def footprint(self) -> Footprint:
        """Unknown."""
        return Footprint()

    def outputs(self) -> Mapping[str, NDArray[np.generic]]:
        """None."""
        return {}

    def layers(self) -> list[LayerCost]:
        """None."""
        return []

    def metrics(self) -> Mapping[str, Metric]:
        """None beyond what is sampled."""
        return {}

    def notes(self) -> list[str]:
        """None."""
        return []

    def faults(self) -> list[str]:
        """None."""
        return []


class Target(Protocol):
    """Runs models for one device. Construction is cheap and imports no runtime.

    Attributes:
        device: The device it was made for.
        options_type: The dataclass that a device's ``[options]`` are read into.
        formats: File formats it takes, the preferred one first.
        dtype: ``int8`` if only quantised models run, ``float32`` if only float ones do, otherwise None.
        deterministic: Whether a second run would give the same numbers, so that one is enough.
        latency_provenance: What the latencies of ``run`` are.
    """

    options_type: ClassVar[type]
    formats: ClassVar[tuple[ModelFormat, ...]]
    dtype: str | None
    deterministic: bool
    latency_provenance: Provenance

    def __init__(self, device: Device) -> None: ...

    @property
    def device(self) -> Device:
        """The device the target was made for."""

    def check(self) -> dict[str, str]:
        """Versions of what the target needs, found without importing it.

        Raises:
            TargetUnavailableError: Something is missing; the remedy says how to get it.
            InputError: The device's options are not valid for this target.
        """

    def import_runtime(self) -> None:
        """Import what ``load`` needs, so that the loading time covers only the model."""

    def load(self, model: Path, inputs: InputSource) -> AbstractContextManager[LoadedModel]:
        """Load a model and place its inputs.

        Raises:
            UnsupportedModelError: The file is valid, but cannot run here.
            InputError: The file or the inputs are wrong.
        """


@runtime_checkable
class Tries(Protocol):
    """What a target offers in addition if it can find out without loading a model whether it runs."""

    def try_model(self, model: Path) -> Support:
        """Find out which parts of a model run.

        Raises:
            UnsupportedModelError: It does not, for a reason other than missing operators.
            InputError: The file is damaged.
        """


@runtime_checkable
class WritesDeployed(Protocol):
    """A target that can write what its device runs."""

    def write_deployed(self, model: Path, inputs: InputSource, folder: Path) -> tuple[Sequence[str], Sequence[str]]:
        """Write the files that are deployed, from a model in a format of the target.

        Returns:
            Paths in the folder, and what their user must know.

        Raises:
            UnsupportedModelError: The device cannot run the model.
        """


@runtime_checkable
class MadeReadyOnce(Protocol):
    """What a target offers in addition if it has something to do before its first model, and keeps the result.

    The time that it takes belongs to no model: it does not count towards the limits of a measurement.
    """

    def pending(self) -> str | None:
        """What is still to be done, in a few words for progress, or None."""

    def make_ready(self) -> None:
        """Do it, in a child process.

        Raises:
            TargetUnavailableError: It cannot be done.
        """


@runtime_checkable
class HeardLoops(Protocol):
    """What a model on a board offers in addition if the board says when a loop begins and ends.

    Attributes:
        heard_s: When both arrived here for the last loop, by this machine's monotonic clock.
    """

    heard_s: tuple[float, float]


@runtime_checkable
class MeasuresInLoops(Protocol):
    """What a target offers in addition if a board measures itself: one loop of inferences is one burst.

    Time and memory of the process that talks to the board say nothing about the model, and no meter inside this machine
    knows the board's energy; one that the user attached between them does.
    """

    @property
    def loops(self) -> int:
        """How many loops are enough."""

    @property
    def loop_s(self) -> float:
        """Least time of one loop, in seconds."""


@runtime_checkable
class PassesModelsOn(Protocol):
    """What a target offers in addition if it copies model files to where they run, and never reads them.

    Nothing of a model can take over its process, which therefore keeps the network and the user's files.
    """

    def passes_models_on(self) -> bool:
        """Whether it does."""


@runtime_checkable
class ActsOutside(Protocol):
    """What a target offers in addition if it needs what a process that runs models gives up, such as a debug probe."""

    def start_outside(self) -> None:
        """Start what will do that; called before the process confines itself.

        Raises:
            TargetUnavailableError: It cannot be started.
            InputError: The device's file is not valid.
        """


@runtime_checkable
class TellsOperators(Protocol):
    """What a target offers in addition if its runtime rewrites a model, and can say into which operators."""

    def operators(self, model: Path) -> Mapping[str, int]:
        """How often each operator is executed, without running the model.

        Raises:
            UnsupportedModelError: The model does not run there.
            InputError: The file is damaged.
        """
