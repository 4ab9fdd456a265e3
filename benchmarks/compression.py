"""Which optimisation meets the limits: the question that `edgebench compress` answers, asked for known networks.

    python benchmarks/compression.py reference mobile.onnx
    edgebench compress mobile.onnx --task mnist5k -d host -d host-litert -d ethos-u55-128 -d nucleo-l4r5zi \\
        --max-latency 50ms --max-accuracy-drop 2%
    python benchmarks/compression.py hard-for-int8 [--seeds 5]

`reference` trains an inverted-residual network of about half a million parameters on mnist5k. `hard-for-int8` compares
quantisation after training with quantisation-aware training on networks in which ranges of tensors differ by a hundred
times: scales of channels are moved between layers so that the network in float32 stays what it is.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from pathlib import Path

import numpy as np

from edgebench.compress.base import Setting
from edgebench.compress.pipeline import parse_pipeline
from edgebench.models.artefact import Artefact
from edgebench.models.deployment import deploy
from edgebench.models.network import Network, NetworkBuilder
from edgebench.models.network.weights import LayerWeights, Weights
from edgebench.models.onnx.writer import to_onnx
from edgebench.tasks.accuracy import accuracy_drop
from edgebench.tasks.deployed import deployed_accuracy
from edgebench.tasks.recipe import Recipe
from edgebench.tasks.registry import load_task
from edgebench.tasks.training import evaluate, predict, train


def main() -> None:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    reference = commands.add_parser("reference")
    reference.add_argument("output", type=Path)
    reference.add_argument("--epochs", type=int, default=12)
    hard = commands.add_parser("hard-for-int8")
    hard.add_argument("--seeds", type=int, default=5)
    hard.add_argument("--epochs", type=int, default=6)
    arguments = parser.parse_args()
    if arguments.command == "reference":
        write_reference(arguments.output, arguments.epochs)
    else:
        hard_for_int8(arguments.seeds, arguments.epochs)


def mobile_like() -> Network:
    """An inverted-residual network for 28 x 28 pixels."""
    builder = NetworkBuilder("mobile-like", (28, 28, 1))
    trunk = builder.conv(16, 3, 2)
    for filters, stride, expansion in (
        (24, 2, 4),
        (24, 1, 4),
        (48, 2, 4),
        (48, 1, 6),
        (96, 1, 6),
        (96, 1, 6),
        (96, 1, 6),
        (96, 1, 6),
    ):
        channels = builder.shape(trunk)[2]
        builder.conv(channels * expansion, after=trunk)
        builder.depthwise(3, stride)
        projected = builder.conv(filters, activation="none")
        trunk = builder.add(trunk, projected) if stride == 1 and channels == filters else projected
    builder.conv(256, after=trunk)
    builder.global_average_pool()
    builder.dense(10)
    return builder.build()


def write_reference(output: Path, epochs: int) -> None:
    task, network = load_task("mnist5k"), mobile_like()
    trained = train(network, task, Recipe(epochs=epochs), seed=0, threads=1)
    to_onnx(network, trained.weights, output)
    accuracy = evaluate(network, trained.weights, task.test)
    print(f"{network.parameters:,} parameters, {network.macs:,} MACs, {accuracy:.2%} test accuracy: {output}")


def plain(width: int = 16) -> Network:
    """A network in which every tensor between layers has one producer and one reader."""
    builder = NetworkBuilder("plain", (28, 28, 1))
    builder.conv(width, 3, 2)
    builder.depthwise(3)
    builder.conv(2 * width)
    builder.depthwise(3, 2)
    builder.conv(2 * width)
    builder.global_average_pool()
    builder.dense(10)
    return builder.build()


def with_uneven_channels(network: Network, weights: Weights, seed: int) -> dict[str, LayerWeights]:
    """The same function with channels between layers scaled by factors from 0.1 to 10, undone by the next layer.

    ReLU lets positive factors through, so outputs stay; per-tensor ranges then fit few of the channels.
    """
    random, uneven = np.random.default_rng(seed), dict(weights)
    chain = [layer.name for layer in network.layers if layer.name in weights]
    for name, reader in itertools.pairwise(chain):
        own, after = uneven[name], uneven[reader]
        outputs = len(own.bias)
        factor = np.exp(random.uniform(np.log(0.1), np.log(10), outputs)).astype(np.float32)
        if own.kernel.shape[0] == 1 and own.kernel.ndim == 4:
            kernel = own.kernel * factor
        else:
            kernel = own.kernel * factor.reshape(-1, *[1] * (own.kernel.ndim - 1))
        uneven[name] = LayerWeights(kernel=kernel, bias=own.bias * factor)
        # A depthwise kernel and the inputs of others are both along the last axis.
        uneven[reader] = LayerWeights(kernel=after.kernel / factor, bias=after.bias)
    return uneven


def hard_for_int8(seeds: int, epochs: int) -> None:
    task, network = load_task("mnist5k"), plain()
    for seed in range(seeds):
        weights = train(network, task, Recipe(epochs=8), seed=seed, threads=1).weights
        uneven = with_uneven_channels(network, weights, seed)
        reference = predict(network, uneven, task.test)
        print(f"seed {seed}: float {np.mean(reference == task.test.labels):.2%}", end="")
        for text in ("int8", "qat"):
            artefact = Artefact(network=network, weights=uneven)
            setting = Setting(task=task, teacher=(network, uneven), epochs=epochs, seed=seed)
            for item in parse_pipeline(text):
                artefact = item.apply(artefact, setting)
            with tempfile.TemporaryDirectory() as folder:
                files = deploy(artefact, artefact.form, task.train.sample(128).images, Path(folder), "n")
                found = deployed_accuracy(Path(files.tflite or ""), task.test, reference=True)
            drop = accuracy_drop(reference, found, task.test.labels)
            print(f"; {text} loses {drop.value * 100:+.2f} pt ({drop.low * 100:.1f} to {drop.high * 100:.1f})", end="")
        print(flush=True)


if __name__ == "__main__":
    main()
