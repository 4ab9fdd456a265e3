"""The training process: PyTorch, data sets and quantiser live and die here.

Training answers once an epoch and waits to hear whether to go on.
"""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any, TextIO

from edgebench.models.network import Network
from edgebench.spaces.registry import create_space
from edgebench.spaces.space import SearchSpace
from edgebench.store.codec import from_plain, to_plain
from edgebench.store.files import write_atomically
from edgebench.tasks.registry import load_task
from edgebench.tasks.task import Task
from edgebench.workers.server import Server, main
from edgebench.workers.training.jobs import (
    Epoch,
    ExportJob,
    Predictions,
    SpaceText,
    SupernetJob,
    TaskFacts,
    TaskText,
    TrainJob,
    exported_names,
)

CALIBRATION_IMAGES = 128
RECALIBRATION_IMAGES = 1024


class _StoppedError(Exception):
    """The parent wants no further epoch."""


class Trainer(Server):
    """Answers jobs of ``flows.search.jobs``."""

    def __init__(self, answers: TextIO, requests: TextIO) -> None:
        super().__init__(answers, requests)
        self._handlers = {
            "task": self._facts,
            "train": self._train,
            "supernet": self._supernet,
            "shared": self._shared,
            "synflow": self._synflow,
            "export": self._export,
            "predict": self._predict,
        }
        self._tasks: dict[TaskText, Task] = {}
        self._spaces: dict[str, SearchSpace] = {}
        self._shared_weights: Any = None

    def _facts(self, request: dict[str, Any]) -> TaskFacts:
        task = self._task(from_plain(TaskText, request["task"], where="request"))
        return TaskFacts(
            name=task.name,
            classes=task.classes,
            input_shape=task.input_shape,
            digest=task.digest,
            samples=(len(task.train), len(task.validation), len(task.test)),
        )

    def _train(self, request: dict[str, Any]) -> Epoch:
        from edgebench.models.network.weights_file import read_weights, weights_bytes
        from edgebench.tasks.training import train

        job = from_plain(TrainJob, request["job"], where="request")
        teacher = None
        if job.teacher is not None:
            architecture, weights = job.teacher
            large = self._network(job.space, architecture)
            teacher = (large, read_weights(Path(weights), large))
        reported = [Epoch(number=0, accuracy=0.0)]

        def on_epoch(number: int, accuracy: float) -> None:
            reported[0] = Epoch(number=number, accuracy=accuracy)
            self._answer({"result": to_plain(reported[0])})
            order = self._next()
            if order is None or order["do"] != "continue":
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
            return Epoch(number=reported[0].number, accuracy=reported[0].accuracy, last=True)
        if job.weights is not None:
            write_atomically(Path(job.weights), weights_bytes(trained.weights))
        return Epoch(number=trained.epochs, accuracy=trained.validation_accuracy, last=True, seconds=trained.seconds)

    def _supernet(self, request: dict[str, Any]) -> Epoch:
        """Shared weights from their file, or trained."""
        import numpy as np

        from edgebench.tasks.supernet import Supernet

        job = from_plain(SupernetJob, request["job"], where="request")
        space, task, path = self._space(job.space), self._task(job.task), Path(job.state)
        shared = Supernet.for_networks([space.network(space.largest), space.network(space.smallest)], seed=job.seed)
        self._shared_weights = (shared, job)
        if path.is_file():
            with np.load(path, allow_pickle=False) as file:
                shared.restore(dict(file))
            return Epoch(number=0, accuracy=0.0, last=True)

        def sample(draw: random.Random) -> Network:
            return space.network([draw.randrange(len(dimension.values)) for dimension in space.dimensions])

        def on_epoch(number: int, accuracy: float) -> None:
            self._answer({"result": to_plain(Epoch(number=number, accuracy=accuracy))})
            order = self._next()
            if order is None or order["do"] != "continue":
                raise _StoppedError

        try:
            shared.train(sample, task, job.recipe, seed=job.seed, on_epoch=on_epoch, threads=1)
        except _StoppedError:
            return Epoch(number=0, accuracy=0.0, last=True)
        write_atomically(path, _npz(shared.state()))
        return Epoch(number=job.recipe.epochs, accuracy=0.0, last=True)

    def _shared(self, request: dict[str, Any]) -> float:
        shared, job = self._shared_weights
        task = self._task(job.task)
        network = self._network(job.space, tuple(request["architecture"]))
        accuracy: float = shared.accuracy(network, task.validation, task.train.sample(RECALIBRATION_IMAGES))
        return accuracy

    def _synflow(self, request: dict[str, Any]) -> float:
        from edgebench.tasks.proxies import synflow

        space = from_plain(SpaceText, request["space"], where="request")
        return synflow(self._network(space, tuple(request["architecture"])), 0)

    def _export(self, request: dict[str, Any]) -> list[str]:
        from edgebench.models.network.weights_file import read_weights
        from edgebench.models.onnx.writer import to_onnx
        from edgebench.models.tflite.quantize import quantise_tflite
        from edgebench.models.tflite.writer import to_tflite

        job = from_plain(ExportJob, request["job"], where="request")
        network = self._network(job.space, job.architecture)
        weights = read_weights(Path(job.weights), network)
        folder = Path(job.folder)
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / name for name in exported_names(job.name)]
        to_onnx(network, weights, paths[0])
        to_tflite(network, weights, paths[1])
        rows, columns = network.input_shape[:2]
        images = self._task(job.task).train.sample(CALIBRATION_IMAGES).resized(rows, columns).images
        quantise_tflite(paths[1], paths[2], [{"input": image[None]} for image in images])
        return [str(path) for path in paths]

    def _predict(self, request: dict[str, Any]) -> Predictions:
        from edgebench.tasks.deployed import deployed_accuracy

        task = self._task(from_plain(TaskText, request["task"], where="request"))
        split = task.parts()[request["part"]]
        classes = deployed_accuracy(Path(request["path"]), split, reference=bool(request["reference"]))
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


def _npz(arrays: Any) -> bytes:
    import io

    import numpy as np

    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


if __name__ == "__main__":
    # Read when PyTorch is imported. Small networks gain nothing from a second thread, and lose much where another
    # process has its core; and results repeat only for one number of threads.
    os.environ["OMP_NUM_THREADS"] = "1"
    main(Trainer)
