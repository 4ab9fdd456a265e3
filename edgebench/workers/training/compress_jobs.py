"""Requests to a training process that compresses, and its answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from edgebench.compress.layer_times import LayerTimes, SplitTimes
from edgebench.core.compression import StepDone
from edgebench.core.record import Record
from edgebench.models.deployment import Deployment
from edgebench.workers.protocol import LongRequest, Request
from edgebench.workers.training.jobs import Epoch, TaskText


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtefactFacts(Record):
    """An artefact that is in its folder.

    Attributes:
        digest: SHA-256 over structure, weights and form; empty if there is none.
        steps: What was done to it.
        not_applicable: Why a pass can do nothing or a model is not a network of ours, or empty; then there is no
            artefact.
        remedy: What to do about it, or empty.
    """

    digest: str = ""
    steps: tuple[StepDone, ...] = ()
    not_applicable: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportModel(LongRequest[ArtefactFacts, Epoch]):
    """Read a float TFLite file as a network with weights.

    A network that is no better than guessing, such as one with random weights, is trained first if there is a task.

    Attributes:
        model: The file.
        name: Of the network.
        folder: Where the artefact is written.
        task: What it must fit, or None.
        epochs: Of a fine-tuning; training from scratch takes twice as many.
        seed: Of everything random.
        threads: Of PyTorch.
    """

    verb: ClassVar[str] = "import"
    step: ClassVar[str] = "while the model was imported"
    model: str
    name: str
    folder: str
    task: TaskText | None
    epochs: int
    seed: int
    threads: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepFiles(Request[ArtefactFacts]):
    """Keep a model that is not a network of ours as files.

    Attributes:
        files: The model in every format that it could be brought into, by suffix.
        refusals: Why it could not be brought into a format, by suffix.
        unread: Why it is not a network of ours.
        folder: Where the artefact is written.
        task: What it must fit, or None.
        shapes: Shapes of inputs that the files leave open, by name.
    """

    verb: ClassVar[str] = "keep"
    step: ClassVar[str] = "while the model was read"
    files: Mapping[str, str]
    refusals: Mapping[str, str]
    unread: str
    folder: str
    task: TaskText | None
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundDesign(Record):
    """A network that a search found.

    Attributes:
        network: As ``edgebench.models.network.description`` writes it.
        text: Which it is.
        notes: What the search could not take into account.
    """

    network: Mapping[str, Any]
    text: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyPass(LongRequest[ArtefactFacts, Epoch]):
    """Apply one pass to an artefact.

    Attributes:
        text: The pass, such as ``prune(0.3)``.
        parent: Folder of the artefact that it takes.
        original: Folder of the original, the teacher.
        folder: Where the result is written.
        task: What it is trained on, or None.
        epochs: Of a fine-tuning.
        seed: Of everything random.
        costs: By device, what layers take with fewer channels, see ``edgebench.compress.base.Setting``.
        splits: By device, what layers take if each is made two.
        designs: By search space, the network that a search of it found.
        threads: Of PyTorch.
    """

    verb: ClassVar[str] = "pass"
    step: ClassVar[str] = "while a network was compressed"
    text: str
    parent: str
    original: str
    folder: str
    task: TaskText | None
    epochs: int
    seed: int
    costs: Mapping[str, LayerTimes] = field(default_factory=dict)
    splits: Mapping[str, SplitTimes] = field(default_factory=dict)
    designs: Mapping[str, FoundDesign] = field(default_factory=dict)
    threads: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Deploy(Request[Deployment]):
    """Write an artefact as the files that runtimes take.

    Attributes:
        artefact: Folder of the artefact.
        folder: Where files are written.
        name: Prefix of their names.
        task: The task whose training images set ranges, or None for random ones.
        int8: Whether int8 is written whatever the artefact's form, to find out what its layers cost.
        widths: Of each group of channels in the network that is written, for the same purpose; empty for its own.
        split: Share of their rank at which all layers of the network that is written are made two, for the same
            purpose; 0 for none.
    """

    verb: ClassVar[str] = "deploy"
    step: ClassVar[str] = "while a network was written for devices"
    artefact: str
    folder: str
    name: str
    task: TaskText | None
    int8: bool = False
    widths: tuple[int, ...] = ()
    split: float = 0.0
