"""Weight sharing: one set of weights, of which every network of a search space takes its part.

Accuracies on shared weights rank networks at a fraction of the cost of training each. They are biased against
small networks, so they must not be compared with limits: train the finalists separately.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from edgebench.errors import InputError
from edgebench.models.network import Network
from edgebench.models.network.weights import LayerWeights
from edgebench.models.pytorch.writer import to_torch, weights_from_torch
from edgebench.tasks.fitting import (
    check_input,
    fitted_task,
    image_tensor,
    logits_network,
    reproducible,
    require_torch,
)
from edgebench.tasks.recipe import Optimiser, Recipe, TrainingFailed, augmented, batch_count, batches, loss_of
from edgebench.tasks.shared_shapes import SharedLayer, layer_shapes, shared_layers
from edgebench.tasks.task import Split, Task
from edgebench.tasks.training import evaluate

_RANDOM_NETWORKS = 2
_RECALIBRATION_BATCH = 128
_RECALIBRATION_IMAGES = 1024
"""Images that statistics are taken from after each epoch, to report on it."""


def _ignore(_: int, __: float) -> None:
    """The default callback, which does nothing."""


class Supernet:
    """Shared weights by the name of their layer.

    A layer has the kernel that is largest over all networks. A network takes its first output and input channels
    and the centre of its window, and the same channels of bias or of normalisation's scale and shift. Layers that
    a network leaves out are not touched, so depth varies too. Statistics of normalisation are not shared: they
    are computed again for each network.

    Args:
        layers: Shapes by layer name.
        largest: Network with the most multiply-accumulates.
        smallest: Network with the fewest.
        seed: Of the first weights, at least 0.
    """

    def __init__(self, layers: Mapping[str, SharedLayer], largest: Network, smallest: Network, seed: int) -> None:
        import torch

        self._layers, self.largest, self.smallest = dict(layers), largest, smallest
        self._tensors: dict[str, Any] = {}
        with reproducible(seed, None):
            for name, layer in self._layers.items():
                # The bounds of PyTorch's own layers.
                bound = 1 / math.sqrt(max(1, math.prod(layer.kernel[1:])))
                outputs = layer.kernel[0]
                self._tensors[f"{name}.kernel"] = torch.empty(layer.kernel).uniform_(-bound, bound)
                if layer.batch_norm:
                    self._tensors[f"{name}.scale"] = torch.ones(outputs)
                    self._tensors[f"{name}.shift"] = torch.zeros(outputs)
                else:
                    self._tensors[f"{name}.bias"] = torch.empty(outputs).uniform_(-bound, bound)
        for tensor in self._tensors.values():
            tensor.requires_grad_()

    @classmethod
    def for_networks(cls, networks: Sequence[Network], *, seed: int = 0) -> Self:
        """Weights large enough for each of some networks, and so for all in between.

        Args:
            networks: At least one; the largest and smallest of a search space are enough.
            seed: Of the first weights, at least 0.

        Raises:
            InputError: There is none, or layers with one name are of different kinds.
            MissingPackageError: PyTorch is not installed.
        """
        require_torch()
        by_size = sorted(networks, key=lambda network: (network.macs, network.parameters))
        return cls(shared_layers(networks), by_size[-1], by_size[0], seed)

    def train(
        self,
        sample: Callable[[random.Random], Network],
        task: Task,
        recipe: Recipe,
        *,
        seed: int,
        on_epoch: Callable[[int, float], None] = _ignore,
        threads: int | None = None,
    ) -> None:
        """Train the shared weights by the sandwich rule (Yu and Huang 2019).

        Each step adds up the gradients of the largest network, the smallest and two random ones. With
        distillation, the others imitate the largest.

        Args:
            sample: Draws a network; its layers are within the shared ones.
            task: Its training samples are used, and its validation samples to report.
            recipe: How to train; ``patience`` is ignored.
            seed: Of the order, the networks and the augmentation.
            on_epoch: Called with the epoch, from 1, and the validation accuracy of the largest network; what it
                raises ends the training and passes through.
            threads: Threads of PyTorch, or None to leave them unchanged.

        Raises:
            InputError: A network does not fit the task or the shared weights.
            TrainingFailed: The loss is infinite or not a number.
        """
        draw = random.Random(seed)  # noqa: S311 - a search, not a secret
        samples = len(task.train)
        recalibration = task.train.sample(_RECALIBRATION_IMAGES)
        with reproducible(seed, threads):
            optimiser = Optimiser(list(self._tensors.values()), recipe, recipe.epochs * batch_count(samples, recipe))
            for epoch in range(1, recipe.epochs + 1):
                for indices in batches(samples, recipe):
                    networks = [self.largest, self.smallest, *(sample(draw) for _ in range(_RANDOM_NETWORKS))]
                    optimiser.clear()
                    self._add_gradients(networks, task, recipe, indices)
                    optimiser.step()
                on_epoch(epoch, self.accuracy(self.largest, task.validation, recalibration))

    def accuracy(self, network: Network, split: Split, recalibration: Split) -> float:
        """Share of samples that a network classifies correctly with its part of the weights, from 0 to 1.

        Args:
            network: Is within the shared layers.
            split: What to classify.
            recalibration: Training images that the statistics of normalisation are taken from.

        Raises:
            InputError: The network does not fit the images or the shared weights.
        """
        return evaluate(network, self.weights(network, recalibration), split)

    def weights(self, network: Network, recalibration: Split) -> dict[str, LayerWeights]:
        """A network's part of the weights with normalisation folded, for instance to fine-tune from.

        Args:
            network: Is within the shared layers.
            recalibration: Training images that the statistics of normalisation are taken from.

        Raises:
            InputError: The network does not fit the images or the shared weights.
        """
        import torch

        check_input(network, recalibration.images.shape[3])
        if len(recalibration) < 2:
            raise InputError("statistics of normalisation need at least 2 images", where=network.name)
        images = image_tensor(recalibration.resized(*network.input_shape[:2]).images)
        with reproducible(0, None), torch.no_grad():
            module = to_torch(logits_network(network)).train()
            module.load_state_dict(self._values(network))
            for part in module.parts.values():
                # Without momentum, PyTorch takes the mean over all batches.
                part[1].momentum = None
            # Parts of equal size, so that each image counts the same, and interleaved: the variance within
            # parts of images sorted by class would be too small.
            parts = max(1, len(images) // _RECALIBRATION_BATCH)
            for start in range(parts):
                module(images[start::parts])
            return weights_from_torch(logits_network(network), module)

    def state(self) -> dict[str, NDArray[np.float32]]:
        """Copies of all weights by layer name and ``kernel``, ``bias``, ``scale`` or ``shift``, for an ``.npz`` file.

        Kernels are outputs, inputs, rows, columns.
        """
        return {name: tensor.detach().numpy().copy() for name, tensor in self._tensors.items()}

    def restore(self, arrays: Mapping[str, NDArray[np.float32]]) -> None:
        """Load weights that ``state`` returned.

        Raises:
            InputError: They are not those of a supernet with the same layers; nothing is changed.
        """
        import torch

        expected = {name: tuple(tensor.shape) for name, tensor in self._tensors.items()}
        given = {name: array.shape for name, array in arrays.items()}
        if given != expected:
            name = min(key for key in {*expected, *given} if expected.get(key) != given.get(key))
            raise InputError(
                f"shared weights {name!r} have shape {given.get(name)}, not {expected.get(name)}",
                remedy="train the supernet again for this search space",
            )
        with torch.no_grad():
            for name, tensor in self._tensors.items():
                tensor.copy_(torch.from_numpy(np.array(arrays[name], dtype=np.float32)))

    def _add_gradients(self, networks: Sequence[Network], task: Task, recipe: Recipe, indices: Any) -> None:
        import torch

        labels = torch.from_numpy(task.train.labels)[indices]
        images: dict[tuple[int, ...], Any] = {}
        soft_targets = None
        for network in networks:
            size, fitted = network.input_shape, fitted_task(network, task)
            if size not in images:
                chosen = image_tensor(fitted.train.images)[indices]
                images[size] = augmented(chosen) if recipe.augment else chosen
            logits = self._call(network, images[size])
            loss = loss_of(logits, labels, recipe, soft_targets)
            if not math.isfinite(loss.item()):
                raise TrainingFailed(
                    f"the loss became {loss.item()}", where=network.name, remedy="lower the learning rate"
                )
            loss.backward()
            if soft_targets is None:
                soft_targets = logits.detach()

    def _call(self, network: Network, images: Any) -> Any:
        """Logits in training, through which gradients reach the shared weights."""
        import torch
        from torch.func import functional_call

        # On the meta device a module takes no memory and no time to fill: all its values come from here.
        with torch.device("meta"):
            module = to_torch(logits_network(network)).train()
        return functional_call(module, self._values(network), (images,))

    def _values(self, network: Network) -> dict[str, Any]:
        """A network's part of the weights under the names in ``to_torch``'s module, with fresh statistics."""
        import torch

        values = {}
        for name, (kernel, batch_norm) in layer_shapes(network, self._layers).items():
            outputs, part = kernel[0], f"parts.{name}"
            values[f"{part}.0.weight"] = self._tensors[f"{name}.kernel"][self._layers[name].slices(kernel)]
            if not batch_norm:
                values[f"{part}.0.bias"] = self._tensors[f"{name}.bias"][:outputs]
                continue
            values[f"{part}.1.weight"] = self._tensors[f"{name}.scale"][:outputs]
            values[f"{part}.1.bias"] = self._tensors[f"{name}.shift"][:outputs]
            values[f"{part}.1.running_mean"] = torch.zeros(outputs)
            values[f"{part}.1.running_var"] = torch.ones(outputs)
            values[f"{part}.1.num_batches_tracked"] = torch.tensor(0)
        return values
