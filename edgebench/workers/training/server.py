"""The training process: PyTorch, data sets and quantiser live and die here.

Training reports once per epoch and waits to hear whether to continue.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, BinaryIO

from edgebench.errors import InputError
from edgebench.models.network import Network
from edgebench.spaces.registry import create_space
from edgebench.spaces.space import SearchSpace
from edgebench.store.artefacts import load_artefact
from edgebench.store.files import write_atomically
from edgebench.tasks.recipe import TrainingFailed
from edgebench.tasks.registry import load_task
from edgebench.tasks.task import Task
from edgebench.workers.protocol import FailureKind
from edgebench.workers.server import Server
from edgebench.workers.training.compress_jobs import ApplyPass, Deploy, ImportModel, KeepFiles
from edgebench.workers.training.compressing import Compressing
from edgebench.workers.training.jobs import (
    DescribeTask,
    Epoch,
    Exported,
    ExportJob,
    Predict,
    Predictions,
    Score,
    SharedAccuracy,
    SharedWeights,
    SpaceText,
    SupernetJob,
    Synflow,
    TaskFacts,
    TaskText,
    Trained,
    TrainJob,
    exported_names,
)

if TYPE_CHECKING:
    from edgebench.tasks.supernet import Supernet

CALIBRATION_IMAGES = 128
RECALIBRATION_IMAGES = 1024


GoesOn = Callable[[Epoch], bool]


class _StoppedError(Exception):
    """The parent does not want another epoch."""


class TrainingServer(Server):
    """Answers the requests of ``edgebench.workers.training.jobs``."""

    failures = MappingProxyType({**Server.failures, TrainingFailed: FailureKind.TRAINING_FAILED})

    def __init__(self, answers: BinaryIO, requests: BinaryIO) -> None:
        super().__init__(answers, requests)
        self.on(DescribeTask, self._facts)
        self.on_long(TrainJob, self._train)
        self.on_long(SupernetJob, self._supernet)
        self.on(SharedAccuracy, self._shared)
        self.on(Synflow, self._synflow)
        self.on(ExportJob, self._export)
        self.on(Predict, self._predict)
        compressing = Compressing(self._task)
        self.on_long(ImportModel, compressing.import_model)
        self.on(KeepFiles, compressing.keep)
        self.on_long(ApplyPass, compressing.apply)
        self.on(Deploy, compressing.deploy)
        self._tasks: dict[TaskText, Task] = {}
        self._spaces: dict[str, SearchSpace] = {}
        self._shared_weights: tuple[Supernet, SupernetJob] | None = None

    def _facts(self, request: DescribeTask) -> TaskFacts:
        task = self._task(request.task)
        return TaskFacts(
            name=task.name,
            classes=task.classes,
            input_shape=task.input_shape,
            digest=task.digest,
            samples=(len(task.train), len(task.validation), len(task.test)),
            counts=tuple(_counts(split.labels, task.classes) for split in task.parts().values()),
        )

    def _train(self, job: TrainJob, goes_on: GoesOn) -> Trained:
        from edgebench.models.network.weights_file import read_weights, weights_bytes
        from edgebench.tasks.training import train

        teacher = None
        if job.teacher is not None:
            architecture, weights = job.teacher
            large = self._network(job.space, architecture)
            teacher = (large, read_weights(Path(weights), large))
        if job.original:
            artefact = load_artefact(Path(job.original))
            teacher = (artefact.network, dict(artefact.weights))
        last = Epoch(number=0, accuracy=0.0)

        def on_epoch(number: int, accuracy: float) -> None:
            nonlocal last
            last = Epoch(number=number, accuracy=accuracy)
            if not goes_on(last):
                raise _StoppedError

        try:
            trained = train(
                self._network(job.space, job.architecture),
                self._task(job.task),
                job.recipe,
                seed=job.seed,
                on_epoch=on_epoch,
                teacher=teacher,
                threads=job.threads,
            )
        except _StoppedError:
            return Trained(epochs=last.number, accuracy=last.accuracy)
        if job.weights is not None:
            write_atomically(Path(job.weights), weights_bytes(trained.weights))
        return Trained(epochs=trained.epochs, accuracy=trained.validation_accuracy, seconds=trained.seconds)

    def _supernet(self, job: SupernetJob, goes_on: GoesOn) -> SharedWeights:
        """Shared weights from their file, or trained."""
        import numpy as np

        from edgebench.tasks.supernet import Supernet

        space, task, path = self._space(job.space), self._task(job.task), Path(job.state)
        shared = Supernet.for_networks([space.network(space.largest), space.network(space.smallest)], seed=job.seed)
        self._shared_weights = (shared, job)
        if path.is_file():
            with np.load(path, allow_pickle=False) as file:
                shared.restore(dict(file))
            return SharedWeights(epochs=0)

        done = 0

        def sample(draw: random.Random) -> Network:
            return space.network([draw.randrange(len(dimension.values)) for dimension in space.dimensions])

        def on_epoch(number: int, accuracy: float) -> None:
            nonlocal done
            done = number
            if not goes_on(Epoch(number=number, accuracy=accuracy)):
                raise _StoppedError

        try:
            shared.train(sample, task, job.recipe, seed=job.seed, on_epoch=on_epoch, threads=1)
        except _StoppedError:
            return SharedWeights(epochs=done)
        write_atomically(path, _npz(shared.state()))
        return SharedWeights(epochs=job.recipe.epochs)

    def _shared(self, request: SharedAccuracy) -> Score:
        if self._shared_weights is None:
            raise InputError("there are no shared weights yet")
        shared, job = self._shared_weights
        task = self._task(job.task)
        network = self._network(job.space, request.architecture)
        return Score(value=shared.accuracy(network, task.validation, task.train.sample(RECALIBRATION_IMAGES)))

    def _synflow(self, request: Synflow) -> Score:
        from edgebench.tasks.proxies import synflow

        return Score(value=synflow(self._network(request.space, request.architecture), 0))

    def _export(self, job: ExportJob) -> Exported:
        from edgebench.models.network.weights_file import read_weights
        from edgebench.models.onnx.writer import to_onnx
        from edgebench.models.tflite.quantize import quantise_tflite
        from edgebench.models.tflite.writer import to_tflite

        network = self._network(job.space, job.architecture)
        weights = read_weights(Path(job.weights), network)
        folder = Path(job.folder)
        folder.mkdir(parents=True, exist_ok=True)
        onnx, tflite, int8 = (folder / name for name in exported_names(job.name))
        to_onnx(network, weights, onnx)
        to_tflite(network, weights, tflite)
        rows, columns = network.input_shape[:2]
        images = self._task(job.task).train.sample(CALIBRATION_IMAGES).resized(rows, columns).images
        quantise_tflite(tflite, int8, [{"input": image[None]} for image in images])
        return Exported(paths=(str(onnx), str(tflite), str(int8)))

    def _predict(self, request: Predict) -> Predictions:
        from edgebench.tasks.deployed import deployed_accuracy

        split = self._task(request.task).parts()[request.part]
        classes = deployed_accuracy(Path(request.path), split, reference=request.reference)
        return Predictions(classes=tuple(map(int, classes)), labels=tuple(map(int, split.labels)))

    def _task(self, text: TaskText) -> Task:
        if text not in self._tasks:
            self._tasks[text] = load_task(text.text, seed=text.seed)
        return self._tasks[text]

    def _space(self, text: SpaceText) -> SearchSpace:
        key = f"{text.name} {text.family}"
        if key not in self._spaces:
            self._spaces[key] = create_space(text.description())
        return self._spaces[key]

    def _network(self, space: SpaceText, architecture: tuple[int, ...]) -> Network:
        return self._space(space).network(architecture)


def _counts(labels: Any, classes: int) -> tuple[int, ...]:
    import numpy as np

    return tuple(map(int, np.bincount(labels, minlength=classes)))


def _npz(arrays: Any) -> bytes:
    import io

    import numpy as np

    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()
