"""The verb ``tasks``: what is in the data that networks are trained on."""

from __future__ import annotations

from edgebench.workers.base import Workers
from edgebench.workers.local import LOCAL
from edgebench.workers.training.jobs import TaskFacts, TaskText
from edgebench.workers.training.pool import TrainingPool


def look_at_task(text: str, seed: int, *, workers: Workers = LOCAL) -> TaskFacts:
    """Load a task in a process of its own.

    Args:
        text: As typed.
        seed: Of the split.
        workers: Starts the process.

    Raises:
        InputError: There is no such task, or its data is not valid.
        MissingPackageError: A package is missing.
    """
    with TrainingPool(1, workers) as pool, pool.process() as process:
        return process.facts(TaskText(text=text, seed=seed))
