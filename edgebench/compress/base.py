"""The seam between a compression and what compresses: one protocol, which every pass follows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Protocol, runtime_checkable

from edgebench.compress.layer_times import LayerTimes, SplitTimes
from edgebench.errors import EdgebenchError
from edgebench.models.artefact import Artefact, Form
from edgebench.models.file_artefact import FileArtefact
from edgebench.models.network import Network
from edgebench.models.network.weights import Weights
from edgebench.tasks.task import Task


class NotApplicableError(EdgebenchError):
    """A pass can do nothing for this network, task or order of passes; the reason names the layers."""


def _ignore(_: int, __: float) -> None:
    """The default callback, which does nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """A network that a search found.

    Attributes:
        network: The network.
        text: Which it is of which space, and out of how many.
        notes: What the search could not take into account.
    """

    network: Network
    text: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Setting:
    """What passes may use.

    Attributes:
        task: Data to train and to choose with, or None.
        teacher: The original network with its weights.
        epochs: Of a fine-tuning; training from scratch takes twice as many.
        seed: Of everything random, at least 0.
        costs: By device, what layers take there in networks with fewer channels, for pruning.
        splits: By device, what layers take there if each is made two thin ones, for low rank.
        designs: By search space, the network that a search of it found.
        threads: Of PyTorch.
        on_epoch: Called with each epoch, from 1, and its validation accuracy.
    """

    task: Task | None
    teacher: tuple[Network, Weights]
    epochs: int = 10
    seed: int = 0
    costs: Mapping[str, LayerTimes] = field(default_factory=dict)
    splits: Mapping[str, SplitTimes] = field(default_factory=dict)
    designs: Mapping[str, Design] = field(default_factory=dict)
    threads: int = 1
    on_epoch: Callable[[int, float], None] = _ignore

    def require_task(self, name: str) -> Task:
        """The task.

        Raises:
            NotApplicableError: There is none.
        """
        if self.task is None:
            raise NotApplicableError(f"{name} trains, which needs a task", remedy="add --task mnist5k, or your own")
        return self.task


class Pass(Protocol):
    """One step of compression. A frozen dataclass: its fields are its parameters, the first may be given by position.

    Attributes:
        name: What users write.
        trains: Whether it uses the task, so that its result depends on the data and the seed.
    """

    name: ClassVar[str]
    trains: ClassVar[bool]

    def apply(self, artefact: Artefact, setting: Setting) -> Artefact:
        """The artefact with this pass applied, and with one more step in its history.

        The artefact itself is not modified. The same arguments on the same machine give the same result.

        Raises:
            NotApplicableError: It can do nothing here.
            TrainingFailed: The training diverged.
        """


@runtime_checkable
class FilePass(Protocol):
    """A pass that also works on models that are not networks of ours, because it needs neither layers nor training."""

    def apply_to_file(self, artefact: FileArtefact) -> FileArtefact:
        """The model with this pass applied, and with one more step in its history, whose accuracy is not known.

        Raises:
            NotApplicableError: It can do nothing here.
        """


class FormPass(Protocol):
    """A pass that changes only how a model is deployed."""

    name: ClassVar[str]
    trains: ClassVar[bool]

    def form_after(self, form: Form) -> tuple[Form, str]:
        """The form, and what was done in one phrase.

        Raises:
            NotApplicableError: It cannot follow what was done before.
        """
