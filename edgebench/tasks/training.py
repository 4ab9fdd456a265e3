"""Trains a network on a task, and measures how accurate it is."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebench.errors import InputError
from edgebench.models.network import Network
from edgebench.models.network.weights import LayerWeights, Weights
from edgebench.models.pytorch.writer import to_torch, weights_from_torch
from edgebench.tasks.accuracy import top1
from edgebench.tasks.fitting import (
    check_input,
    fitted_task,
    image_tensor,
    logits_network,
    reproducible,
    require_torch,
)
from edgebench.tasks.initial import apply_masks, trainable_from_weights, zero_masks
from edgebench.tasks.recipe import Optimiser, Recipe, TrainingFailed, augmented, batch_count, batches, loss_of
from edgebench.tasks.task import Split, Task

__all__ = ["Recipe", "Teacher", "Trained", "TrainingFailed", "evaluate", "predict", "train"]

Teacher = Any
"""A network with its weights as a pair, or a PyTorch module that returns logits for channels-first images."""
_BATCH = 256
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
    if recipe.distillation > 0 and teacher is None:
        raise InputError("a recipe with distillation needs a teacher", remedy="pass one, or set distillation to 0")
    started = time.perf_counter()
    with reproducible(seed, threads):
        run = _Run(logits_network(network), fitted, recipe, teacher, initial, keep_zeros=keep_zeros)
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
    classes: NDArray[np.int64] = _logits(to_torch(logits_network(network), weights), images).argmax(1).numpy()
    return classes


class _Run:
    """A training in progress."""

    def __init__(
        self,
        network: Network,
        task: Task,
        recipe: Recipe,
        teacher: Teacher | None,
        initial: Weights | None,
        *,
        keep_zeros: bool,
    ) -> None:
        import torch

        self._network, self._recipe = network, recipe
        self._images = image_tensor(task.train.images)
        self._labels = torch.from_numpy(task.train.labels)
        self._validation = (image_tensor(task.validation.images), torch.from_numpy(task.validation.labels))
        self._module = to_torch(network) if initial is None else trainable_from_weights(network, initial, _some(task))
        self._masks = zero_masks(self._module) if keep_zeros else []
        parameters = list(self._module.parameters())
        if not parameters:
            raise InputError("the network has no weights to train", where=network.name)
        steps = recipe.epochs * batch_count(len(self._labels), recipe)
        self._optimiser = Optimiser(parameters, recipe, steps)
        self._teacher = None if teacher is None or recipe.distillation == 0 else teacher_call(teacher)

    def epoch(self) -> None:
        """Train one epoch: use all training images once."""
        self._module.train()
        for indices in batches(len(self._labels), self._recipe):
            images = self._images[indices]
            if self._recipe.augment:
                images = augmented(images)
            soft_targets = None if self._teacher is None else self._teacher(images)
            self._optimiser.clear()
            loss = loss_of(self._module(images), self._labels[indices], self._recipe, soft_targets)
            self._check(loss)
            loss.backward()
            self._optimiser.step()
            apply_masks(self._masks)

    def validate(self) -> tuple[float, float]:
        """Validation accuracy, and the negative loss, which decides between equal accuracies."""
        from torch.nn import functional

        images, labels = self._validation
        logits = _logits(self._module.eval(), images)
        loss = functional.cross_entropy(logits, labels)
        self._check(loss)
        accuracy = int((logits.argmax(1) == labels).sum()) / len(labels)
        return accuracy, -loss.item()

    def weights(self) -> dict[str, LayerWeights]:
        """The current weights."""
        return weights_from_torch(self._network, self._module)

    def _check(self, loss: Any) -> None:
        if not math.isfinite(loss.item()):
            raise TrainingFailed(
                f"the loss became {loss.item()}", where=self._network.name, remedy="lower the learning rate"
            )


def _some(task: Task) -> Any:
    return image_tensor(task.train.sample(_INITIAL_IMAGES).images)


def _logits(module: Any, images: Any) -> Any:
    import torch

    with torch.no_grad():
        return torch.cat([module(part) for part in images.split(_BATCH)])


def teacher_call(teacher: Teacher) -> Callable[[Any], Any]:
    """A function from images to the teacher's logits, which scales images to a network's own size."""
    import torch
    from torch.nn import functional

    size: tuple[int, int] | None = None
    module = teacher
    if isinstance(teacher, tuple):
        network, weights = teacher
        size = (network.input_shape[0], network.input_shape[1])
        module = to_torch(logits_network(network), weights)
    if hasattr(module, "eval"):
        module.eval()

    def call(images: Any) -> Any:
        with torch.no_grad():
            if size is not None and tuple(images.shape[2:]) != size:
                images = functional.interpolate(images, size, mode="bilinear", antialias=True)
            return module(images)

    return call
