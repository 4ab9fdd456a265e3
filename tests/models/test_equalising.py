"""Balanced channels: the same function, with ranges that one scale fits."""

import numpy as np
import pytest

from edgebench.models.network.equalising import equalised
from edgebench.models.network.weights import LayerWeights, random_weights
from tests.compress.networks import coupled, images_of
from tests.tasks.synthetic import small_network


@pytest.mark.parametrize("network", [coupled(8), small_network(width=8)], ids=["coupled", "small"])
def test_the_function_stays(network, torch: object) -> None:
    from edgebench.models.pytorch.writer import to_torch
    from edgebench.tasks.fitting import image_tensor

    weights = random_weights(network, 0)
    images = image_tensor(images_of(network))
    before = to_torch(network, weights)(images).detach()
    after = to_torch(network, equalised(network, weights))(images).detach()
    assert np.allclose(before, after, rtol=1e-3, atol=1e-4)


def test_channels_that_differ_a_hundred_times_are_balanced() -> None:
    network = small_network(width=8)
    weights = random_weights(network, 0)
    factor = np.logspace(-1, 1, 8).astype(np.float32)
    own, after = weights["conv_1"], weights["depthwise_2"]
    weights["conv_1"] = LayerWeights(kernel=own.kernel * factor[:, None, None, None], bias=own.bias * factor)
    weights["depthwise_2"] = LayerWeights(kernel=after.kernel / factor, bias=after.bias)

    def spread(weights: dict[str, LayerWeights]) -> float:
        largest = np.abs(weights["conv_1"].kernel).reshape(8, -1).max(axis=1)
        return float(largest.max() / largest.min())

    assert spread(weights) > 20
    assert spread(equalised(network, weights)) < 5
