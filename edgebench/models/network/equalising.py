"""Balances the channels between layers, so that one scale for a whole tensor fits all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from edgebench.models.network import Network
from edgebench.models.network.layers import (
    AveragePool2D,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    GlobalAveragePool,
    Layer,
    MaxPool2D,
)
from edgebench.models.network.weights import LayerWeights, Weights

_SCALES_THROUGH = (AveragePool2D, MaxPool2D, GlobalAveragePool)
"""Layers whose outputs grow with their inputs, channel by channel."""
_ROUNDS = 20


def equalised(network: Network, weights: Weights) -> dict[str, LayerWeights]:
    """Weights of the same function with balanced channels (Nagel et al. 2019, Data-Free Quantization).

    A positive factor that one layer multiplies a channel by and the only layer that reads it divides it by changes
    nothing if there is no activation, or ReLU, between them. It is chosen so that the largest weight that makes the
    channel and the largest one that reads it are equal.

    Args:
        network: Structure.
        weights: Folded weights of all its layers.
    """
    found = dict(weights)
    pairs = list(_pairs(network))
    for _ in range(_ROUNDS):
        for maker, reader in pairs:
            made, read = _largest_made(found[maker.name], maker), np.abs(_by_input(found[reader.name])).max(axis=0)
            usable = (made > 0) & (read > 0)
            factor = np.where(usable, np.sqrt(made / np.where(usable, read, 1)), 1).astype(np.float32)
            found[maker.name] = _output_divided(found[maker.name], maker, factor)
            own = found[reader.name]
            found[reader.name] = LayerWeights(kernel=own.kernel * factor, bias=own.bias)
    return found


def _pairs(network: Network) -> Iterator[tuple[Layer, Layer]]:
    """Layers with weights, and the only layers that read them."""
    readers: dict[str, list[Layer]] = {}
    for layer in network.layers:
        for source in layer.inputs:
            readers.setdefault(source, []).append(layer)
    for layer in network.layers:
        if not isinstance(layer, (Conv2D, DepthwiseConv2D, Dense)) or layer.activation not in {"none", "relu"}:
            continue
        following = readers.get(layer.name, [])
        while len(following) == 1 and isinstance(following[0], _SCALES_THROUGH):
            following = readers.get(following[0].name, [])
        if len(following) == 1 and _reads_channels(following[0]):
            yield layer, following[0]


def _reads_channels(layer: Layer) -> bool:
    return isinstance(layer, (Conv2D, Dense)) or (isinstance(layer, DepthwiseConv2D) and layer.multiplier == 1)


def _largest_made(weights: LayerWeights, layer: Layer) -> NDArray[np.float32]:
    """The largest weight of each output channel."""
    size = np.abs(weights.kernel)
    found: NDArray[np.float32] = (
        size.reshape(-1, size.shape[-1]).max(axis=0)
        if isinstance(layer, DepthwiseConv2D)
        else size.reshape(len(size), -1).max(axis=1)
    )
    return found


def _by_input(weights: LayerWeights) -> NDArray[np.float32]:
    """A kernel with its input channels last; a depthwise one has them there too."""
    return weights.kernel.reshape(-1, weights.kernel.shape[-1])


def _output_divided(weights: LayerWeights, layer: Layer, factor: NDArray[np.float32]) -> LayerWeights:
    shape: Mapping[bool, tuple[int, ...]] = {True: (-1,), False: (-1, *[1] * (weights.kernel.ndim - 1))}
    kernel = weights.kernel / factor.reshape(shape[isinstance(layer, DepthwiseConv2D)])
    return LayerWeights(kernel=kernel, bias=weights.bias / factor)
