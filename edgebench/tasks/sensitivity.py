"""Which layers lose most when weights are rounded to int8."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgebench.models.network import Network
from edgebench.models.network.layers import DepthwiseConv2D
from edgebench.models.network.weights import LayerWeights, Weights
from edgebench.models.pytorch.writer import to_torch
from edgebench.tasks.fitting import check_input, image_tensor, logits_network, require_torch
from edgebench.tasks.task import Split

_HIGHEST = 127


def sensitivities(network: Network, weights: Weights, split: Split) -> dict[str, float]:
    """How much the cross entropy falls if one layer alone keeps its float weights and all others are int8.

    Args:
        network: Structure.
        weights: Folded weights.
        split: Labelled images; they are resized to the network's input.

    Returns:
        By layer with weights, in nats per sample; the larger, the more sensitive.

    Raises:
        InputError: The network does not take these images.
        MissingPackageError: PyTorch is not installed.
    """
    require_torch()
    check_input(network, split.images.shape[3])
    fitted = split.resized(*network.input_shape[:2])
    images, labels = image_tensor(fitted.images), fitted.labels
    depthwise = {layer.name for layer in network.layers if isinstance(layer, DepthwiseConv2D)}
    rounded = {name: rounded_weights(own, axis=3 if name in depthwise else 0) for name, own in weights.items()}
    whole = _loss(network, rounded, images, labels)
    return {name: whole - _loss(network, {**rounded, name: own}, images, labels) for name, own in weights.items()}


def rounded_weights(weights: LayerWeights, *, axis: int) -> LayerWeights:
    """Weights as int8 holds them: steps of a 127th of the largest of each output channel.

    Args:
        weights: Of one layer.
        axis: Of the output channels.
    """
    kernel = weights.kernel
    others = tuple(number for number in range(kernel.ndim) if number != axis)
    step = np.abs(kernel).max(axis=others, keepdims=True) / _HIGHEST
    step = np.where(step > 0, step, 1)
    return LayerWeights(kernel=(np.rint(kernel / step) * step).astype(np.float32), bias=weights.bias)


def _loss(network: Network, weights: Weights, images: Any, labels: Any) -> float:
    import torch
    from torch.nn import functional

    module = to_torch(logits_network(network), weights)
    with torch.no_grad():
        return float(functional.cross_entropy(module(images), torch.from_numpy(labels)).item())
