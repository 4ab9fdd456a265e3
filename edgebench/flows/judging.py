"""What files are worth: how accurate they are where they are deployed, and whether that meets a budget."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from edgebench.core.accuracy_limits import AccuracyFault, Share, above_most, below_least, no_better_than_guessing
from edgebench.core.budget import Budget, Limit
from edgebench.core.figure import LATENCY, column_name
from edgebench.core.metric import Metric
from edgebench.core.profile import Outcome, Profile
from edgebench.core.search import DeviceAccuracy
from edgebench.core.summary import summarise
from edgebench.tasks.accuracy import accuracy_drop, wilson_interval
from edgebench.workers.training.jobs import Predictions

_RUNTIMES = {".onnx": "ONNX Runtime", ".tflite": "LiteRT"}


def share_right(predictions: Predictions) -> Share:
    """Share of samples that are classified correctly."""
    correct = sum(a == b for a, b in zip(predictions.classes, predictions.labels, strict=True))
    low, high = wilson_interval(correct, len(predictions.labels))
    return Share(value=correct / len(predictions.labels), low=low, high=high)


def device_accuracy(
    device: str, file: str, predictions: Predictions, reference: Predictions | None, *, exact: bool
) -> DeviceAccuracy:
    """How accurate a file is on a device.

    Args:
        device: Its name.
        file: What is deployed.
        predictions: Of the file, on test samples.
        reference: Of the network that drops are relative to, on the same samples, or None.
        exact: Whether LiteRT's reference kernels classified, which emulated and compiled ones reproduce.
    """
    return DeviceAccuracy(
        device=device,
        file=file,
        runtime="LiteRT, reference kernels" if exact else _RUNTIMES[Path(file).suffix],
        accuracy=share_right(predictions),
        drop=None if reference is None else _drop(reference, predictions),
        samples=len(predictions.labels),
        most_frequent=max(Counter(predictions.labels).values()) / len(predictions.labels),
    )


def inaccuracies(item: DeviceAccuracy, budget: Budget) -> list[AccuracyFault]:
    """Limits of accuracy that the bad end of the interval does not meet."""
    place = f"on {item.device}"
    faults = [no_better_than_guessing(f"accuracy {place}", item.accuracy, item.most_frequent)]
    if budget.min_accuracy is not None:
        faults.append(below_least(f"accuracy {place}", item.accuracy, budget.min_accuracy, item.samples))
    if budget.max_accuracy_drop is not None and item.drop is not None:
        what = f"the drop of accuracy {place}"
        faults.append(above_most(what, item.drop, budget.max_accuracy_drop, item.samples))
    return [fault for fault in faults if fault is not None]


def limited_figure(limit: Limit, profiles: Mapping[str, Profile]) -> tuple[Metric | None, bool]:
    """What the profile on a limit's device says, and whether the upper end of its interval meets the limit."""
    result = profiles[limit.device]
    found = summarise(result).get(limit.figure) if result.outcome is Outcome.OK else None
    return found, found is not None and limit.is_met(found.most)


def broken_profiles(profiles: Mapping[str, Profile]) -> list[str]:
    """Why devices could not be measured, one sentence each."""
    return [
        f"{name}: {result.failure.message if result.failure else result.outcome}"
        for name, result in profiles.items()
        if result.outcome is not Outcome.OK
    ]


def unlimited_latencies(budget: Budget, profiles: Mapping[str, Profile]) -> dict[str, Metric]:
    """Latencies of devices that were given without a limit of it, by column."""
    limited = {limit.column for limit in budget.limits}
    found = {column_name(LATENCY, name): summarise(result).get(LATENCY) for name, result in profiles.items()}
    return {name: metric for name, metric in found.items() if metric is not None and name not in limited}


def _drop(reference: Predictions, predictions: Predictions) -> Share:
    drop = accuracy_drop(np.array(reference.classes), np.array(predictions.classes), np.array(predictions.labels))
    return Share(value=drop.value, low=drop.low, high=drop.high)
