"""How networks are trained: a recipe, and the parts of PyTorch that follow it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from edgebench.core.record import Record
from edgebench.errors import EdgebenchError

_WARM_UP = 0.25
"""Share of the steps in which the learning rate rises."""
_SHIFT = 0.08
"""Maximum distance that augmentation moves an image, as a share of its size."""


class TrainingFailed(EdgebenchError):  # noqa: N818 - it names what happened to a trial, not a mistake
    """The loss became infinite or not a number: the recipe does not suit the network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe(Record):
    """How to train.

    The defaults suit networks of about 1 million multiply-accumulates and a few thousand small images. On mnist5k,
    6 epochs took 5 to 8 s of one core to a mean validation accuracy of 96.8 % (two networks, three seeds), and of
    94.8 % for a network without normalisation. SGD with Nesterov momentum at 0.3 and batches of 32 did as well on the
    former (96.9 %) and worse on the latter (93.6 %); the standard error is about 0.3 %.

    Attributes:
        epochs: How often all training images are seen.
        batch_size: Images per step, at least 2.
        learning_rate: Maximum of the schedule, which rises for a quarter of the steps and falls to 0 on a cosine.
        weight_decay: Decoupled decay of kernels (AdamW), per unit of learning rate.
        patience: Stop after this many epochs without a better validation accuracy; None for never.
        label_smoothing: Share of the target that is spread over all classes, from 0 to below 1.
        augment: Move each image by up to 8 % of its size, randomly each time.
        distillation: Weight of the teacher's outputs in the loss, from 0 to 1; labels get the rest.
        temperature: Divides logits before teacher and student are compared.

    Raises:
        ValueError: A value is out of its range.
    """

    epochs: int = 10
    batch_size: int = 64
    learning_rate: float = 0.02
    weight_decay: float = 0.02
    patience: int | None = None
    label_smoothing: float = 0.0
    augment: bool = True
    distillation: float = 0.0
    temperature: float = 4.0

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 2 or (self.patience is not None and self.patience < 1):
            raise ValueError(
                f"epochs {self.epochs} and patience {self.patience} must be at least 1, batch_size {self.batch_size} 2"
            )
        positive = {"learning_rate": self.learning_rate, "temperature": self.temperature}
        for name, value in positive.items():
            if not 0 < value < math.inf:
                raise ValueError(f"{name} must be positive and finite, not {value}")
        if not 0 <= self.weight_decay < math.inf:
            raise ValueError(f"weight_decay must be finite and at least 0, not {self.weight_decay}")
        if not 0 <= self.label_smoothing < 1 or not 0 <= self.distillation <= 1:
            raise ValueError(
                f"label_smoothing {self.label_smoothing} and distillation {self.distillation} must be shares of 1"
            )


class Optimiser:
    """AdamW with Nesterov momentum over one cycle of the learning rate.

    Args:
        parameters: Tensors to fit; those with two or more axes decay.
        recipe: Learning rate and decay.
        steps: Of the whole training.
    """

    def __init__(self, parameters: Sequence[Any], recipe: Recipe, steps: int) -> None:
        import torch

        groups = [
            {"params": [tensor for tensor in parameters if tensor.ndim > 1], "weight_decay": recipe.weight_decay},
            {"params": [tensor for tensor in parameters if tensor.ndim <= 1], "weight_decay": 0.0},
        ]
        used = [group for group in groups if group["params"]]
        self._optimiser = torch.optim.AdamW(used, lr=recipe.learning_rate, betas=(0.9, 0.99))
        warm_up = max(1.0, _WARM_UP * steps)

        def rate(step: int) -> float:
            if step < warm_up:
                return (step + 1) / (warm_up + 1)
            return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1.0, steps - warm_up)))

        self._schedule = torch.optim.lr_scheduler.LambdaLR(self._optimiser, rate)

    def clear(self) -> None:
        """Forget the gradients."""
        self._optimiser.zero_grad(set_to_none=True)

    def step(self) -> None:
        """Follow the gradients, and advance in the schedule."""
        self._optimiser.step()
        self._schedule.step()


def batch_count(samples: int, recipe: Recipe) -> int:
    """Steps of an epoch; a remainder smaller than a batch is spread over the others."""
    return max(1, samples // recipe.batch_size)


def batches(samples: int, recipe: Recipe) -> Iterator[Any]:
    """Indices of each batch of an epoch, in an order that PyTorch's seed decides."""
    import torch

    yield from torch.randperm(samples).tensor_split(batch_count(samples, recipe))


def augmented(images: Any) -> Any:
    """Each image moved by a random number of pixels; new pixels repeat the border.

    Args:
        images: A tensor [n, channels, height, width].
    """
    import torch
    from torch.nn import functional

    count, _, height, width = images.shape
    down, across = max(1, round(_SHIFT * height)), max(1, round(_SHIFT * width))
    padded = functional.pad(images, (across, across, down, down), mode="replicate").permute(0, 2, 3, 1)
    rows = torch.randint(2 * down + 1, (count, 1)) + torch.arange(height)
    columns = torch.randint(2 * across + 1, (count, 1)) + torch.arange(width)
    moved = padded[torch.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]
    return moved.permute(0, 3, 1, 2)


def loss_of(logits: Any, labels: Any, recipe: Recipe, soft_targets: Any | None = None) -> Any:
    """Cross entropy, mixed with the distance to a teacher's logits (Hinton et al. 2015) if there are some.

    Args:
        logits: [n, classes].
        labels: [n].
        recipe: Smoothing, weight and temperature of the distillation.
        soft_targets: The teacher's logits, [n, classes].
    """
    from torch.nn import functional

    hard = functional.cross_entropy(logits, labels, label_smoothing=recipe.label_smoothing)
    if soft_targets is None or recipe.distillation == 0:
        return hard
    heat = recipe.temperature
    soft = functional.kl_div(
        (logits / heat).log_softmax(1), (soft_targets / heat).log_softmax(1), reduction="batchmean", log_target=True
    )
    return (1 - recipe.distillation) * hard + recipe.distillation * heat * heat * soft
