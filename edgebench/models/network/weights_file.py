"""Weights of a network as a file of plain arrays."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from edgebench.errors import InputError
from edgebench.models.network import Network
from edgebench.models.network.weights import LayerWeights, Weights


def weights_bytes(weights: Weights) -> bytes:
    """The content of an ``.npz`` file with ``LAYER/kernel`` and ``LAYER/bias`` for every layer."""
    arrays = {}
    for name, layer in weights.items():
        arrays[f"{name}/kernel"], arrays[f"{name}/bias"] = layer.kernel, layer.bias
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def read_weights(path: Path, network: Network) -> dict[str, LayerWeights]:
    """Weights of a network from a file that ``weights_bytes`` made.

    Raises:
        InputError: It is damaged, or contains the weights of another network.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            weights = {
                name: LayerWeights(kernel=file[f"{name}/kernel"], bias=file[f"{name}/bias"])
                for name in network.weight_shapes()
            }
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise InputError(f"not the weights of {network.name}: {error}", where=str(path)) from None
    for name, (kernel, bias) in network.weight_shapes().items():
        if weights[name].kernel.shape != kernel or weights[name].bias.shape != bias:
            raise InputError(f"weights of layer {name!r} have another shape", where=str(path))
    return weights
