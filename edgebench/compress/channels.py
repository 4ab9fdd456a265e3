"""Which channels of a network belong together, and the network without some of them.

Channels that an addition, a depthwise convolution or a pool connects must stay or go together; a concatenation keeps
the channels of its inputs apart. So single channels are the nodes of a graph, and what is connected is one unit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgebench.models.network import Network
from edgebench.models.network.layers import (
    Add,
    Concat,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Layer,
    Reshape,
)
from edgebench.models.network.weights import LayerWeights, Weights

Ids = NDArray[np.int64]
_PINNED = 0
"""Unit of channels that cannot be removed: those of inputs and of the output."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelGroup:
    """Units of channels that the same layers make, from which some can be removed.

    Attributes:
        layers: Names of the convolutions and dense layers that make them.
        units: Their numbers.
    """

    layers: tuple[str, ...]
    units: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Channels:
    """The units of channels of a network.

    Attributes:
        network: The network.
        of: For each tensor, the unit of each of its channels: of an image those of its last axis, of a vector those
            of its elements.
        groups: What can be made narrower.
    """

    network: Network
    of: Mapping[str, Ids]
    groups: tuple[ChannelGroup, ...]


class _Union:
    """Disjoint sets of numbers (Tarjan 1975)."""

    def __init__(self) -> None:
        self._parent = [_PINNED]

    def new(self, count: int) -> Ids:
        first = len(self._parent)
        self._parent.extend(range(first, first + count))
        return np.arange(first, first + count)

    def find(self, number: int) -> int:
        while self._parent[number] != number:
            self._parent[number] = self._parent[self._parent[number]]
            number = self._parent[number]
        return number

    def join(self, first: Ids, second: Ids) -> None:
        for one, other in zip(first.tolist(), second.tolist(), strict=True):
            low, high = sorted((self.find(one), self.find(other)))
            self._parent[high] = low  # The smaller number stays, so that pinned channels remain pinned.

    def resolved(self, numbers: Ids) -> Ids:
        return np.array([self.find(number) for number in numbers.tolist()], dtype=np.int64)


def find_channels(network: Network) -> Channels:
    """The units of channels of a network."""
    union = _Union()
    of: dict[str, Ids] = {name: np.full(shape[-1], _PINNED, dtype=np.int64) for name, shape in network.inputs.items()}
    for layer in network.layers:
        of[layer.name] = _ids(network, layer, of, union)
    output = of[network.output]
    union.join(output, np.full(len(output), _PINNED, dtype=np.int64))
    resolved = {name: union.resolved(ids) for name, ids in of.items()}
    makers: dict[int, list[str]] = {}
    for layer in network.layers:
        if isinstance(layer, (Conv2D, Dense)):
            for unit in dict.fromkeys(resolved[layer.name].tolist()):
                makers.setdefault(unit, []).append(layer.name)
    grouped: dict[tuple[str, ...], list[int]] = {}
    for unit, names in makers.items():
        if unit != _PINNED:
            grouped.setdefault(tuple(names), []).append(unit)
    groups = tuple(ChannelGroup(layers=names, units=tuple(units)) for names, units in grouped.items())
    return Channels(network=network, of=resolved, groups=groups)


def _ids(network: Network, layer: Layer, of: Mapping[str, Ids], union: _Union) -> Ids:
    """The channels of a layer's output."""
    sources = [of[name] for name in layer.inputs]
    if isinstance(layer, (Conv2D, Dense)):
        return union.new(network.shapes[layer.name][-1])
    if isinstance(layer, DepthwiseConv2D):
        return np.repeat(sources[0], layer.multiplier)
    if isinstance(layer, Add):
        union.join(sources[0], sources[1])
        return sources[0]
    if isinstance(layer, Concat):
        return np.concatenate(sources)
    if isinstance(layer, Reshape):
        return _reshaped(network, layer, sources[0], union)
    return sources[0]


def _reshaped(network: Network, layer: Reshape, source: Ids, union: _Union) -> Ids:
    """A vector repeats the channels for every pixel; other shapes keep channels only if their number stays."""
    before, after = network.shapes[layer.inputs[0]], network.shapes[layer.name]
    if len(after) == 1:
        return np.tile(source, math.prod(before[:-1]))
    if after[-1] == len(source) and len(before) != 1:
        return source
    if len(before) == 1 and math.prod(after[:-1]) == 1:
        return source
    union.join(source, np.full(len(source), _PINNED, dtype=np.int64))
    return np.full(after[-1], _PINNED, dtype=np.int64)


def importance(channels: Channels, weights: Weights) -> dict[int, float]:
    """How much each unit matters: the norm of the filters that make it, relative to their layer's mean, averaged.

    Filters of small norm change the result least (Li et al. 2017, Pruning Filters for Efficient ConvNets).
    """
    found: dict[int, list[float]] = {}
    for layer in channels.network.layers:
        if not isinstance(layer, (Conv2D, Dense)):
            continue
        kernel = weights[layer.name].kernel
        norms = np.sqrt((kernel.reshape(len(kernel), -1).astype(np.float64) ** 2).sum(axis=1))
        relative = norms / max(float(norms.mean()), 1e-12)
        for unit, value in zip(channels.of[layer.name].tolist(), relative.tolist(), strict=True):
            found.setdefault(unit, []).append(value)
    return {unit: float(np.mean(values)) for unit, values in found.items()}


def without(channels: Channels, weights: Weights, removed: set[int]) -> tuple[Network, dict[str, LayerWeights]]:
    """The network without some units.

    Args:
        channels: Of the network.
        weights: Of the network.
        removed: Units; a group of which all are in it would leave nothing.

    Raises:
        InputError: What is left is not a network.
    """
    gone = np.array(sorted(removed), dtype=np.int64)
    kept = {name: ~np.isin(ids, gone) for name, ids in channels.of.items()}
    layers = tuple(_narrowed(channels.network, layer, kept) for layer in channels.network.layers)
    slim = {}
    for layer in channels.network.layers:
        if layer.name not in weights:
            continue
        own, out = weights[layer.name], kept[layer.name]
        if isinstance(layer, DepthwiseConv2D):
            kernel = own.kernel[..., out]
        else:
            kernel = own.kernel[out][..., kept[layer.inputs[0]]]
        slim[layer.name] = LayerWeights(kernel=np.ascontiguousarray(kernel), bias=own.bias[out])
    return replace(channels.network, layers=layers), slim


def _narrowed(network: Network, layer: Layer, kept: Mapping[str, NDArray[np.bool_]]) -> Layer:
    width = int(kept[layer.name].sum())
    if isinstance(layer, Conv2D):
        return replace(layer, filters=width)
    if isinstance(layer, Dense):
        return replace(layer, units=width)
    if isinstance(layer, Reshape) and layer.shape:
        after = network.shapes[layer.name]
        return replace(layer, shape=(*after[:-1], width))
    return layer
