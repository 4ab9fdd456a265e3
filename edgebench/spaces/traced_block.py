"""Blocks that are cut out of recorded networks."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from edgebench.models.network import INPUT, Network, NetworkBuilder
from edgebench.models.network.layers import Layer, Shape
from edgebench.spaces.blocks import Block

_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedBlock(Block):
    """Layers of a recorded network from one tensor to the next.

    Attributes:
        layers: Their names count from 0, and the first ones read ``input``.
        further_inputs: Names and shapes of the network's other inputs, which they read too.
    """

    kind: ClassVar[str] = "traced"
    layers: tuple[Layer, ...] = field(repr=False)
    further_inputs: tuple[tuple[str, Shape], ...] = ()

    @property
    def key(self) -> str:
        """What the layers are, the input shape, and a digest of every setting."""
        kinds = [type(layer).__name__.lower() for layer in self.layers]
        shown = "+".join(kinds[:_SHOWN]) + ("+..." if len(kinds) > _SHOWN else "")
        digest = hashlib.sha256(repr((self.layers, self.further_inputs)).encode()).hexdigest()[:12]
        return f"{shown} {'x'.join(map(str, self.input_shape))} layers={len(kinds)} digest={digest}"

    def append(self, builder: NetworkBuilder) -> None:
        """The layers, named after their place."""
        names = {INPUT: builder.last}
        for name, shape in self.further_inputs:
            names[name] = builder.input(name, shape)
        for layer in self.layers:
            own = replace(layer, name=builder.name_of(layer.name), inputs=tuple(names[name] for name in layer.inputs))
            names[layer.name] = builder.add_layer(own)


def cut(network: Network, parts: Sequence[str]) -> dict[str, TracedBlock]:
    """Cut a network where a part ends and all that follows reads only its last layer.

    Args:
        network: To be cut.
        parts: Name of the part of each layer; one without a name belongs to the part after it.

    Returns:
        Blocks by the name of their first part, from the input to the output. Where equal parts come again, or nothing
        can be cut, there are fewer and larger blocks.
    """
    parts = _named(parts)
    position = {layer.name: number for number, layer in enumerate(network.layers)}
    position.update(dict.fromkeys(network.inputs, -1))
    # Up to which layer each value is read.
    last_read = dict.fromkeys(position, -1)
    for number, layer in enumerate(network.layers):
        for name in layer.inputs:
            last_read[name] = number
    cuts = []
    for number in range(len(network.layers) - 1):
        alive = [name for name, place in position.items() if place <= number < last_read[name]]
        if parts[number] != parts[number + 1] and alive == [network.layers[number].name]:
            cuts.append(number + 1)
    found: dict[str, TracedBlock] = {}
    starts = [0, *cuts]
    for start, end in zip(starts, [*cuts, len(network.layers)], strict=True):
        layers = network.layers[start:end]
        before = INPUT if start == 0 else network.layers[start - 1].name
        # A part that comes again is told apart by how often it came before.
        name, again = parts[start], 1
        while name in found:
            again += 1
            name = f"{parts[start]}.{again}"
        read = {item for layer in layers for item in layer.inputs}
        further = tuple(item for item in network.further_inputs if item[0] in read)
        renamed = _renamed(layers, {before: INPUT, **{item: item for item, _ in further}})
        found[name] = TracedBlock(input_shape=network.shapes[before], layers=renamed, further_inputs=further)
    return found


def _named(parts: Sequence[str]) -> list[str]:
    found = list(parts)
    for number in range(len(found) - 2, -1, -1):
        found[number] = found[number] or found[number + 1]
    for number in range(1, len(found)):
        found[number] = found[number] or found[number - 1]
    return found


def _renamed(layers: Sequence[Layer], names: dict[str, str]) -> tuple[Layer, ...]:
    for number, layer in enumerate(layers):
        names[layer.name] = f"{type(layer).__name__.lower()}_{number}"
    return tuple(_with_names(layer, names) for layer in layers)


def _with_names(layer: Layer, names: Mapping[str, str]) -> Layer:
    return replace(layer, name=names[layer.name], inputs=tuple(names[name] for name in layer.inputs))
