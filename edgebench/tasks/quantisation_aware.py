"""Trains a network with the rounding of int8, and returns the ranges that it learnt."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edgebench.models.network import Network
from edgebench.models.network.weights import LayerWeights, Weights
from edgebench.tasks.fake_quantisation import fake_quantised
from edgebench.tasks.fitting import fitted_task, image_tensor, logits_network, reproducible, require_torch
from edgebench.tasks.recipe import Recipe
from edgebench.tasks.task import Task
from edgebench.tasks.training_run import Teacher, TrainingRun, require_teacher

_CALIBRATION_IMAGES = 512
_FROZEN_FROM = 0.7
"""Share of the epochs after which ranges no longer change, so that weights settle on them."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainedQuantised:
    """The outcome.

    Attributes:
        weights: Folded, in float; rounding them per channel gives what was trained.
        ranges: Lowest and highest value of outputs of layers and of the input, by tensor name.
        validation_accuracy: With everything rounded, from 0 to 1.
        before: The same before the training, with ranges of training samples.
        epochs: Epochs that were trained.
    """

    weights: Mapping[str, LayerWeights]
    ranges: Mapping[str, tuple[float, float]]
    validation_accuracy: float
    before: float
    epochs: int


def train_quantised(
    network: Network,
    weights: Weights,
    task: Task,
    recipe: Recipe,
    *,
    seed: int,
    on_epoch: Callable[[int, float], None],
    teacher: Teacher | None = None,
    threads: int | None = None,
    keep_zeros: bool = False,
) -> TrainedQuantised:
    """Train a network with fake quantisation; the same arguments on the same machine give the same result.

    Args:
        network: Ends in one value per class or their softmax.
        weights: Folded weights to start from.
        task: Its validation samples choose the epoch; its test samples are not touched.
        recipe: How to train.
        seed: At least 0.
        on_epoch: Called with the epoch, from 1, and its validation accuracy.
        teacher: Network whose logits to imitate, for a recipe with distillation.
        threads: Threads of PyTorch, or None to leave them unchanged.
        keep_zeros: Whether kernels stay zero where they are.

    Raises:
        InputError: The network does not fit the task, or distillation has no teacher.
        TrainingFailed: The loss is infinite or not a number.
        MissingPackageError: PyTorch is not installed.
    """
    require_torch()
    fitted = fitted_task(network, task)
    require_teacher(recipe, teacher)
    with reproducible(seed, threads):
        run = _Run(logits_network(network), weights, fitted, recipe, teacher, keep_zeros=keep_zeros)
        before = run.accuracy()
        best = (before, run.weights(), run.ranges())
        for epoch in range(1, recipe.epochs + 1):
            if epoch > math.ceil(_FROZEN_FROM * recipe.epochs):
                run.freeze()
            run.epoch()
            accuracy = run.accuracy()
            if accuracy >= best[0]:
                best = (accuracy, run.weights(), run.ranges())
            on_epoch(epoch, accuracy)
    return TrainedQuantised(
        weights=best[1], ranges=best[2], validation_accuracy=best[0], before=before, epochs=recipe.epochs
    )


class _Run(TrainingRun):
    """A training with everything rounded."""

    def __init__(
        self,
        network: Network,
        weights: Weights,
        task: Task,
        recipe: Recipe,
        teacher: Teacher | None,
        *,
        keep_zeros: bool,
    ) -> None:
        import torch

        super().__init__(network, fake_quantised(network, weights), task, recipe, teacher, keep_zeros=keep_zeros)
        with torch.no_grad():
            self.module(image_tensor(task.train.sample(_CALIBRATION_IMAGES).images))

    def freeze(self) -> None:
        """Let ranges stay as they are."""
        self.module.quantisers.freeze()

    def ranges(self) -> dict[str, tuple[float, float]]:
        """The current ranges."""
        found: dict[str, tuple[float, float]] = self.module.quantisers.ranges()
        return found
