"""Where a trial's accuracy comes from: training, shared weights, a proxy, or a published table."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from edgebench.errors import InputError
from edgebench.flows.search.request import SearchRequest
from edgebench.spaces.space import Architecture, SearchSpace
from edgebench.tasks.recipe import Recipe
from edgebench.workers.training.jobs import SpaceText, SupernetJob, TaskText, TrainJob
from edgebench.workers.training.pool import OnEpoch, TrainingPool

PROXIES = ("parameters", "macs", "synflow")
SUPERNET_EPOCHS = 8
_MAX_TABLE_BYTES = 256 << 20


class AccuracySource(Protocol):
    """Determines how accurate a network is.

    Attributes:
        kind: What the figure is, in words: ``validation accuracy after 6 epochs``.
        trained: Whether it is an accuracy that can be checked against a limit.
        prunable: Whether it is trained in epochs that may be cut short.
    """

    kind: str
    trained: bool
    prunable: bool

    def accuracy(self, architecture: Architecture, on_epoch: OnEpoch) -> float:
        """Accuracy from 0 to 1, or for a proxy a score that rises with it.

        Raises:
            TrialFailedError: The training failed.
        """


def accuracy_source(request: SearchRequest, pool: TrainingPool) -> AccuracySource:
    """The source that a request names.

    Raises:
        InputError: There is no such source, or it needs a task.
    """
    name, _, detail = request.accuracy.partition(":")
    if name == "table":
        return TableSource(request.space, Path(detail))
    if name == "proxy":
        return ProxySource(request.space, detail or "parameters", pool)
    if name not in {"train", "supernet"} or detail:
        raise InputError(
            f"unknown source of accuracy {request.accuracy!r}",
            where="--accuracy",
            remedy=f"train, supernet, proxy:{{{','.join(PROXIES)}}} or table:FILE",
        )
    if request.task is None:
        raise InputError(f"--accuracy {name} needs a task", remedy="add --task mnist5k, or your own file or folder")
    if name == "train":
        return TrainSource(request, request.task, pool)
    return SupernetSource(request, request.task, pool)


class TrainSource:
    """A short separate training of each network."""

    trained = True
    prunable = True

    def __init__(self, request: SearchRequest, task: TaskText, pool: TrainingPool) -> None:
        self.kind = f"validation accuracy after {request.recipe.epochs} epochs"
        self._request, self._task, self._pool = request, task, pool
        self._space = SpaceText.of(request.space)

    def accuracy(self, architecture: Architecture, on_epoch: OnEpoch) -> float:
        """Accuracy on the validation samples."""
        request = self._request
        job = TrainJob(
            space=self._space,
            architecture=architecture,
            task=self._task,
            recipe=request.recipe,
            seed=request.seed,
            original=request.original,
        )
        with self._pool.process() as process:
            return process.train(job, on_epoch).accuracy


class SupernetSource:
    """Weights shared by all networks of a space: good for ranking, but small networks are underestimated."""

    trained = False
    prunable = False

    def __init__(self, request: SearchRequest, task: TaskText, pool: TrainingPool) -> None:
        self.kind = "validation accuracy on shared weights, only for ranking"
        self._pool = pool
        self._job = SupernetJob(
            space=SpaceText.of(request.space),
            task=task,
            recipe=Recipe(epochs=SUPERNET_EPOCHS),
            seed=request.seed,
            state=str((request.folder / "supernet.npz").resolve()),
        )
        self._ready: set[int] = set()

    def accuracy(self, architecture: Architecture, on_epoch: OnEpoch) -> float:
        """Accuracy on the validation samples, with normalisation recalibrated."""
        with self._pool.process() as process:
            if id(process) not in self._ready:
                process.share(self._job, on_epoch)
                self._ready.add(id(process))
            return process.shared_accuracy(architecture)


class ProxySource:
    """A score that needs no training."""

    trained = False
    prunable = False

    def __init__(self, space: SearchSpace, name: str, pool: TrainingPool) -> None:
        if name not in PROXIES:
            raise InputError(f"there is no proxy {name!r}", where="--accuracy", remedy=f"one of {', '.join(PROXIES)}")
        self.kind = f"proxy: {name}, only for ranking"
        self._space, self._name, self._pool = space, name, pool
        self._text = SpaceText.of(space)

    def accuracy(self, architecture: Architecture, on_epoch: OnEpoch) -> float:
        """The score's logarithm, so that it is on the order of ten."""
        del on_epoch
        if self._name == "synflow":
            with self._pool.process() as process:
                return process.synflow(self._text, architecture)
        return math.log(float(getattr(self._space.network(architecture), self._name)))


class TableSource:
    """Published accuracies.

    Args:
        space: The space of the architectures.
        path: JSON with an accuracy, or an object that has ``accuracy`` or ``mean_acc``, by architecture; or CSV
            with the columns architecture and accuracy. Accuracies above 1 are percentages.

    Raises:
        InputError: The file is not valid.
    """

    trained = True
    prunable = False

    def __init__(self, space: SearchSpace, path: Path) -> None:
        self.kind = f"accuracy from {path.name}"
        self._space = space
        self._values = _read_accuracies(path)

    def accuracy(self, architecture: Architecture, on_epoch: OnEpoch) -> float:
        """The published value.

        Raises:
            InputError: The table lacks the architecture.
        """
        del on_epoch
        text = self._space.text(architecture)
        if text not in self._values:
            raise InputError(f"the accuracy table has no architecture {text}", where=self.kind)
        return self._values[text]


def _read_accuracies(path: Path) -> Mapping[str, float]:
    where = f"--accuracy table:{path}"
    try:
        if path.stat().st_size > _MAX_TABLE_BYTES:
            raise InputError("too large for an accuracy table", where=where)
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".csv":
            rows = list(csv.DictReader(text.splitlines()))
            raw: Mapping[str, Any] = {row["architecture"]: float(row["accuracy"]) for row in rows}
        else:
            raw = json.loads(text)
        values = {key: _accuracy_of(value) for key, value in raw.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"not an accuracy table: {error or type(error).__name__}", where=where) from None
    if not values or any(not math.isfinite(value) or value < 0 for value in values.values()):
        raise InputError("it is empty or contains values that are not accuracies", where=where)
    scale = 100.0 if max(values.values()) > 1 else 1.0
    return {key: value / scale for key, value in values.items()}


def _accuracy_of(value: Any) -> float:
    if isinstance(value, Mapping):
        value = value["accuracy"] if "accuracy" in value else value["mean_acc"]
    return float(value)
