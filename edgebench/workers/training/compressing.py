"""What a training process does for a compression: imports models, applies passes, writes files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgebench.compress.base import Design, NotApplicableError, Setting
from edgebench.compress.low_rank import split_everywhere
from edgebench.compress.pipeline import parse_pipeline
from edgebench.compress.prune import narrowed
from edgebench.compress.widths import MULTIPLE
from edgebench.core.compression import StepDone
from edgebench.errors import UnsupportedModelError
from edgebench.models.artefact import Artefact
from edgebench.models.deployment import Deployment, deploy
from edgebench.models.file_artefact import FileArtefact
from edgebench.models.file_deployment import deploy_file
from edgebench.models.network.description import network_from_plain
from edgebench.store.artefacts import load_artefact, load_either, save_artefact
from edgebench.tasks.recipe import Recipe, TrainingFailed
from edgebench.tasks.task import Task
from edgebench.workers.training.compress_files import applied_to_file, kept, samples_of
from edgebench.workers.training.compress_jobs import ApplyPass, ArtefactFacts, Deploy, ImportModel, KeepFiles
from edgebench.workers.training.jobs import Epoch, TaskText

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SAMPLES = 128
_RANDOM_SAMPLES = 16
_GUESSES = 1.2
"""A network is taken for untrained if it is right at most this many times as often as a guess of one class."""

GoesOn = Callable[[Epoch], bool]


class Compressing:
    """Answers the requests of ``edgebench.workers.training.compress_jobs``.

    Args:
        task: Loads a task, or returns one that it has.
    """

    def __init__(self, task: Callable[[TaskText], Task]) -> None:
        self._load = task

    def import_model(self, job: ImportModel, goes_on: GoesOn) -> ArtefactFacts:
        """Read a model, and train it first if it knows nothing."""
        from edgebench.models.tflite.to_network import network_from_tflite

        try:
            network, weights = network_from_tflite(Path(job.model), job.name)
        except UnsupportedModelError as error:
            return ArtefactFacts(not_applicable=error.what)
        artefact = Artefact(network=network, weights=weights)
        if job.task is not None:
            artefact = self._educated(artefact, self._load(job.task), job, goes_on)
        return _saved(artefact, job.folder)

    def keep(self, job: KeepFiles) -> ArtefactFacts:
        """Keep a model as files."""
        return kept(job, None if job.task is None else self._load(job.task))

    def apply(self, job: ApplyPass, goes_on: GoesOn) -> ArtefactFacts:
        """Apply a pass."""
        artefact = load_either(Path(job.parent))
        if isinstance(artefact, FileArtefact):
            return applied_to_file(job, artefact)
        original = load_artefact(Path(job.original))
        setting = Setting(
            task=None if job.task is None else self._load(job.task),
            teacher=(original.network, original.weights),
            epochs=job.epochs,
            seed=job.seed,
            costs=job.costs,
            splits=job.splits,
            designs={
                space: Design(
                    network=network_from_plain(dict(found.network), where=f"design of {space}"),
                    text=found.text,
                    notes=found.notes,
                )
                for space, found in job.designs.items()
            },
            threads=job.threads,
            on_epoch=_reporting(goes_on),
        )
        try:
            for item in parse_pipeline(job.text):
                artefact = item.apply(artefact, setting)
        except NotApplicableError as error:
            return ArtefactFacts(not_applicable=error.what, remedy=error.remedy or "")
        return _saved(artefact, job.folder)

    def deploy(self, request: Deploy) -> Deployment:
        """Write files."""
        artefact, folder = load_either(Path(request.artefact)), Path(request.folder)
        folder.mkdir(parents=True, exist_ok=True)
        if isinstance(artefact, FileArtefact):
            task = None if request.task is None else self._load(request.task)
            return deploy_file(artefact, samples_of(task), folder, request.name)
        if request.widths:
            artefact = narrowed(artefact, request.widths)
        if request.split:
            artefact, _ = split_everywhere(artefact, request.split, MULTIPLE)
        form = replace(artefact.form, dtype="int8") if request.int8 else artefact.form
        return deploy(artefact, form, self._samples(artefact, request.task), folder, request.name)

    def _samples(self, artefact: Artefact, task: TaskText | None) -> NDArray[np.float32]:
        import numpy as np

        shape = artefact.network.input_shape
        if task is None:
            return np.random.default_rng(0).random((_RANDOM_SAMPLES, *shape)).astype(np.float32)
        return self._load(task).train.sample(_SAMPLES).resized(*shape[:2]).images

    def _educated(self, artefact: Artefact, task: Task, job: ImportModel, goes_on: GoesOn) -> Artefact:
        """The original, trained from scratch if it is no better than guessing."""
        import numpy as np

        from edgebench.tasks.fitting import fitted_task
        from edgebench.tasks.training import evaluate, train

        fitted_task(artefact.network, task)
        labels = task.validation.labels
        guess = float(np.bincount(labels).max()) / len(labels)
        found = evaluate(artefact.network, artefact.weights, task.validation)
        if found > _GUESSES * guess:
            return artefact
        trained = train(
            artefact.network,
            task,
            Recipe(epochs=2 * job.epochs),
            seed=job.seed,
            on_epoch=_reporting(goes_on),
            threads=job.threads,
        )
        step = StepDone(
            text="train",
            done=f"the model was no better than guessing ({found:.1%}), so it was trained for {trained.epochs} epochs",
            accuracy=trained.validation_accuracy,
            seed=job.seed,
            seconds=trained.seconds,
        )
        return replace(artefact, weights=trained.weights).after(step)


def _reporting(goes_on: GoesOn) -> Callable[[int, float], None]:
    def on_epoch(number: int, accuracy: float) -> None:
        if not goes_on(Epoch(number=number, accuracy=accuracy)):
            raise TrainingFailed("the training was stopped")

    return on_epoch


def _saved(artefact: Artefact, folder: str) -> ArtefactFacts:
    save_artefact(artefact, Path(folder))
    return ArtefactFacts(digest=artefact.digest, steps=artefact.steps)
