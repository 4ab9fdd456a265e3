"""The parent's side of training processes: they are restarted when they die, and their jobs with them."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self, TypeVar

from edgebench.core.profile import Outcome
from edgebench.errors import EdgebenchError, InputError, TargetUnavailableError, UnsupportedModelError
from edgebench.store.codec import from_plain, to_plain
from edgebench.workers.training.jobs import Epoch, ExportJob, Predictions, SupernetJob, TaskFacts, TaskText, TrainJob
from edgebench.workers.worker import ChildError, ChildProcess

MODULE = "edgebench.workers.training.server"
STEP_S = 3600.0
"""An epoch, a file, a set of predictions may take an hour."""
T = TypeVar("T")
RETRIES = 2

OnEpoch = Callable[[Epoch], bool]
"""Told of an epoch; says whether to go on."""


class TrialFailedError(EdgebenchError):
    """A training came to nothing: not a number, or a process that keeps dying."""


class TrainingProcess:
    """One process, started when it is needed."""

    def __init__(self) -> None:
        self._child: ChildProcess | None = None
        self._shared: SupernetJob | None = None

    def close(self) -> None:
        """End the process."""
        if self._child is not None:
            self._child.close()
            self._child = None

    def train(self, job: TrainJob, on_epoch: OnEpoch = lambda _: True) -> Epoch:
        """Train a network.

        Returns:
            The last epoch, with the accuracy of the best.

        Raises:
            TrialFailedError: The loss is not a number, or the process died three times over this job.
            InputError: The network does not fit the task.
        """
        return self._again(lambda: self._followed({"do": "train", "job": to_plain(job)}, on_epoch))

    def share(self, job: SupernetJob, on_epoch: OnEpoch = lambda _: True) -> None:
        """Read or train shared weights, which ``shared_accuracy`` then uses."""
        self._again(lambda: self._followed({"do": "supernet", "job": to_plain(job)}, on_epoch))
        self._shared = job

    def shared_accuracy(self, architecture: tuple[int, ...]) -> float:
        """Validation accuracy of a network on shared weights."""

        def asked() -> float:
            if self._child is None and self._shared is not None:
                # A process that was started anew has no weights yet; they lie in a file.
                self._followed({"do": "supernet", "job": to_plain(self._shared)}, lambda _: True)
            return float(self._ask({"do": "shared", "architecture": architecture}))

        return self._again(asked)

    def synflow(self, space: dict[str, Any], architecture: tuple[int, ...]) -> float:
        """Synaptic flow of an untrained network."""
        return float(self._again(lambda: self._ask({"do": "synflow", "space": space, "architecture": architecture})))

    def facts(self, task: TaskText) -> TaskFacts:
        """What there is to know of a task.

        Raises:
            InputError: There is no such task, or its data is not valid.
        """
        return from_plain(TaskFacts, self._ask({"do": "task", "task": to_plain(task)}), where="answer of the child")

    def export(self, job: ExportJob) -> list[str]:
        """Write a trained network's files; their paths."""
        paths: list[str] = self._again(lambda: self._ask({"do": "export", "job": to_plain(job)}))
        return paths

    def predict(self, path: str, task: TaskText, part: str, *, reference: bool) -> Predictions:
        """Classes that an exported file predicts for a part of a task."""
        request = {"do": "predict", "path": path, "task": to_plain(task), "part": part, "reference": reference}
        return from_plain(Predictions, self._again(lambda: self._ask(request)), where="answer of the child")

    def _again(self, step: Callable[[], T]) -> T:
        """Do something once more when the process dies over it.

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

    def _followed(self, request: dict[str, Any], on_epoch: OnEpoch) -> Epoch:
        answer = self._ask(request)
        while not (epoch := from_plain(Epoch, answer, where="answer of the child")).last:
            answer = self._ask({"do": "continue" if on_epoch(epoch) else "stop"})
        return epoch

    def _ask(self, request: dict[str, Any]) -> Any:
        if self._child is None:
            self._child = ChildProcess(module=MODULE)
        try:
            return self._child.ask(request, timeout_s=STEP_S)
        except ChildError as error:
            self.close()
            raise _explained(error) from None
        except BaseException:
            # Interrupted between an answer and the next request, the child would answer out of turn.
            self.close()
            raise


class _DiedError(EdgebenchError):
    """The process went away."""


def _explained(error: ChildError) -> EdgebenchError:
    if error.message.startswith("TrainingFailed: "):
        return TrialFailedError(error.message.removeprefix("TrainingFailed: "), remedy=error.remedy)
    kinds: dict[Outcome, type[EdgebenchError]] = {
        Outcome.BAD_INPUT: InputError,
        Outcome.UNAVAILABLE: TargetUnavailableError,
        Outcome.UNSUPPORTED: UnsupportedModelError,
    }
    return kinds.get(error.outcome, _DiedError)(error.message, remedy=error.remedy)


class TrainingPool:
    """Several processes, each used by one thread at a time.

    Args:
        count: How many there may be.
    """

    def __init__(self, count: int) -> None:
        self._all = [TrainingProcess() for _ in range(count)]
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
        """A process of one's own for a while."""
        process = self._idle.get()
        try:
            yield process
        finally:
            self._idle.put(process)
