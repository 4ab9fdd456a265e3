"""Turns folded weights back into a network that can be trained, and keeps its zeros where they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgebench.errors import InputError
from edgebench.models.network import Network
from edgebench.models.network.weights import Weights
from edgebench.models.pytorch.writer import to_torch


def trainable_from_weights(network: Network, weights: Weights, images: Any) -> Any:
    """A module with batch normalisation that computes what the folded weights compute.

    Folding is undone with the statistics of real images: a layer's normalisation gets the mean and variance of
    what comes out of its kernel, and a scale and shift that cancel them.

    Args:
        network: Structure.
        weights: Folded weights of all its layers.
        images: Some training images as a tensor [n, channels, height, width].

    Returns:
        A ``torch.nn.Module`` ready to be trained.

    Raises:
        InputError: The weights are not those of the network.
    """
    import torch

    shapes = {name: (layer.kernel.shape, layer.bias.shape) for name, layer in weights.items()}
    for name, expected in network.weight_shapes().items():
        if shapes.get(name) != expected:
            raise InputError(
                f"layer {name!r} takes weights of {expected}, but those given are {shapes.get(name)}",
                where=network.name,
            )
    folded, module = to_torch(network, weights), to_torch(network)
    statistics: dict[str, tuple[Any, Any]] = {}
    for name in network.weight_shapes():

        def note(_: Any, __: Any, output: Any, name: str = name) -> None:
            axes = [axis for axis in range(output.ndim) if axis != 1]
            statistics[name] = (output.mean(axes), output.var(axes, unbiased=False))

        folded.parts[name][0].register_forward_hook(note)
    with torch.no_grad():
        folded(images)
        for name in network.weight_shapes():
            part = module.parts[name]
            linear, norm, source = part[0], part[1], folded.parts[name][0]
            linear.weight.copy_(source.weight)
            if not hasattr(norm, "running_var"):
                linear.bias.copy_(source.bias)
                continue
            mean, variance = statistics[name]
            norm.running_mean.copy_(mean - source.bias)
            norm.running_var.copy_(variance)
            norm.weight.copy_((variance + norm.eps).sqrt())
            norm.bias.copy_(mean)
    return module


def zero_masks(module: Any) -> list[tuple[Any, Any]]:
    """Kernels of a module that contain zeros, each with a tensor of the same shape that is 0 there and 1 elsewhere.

    Args:
        module: A ``torch.nn.Module`` that ``to_torch`` made.
    """
    weighted = [part[0] for part in module.parts.values() if hasattr(part, "__getitem__")]
    kernels = [linear.weight for linear in weighted]
    return [(kernel, (kernel.detach() != 0).to(kernel.dtype)) for kernel in kernels if (kernel == 0).any()]


def apply_masks(masks: Sequence[tuple[Any, Any]]) -> None:
    """Set kernels to zero where their masks are."""
    import torch

    with torch.no_grad():
        for kernel, mask in masks:
            kernel.mul_(mask)
