"""Shapes of the weights that networks share, and where in them each network's own weights are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgebench.errors import InputError
from edgebench.models.network import Network
from edgebench.models.network.layers import Conv2D, Dense, DepthwiseConv2D, Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedLayer:
    """A layer as all networks share it.

    Attributes:
        kind: What must agree between networks: the type of layer and, if depthwise, its multiplier.
        kernel: Largest outputs, inputs, rows, columns; outputs, inputs of a dense layer.
        batch_norm: Whether it has a scale and shift instead of a bias.
    """

    kind: str
    kernel: Shape
    batch_norm: bool

    def slices(self, kernel: Shape) -> tuple[slice, ...]:
        """Where a kernel is in the shared one: first outputs and inputs, centre of rows and columns."""
        channels = [slice(0, size) for size in kernel[:2]]
        window = [
            slice((largest - size) // 2, (largest - size) // 2 + size)
            for size, largest in zip(kernel[2:], self.kernel[2:], strict=True)
        ]
        return (*channels, *window)


def shared_layers(networks: Sequence[Network]) -> dict[str, SharedLayer]:
    """The largest shape of every layer over some networks.

    Raises:
        InputError: There is no network, or layers with one name are of different kinds.
    """
    if not networks:
        raise InputError("shared weights need at least one network")
    shared: dict[str, SharedLayer] = {}
    for network in networks:
        for name, own in _own_layers(network).items():
            other = shared.get(name, own)
            _check_kind(network, name, own, other)
            largest = tuple(max(sizes) for sizes in zip(own.kernel, other.kernel, strict=True))
            shared[name] = SharedLayer(kind=own.kind, kernel=largest, batch_norm=own.batch_norm)
    return shared


def layer_shapes(network: Network, shared: Mapping[str, SharedLayer]) -> dict[str, tuple[Shape, bool]]:
    """Kernel shape of each of a network's layers, and whether it is normalised.

    Raises:
        InputError: A layer is not among the shared ones, of another kind, or larger.
    """
    found = {}
    for name, own in _own_layers(network).items():
        if name not in shared:
            raise InputError(f"layer {name!r} has no shared weights", where=network.name)
        _check_kind(network, name, own, shared[name])
        if any(size > largest for size, largest in zip(own.kernel, shared[name].kernel, strict=True)):
            raise InputError(
                f"layer {name!r} has a kernel of {own.kernel}, larger than the shared {shared[name].kernel}",
                where=network.name,
                remedy="build the supernet for the largest network too",
            )
        found[name] = (own.kernel, own.batch_norm)
    return found


def _own_layers(network: Network) -> dict[str, SharedLayer]:
    shapes = network.weight_shapes()
    found: dict[str, SharedLayer] = {}
    kernel: Shape
    for layer in network.layers:
        if isinstance(layer, Conv2D):
            outputs, rows, columns, inputs = shapes[layer.name][0]
            kind, kernel = "convolution", (outputs, inputs, rows, columns)
        elif isinstance(layer, DepthwiseConv2D):
            _, rows, columns, outputs = shapes[layer.name][0]
            kind, kernel = f"depthwise convolution x {layer.multiplier}", (outputs, 1, rows, columns)
        elif isinstance(layer, Dense):
            kind, kernel = "dense layer", shapes[layer.name][0]
        else:
            continue
        found[layer.name] = SharedLayer(kind=kind, kernel=kernel, batch_norm=layer.batch_norm)
    return found


def _check_kind(network: Network, name: str, own: SharedLayer, shared: SharedLayer) -> None:
    if (own.kind, own.batch_norm) != (shared.kind, shared.batch_norm):
        normalised = {True: "with normalisation", False: "without normalisation"}
        raise InputError(
            f"layer {name!r} is a {own.kind} {normalised[own.batch_norm]}, but elsewhere a {shared.kind} "
            f"{normalised[shared.batch_norm]}",
            where=network.name,
            remedy="give layers of different kinds different names",
        )
