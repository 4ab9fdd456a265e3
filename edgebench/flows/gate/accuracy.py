"""Accuracy of what a device runs, on the test samples of a task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edgebench.core.baseline import BaselineFigure
from edgebench.core.device import DeviceKind
from edgebench.core.metric import Metric, Provenance
from edgebench.errors import EdgebenchError
from edgebench.flows.profile.preparation import Ready
from edgebench.tasks.accuracy import accuracy_drop, wilson_interval
from edgebench.workers.base import Workers
from edgebench.workers.training.jobs import Predictions, TaskText
from edgebench.workers.training.pool import TrainingProcess


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """How often a model is right.

    Attributes:
        value: From 0 to 1.
        low: Lower end of its interval over other samples.
        high: Upper end of it.
        samples: How many there are.
    """

    value: float
    low: float
    high: float
    samples: int

    @property
    def metric(self) -> Metric:
        """As every report shows it."""
        return Metric(
            value=self.value,
            unit="1",
            provenance=Provenance.MEASURED,
            method=f"share of {self.samples} test samples that are classified correctly",
            low=self.low,
            high=self.high,
        )

    @property
    def kept(self) -> BaselineFigure:
        """As a baseline keeps it."""
        metric = self.metric
        return BaselineFigure(
            value=metric.value, unit=metric.unit, provenance=metric.provenance, low=metric.low, high=metric.high
        )


class Classifying:
    """Classifies the test samples of one task; equal files are tried once.

    Args:
        task: The task.
        workers: Start the process that classifies.
        on_progress: Called before each file.
    """

    def __init__(self, task: TaskText, workers: Workers, on_progress: Callable[[str], None]) -> None:
        self._task, self._on_progress = task, on_progress
        self._process = TrainingProcess(workers)
        self._known: dict[tuple[str, bool], Predictions] = {}
        self._digest: str | None = None

    def close(self) -> None:
        """End the process."""
        self._process.close()

    def digest(self) -> str:
        """Of the task's data and split.

        Raises:
            EdgebenchError: The task cannot be read.
        """
        if self._digest is None:
            self._digest = self._process.facts(self._task).digest
        return self._digest

    def predictions(self, ready: Ready) -> Predictions | EdgebenchError:
        """What a model predicts in the form in which it is deployed, or why that is not known."""
        # Emulated and compiled kernels compute what LiteRT's reference kernels do.
        exact = ready.device.kind is not DeviceKind.CPU
        key = (ready.path, exact)
        if key not in self._known:
            self._on_progress(f"classifying test samples with {ready.name}")
            try:
                self._known[key] = self._process.predict(ready.path, self._task, "test", reference=exact)
            except EdgebenchError as error:
                return error
        return self._known[key]


def accuracy_of(found: Predictions) -> Accuracy:
    """How often predictions are right."""
    correct = sum(a == b for a, b in zip(found.classes, found.labels, strict=True))
    low, high = wilson_interval(correct, len(found.labels))
    return Accuracy(value=correct / len(found.labels), low=low, high=high, samples=len(found.labels))


def difference_text(before: Predictions, after: Predictions) -> str:
    """What is known of the difference of two models on the same samples."""
    drop = accuracy_drop(np.array(before.classes), np.array(after.classes), np.array(after.labels))
    return (
        f"{drop.lost} samples lost and {drop.gained} gained of {drop.samples}; on other samples the drop is "
        f"{100 * drop.low:.2f} to {100 * drop.high:.2f} points"
    )
