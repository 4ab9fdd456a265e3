"""Trainings on the hosts of a farm."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from edgebench.core.profile import Outcome
from edgebench.farm.cluster import Cluster, OnWait, Session
from edgebench.farm.messages import FetchPart, Kind
from edgebench.farm.process import RemoteProcess
from edgebench.store.files import write_atomically
from edgebench.store.trust import named_programs
from edgebench.tasks.registry import BUILTIN
from edgebench.workers.base import Workers
from edgebench.workers.measuring.sending import Sent
from edgebench.workers.protocol import Answer, LongRequest, Progress, Request
from edgebench.workers.training.jobs import Trained, TrainJob
from edgebench.workers.worker import ChildError, Worker

_PART_S = 120.0
_IDLE_S = 20.0
"""How long a place to train is kept without a training."""


class FarmTraining(Worker):
    """Trains on a host that takes trainings; what needs the files of a study is done here.

    The process there is kept for the next training, which begins sooner then, but not for long: others wait.

    Args:
        here: Starts the process on this machine.
        cluster: The farm.
        sent_to: What has been sent to a host.
        on_wait: Called while other commands have all places.
    """

    def __init__(self, here: Workers, cluster: Cluster, sent_to: Callable[[Session], Sent], on_wait: OnWait) -> None:
        self._starts, self._cluster, self._sent_to, self._on_wait = here, cluster, sent_to, on_wait
        self._own: Worker | None = None
        self._stack = ExitStack()
        self._there: tuple[RemoteProcess, Session] | None = None
        self._idle: threading.Timer | None = None
        self._lock = threading.RLock()

    def ask(self, request: Request[Answer], *, timeout_s: float) -> Answer:
        """Send a request to the process here, and wait for its answer."""
        return self._here().ask(request, timeout_s=timeout_s)

    def follow(
        self, request: LongRequest[Answer, Progress], on_progress: Callable[[Progress], bool], *, timeout_s: float
    ) -> Answer:
        """Train on a host if that is possible; everything else is followed here.

        Raises:
            ChildError: The host is gone, or the training has failed.
        """
        job: Any = request
        if not (isinstance(job, TrainJob) and _may_travel(job) and self._cluster.trains()):
            return self._here().follow(request, on_progress, timeout_s=timeout_s)
        with self._lock:
            self._keep()
            try:
                answer: Any = self._trained(job, cast("Callable[[Any], bool]", on_progress), timeout_s)
            except BaseException:
                self._leave()
                raise
            self._idle = threading.Timer(_IDLE_S, self._leave)
            self._idle.daemon = True
            self._idle.start()
            return cast("Answer", answer)

    def close(self) -> None:
        """End all processes."""
        self._keep()
        self._leave()
        if self._own is not None:
            self._own.close()
            self._own = None

    def _trained(self, job: TrainJob, on_epoch: Callable[[Any], bool], timeout_s: float) -> Trained:
        if self._there is None:
            session = self._stack.enter_context(self._cluster.training(self._on_wait))
            process = self._stack.enter_context(RemoteProcess(self._cluster, session, Kind.TRAINING))
            self._there = process, session
        process, session = self._there
        moved = _moved(job, self._sent_to(session), process)
        trained = process.follow(moved, on_epoch, timeout_s=timeout_s)
        # A training that was stopped leaves no weights.
        if job.weights is not None and trained.seconds > 0:
            write_atomically(Path(job.weights), b"".join(_fetched(process)))
        return trained

    def _keep(self) -> None:
        """Do not leave because of idleness."""
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _leave(self) -> None:
        """Let others train."""
        with self._lock:
            self._there = None
            self._stack.close()

    def _here(self) -> Worker:
        if self._own is None:
            self._own = self._starts.training()
        return self._own


def _may_travel(job: TrainJob) -> bool:
    """Whether a host may and can train this: folders of images stay here, and so does what is the user's own code."""
    is_file = job.task.text.lower().endswith(".npz")
    return (is_file or job.task.text in BUILTIN) and not named_programs({"options": dict(job.space.options)})


def _moved(job: TrainJob, sent: Sent, process: Worker) -> TrainJob:
    def there(path: str) -> str:
        return sent.path(process, path, lambda _: ())

    task = job.task if job.task.text in BUILTIN else replace(job.task, text=there(job.task.text))
    teacher = None if job.teacher is None else (job.teacher[0], there(job.teacher[1]))
    return replace(job, task=task, teacher=teacher)


def _fetched(process: Worker) -> Iterator[bytes]:
    offset, size = 0, 1
    while offset < size:
        part = process.ask(FetchPart(offset=offset), timeout_s=_PART_S)
        content = base64.b64decode(part.content, validate=True)
        if not content:
            raise ChildError(Outcome.CRASHED, "the trained weights end too early")
        yield content
        offset, size = offset + len(content), part.size_bytes
