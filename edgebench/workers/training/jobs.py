"""What the training process is asked to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgebench.core.record import Record
from edgebench.core.space import SpaceDescription
from edgebench.spaces.space import SearchSpace
from edgebench.tasks.recipe import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceText(Record):
    """A space's description as it travels to another process.

    Attributes:
        name: Of the space.
        family: Code that reads the options.
        options: Settings of the family.
    """

    name: str
    family: str
    options: Mapping[str, Any]

    @classmethod
    def of(cls, space: SearchSpace) -> SpaceText:
        """The text of a space."""
        description = space.description
        return cls(name=description.name, family=description.family, options=dict(description.options))

    def description(self) -> SpaceDescription:
        """The description again."""
        return SpaceDescription(name=self.name, family=self.family, description="", options=self.options)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskText(Record):
    """A task as it travels to another process.

    Attributes:
        text: What the user typed.
        seed: Of the split.
    """

    text: str
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainJob(Record):
    """One training.

    Attributes:
        space: Where the network comes from.
        architecture: Which network.
        task: What it is trained on.
        recipe: How.
        seed: Of weights, order and augmentation.
        weights: File to write the weights to, or None.
        teacher: Architecture and weights file of a network to imitate, or None.
        threads: Of PyTorch.
    """

    space: SpaceText
    architecture: tuple[int, ...]
    task: TaskText
    recipe: Recipe
    seed: int
    weights: str | None = None
    teacher: tuple[tuple[int, ...], str] | None = None
    threads: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch(Record):
    """An epoch that is done.

    Attributes:
        number: From 1.
        accuracy: On validation samples.
        last: Whether training has ended; ``accuracy`` is then that of the best epoch.
        seconds: Wall time of the whole training, once it has ended.
    """

    number: int
    accuracy: float
    last: bool = False
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SupernetJob(Record):
    """Training of shared weights.

    Attributes:
        space: Whose networks share them.
        task: What they are trained on.
        recipe: How.
        seed: Of weights, networks and order.
        state: File that the shared weights are read from if it is there, and written to if not.
    """

    space: SpaceText
    task: TaskText
    recipe: Recipe
    seed: int
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportJob(Record):
    """A trained network as files.

    Attributes:
        space: Where it comes from.
        architecture: Which network.
        weights: File of its weights.
        task: Whose training images set the ranges of int8.
        folder: Where files are written: ``NAME.onnx``, ``NAME.tflite``, ``NAME.int8.tflite``.
        name: Begins the names of the files.
    """

    space: SpaceText
    architecture: tuple[int, ...]
    weights: str
    task: TaskText
    folder: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFacts(Record):
    """What the search needs to know of a task.

    Attributes:
        name: For tables.
        classes: How many.
        input_shape: Rows, columns, channels.
        digest: Over data and split.
        samples: Of training, validation and test.
    """

    name: str
    classes: int
    input_shape: tuple[int, int, int]
    digest: str
    samples: tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions(Record):
    """Classes that a file predicts, and the true ones.

    Attributes:
        classes: One a sample.
        labels: As many.
    """

    classes: tuple[int, ...]
    labels: tuple[int, ...]


def exported_names(name: str) -> tuple[str, str, str]:
    """Names of an exported network's files: ONNX, TFLite, int8 TFLite."""
    return f"{name}.onnx", f"{name}.tflite", f"{name}.int8.tflite"
