"""Weights of a network: what they look like, and random ones for measuring what does not depend on training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod, sqrt

import numpy as np
from numpy.typing import NDArray

from edgebench.errors import InputError
from edgebench.models.network import (
    Activation,
    ActivationFunction,
    Add,
    AveragePool2D,
    Concat,
    Convolution,
    GlobalAveragePool,
    Layer,
    MaxPool2D,
    Mul,
    Network,
    Shape,
    Softmax,
    WeightedLayer,
)

MAX_WEIGHT_BYTES = 2**31 - 2**24
"""Protobuf and flatbuffers end at 2 GiB; the rest of the file needs some of it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LayerWeights:
    """Weights of one layer as deployed, with a batch norm already folded in.

    Attributes:
        kernel: float32 in TensorFlow Lite's layout: (filters, height, width, channels / groups) for Conv2D,
            (1, height, width, channels * multiplier) for DepthwiseConv2D, (units, features) for Dense.
        bias: float32, one value an output channel; None exactly where the layer has neither bias nor batch norm.
    """

    kernel: NDArray[np.float32]
    bias: NDArray[np.float32] | None


Weights = Mapping[str, LayerWeights]
"""Weights of every layer that has a kernel, by the layer's name."""


def check_weights(network: Network, weights: Weights) -> None:
    """Find out whether weights belong to a network.

    Raises:
        InputError: A layer's weights are missing, superfluous, or of another shape or type.
    """
    expected = {layer.name: layer for layer in network.layers if isinstance(layer, WeightedLayer)}
    for name in sorted(expected.keys() ^ weights.keys()):
        fault = "has no weights" if name in expected else "takes no weights"
        raise InputError(fault, where=f"layer {name!r} of {network.name!r}")
    for name, layer in expected.items():
        kernel, bias = weights[name].kernel, weights[name].bias
        kernel_shape = layer.kernel_shape(network.shapes()[layer.inputs[0]])
        if kernel.shape != kernel_shape or kernel.dtype != np.float32:
            raise layer.refuse(f"the kernel is {kernel.dtype} {kernel.shape}, not float32 {kernel_shape}")
        bias_shape = network.shapes()[name][-1:] if layer.has_deployed_bias else None
        if (None if bias is None else bias.shape) != bias_shape or (bias is not None and bias.dtype != np.float32):
            raise layer.refuse(f"the bias is not float32 {bias_shape}")


def require_file_size(network: Network, format_name: str) -> None:
    """Refuse a network whose weights no file of a format can hold, before anything is allocated.

    Raises:
        InputError: The weights take more than 2 GB.
    """
    size = 4 * network.counts().parameters
    if size > MAX_WEIGHT_BYTES:
        raise InputError(
            f"{size / 1e9:.1f} GB of weights do not fit into a file of 2 GB, the most {format_name} can have",
            where=f"network {network.name!r}",
            remedy="use fewer channels or layers",
        )


def random_weights(network: Network, seed: int) -> dict[str, LayerWeights]:
    """Random weights with which activations keep their size from the first layer to the last.

    Kernels are normal with a variance of 1 / (fan-in * mean square of the input), the principle of He et al. 2015
    (arXiv:1502.01852). The mean square is tracked through all layers, so that residual sums do not add up. Biases are
    normal with a standard deviation of 0.1. Equal seeds give equal weights.

    Args:
        network: Structure.
        seed: At least 0.

    Raises:
        InputError: The weights would take more than 2 GB.
    """
    require_file_size(network, "a model file")
    random = np.random.default_rng(seed)
    shapes = network.shapes()
    mean_squares = {entry.name: 1.0 for entry in network.inputs}
    weights: dict[str, LayerWeights] = {}
    for layer in network.layers:
        squares = [mean_squares[name] for name in layer.inputs]
        if isinstance(layer, WeightedLayer):
            kernel_shape = layer.kernel_shape(shapes[layer.inputs[0]])
            channels = shapes[layer.name][-1]
            kernel = random.standard_normal(kernel_shape, dtype=np.float32)
            kernel *= np.float32(1 / sqrt(_fan_in(layer, kernel_shape) * squares[0]))
            bias = random.standard_normal(channels, dtype=np.float32) * np.float32(0.1)
            weights[layer.name] = LayerWeights(kernel=kernel, bias=bias if layer.has_deployed_bias else None)
        mean_squares[layer.name] = _mean_square(layer, squares, [shapes[name] for name in layer.inputs])
    return weights


_AFTER_ACTIVATION: Mapping[ActivationFunction, float] = {
    ActivationFunction.NONE: 1.0,
    ActivationFunction.RELU: 0.5,
    ActivationFunction.RELU6: 0.5,
    ActivationFunction.SIGMOID: 0.293,
    ActivationFunction.TANH: 0.394,
    ActivationFunction.HARD_SWISH: 0.370,
}
"""Mean square of a function of a standard normal variable."""


def _fan_in(layer: WeightedLayer, kernel_shape: Shape) -> int:
    """Products that are summed to one output."""
    return prod(kernel_shape[1:3]) if kernel_shape[0] == 1 and isinstance(layer, Convolution) else prod(kernel_shape[1:])


def _mean_square(layer: Layer, squares: list[float], shapes: list[Shape]) -> float:
    """Estimated mean square of a layer's output from those of its inputs."""
    match layer:
        case WeightedLayer():
            return _AFTER_ACTIVATION[layer.activation]
        case Add():
            return sum(squares) * _AFTER_ACTIVATION[layer.activation]
        case Mul():
            return squares[0] * squares[1]
        case Activation():
            return squares[0] * _AFTER_ACTIVATION[layer.function]
        case Concat():
            return sum(s * shape[-1] for s, shape in zip(squares, shapes, strict=True)) / sum(s[-1] for s in shapes)
        case AveragePool2D() | GlobalAveragePool():
            # Neighbours are neither alike nor independent; after a ReLU a third of the mean square is the mean's.
            return squares[0] / 3
        case MaxPool2D():
            return squares[0] * 2
        case Softmax():
            return 2.7 / shapes[0][-1] ** 2
    return squares[0]
