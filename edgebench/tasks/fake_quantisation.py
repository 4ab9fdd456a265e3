"""A network that computes in float32 what its int8 file will compute, and can be trained so.

Weights are rounded per output channel to -127..127 steps, outputs of layers to 256 steps of a range that includes 0
and is learnt as a moving average of smallest and largest values (Jacob et al. 2018). Rounding passes gradients through.
"""

from __future__ import annotations

from typing import Any

from edgebench.models.network import Network
from edgebench.models.network.layers import (
    Activation,
    AveragePool2D,
    Concat,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Layer,
    MaxPool2D,
    Pad,
    Reshape,
    Softmax,
)
from edgebench.models.network.weights import Weights
from edgebench.models.pytorch.writer import to_torch

_KEEP = 0.99
"""Share of the old range in the moving average after each batch."""
_STEPS = 255
_WEIGHT_STEPS = 127
_FUSED = {"none", "relu", "relu6"}
"""Activations that operators apply themselves; others follow an output that is rounded too."""
_FIXED = {"sigmoid", "tanh"}
"""Activations whose int8 kernels have a scale of their own, which is fine enough to be left out."""
_SAME_SCALE = (AveragePool2D, MaxPool2D, Concat, Pad, Reshape)
"""Layers that only move or compare int8 values, so that inputs and outputs share one scale."""


class Observer:
    """The range of what shares one scale; a moving average until it is frozen."""

    def __init__(self) -> None:
        self.low, self.high = 0.0, 0.0
        self.seen = False
        self.frozen = False

    def __call__(self, value: Any, *, learns: bool) -> Any:
        """The value, rounded to 256 steps of the range."""
        import torch

        if learns and not self.frozen:
            low, high = min(0.0, value.detach().min().item()), max(0.0, value.detach().max().item())
            self.low = _KEEP * self.low + (1 - _KEEP) * low if self.seen else low
            self.high = _KEEP * self.high + (1 - _KEEP) * high if self.seen else high
            self.seen = True
        step = max((self.high - self.low) / _STEPS, 1e-8)
        zero_point = max(-128, min(127, round(-128 - self.low / step)))
        return torch.fake_quantize_per_tensor_affine(value, step, zero_point, -128, 127)


def scale_groups(network: Network) -> dict[str, str]:
    """For every tensor whose range is learnt, the name of the tensor whose range it shares.

    Same-scale layers join their inputs; an activation that is merged into the layer before it takes that layer's place.
    """
    parent: dict[str, str] = {name: name for name in (*network.inputs, *(layer.name for layer in network.layers))}

    def find(name: str) -> str:
        while parent[name] != name:
            name = parent[name]
        return name

    for layer in network.layers:
        if isinstance(layer, _SAME_SCALE):
            for source in layer.inputs:
                parent[find(layer.name)] = find(source)
    return {name: find(name) for name in parent}


def merged_away(network: Network) -> set[str]:
    """Layers whose output never exists in an int8 file, because the activation after them is merged into them."""
    readers: dict[str, list[Layer]] = {}
    for layer in network.layers:
        for source in layer.inputs:
            readers.setdefault(source, []).append(layer)
    return {
        name
        for name, found in readers.items()
        if len(found) == 1 and isinstance(found[0], Activation) and found[0].kind in _FUSED
    }


class Quantisers:
    """The observers of a network: one for each scale, and what they have seen.

    Args:
        network: Structure, without a softmax at its end.
    """

    def __init__(self, network: Network) -> None:
        self._groups, self._merged = scale_groups(network), merged_away(network)
        self._shared = {root: Observer() for root in dict.fromkeys(self._groups.values())}
        self._linear = {layer.name: Observer() for layer in network.layers if _unfused(layer)}

    def tensor(self, name: str, value: Any, *, learns: bool) -> Any:
        """The values of an input or of a layer's output, rounded."""
        return self._shared[self._groups[name]](value, learns=learns)

    def before_activation(self, name: str, value: Any, *, learns: bool) -> Any:
        """What a layer computes before an activation that is an operator of its own, rounded; otherwise unchanged."""
        return self._linear[name](value, learns=learns) if name in self._linear else value

    def output(self, layer: Layer, value: Any, *, learns: bool) -> Any:
        """The output of a layer, rounded unless it never exists or its kernel has a fixed scale."""
        kind = layer.kind if isinstance(layer, Activation) else getattr(layer, "activation", "none")
        if layer.name in self._merged or kind in _FIXED or isinstance(layer, Softmax):
            return value
        return self.tensor(layer.name, value, learns=learns)

    def freeze(self) -> None:
        """Let ranges stay as they are."""
        for observer in (*self._shared.values(), *self._linear.values()):
            observer.frozen = True

    def ranges(self) -> dict[str, tuple[float, float]]:
        """Lowest and highest value by the name of the tensor in a file."""
        shared = {name: self._shared[root] for name, root in self._groups.items() if name not in self._merged}
        found = shared | {f"{name}.linear": item for name, item in self._linear.items()}
        return {name: (item.low, item.high) for name, item in found.items() if item.seen}


def fake_quantised(network: Network, weights: Weights) -> Any:
    """A module that takes images channels first and returns what the int8 file would.

    Args:
        network: Structure, without a softmax at its end.
        weights: Folded weights, which become its parameters.

    Returns:
        A ``torch.nn.Module`` in training mode with ``parts`` as ``to_torch`` has them, and ``quantisers``.
    """
    from torch import nn

    class FakeQuantised(nn.Module):  # type: ignore[misc]
        """Runs the layers of a network in order, and rounds after each."""

        def __init__(self) -> None:
            super().__init__()
            self.inner = to_torch(network, weights).train()
            self.quantisers = Quantisers(network)

        @property
        def parts(self) -> Any:
            return self.inner.parts

        def forward(self, *inputs: Any) -> Any:
            quantisers, learns = self.quantisers, self.training
            values = {
                name: quantisers.tensor(name, value, learns=learns)
                for name, value in zip(network.inputs, inputs, strict=True)
            }
            for layer in network.layers:
                sources = [values[name] for name in layer.inputs]
                values[layer.name] = quantisers.output(layer, self._step(layer, sources), learns=learns)
            return values[network.output]

        def _step(self, layer: Layer, sources: list[Any]) -> Any:
            if layer.name in self.inner.calls:
                return self.inner.calls[layer.name](*sources)
            part = self.parts[layer.name]
            if not isinstance(layer, (Conv2D, DepthwiseConv2D, Dense)):
                return part(*sources)
            value = _product(layer, part[0], part[2](sources[0]))
            return part[3](self.quantisers.before_activation(layer.name, value, learns=self.training))

    return FakeQuantised()


def _unfused(layer: Layer) -> bool:
    weighted = isinstance(layer, (Conv2D, DepthwiseConv2D, Dense))
    return weighted and getattr(layer, "activation", "none") not in _FUSED


def _product(layer: Layer, linear: Any, value: Any) -> Any:
    """The layer's product with its weights rounded to int8, one scale per output channel."""
    import torch
    from torch.nn import functional

    kernel = linear.weight
    largest = kernel.detach().abs().amax(dim=tuple(range(1, kernel.ndim)))
    steps = (largest / _WEIGHT_STEPS).clamp_min(1e-12)
    zeros = torch.zeros_like(steps, dtype=torch.int32)
    rounded = torch.fake_quantize_per_channel_affine(kernel, steps, zeros, 0, -_WEIGHT_STEPS, _WEIGHT_STEPS)
    if isinstance(layer, Dense):
        return functional.linear(value, rounded, linear.bias)
    return functional.conv2d(
        value, rounded, linear.bias, stride=linear.stride, dilation=linear.dilation, groups=linear.groups
    )
