"""A network as a PyTorch module, to train it and to take its weights back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgebench.errors import MissingPackageError
from edgebench.models.network import Network
from edgebench.models.network.layers import (
    Activation,
    Add,
    AveragePool2D,
    Concat,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    GlobalAveragePool,
    Layer,
    MaxPool2D,
    Pad,
    Padding,
    Reshape,
    Softmax,
    Zeros,
)
from edgebench.models.network.weights import LayerWeights, Weights
from edgebench.models.onnx.writer import channels_first

_Call = Callable[..., Any]


def to_torch(network: Network, weights: Weights | None = None) -> Any:
    """A module that takes the network's inputs in their order, images channels first, with a batch of any size.

    Args:
        network: Its ``batch_norm`` layers become convolutions with batch normalisation when there are no
            weights, that is, for training.
        weights: Folded weights to use instead.

    Returns:
        A ``torch.nn.Module``; in evaluation mode if weights are given.
    """
    from torch import nn

    class LayerList(nn.Module):  # type: ignore[misc]
        """Runs the layers of a network in order."""

        def __init__(self) -> None:
            super().__init__()
            self.parts = nn.ModuleDict()
            self.calls: dict[str, _Call] = {}
            for layer in network.layers:
                made = _module(network, layer, weights)
                if isinstance(made, nn.Module):
                    self.parts[layer.name] = made
                else:
                    self.calls[layer.name] = made

        def forward(self, *inputs: Any) -> Any:
            values = dict(zip(network.inputs, inputs, strict=True))
            for layer in network.layers:
                step = self.parts[layer.name] if layer.name in self.parts else self.calls[layer.name]
                values[layer.name] = step(*(values[name] for name in layer.inputs))
            return values[network.output]

    module = LayerList()
    return module.eval() if weights is not None else module


def weights_from_torch(network: Network, module: Any) -> dict[str, LayerWeights]:
    """Weights of a module that ``to_torch`` made, with batch normalisation folded in."""
    weights = {}
    for layer in network.layers:
        if not isinstance(layer, (Conv2D, DepthwiseConv2D, Dense)):
            continue
        linear, norm = module.parts[layer.name][0], module.parts[layer.name][1]
        kernel = linear.weight.detach().double().numpy()
        outputs = kernel.shape[0]
        bias = np.zeros(outputs) if linear.bias is None else linear.bias.detach().double().numpy()
        if hasattr(norm, "running_var"):
            scale = (norm.weight.detach() / (norm.running_var + norm.eps).sqrt()).double().numpy()
            bias = (bias - norm.running_mean.double().numpy()) * scale + norm.bias.detach().double().numpy()
            kernel = kernel * scale.reshape(-1, *[1] * (kernel.ndim - 1))
        if isinstance(layer, Conv2D):
            kernel = kernel.transpose(0, 2, 3, 1)
        elif isinstance(layer, DepthwiseConv2D):
            kernel = kernel.transpose(1, 2, 3, 0)
        weights[layer.name] = LayerWeights(
            kernel=np.ascontiguousarray(kernel, dtype=np.float32), bias=bias.astype(np.float32)
        )
    return weights


def _module(network: Network, layer: Layer, weights: Weights | None) -> Any:
    if isinstance(layer, (Conv2D, DepthwiseConv2D, Dense)):
        return _weighted(network, layer, weights)
    return _PLAIN[type(layer)](network, layer)


def _weighted(network: Network, layer: Conv2D | DepthwiseConv2D | Dense, weights: Weights | None) -> Any:
    """Linear part, batch normalisation, activation; the parts that are not needed do nothing."""
    import torch
    from torch import nn

    channels = network.shapes[layer.inputs[0]][-1]
    normalised = layer.batch_norm and weights is None
    if isinstance(layer, Dense):
        linear: Any = nn.Linear(channels, layer.units, bias=not normalised)
        norm: Any = nn.BatchNorm1d(layer.units) if normalised else nn.Identity()
        before: Any = nn.Identity()
    else:
        depthwise = isinstance(layer, DepthwiseConv2D)
        filters = network.shapes[layer.name][-1]
        linear = nn.Conv2d(
            channels,
            filters,
            layer.kernel,
            stride=layer.stride,
            dilation=(1, 1) if isinstance(layer, DepthwiseConv2D) else layer.dilation,
            groups=channels if depthwise else 1,
            bias=not normalised,
        )
        norm = nn.BatchNorm2d(filters) if normalised else nn.Identity()
        before = nn.ZeroPad2d(_sides(layer.padding)) if layer.padding else nn.Identity()
    if weights is not None:
        kernel = weights[layer.name].kernel
        if isinstance(layer, Conv2D):
            kernel = kernel.transpose(0, 3, 1, 2)
        elif isinstance(layer, DepthwiseConv2D):
            kernel = kernel.transpose(3, 0, 1, 2)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(np.ascontiguousarray(kernel)))
            linear.bias.copy_(torch.from_numpy(weights[layer.name].bias))

    class Weighted(nn.Sequential):  # type: ignore[misc]
        """Indexed as linear part, normalisation; run with padding first and activation last."""

        def forward(self, value: Any) -> Any:
            return self[3](self[1](self[0](self[2](value))))

    return Weighted(linear, norm, before, _activation(layer.activation))


def _activation(kind: str) -> Any:
    from torch import nn

    kinds = {
        "none": nn.Identity,
        "relu": nn.ReLU,
        "relu6": nn.ReLU6,
        "sigmoid": nn.Sigmoid,
        "tanh": nn.Tanh,
        "hard_swish": nn.Hardswish,
    }
    return kinds[kind]()


def _sides(padding: Padding) -> tuple[int, int, int, int]:
    return padding.left, padding.right, padding.top, padding.bottom


def _add(_: Network, layer: Add) -> _Call:
    activation = _activation(layer.activation)
    return lambda first, second: activation(first + second)


def _concat(_: Network, __: Concat) -> _Call:
    import torch

    return lambda *values: torch.cat(values, dim=1)


def _pool(_: Network, layer: AveragePool2D | MaxPool2D) -> _Call:
    import torch
    from torch.nn import functional

    sides = _sides(layer.padding)

    def largest(value: Any) -> Any:
        padded = functional.pad(value, sides, value=-torch.inf) if layer.padding else value
        return functional.max_pool2d(padded, layer.kernel, layer.stride)

    def mean(value: Any) -> Any:
        if not layer.padding:
            return functional.avg_pool2d(value, layer.kernel, layer.stride)
        # Padding does not count: divide by the pixels that each window really contains.
        present = functional.avg_pool2d(functional.pad(torch.ones_like(value), sides), layer.kernel, layer.stride)
        return functional.avg_pool2d(functional.pad(value, sides), layer.kernel, layer.stride) / present

    return largest if isinstance(layer, MaxPool2D) else mean


def _global_average_pool(_: Network, __: GlobalAveragePool) -> _Call:
    return lambda value: value.mean(dim=(2, 3))


def _apply(_: Network, layer: Activation) -> _Call:
    call: _Call = _activation(layer.kind)
    return call


def _zeros(_: Network, __: Zeros) -> _Call:
    return lambda value: value * 0.0


def _pad(_: Network, layer: Pad) -> _Call:
    from torch.nn import functional

    return lambda value: functional.pad(value, _sides(layer.padding))


def _reshape(network: Network, layer: Reshape) -> _Call:
    before, after = network.shapes[layer.inputs[0]], network.shapes[layer.name]

    def reshape(value: Any) -> Any:
        if len(before) == 3:
            value = value.permute(0, 2, 3, 1)
        value = value.reshape(-1, *after)
        return value.permute(0, 3, 1, 2) if len(after) == 3 else value

    return reshape


def _softmax(_: Network, __: Softmax) -> _Call:
    return lambda value: value.softmax(dim=1)


_PLAIN: Mapping[type[Layer], Callable[[Network, Any], Any]] = {
    Add: _add,
    Concat: _concat,
    AveragePool2D: _pool,
    MaxPool2D: _pool,
    GlobalAveragePool: _global_average_pool,
    Activation: _apply,
    Pad: _pad,
    Reshape: _reshape,
    Softmax: _softmax,
    Zeros: _zeros,
}


def export_torch(network: Network, weights: Weights, path: Path) -> None:
    """Write a network as a ``torch.export`` file with a batch of 1.

    Raises:
        MissingPackageError: PyTorch is not installed.
    """
    try:
        import torch
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            "PyTorch is not installed", remedy="pip install -c constraints.txt 'edgebench[train]'"
        ) from error
    examples = tuple(torch.zeros(channels_first(shape)) for shape in network.inputs.values())
    with torch.inference_mode(mode=False):
        torch.export.save(torch.export.export(to_torch(network, weights), examples), path)
