"""Which process runs a trial, which trials are abandoned, and a lock so that no two processes choose the same."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path

import psutil

from edgebench.errors import StorageError
from edgebench.flows.search.study import SearchStudy
from edgebench.flows.search.trial import State, Trial
from edgebench.flows.search.trials import Trials
from edgebench.machine.lock import one_process_at_a_time

NAMELESS_S = 10.0
"""How long a trial may exist before its process has written its name to it."""


@contextmanager
def one_at_a_time(folder: Path, what: str = "") -> Iterator[None]:
    """Keeps the processes of one machine from choosing at the same time, and so from choosing the same.

    Args:
        folder: Of the study.
        what: Another thing that only one process at a time may do there.

    Raises:
        StorageError: The lock cannot be made.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(one_process_at_a_time(folder / f".{what}.lock"))
        except OSError as error:
            raise StorageError(str(error.strerror), where=str(folder), remedy="choose another --results") from None
        yield


def owner() -> str:
    """The name of this process, such that a later process with the same number has another name."""
    return json.dumps([socket.gethostname(), os.getpid(), psutil.Process().create_time()])


def requeue_abandoned(study: SearchStudy, dimensions: int) -> int:
    """Queue trials whose process is gone for whichever process asks next; called by one process at a time.

    Args:
        study: The study; it is read again.
        dimensions: Of the space: a trial with fewer choices had not begun.

    Returns:
        How many there were.
    """
    lost = [trial for trial in study.look() if trial.state is State.RUNNING and not _alive(trial)]
    for trial in lost:
        study.end(trial.number, State.FAIL)
        if len(trial.choices) == dimensions:
            study.queue_again(trial.choices, retry_of=trial.number, attempt=trial.attempt + 1)
    return len(lost)


def others_at_work(trials: Trials, mine: str) -> bool:
    """Whether another process of this machine is running a trial.

    Args:
        trials: Of the study.
        mine: This process, as its trials name it.
    """
    return any(
        trial.state is State.RUNNING and trial.owner != mine and _here(trial) and _alive(trial) for trial in trials
    )


def _here(trial: Trial) -> bool:
    return trial.owner is None or json.loads(trial.owner)[0] == socket.gethostname()


def _alive(trial: Trial) -> bool:
    """Whether a trial's process is alive; on another machine, or if it has just begun, it is assumed to be."""
    if trial.owner is None:
        return trial.started is not None and (datetime.now() - trial.started).total_seconds() < NAMELESS_S
    host, number, created = json.loads(trial.owner)
    if host != socket.gethostname():
        return True
    try:
        return bool(abs(psutil.Process(number).create_time() - created) < 1)
    except psutil.NoSuchProcess:
        return False
