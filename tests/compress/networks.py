"""Networks with everything that couples channels."""

import numpy as np

from edgebench.models.artefact import Artefact
from edgebench.models.network import Network, NetworkBuilder
from edgebench.models.network.weights import random_weights


def coupled(width: int = 16, *, classes: int = 3) -> Network:
    """A residual block, a concatenation, a depthwise convolution, pools, activations of their own, and a flatten."""
    builder = NetworkBuilder("coupled", (8, 8, 1))
    trunk = builder.conv(width, 3)
    builder.depthwise(3, activation="relu6")
    branch = builder.conv(width, activation="none")
    total = builder.add(trunk, branch, activation="relu")
    left = builder.conv(width // 2, 3, 2, activation="hard_swish", after=total)
    right = builder.conv(width, 1, 2, activation="none", after=total)
    joined = builder.concat(left, right)
    builder.activation("relu", after=joined)
    builder.average_pool(2)
    builder.dense(width, activation="relu", batch_norm=True)
    builder.dense(classes)
    return builder.build()


def artefact_of(network: Network, seed: int = 0) -> Artefact:
    return Artefact(network=network, weights=random_weights(network, seed))


def images_of(network: Network, count: int = 4) -> np.ndarray:
    return np.random.default_rng(1).random((count, *network.input_shape)).astype(np.float32)
