"""An artefact as the files that runtimes take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgebench.core.record import Record
from edgebench.models.artefact import Artefact, Form
from edgebench.models.graph.from_network import graph_of
from edgebench.models.graph.half import with_half_weights
from edgebench.models.network import INPUT
from edgebench.models.onnx.quantise import quantise_onnx
from edgebench.models.onnx.weight_forms import int8_weights as int8_onnx_weights
from edgebench.models.onnx.writer import to_onnx
from edgebench.models.tflite.int8.scale import Range
from edgebench.models.tflite.quantize import quantise_tflite
from edgebench.models.tflite.shared_weights import share_weights
from edgebench.models.tflite.weight_forms import int8_weights as int8_tflite_weights
from edgebench.models.tflite.writer import to_tflite, write_graph

_SEVEN_BITS = {".onnx": "weights have 7 bits, because processors without VNNI overflow with 8"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment(Record):
    """Files of one artefact.

    Attributes:
        onnx: What ONNX Runtime gets, or None.
        tflite: What LiteRT and compilers for NPUs and microcontrollers get, or None.
        refusals: Why a file is missing, by its suffix.
        notes: What a reader must know of a file, by its suffix.
    """

    onnx: str | None
    tflite: str | None
    refusals: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)


def deploy(artefact: Artefact, form: Form, images: NDArray[np.float32], folder: Path, name: str) -> Deployment:
    """Write an artefact in one form.

    Args:
        artefact: What to write.
        form: How; usually the artefact's own.
        images: Samples [n, rows, columns, channels] of the network's input size that set ranges for int8.
        folder: An existing folder.
        name: Of the files, before their suffix.

    Raises:
        UnsupportedModelError: It cannot be written in this form.
    """
    network, weights = artefact.network, artefact.weights
    onnx, tflite = folder / f"{name}.onnx", folder / f"{name}.tflite"
    if form.dtype == "int8":
        return _int8(artefact, form, images, folder, name)
    to_onnx(network, weights, onnx)
    if form.dtype == "float16":
        onnx.unlink()
        write_graph(with_half_weights(graph_of(network, weights)), tflite)
        return Deployment(
            onnx=None, tflite=str(tflite), refusals={".onnx": "float16 weights are written for LiteRT only"}
        )
    to_tflite(network, weights, tflite)
    if form.dtype == "int8 weights":
        return _int8_weights(onnx, tflite, folder, name)
    return Deployment(onnx=str(onnx), tflite=str(tflite))


def _int8_weights(onnx: Path, tflite: Path, folder: Path, name: str) -> Deployment:
    """Float files whose weights become int8, which replaces them."""
    small_onnx, small_tflite = folder / f"{name}.int8-weights.onnx", folder / f"{name}.int8-weights.tflite"
    int8_onnx_weights(onnx, small_onnx)
    small_tflite.write_bytes(int8_tflite_weights(tflite.read_bytes(), name))
    onnx.unlink()
    tflite.unlink()
    return Deployment(onnx=str(small_onnx), tflite=str(small_tflite), notes=_SEVEN_BITS)


def _int8(artefact: Artefact, form: Form, images: NDArray[np.float32], folder: Path, name: str) -> Deployment:
    network, weights = artefact.network, artefact.weights
    onnx, tflite = folder / f"{name}.int8.onnx", folder / f"{name}.int8.tflite"
    plain_onnx, plain_tflite = folder / f".{name}.onnx", folder / f".{name}.tflite"
    to_onnx(network, weights, plain_onnx)
    nchw = np.ascontiguousarray(images.transpose(0, 3, 1, 2)) if images.ndim == 4 else images
    samples = [{INPUT: image[None]} for image in nchw]
    quantise_onnx(plain_onnx, onnx, samples, ranges=form.ranges, float_nodes=form.float_layers)
    plain_onnx.unlink()
    if form.float_layers:
        refusal = "mixed precision is not applicable: only ONNX Runtime computes single layers in float here"
        return Deployment(onnx=str(onnx), tflite=None, refusals={".tflite": refusal}, notes=_SEVEN_BITS)
    to_tflite(network, weights, plain_tflite)
    ranges = {tensor: Range(low=low, high=high) for tensor, (low, high) in form.ranges.items()}
    quantise_tflite(plain_tflite, tflite, [{"input": image[None]} for image in images], ranges)
    plain_tflite.unlink()
    if form.shared_values is None:
        return Deployment(onnx=str(onnx), tflite=str(tflite), notes=_SEVEN_BITS)
    share_weights(tflite, form.shared_values)
    onnx.unlink()
    return Deployment(onnx=None, tflite=str(tflite), refusals={".onnx": "shared weights are written for LiteRT only"})
