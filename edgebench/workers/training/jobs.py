"""Requests to a training process, and its answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from edgebench.core.record import Record
from edgebench.core.space import SpaceDescription
from edgebench.spaces.space import SearchSpace
from edgebench.tasks.recipe import Recipe
from edgebench.workers.protocol import LongRequest, Request


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
        """The serialised form of a space."""
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
class Epoch(Record):
    """An epoch that is done, but is not the last.

    Attributes:
        number: From 1.
        accuracy: On validation samples.
    """

    number: int
    accuracy: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained(Record):
    """A training that has ended.

    Attributes:
        epochs: How many were done.
        accuracy: On validation samples: of the best epoch, or of the last one if it was stopped.
        seconds: Wall time, or 0 if it was stopped.
    """

    epochs: int
    accuracy: float
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainJob(LongRequest[Trained, Epoch]):
    """One training.

    Attributes:
        space: Where the network comes from.
        architecture: Which network.
        task: What it is trained on.
        recipe: How it is trained.
        seed: Of weights, order and augmentation.
        weights: File to write the weights to, or None.
        teacher: Architecture and weights file of a network to imitate, or None.
        original: Folder of an artefact to imitate instead, or empty.
        threads: Of PyTorch.
    """

    verb: ClassVar[str] = "train"
    step: ClassVar[str] = "while a network was trained"
    space: SpaceText
    architecture: tuple[int, ...]
    task: TaskText
    recipe: Recipe
    seed: int
    weights: str | None = None
    teacher: tuple[tuple[int, ...], str] | None = None
    original: str = ""
    threads: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedWeights(Record):
    """Shared weights that are ready.

    Attributes:
        epochs: How many epochs they were trained; 0 if they were read from their file.
    """

    epochs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SupernetJob(LongRequest[SharedWeights, Epoch]):
    """Training of shared weights.

    Attributes:
        space: The space whose networks share them.
        task: What they are trained on.
        recipe: How they are trained.
        seed: Of weights, networks and order.
        state: File that the shared weights are read from if it exists, and written to otherwise.
    """

    verb: ClassVar[str] = "supernet"
    step: ClassVar[str] = "while shared weights were trained"
    space: SpaceText
    task: TaskText
    recipe: Recipe
    seed: int
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Score(Record):
    """The value of a network.

    Attributes:
        value: An accuracy from 0 to 1, or a score that rises with it.
    """

    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedAccuracy(Request[Score]):
    """Validation accuracy of a network on the shared weights of the last ``SupernetJob``.

    Attributes:
        architecture: Which network.
    """

    verb: ClassVar[str] = "shared"
    step: ClassVar[str] = "while shared weights were tried"
    architecture: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Synflow(Request[Score]):
    """Synaptic flow of an untrained network.

    Attributes:
        space: Where it comes from.
        architecture: Which network.
    """

    verb: ClassVar[str] = "synflow"
    step: ClassVar[str] = "while a network was rated"
    space: SpaceText
    architecture: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported(Record):
    """Files of a network.

    Attributes:
        paths: ONNX, TFLite, int8 TFLite.
    """

    paths: tuple[str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportJob(Request[Exported]):
    """A trained network as files.

    Attributes:
        space: Where it comes from.
        architecture: Which network.
        weights: File of its weights.
        task: The task whose training images set the ranges of int8.
        folder: Where files are written: ``NAME.onnx``, ``NAME.tflite``, ``NAME.int8.tflite``.
        name: Prefix of the files' names.
    """

    verb: ClassVar[str] = "export"
    step: ClassVar[str] = "while a network was exported"
    space: SpaceText
    architecture: tuple[int, ...]
    weights: str
    task: TaskText
    folder: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFacts(Record):
    """What the search needs to know about a task.

    Attributes:
        name: For tables.
        classes: Number of classes.
        input_shape: Rows, columns, channels.
        digest: Over data and split.
        samples: Of training, validation and test.
        counts: For training, validation and test the samples of each class.
    """

    name: str
    classes: int
    input_shape: tuple[int, int, int]
    digest: str
    samples: tuple[int, int, int]
    counts: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeTask(Request[TaskFacts]):
    """Load a task.

    Attributes:
        task: Which one.
    """

    verb: ClassVar[str] = "task"
    step: ClassVar[str] = "while a task was loaded"
    task: TaskText


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions(Record):
    """Classes that a file predicts, and the true ones.

    Attributes:
        classes: One per sample.
        labels: As many.
    """

    classes: tuple[int, ...]
    labels: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.labels or len(self.classes) != len(self.labels):
            raise ValueError("each sample needs a class and a label, and there must be samples")


@dataclass(frozen=True, slots=True, kw_only=True)
class Predict(Request[Predictions]):
    """Classify a part of a task with an exported file.

    Attributes:
        path: The file.
        task: The task that the samples belong to.
        part: ``train``, ``validation`` or ``test``.
        reference: Whether to use LiteRT's reference kernels, which compute as the emulated and compiled ones do.
    """

    verb: ClassVar[str] = "predict"
    step: ClassVar[str] = "while a network was tried on data"
    path: str
    task: TaskText
    part: str
    reference: bool


def exported_names(name: str) -> tuple[str, str, str]:
    """Names of an exported network's files: ONNX, TFLite, int8 TFLite."""
    return f"{name}.onnx", f"{name}.tflite", f"{name}.int8.tflite"
