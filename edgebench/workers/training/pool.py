"""The parent's side of training processes: when they die, they are restarted with their jobs."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self, TypeVar

from edgebench.core.profile import Outcome
from edgebench.errors import EdgebenchError, InputError, TargetUnavailableError, UnsupportedModelError
from edgebench.models.deployment import Deployment
from edgebench.workers.base import Workers
from edgebench.workers.local import LOCAL
from edgebench.workers.protocol import Answer, FailureKind, LongRequest, Request
from edgebench.workers.training.compress_jobs import ApplyPass, ArtefactFacts, Deploy, ImportModel, KeepFiles
from edgebench.workers.training.jobs import (
    DescribeTask,
    Epoch,
    ExportJob,
    Predict,
    Predictions,
    SharedAccuracy,
    SpaceText,
    SupernetJob,
    Synflow,
    TaskFacts,
    TaskText,
    Trained,
    TrainJob,
)
from edgebench.workers.worker import ChildError, Worker

STEP_S = 3600.0
"""Time limit of an epoch, a file or a set of predictions: an hour."""
TASK_S = 600.0
"""Time limit for reading a task: a function of the user's may download data, but one that hangs must be noticed."""
T = TypeVar("T")
RETRIES = 2

OnEpoch = Callable[[Epoch], bool]
"""Called for each epoch; returns whether to continue."""


class TrialFailedError(EdgebenchError):
    """A training failed: its loss is not a number, or its process keeps dying."""


class TrainingProcess:
    """One process, started when it is needed.

    Args:
        workers: Starts it.
    """

    def __init__(self, workers: Workers = LOCAL) -> None:
        self._workers = workers
        self._worker: Worker | None = None
        self._shared: SupernetJob | None = None

    def close(self) -> None:
        """End the process."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    def train(self, job: TrainJob, on_epoch: OnEpoch = lambda _: True) -> Trained:
        """Train a network.

        Returns:
            The result, with the accuracy of the best epoch.

        Raises:
            TrialFailedError: The loss is not a number, or the process died three times over this job.
            InputError: The network does not fit the task.
        """
        return self._again(lambda: self._followed(job, on_epoch))

    def share(self, job: SupernetJob, on_epoch: OnEpoch = lambda _: True) -> None:
        """Read or train shared weights, which ``shared_accuracy`` then uses."""
        self._again(lambda: self._followed(job, on_epoch))
        self._shared = job

    def shared_accuracy(self, architecture: tuple[int, ...]) -> float:
        """Validation accuracy of a network on shared weights."""

        def asked() -> float:
            if self._worker is None and self._shared is not None:
                # A restarted process has no weights yet; they are in a file.
                self._followed(self._shared, lambda _: True)
            return self._asked(SharedAccuracy(architecture=architecture)).value

        return self._again(asked)

    def synflow(self, space: SpaceText, architecture: tuple[int, ...]) -> float:
        """Synaptic flow of an untrained network."""
        return self._again(lambda: self._asked(Synflow(space=space, architecture=architecture))).value

    def facts(self, task: TaskText) -> TaskFacts:
        """The facts about a task.

        Raises:
            InputError: There is no such task, or its data is not valid.
        """
        return self._asked(DescribeTask(task=task), timeout_s=TASK_S)

    def export(self, job: ExportJob) -> list[str]:
        """Write a trained network's files; returns their paths."""
        return list(self._again(lambda: self._asked(job)).paths)

    def predict(self, path: str, task: TaskText, part: str, *, reference: bool) -> Predictions:
        """Classes that an exported file predicts for a part of a task."""
        request = Predict(path=path, task=task, part=part, reference=reference)
        return self._again(lambda: self._asked(request))

    def compress(self, job: ImportModel | ApplyPass, on_epoch: OnEpoch = lambda _: True) -> ArtefactFacts:
        """Import a model, or apply a pass; the artefact is in its folder then.

        Raises:
            TrialFailedError: The training diverged, or the process died three times over it.
            InputError: The model does not fit the task.
            UnsupportedModelError: The model contains what networks cannot express.
        """
        return self._again(lambda: self._followed(job, on_epoch))

    def keep(self, job: KeepFiles) -> ArtefactFacts:
        """Keep a model that is not a network of ours as files.

        Raises:
            InputError: The model does not fit the task.
        """
        return self._again(lambda: self._asked(job))

    def deploy(self, request: Deploy) -> Deployment:
        """Write an artefact's files.

        Raises:
            UnsupportedModelError: It cannot be written in its form.
        """
        return self._again(lambda: self._asked(request))

    def _again(self, step: Callable[[], T]) -> T:
        """Do something again if the process dies during it.

        Raises:
            TrialFailedError: It died three times.
        """
        for attempt in range(RETRIES + 1):
            try:
                return step()
            except _DiedError as error:
                if attempt == RETRIES:
                    raise TrialFailedError(f"{error} ({attempt + 1} times)") from None
        raise TrialFailedError("the training process does not start")

    def _asked(self, request: Request[Answer], *, timeout_s: float = STEP_S) -> Answer:
        with self._process() as worker:
            return worker.ask(request, timeout_s=timeout_s)

    def _followed(self, job: LongRequest[Answer, Epoch], on_epoch: OnEpoch) -> Answer:
        with self._process() as worker:
            return worker.follow(job, on_epoch, timeout_s=STEP_S)

    @contextmanager
    def _process(self) -> Iterator[Worker]:
        """The process, which any error ends; what it could not do is raised as an error of the right type."""
        if self._worker is None:
            self._worker = self._workers.training()
        try:
            yield self._worker
        except ChildError as error:
            self.close()
            raise _explained(error) from None
        except BaseException:
            self.close()
            raise


class _DiedError(EdgebenchError):
    """The process died."""


def _explained(error: ChildError) -> EdgebenchError:
    if error.kind is FailureKind.TRAINING_FAILED:
        return TrialFailedError(error.message, remedy=error.remedy)
    kinds: dict[Outcome, type[EdgebenchError]] = {
        Outcome.BAD_INPUT: InputError,
        Outcome.UNAVAILABLE: TargetUnavailableError,
        Outcome.UNSUPPORTED: UnsupportedModelError,
    }
    kind = _DiedError if error.lost else kinds.get(error.outcome, _DiedError)
    return kind(error.message, remedy=error.remedy)


class TrainingPool:
    """Several processes, each used by one thread at a time.

    Args:
        count: How many there may be.
        workers: Starts them.
    """

    def __init__(self, count: int, workers: Workers = LOCAL) -> None:
        self._all = [TrainingProcess(workers) for _ in range(count)]
        self._idle: queue.SimpleQueue[TrainingProcess] = queue.SimpleQueue()
        for process in self._all:
            self._idle.put(process)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._all:
            process.close()

    @contextmanager
    def process(self) -> Iterator[TrainingProcess]:
        """A process for exclusive use for a while."""
        process = self._idle.get()
        try:
            yield process
        finally:
            self._idle.put(process)
