"""Weights of a network, apart from its structure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgebench.models.network import Network
from edgebench.models.network.layers import DepthwiseConv2D


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerWeights:
    """Weights of one layer as float32, with batch normalisation folded.

    Attributes:
        kernel: Filters, rows, columns, channels for a convolution; 1, rows, columns, output channels for a
            depthwise one; outputs, inputs for a dense layer.
        bias: One value per output channel.
    """

    kernel: NDArray[np.float32]
    bias: NDArray[np.float32]


Weights = Mapping[str, LayerWeights]
"""Weights by the name of their layer."""


def random_weights(network: Network, seed: int) -> dict[str, LayerWeights]:
    """Weights that keep the size of activations (He et al. 2015, normal with variance 2 / fan-in)."""
    weights = {}
    shapes = network.weight_shapes()
    for index, layer in enumerate(layer for layer in network.layers if layer.name in shapes):
        kernel, bias = shapes[layer.name]
        random = np.random.default_rng((seed, index))
        fan_in = math.prod(kernel[1:3]) if isinstance(layer, DepthwiseConv2D) else math.prod(kernel[1:])
        scale = math.sqrt(2 / max(1, fan_in))
        weights[layer.name] = LayerWeights(
            kernel=(scale * random.standard_normal(kernel)).astype(np.float32),
            bias=(0.1 * random.standard_normal(bias)).astype(np.float32),
        )
    return weights
