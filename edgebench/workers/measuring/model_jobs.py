"""Requests about a model on a device that measure nothing: what it runs, what comes out, what is written for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from edgebench.core.device import Device
from edgebench.core.model import InputSource
from edgebench.core.record import Record
from edgebench.core.support import Support
from edgebench.workers.measuring.at_device import AtDevice
from edgebench.workers.protocol import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutedOperators(Record):
    """What a runtime makes of models.

    Attributes:
        counts: For each model how often each operator is executed; None where the target does not tell.
    """

    counts: tuple[Mapping[str, int], ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CountOperators(AtDevice[ExecutedOperators]):
    """Ask a target which operators it executes, without running anything.

    Attributes:
        device: The device.
        models: Paths of files that its target takes.
    """

    models_in: ClassVar[tuple[str, ...]] = ("models",)
    verb: ClassVar[str] = "count operators"
    step: ClassVar[str] = "while operators were counted"
    device: Device
    models: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Try(AtDevice[Support]):
    """Find out whether a device runs a model, without measuring it.

    Attributes:
        device: The device.
        model: Path of a file that the device's target takes.
        inputs: Where inputs come from.
    """

    models_in: ClassVar[tuple[str, ...]] = ("model",)
    verb: ClassVar[str] = "try"
    step: ClassVar[str] = "while the model was tried"
    device: Device
    model: str
    inputs: InputSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Written(Record):
    """Files that were written.

    Attributes:
        files: Their paths in the requested folder.
        notes: What their user must know.
    """

    files: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteProject(Request[Written]):
    """Write what a device runs: a C project, or what a compiler makes of the model.

    Attributes:
        device: What it is for.
        model: Path of the file.
        inputs: Where the inputs of its test vector come from.
        folder: Where the files go.
    """

    verb: ClassVar[str] = "write project"
    step: ClassVar[str] = "while its files were written"
    device: Device
    model: str
    inputs: InputSource
    folder: str

    def misfit(self, answer: Written) -> str | None:
        """Its files must be in the folder: they are copied from there to where the user wants them."""
        return None if all(_is_in(self.folder, name) for name in answer.files) else "files that are not in their folder"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputsCompared(Record):
    """How far the outputs of two models are apart.

    Attributes:
        compared: Number of outputs that both have; 0 where the target does not execute models.
        difference: Largest difference as a share of an output's largest value; None if they cannot be compared.
        reason: Why not.
    """

    compared: int
    difference: float | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareOutputs(AtDevice[OutputsCompared]):
    """Run two models once on the same inputs.

    Attributes:
        device: The device.
        before: Path of a file that its target takes.
        after: Path of another one.
        inputs: Where the inputs of both come from.
    """

    models_in: ClassVar[tuple[str, ...]] = ("before", "after")
    verb: ClassVar[str] = "compare outputs"
    step: ClassVar[str] = "while outputs were compared"
    device: Device
    before: str
    after: str
    inputs: InputSource


def _is_in(folder: str, name: str) -> bool:
    """Whether a name means a file in a folder, and the same name another one in any other folder."""
    path = Path(name)
    if "\0" in name or path.is_absolute() or ".." in path.parts:
        return False
    return (Path(folder) / path).resolve().is_relative_to(Path(folder).resolve())
