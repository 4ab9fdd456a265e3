"""Which process runs a trial, which trials are abandoned, and a lock so that no two processes choose the same."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path

from edgebench.errors import StorageError
from edgebench.flows.search.lease import Watch
from edgebench.flows.search.study import SearchStudy
from edgebench.flows.search.trial import State, Trial
from edgebench.flows.search.trials import Trials
from edgebench.machine.lock import one_process_at_a_time
from edgebench.machine.this_process import is_here, runs

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


def requeue_abandoned(study: SearchStudy, dimensions: int, watch: Watch) -> int:
    """Queue trials whose process is gone for whichever process asks next; called by one process at a time.

    Args:
        study: The study; it is read again.
        dimensions: Of the space: a trial with fewer choices had not begun.
        watch: Over processes elsewhere.

    Returns:
        How many there were.
    """
    lost = [trial for trial in study.look() if trial.state is State.RUNNING and not _alive(trial, watch)]
    for trial in lost:
        study.end(trial.number, State.FAIL)
        if len(trial.choices) == dimensions:
            study.queue_again(trial.choices, retry_of=trial.number, attempt=trial.attempt + 1)
    return len(lost)


def others_at_work(trials: Trials, mine: str, watch: Watch) -> tuple[str, ...]:
    """Where other processes are running trials.

    Args:
        trials: Of the study.
        mine: This process, as its trials name it.
        watch: Over processes elsewhere.
    """
    found = [trial for trial in trials if trial.state is State.RUNNING and trial.owner != mine and _alive(trial, watch)]
    return tuple(dict.fromkeys(_host(trial.owner) for trial in found))


def _host(owner: str | None) -> str:
    return socket.gethostname() if owner is None else str(json.loads(owner)[0]).partition(" ")[0]


def _alive(trial: Trial, watch: Watch) -> bool:
    """Whether a trial's process is alive; if it has just begun, it is assumed to be."""
    if trial.owner is None:
        return trial.started is not None and (datetime.now() - trial.started).total_seconds() < NAMELESS_S
    place, number, created = json.loads(trial.owner)
    if not is_here(place):
        return watch.is_alive(trial.owner)
    return runs(number, created)
