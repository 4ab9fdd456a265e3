"""A network's structure as plain values, and back: for files, and for other processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from edgebench.errors import InputError
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

_KINDS: Mapping[str, type[Layer]] = {
    kind.__name__: kind
    for kind in (
        Activation, Add, AveragePool2D, Concat, Conv2D, Dense, DepthwiseConv2D, GlobalAveragePool, MaxPool2D, Pad,
        Reshape, Softmax, Zeros,
    )
}  # fmt: skip


def network_to_plain(network: Network) -> dict[str, Any]:
    """A network as dictionaries, lists, strings and numbers; ``network_from_plain`` reads it."""
    return {
        "name": network.name,
        "input_shape": list(network.input_shape),
        "further_inputs": [[name, list(shape)] for name, shape in network.further_inputs],
        "layers": [{"layer": type(layer).__name__, **_plain(asdict(layer))} for layer in network.layers],
    }


def network_from_plain(plain: Any, *, where: str) -> Network:
    """A network from plain values, which are not trusted.

    Args:
        plain: What ``network_to_plain`` gave.
        where: Where it comes from, for messages.

    Raises:
        InputError: It is not a network.
    """
    try:
        return Network(
            name=str(plain["name"]),
            input_shape=_sizes(plain["input_shape"]),
            further_inputs=tuple((str(name), _sizes(shape)) for name, shape in plain["further_inputs"]),
            layers=tuple(_layer(item) for item in plain["layers"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise InputError(f"not a network: {error or type(error).__name__}", where=where) from None


def _layer(plain: Mapping[str, Any]) -> Layer:
    kind = _KINDS[plain["layer"]]
    known = {field.name for field in fields(kind)}
    given = {name: value for name, value in plain.items() if name != "layer"}
    if not set(given) <= known:
        raise ValueError(f"unknown key {sorted(set(given) - known)[0]!r} of a {kind.__name__}")
    return kind(**{name: _value(name, value) for name, value in given.items()})


def _value(name: str, value: Any) -> Any:
    if name == "padding":
        return Padding(**{side: int(size) for side, size in value.items()})
    if name == "inputs":
        return tuple(map(str, value))
    return _sizes(value) if isinstance(value, list) else value


def _sizes(values: Sequence[Any]) -> tuple[int, ...]:
    return tuple(map(int, values))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
