"""A network of edgebench's own as a model file of any format."""

from __future__ import annotations

from pathlib import Path

from edgebench.core.model import ModelFormat
from edgebench.errors import InputError
from edgebench.models.network import Network
from edgebench.models.network.weights import Weights, random_weights


def write_network(network: Network, format_: ModelFormat, path: Path, weights: Weights | None = None) -> None:
    """Write a network with float32 weights.

    Args:
        network: What to write.
        format_: ``onnx``, ``tflite`` or ``pt2``.
        path: File to write.
        weights: Its weights; by default, random ones.

    Raises:
        InputError: Networks cannot be written in this format.
        MissingPackageError: A package that writes the format is missing.
    """
    weights = random_weights(network, 0) if weights is None else weights
    if format_ is ModelFormat.ONNX:
        from edgebench.models.onnx.writer import to_onnx

        to_onnx(network, weights, path)
    elif format_ is ModelFormat.TFLITE:
        from edgebench.models.tflite.writer import to_tflite

        to_tflite(network, weights, path)
    elif format_ is ModelFormat.TORCH_EXPORT:
        from edgebench.models.pytorch.writer import export_torch

        export_torch(network, weights, path)
    else:
        raise InputError(f"networks cannot be written as {format_}", remedy="use onnx, tflite or pt2")
