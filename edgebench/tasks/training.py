"""Trains a network on a task, and measures how accurate it is."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebench.models.network import Network
from edgebench.models.network.weights import LayerWeights, Weights
from edgebench.models.pytorch.writer import to_torch
from edgebench.tasks.accuracy import top1
from edgebench.tasks.fitting import (
    check_input,
    fitted_task,
    image_tensor,
    logits_network,
    reproducible,
    require_torch,
)
from edgebench.tasks.initial import trainable_from_weights
from edgebench.tasks.recipe import Recipe, TrainingFailed
from edgebench.tasks.task import Split, Task
from edgebench.tasks.training_run import Teacher, TrainingRun, logits, require_teacher

__all__ = ["Recipe", "Teacher", "Trained", "TrainingFailed", "evaluate", "predict", "train"]

_INITIAL_IMAGES = 512
"""Number of images whose statistics the normalisation starts from, given folded weights."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trained:
    """The outcome of a training.

    Attributes:
        weights: Of the best epoch by layer name, with batch normalisation folded.
        validation_accuracy: Of these weights, from 0 to 1. The epoch was chosen by it, so it is slightly optimistic.
        epochs: Epochs that were trained.
        seconds: Wall time in seconds.
    """

    weights: Mapping[str, LayerWeights]
    validation_accuracy: float
    epochs: int
    seconds: float


def _ignore(_: int, __: float) -> None:
    """The default callback, which does nothing."""


def train(
    network: Network,
    task: Task,
    recipe: Recipe,
    *,
    seed: int,
    on_epoch: Callable[[int, float], None] = _ignore,
    teacher: Teacher | None = None,
    threads: int | None = None,
    initial: Weights | None = None,
    keep_zeros: bool = False,
) -> Trained:
    """Train a network; the same arguments on the same machine give the same weights.

    Args:
        network: Takes images of any size with the task's channels, and ends in one value per class or their softmax.
        task: Its validation samples choose the epoch whose weights are kept; its test samples are not touched.
        recipe: How to train.
        seed: At least 0; decides initial weights, order and augmentation.
        on_epoch: Called with the epoch, from 1, and its validation accuracy; what it raises ends the training and
            passes through.
        teacher: Network whose logits to imitate, for a recipe with distillation.
        threads: Threads of PyTorch, or None to leave them unchanged.
        initial: Folded weights to continue from (fine-tuning), instead of random ones.
        keep_zeros: Whether kernels stay zero where the initial ones are.

    Raises:
        InputError: The network does not fit the task, or distillation has no teacher.
        TrainingFailed: The loss is infinite or not a number.
        MissingPackageError: PyTorch is not installed.
    """
    require_torch()
    fitted = fitted_task(network, task)
    require_teacher(recipe, teacher)
    started = time.perf_counter()
    with reproducible(seed, threads):
        student = logits_network(network)
        module = to_torch(student) if initial is None else trainable_from_weights(student, initial, _some(fitted))
        run = TrainingRun(student, module, fitted, recipe, teacher, keep_zeros=keep_zeros)
        best = (-1.0, -math.inf)
        weights: Mapping[str, LayerWeights] = {}
        waited = epoch = 0
        for epoch in range(1, recipe.epochs + 1):
            run.epoch()
            score = run.validate()
            waited = 0 if score[0] > best[0] else waited + 1
            if score > best:
                best, weights = score, run.weights()
            on_epoch(epoch, score[0])
            if recipe.patience is not None and waited >= recipe.patience:
                break
    return Trained(weights=weights, validation_accuracy=best[0], epochs=epoch, seconds=time.perf_counter() - started)


def evaluate(network: Network, weights: Weights, split: Split) -> float:
    """Share of samples that a network classifies correctly, from 0 to 1.

    Raises:
        InputError: The network does not take these images.
        MissingPackageError: PyTorch is not installed.
    """
    return top1(predict(network, weights, split), split.labels)


def predict(network: Network, weights: Weights, split: Split) -> NDArray[np.int64]:
    """Class of each image by a network in float32, as [n]; images are resized to its input.

    Raises:
        InputError: The network does not take these images.
        MissingPackageError: PyTorch is not installed.
    """
    require_torch()
    check_input(network, split.images.shape[3])
    images = image_tensor(split.resized(*network.input_shape[:2]).images)
    classes: NDArray[np.int64] = logits(to_torch(logits_network(network), weights), images).argmax(1).numpy()
    return classes


def _some(task: Task) -> Any:
    return image_tensor(task.train.sample(_INITIAL_IMAGES).images)
