"""What an untrained network says about the accuracy it will reach; each is higher if more is expected."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from edgebench.errors import InputError
from edgebench.models.network import Network
from edgebench.models.network.layers import Activation, Add, Conv2D, Dense, DepthwiseConv2D, Layer, Softmax
from edgebench.models.network.weights import LayerWeights, random_weights
from edgebench.models.onnx.writer import channels_first
from edgebench.models.pytorch.writer import to_torch
from edgebench.tasks.fitting import logits_network, require_torch


def parameters(network: Network) -> float:
    """Elements of kernels and biases as deployed."""
    return float(network.parameters)


def macs(network: Network) -> float:
    """Multiply-accumulates of one inference."""
    return float(network.macs)


def synflow(network: Network, seed: int) -> float:
    """Natural logarithm of the synaptic flow (Tanaka et al. 2020), the paths through a network.

    The sum over all weights of |weight x gradient|, of the sum of outputs for an input of ones, with the absolute
    values of random weights, without biases, normalisation or activations. Double precision and the logarithm are
    needed: the flow grows with the product of all layers.

    Args:
        network: Any network.
        seed: Of the weights, at least 0.

    Raises:
        InputError: The network has no weights, or so many layers that the flow overflows.
        MissingPackageError: PyTorch is not installed.
    """
    require_torch()
    import torch

    linear = _linearised(network)
    weights = {
        name: LayerWeights(kernel=np.abs(layer.kernel), bias=np.zeros_like(layer.bias))
        for name, layer in random_weights(linear, seed).items()
    }
    if not weights:
        raise InputError("the network has no weights", where=network.name)
    with torch.inference_mode(mode=False), torch.enable_grad():
        module = to_torch(linear, weights).double()
        module(torch.ones(channels_first(linear.input_shape), dtype=torch.float64)).sum().backward()
        flow = sum(float((part[0].weight.detach() * part[0].weight.grad).abs().sum()) for part in module.parts.values())
    if not 0 < flow < math.inf:
        raise InputError(f"the synaptic flow is {flow}", where=network.name, remedy="rank by parameters or macs")
    return math.log(flow)


def _linearised(network: Network) -> Network:
    """The network without activations: saturating ones would cut off the flow, others change nothing."""
    layers: list[Layer] = []
    for layer in logits_network(network).layers:
        if isinstance(layer, (Activation, Softmax)):
            layers.append(Activation(name=layer.name, inputs=layer.inputs, kind="none"))
        elif isinstance(layer, (Conv2D, DepthwiseConv2D, Dense, Add)):
            layers.append(replace(layer, activation="none"))
        else:
            layers.append(layer)
    return replace(network, layers=tuple(layers))
