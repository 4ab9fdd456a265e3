"""Built-in networks: the reference topologies of MLPerf Tiny, MobileNetV2, and a tiny one for tests.

Topologies are those of the published networks; weights are random and seeded. Latency, memory and energy do not
depend on them; accuracy does, so these networks have none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from edgebench.core.model import ModelFormat
from edgebench.core.suggestions import did_you_mean
from edgebench.errors import InputError
from edgebench.models.network import Network, NetworkBuilder
from edgebench.models.network.weights import random_weights
from edgebench.models.write import write_network

_MOBILENET_V2 = re.compile(r"mobilenet-v2-(\d\.\d{1,2})-(\d{2,3})")
_MLPERF_TINY = "Banbury et al. 2021, MLPerf Tiny Benchmark, reference network"


@dataclass(frozen=True, slots=True, kw_only=True)
class ZooEntry:
    """One built-in network.

    Attributes:
        name: What follows ``zoo:``.
        task: What the network was made for.
        source: Where its topology was published.
        build: Makes it.
    """

    name: str
    task: str
    source: str
    build: Callable[[], Network]


def zoo_entry(name: str) -> ZooEntry:
    """A network by name; ``mobilenet-v2-WIDTH-SIZE`` with any width (0.1 to 2.0) and size (32 to 512).

    Raises:
        InputError: There is none; the nearest names are suggested.
    """
    if name in _ENTRIES:
        return _ENTRIES[name]
    match = _MOBILENET_V2.fullmatch(name)
    if match and 0.1 <= float(match[1]) <= 2 and 32 <= int(match[2]) <= 512:
        width, size = float(match[1]), int(match[2])
        return _mobilenet_v2_entry(name, width, size)
    raise InputError(
        f"there is no built-in network {name!r}",
        remedy=did_you_mean(name, _ENTRIES) or f"known are {', '.join(_ENTRIES)} (also other widths and sizes)",
    )


def build(name: str) -> Network:
    """A built-in network.

    Raises:
        InputError: There is none of that name.
    """
    return zoo_entry(name).build()


def zoo_entries() -> tuple[ZooEntry, ...]:
    """All networks with a fixed name, and two sizes of MobileNetV2."""
    return tuple(_ENTRIES.values())


def export(name: str, format_: ModelFormat, path: Path, seed: int = 0) -> None:
    """Write a built-in network with float32 weights.

    Args:
        name: What follows ``zoo:``.
        format_: ``onnx``, ``tflite`` or ``pt2``.
        path: File to write.
        seed: Seeds the weights.

    Raises:
        InputError: There is no such network, or it cannot be written in this format.
        MissingPackageError: A package that writes the format is missing.
    """
    network = zoo_entry(name).build()
    write_network(network, format_, path, random_weights(network, seed))


def _ds_cnn() -> Network:
    builder = NetworkBuilder("ds-cnn", (49, 10, 1))
    builder.conv(64, (10, 4), 2)
    for _ in range(4):
        builder.depthwise(3)
        builder.conv(64)
    builder.average_pool((25, 5))
    builder.dense(12)
    builder.softmax()
    return builder.build()


def _resnet8() -> Network:
    builder = NetworkBuilder("resnet8", (32, 32, 3))
    trunk = builder.conv(16, 3)
    for filters, stride in ((16, 1), (32, 2), (64, 2)):
        builder.conv(filters, 3, stride, after=trunk)
        branch = builder.conv(filters, 3, activation="none")
        if stride != 1:
            trunk = builder.conv(filters, 1, stride, activation="none", batch_norm=False, after=trunk)
        trunk = builder.add(trunk, branch, activation="relu")
    builder.average_pool(8)
    builder.dense(10)
    builder.softmax()
    return builder.build()


def _mobilenet_v1() -> Network:
    builder = NetworkBuilder("mobilenet-v1-0.25-96", (96, 96, 3))
    builder.conv(8, 3, 2)
    blocks = [(16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), *[(128, 1)] * 5, (256, 2), (256, 1)]
    for filters, stride in blocks:
        builder.depthwise(3, stride)
        builder.conv(filters)
    builder.average_pool(3)
    builder.dense(2)
    builder.softmax()
    return builder.build()


def _fc_autoencoder() -> Network:
    builder = NetworkBuilder("fc-autoencoder", (640,))
    for units in (128, 128, 128, 128, 8, 128, 128, 128, 128):
        builder.dense(units, activation="relu", batch_norm=True)
    builder.dense(640)
    return builder.build()


def _mobilenet_v2(width: float, size: int) -> Network:
    builder = NetworkBuilder(f"mobilenet-v2-{width:g}-{size}", (size, size, 3))
    trunk = builder.conv(round_channels(32 * width), 3, 2, activation="relu6")
    for expansion, filters, repeats, first_stride in (
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
    ):  # fmt: skip
        for repeat in range(repeats):
            stride = first_stride if repeat == 0 else 1
            channels = builder.shape(trunk)[2]
            outputs = round_channels(filters * width)
            if expansion > 1:
                builder.conv(channels * expansion, activation="relu6", after=trunk)
            builder.depthwise(3, stride, activation="relu6")
            projected = builder.conv(outputs, activation="none")
            trunk = builder.add(trunk, projected) if stride == 1 and channels == outputs else projected
    builder.conv(max(1280, round_channels(1280 * width)), activation="relu6", after=trunk)
    builder.global_average_pool()
    builder.dense(1000)
    return builder.build()


def round_channels(channels: float, divisor: int = 8) -> int:
    """The nearest multiple of 8 that is at most 10 % below (Sandler et al. 2018, reference code)."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def _tiny() -> Network:
    builder = NetworkBuilder("tiny", (8, 8, 3))
    builder.conv(8, 3, 2)
    builder.depthwise(3)
    trunk = builder.conv(8)
    builder.depthwise(3)
    builder.add(trunk, builder.conv(8, activation="none"), activation="relu")
    builder.global_average_pool()
    builder.dense(4)
    return builder.build()


def _mobilenet_v2_entry(name: str, width: float, size: int) -> ZooEntry:
    return ZooEntry(
        name=name,
        task="image classification, 1000 classes",
        source="Sandler et al. 2018, MobileNetV2",
        build=lambda: _mobilenet_v2(width, size),
    )


_ENTRIES: Mapping[str, ZooEntry] = {
    entry.name: entry
    for entry in (
        ZooEntry(name="ds-cnn", task="keyword spotting, 12 words", source=_MLPERF_TINY, build=_ds_cnn),
        ZooEntry(name="resnet8", task="image classification, CIFAR-10", source=_MLPERF_TINY, build=_resnet8),
        ZooEntry(name="mobilenet-v1-0.25-96", task="visual wake words", source=_MLPERF_TINY, build=_mobilenet_v1),
        ZooEntry(name="fc-autoencoder", task="machine sounds, anomalies", source=_MLPERF_TINY, build=_fc_autoencoder),
        _mobilenet_v2_entry("mobilenet-v2-0.35-96", 0.35, 96),
        _mobilenet_v2_entry("mobilenet-v2-1.0-224", 1.0, 224),
        ZooEntry(name="tiny", task="tests and first steps", source="edgebench", build=_tiny),
    )
}
