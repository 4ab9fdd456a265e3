"""A training in progress: epoch by epoch, with distillation, augmentation and kernels that stay zero."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from edgebench.errors import InputError
from edgebench.models.network import Network
from edgebench.models.network.weights import LayerWeights
from edgebench.models.pytorch.writer import to_torch, weights_from_torch
from edgebench.tasks.fitting import image_tensor, logits_network
from edgebench.tasks.initial import apply_masks, zero_masks
from edgebench.tasks.recipe import Optimiser, Recipe, TrainingFailed, augmented, batch_count, batches, loss_of
from edgebench.tasks.task import Task

Teacher = Any
"""A network with its weights as a pair, or a PyTorch module that returns logits for channels-first images."""
_BATCH = 256


class TrainingRun:
    """One training of one module.

    Args:
        network: What the module is of.
        module: What is trained; it returns logits for channels-first images.
        task: Fits the network.
        recipe: How to train.
        teacher: Whose logits to imitate, for a recipe with distillation.
        keep_zeros: Whether kernels stay zero where they are.

    Attributes:
        module: The same.

    Raises:
        InputError: The module has no weights.
    """

    def __init__(
        self,
        network: Network,
        module: Any,
        task: Task,
        recipe: Recipe,
        teacher: Teacher | None,
        *,
        keep_zeros: bool,
    ) -> None:
        import torch

        self._network, self.module, self._recipe = network, module, recipe
        self._images = image_tensor(task.train.images)
        self._labels = torch.from_numpy(task.train.labels)
        self._validation = (image_tensor(task.validation.images), torch.from_numpy(task.validation.labels))
        self._masks = zero_masks(module) if keep_zeros else []
        parameters = list(module.parameters())
        if not parameters:
            raise InputError("the network has no weights to train", where=network.name)
        steps = recipe.epochs * batch_count(len(self._labels), recipe)
        self._optimiser = Optimiser(parameters, recipe, steps)
        self._teacher = None if teacher is None or recipe.distillation == 0 else _teacher_call(teacher)

    def epoch(self) -> None:
        """Train one epoch: use all training images once.

        Raises:
            TrainingFailed: The loss is infinite or not a number.
        """
        self.module.train()
        for indices in batches(len(self._labels), self._recipe):
            images = self._images[indices]
            if self._recipe.augment:
                images = augmented(images)
            soft_targets = None if self._teacher is None else self._teacher(images)
            self._optimiser.clear()
            loss = loss_of(self.module(images), self._labels[indices], self._recipe, soft_targets)
            self._check(loss)
            loss.backward()
            self._optimiser.step()
            apply_masks(self._masks)

    def validate(self) -> tuple[float, float]:
        """Validation accuracy, and the negative loss, which decides between equal accuracies.

        Raises:
            TrainingFailed: The loss is infinite or not a number.
        """
        from torch.nn import functional

        found, labels = self._on_validation()
        loss = functional.cross_entropy(found, labels)
        self._check(loss)
        return _share_right(found, labels), -loss.item()

    def accuracy(self) -> float:
        """On validation samples."""
        return _share_right(*self._on_validation())

    def weights(self) -> dict[str, LayerWeights]:
        """The current weights, with batch normalisation folded."""
        return weights_from_torch(self._network, self.module)

    def _on_validation(self) -> tuple[Any, Any]:
        """Logits and labels."""
        images, labels = self._validation
        return logits(self.module.eval(), images), labels

    def _check(self, loss: Any) -> None:
        if not math.isfinite(loss.item()):
            raise TrainingFailed(
                f"the loss became {loss.item()}", where=self._network.name, remedy="lower the learning rate"
            )


def _share_right(found: Any, labels: Any) -> float:
    return int((found.argmax(1) == labels).sum()) / len(labels)


def require_teacher(recipe: Recipe, teacher: Teacher | None) -> None:
    """Check that a recipe with distillation has a teacher.

    Raises:
        InputError: It has none.
    """
    if recipe.distillation > 0 and teacher is None:
        raise InputError("a recipe with distillation needs a teacher", remedy="pass one, or set distillation to 0")


def logits(module: Any, images: Any) -> Any:
    """What a module returns for images, computed in parts that fit the memory."""
    import torch

    with torch.no_grad():
        return torch.cat([module(part) for part in images.split(_BATCH)])


def _teacher_call(teacher: Teacher) -> Callable[[Any], Any]:
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
