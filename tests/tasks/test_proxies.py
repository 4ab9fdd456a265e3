"""Proxies rise with what they stand for."""

import math

import numpy as np
import pytest

from edgebench.errors import InputError
from edgebench.models.network import NetworkBuilder
from edgebench.models.network.weights import random_weights
from edgebench.models.zoo import build
from edgebench.tasks.proxies import macs, parameters, synflow
from tests.tasks.synthetic import small_network


def test_counts_are_those_of_the_network() -> None:
    network = build("resnet8")
    assert (parameters(network), macs(network)) == (network.parameters, network.macs)


@pytest.mark.usefixtures("torch")
def test_synflow_of_a_chain_is_its_paths_times_its_layers() -> None:
    builder = NetworkBuilder("chain", (5,))
    builder.dense(7, activation="relu6")
    builder.dense(3)
    builder.softmax()
    network = builder.build()
    first, second = (np.abs(layer.kernel).astype(np.float64) for layer in random_weights(network, 4).values())
    # Each layer's weights times their gradients add up to the output itself, which is linear in each layer.
    assert synflow(network, 4) == pytest.approx(math.log(2 * (second @ first @ np.ones(5)).sum()))


@pytest.mark.usefixtures("torch")
def test_synflow_repeats_rises_with_width_and_holds_in_deep_networks() -> None:
    small, large = small_network(width=4), small_network(width=16)
    assert synflow(small, 0) == synflow(small, 0) != synflow(small, 1)
    assert all(synflow(large, seed) > synflow(small, seed) for seed in range(5))
    assert math.isfinite(synflow(build("mobilenet-v2-0.35-96"), 0))
    assert math.isfinite(synflow(build("fc-autoencoder"), 0))


@pytest.mark.usefixtures("torch")
def test_a_network_without_weights_has_no_flow() -> None:
    builder = NetworkBuilder("empty", (4, 4, 1))
    builder.global_average_pool()
    with pytest.raises(InputError, match="no weights"):
        synflow(builder.build(), 0)
