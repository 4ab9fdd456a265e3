"""Weights that networks share."""

import random
from types import ModuleType

import numpy as np
import pytest

from edgebench.errors import InputError
from edgebench.models.network import Network
from edgebench.tasks.recipe import TrainingFailed
from edgebench.tasks.supernet import Supernet
from edgebench.tasks.training import Recipe, evaluate
from tests.tasks.synthetic import bars_task, small_network

pytestmark = pytest.mark.usefixtures("torch")

TASK = bars_task(noise=0.6)
LARGEST, SMALLEST = small_network(width=12, kernel=5), small_network(width=4, kernel=1)


def sample(draw: random.Random) -> Network:
    return small_network(width=draw.choice([4, 8, 12]), kernel=draw.choice([1, 3, 5]))


def test_networks_take_the_first_channels_and_the_centre_of_the_window() -> None:
    supernet = Supernet.for_networks([SMALLEST, LARGEST])
    state = supernet.state()
    first, depthwise, pointwise, _, dense = (layer.name for layer in LARGEST.layers)
    assert state[f"{first}.kernel"].shape == (12, 1, 5, 5)
    assert state[f"{depthwise}.kernel"].shape == (12, 1, 5, 5)
    assert state[f"{dense}.kernel"].shape == (3, 12)
    network = small_network(width=8, kernel=3)
    values = supernet._values(network)
    for name, part in (
        (first, np.s_[:8, :, 1:4, 1:4]), (depthwise, np.s_[:8, :, 1:4, 1:4]), (pointwise, np.s_[:8, :8]),
        (dense, np.s_[:, :8]),
    ):  # fmt: skip
        np.testing.assert_array_equal(values[f"parts.{name}.0.weight"].detach(), state[f"{name}.kernel"][part])
    np.testing.assert_array_equal(values[f"parts.{first}.1.weight"].detach(), state[f"{first}.scale"][:8])
    np.testing.assert_array_equal(values[f"parts.{dense}.0.bias"].detach(), state[f"{dense}.bias"])


def test_a_supernet_of_one_network_is_that_network(torch: ModuleType) -> None:
    from edgebench.models.pytorch.writer import to_torch

    network = small_network()
    supernet = Supernet.for_networks([network])
    module = to_torch(network).train()
    own = dict(module.named_parameters())
    with torch.no_grad():
        for name, value in supernet._values(network).items():
            if name in own:
                own[name].copy_(value)
    images = torch.from_numpy(TASK.train.images[:32]).permute(0, 3, 1, 2)
    torch.testing.assert_close(supernet._call(network, images), module(images))
    # One step of the same optimiser on the same loss leaves both the same.
    supernet._call(network, images).square().sum().backward()
    module(images).square().sum().backward()
    for layer in ("conv_1", "depthwise_2", "conv_3", "dense_5"):
        torch.testing.assert_close(supernet._tensors[f"{layer}.kernel"].grad, own[f"parts.{layer}.0.weight"].grad)


def test_gradients_reach_only_the_slice(torch: ModuleType) -> None:
    supernet = Supernet.for_networks([SMALLEST, LARGEST])
    images = torch.from_numpy(TASK.train.images[:32]).permute(0, 3, 1, 2)
    supernet._call(small_network(width=8, kernel=3), images)[:, 0].square().sum().backward()
    gradient = supernet._tensors["conv_1.kernel"].grad.clone()
    assert gradient[:8, :, 1:4, 1:4].abs().sum() > 0
    gradient[:8, :, 1:4, 1:4] = 0
    assert gradient.abs().sum() == 0


def test_shared_training_serves_every_network_and_recalibration_is_used() -> None:
    supernet = Supernet.for_networks([SMALLEST, LARGEST])
    seen = []
    recipe = Recipe(epochs=6, batch_size=16, distillation=0.5)
    supernet.train(
        sample, TASK, recipe, seed=0, threads=1, on_epoch=lambda epoch, accuracy: seen.append((epoch, accuracy))
    )
    assert [epoch for epoch, _ in seen] == [1, 2, 3, 4, 5, 6]
    assert seen[-1][1] == supernet.accuracy(LARGEST, TASK.validation, TASK.train) > 0.85
    middle = small_network(width=8, kernel=3)
    assert supernet.accuracy(middle, TASK.validation, TASK.train) > 0.8
    weights = supernet.weights(middle, TASK.train)
    assert {name: layer.kernel.shape for name, layer in weights.items()} == {
        name: kernel for name, (kernel, _) in middle.weight_shapes().items()
    }
    assert evaluate(middle, weights, TASK.validation) == supernet.accuracy(middle, TASK.validation, TASK.train)


def test_training_repeats_and_state_goes_there_and_back() -> None:
    def trained() -> Supernet:
        supernet = Supernet.for_networks([SMALLEST, LARGEST], seed=3)
        supernet.train(sample, TASK, Recipe(epochs=1, batch_size=32), seed=1, threads=1)
        return supernet

    first, second = trained().state(), trained().state()
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name])
    fresh = Supernet.for_networks([SMALLEST, LARGEST], seed=4)
    assert not np.array_equal(fresh.state()["conv_1.kernel"], first["conv_1.kernel"])
    fresh.restore(first)
    for name, array in fresh.state().items():
        np.testing.assert_array_equal(array, first[name])
    with pytest.raises(InputError, match=r"conv_1.kernel.*train the supernet again"):
        Supernet.for_networks([SMALLEST]).restore(first)
    with pytest.raises(InputError, match="dense_5"):
        fresh.restore({name: array for name, array in first.items() if not name.startswith("dense_5")})


def test_depth_is_elastic() -> None:
    deep = small_network(depth=2)
    supernet = Supernet.for_networks([deep])
    assert "dense_6.kernel" in supernet.state()
    # The shallow one ends in a layer that is wider in the deep one, and never touches the last.
    supernet.accuracy(small_network(), TASK.validation, TASK.train)


def test_networks_outside_the_shared_weights_are_refused() -> None:
    supernet = Supernet.for_networks([SMALLEST, small_network()])
    for network, message in (
        (LARGEST, "larger than the shared"),
        (small_network(width=4, depth=2), "'dense_5' has a kernel|no shared weights"),
    ):
        with pytest.raises(InputError, match=message):
            supernet.accuracy(network, TASK.validation, TASK.train)
    other = small_network(8)
    swapped = type(other)(name="swapped", input_shape=other.input_shape, layers=_without_norm(other))
    with pytest.raises(InputError, match="without normalisation, but elsewhere"):
        Supernet.for_networks([other, swapped])
    with pytest.raises(InputError, match="at least one network"):
        Supernet.for_networks([])


def _without_norm(network: Network) -> tuple:
    from dataclasses import replace

    return tuple(
        replace(layer, batch_norm=False) if getattr(layer, "batch_norm", False) else layer for layer in network.layers
    )


def test_a_loss_that_is_no_number_and_a_callers_exception_come_out() -> None:
    supernet = Supernet.for_networks([SMALLEST, LARGEST])
    with pytest.raises(ZeroDivisionError):
        supernet.train(sample, TASK, Recipe(epochs=2), seed=0, on_epoch=lambda *_: 1 // 0)
    state = supernet.state()
    state["dense_5.bias"][:] = np.nan
    supernet.restore(state)
    with pytest.raises(TrainingFailed, match="loss became nan"):
        supernet.train(sample, TASK, Recipe(epochs=1), seed=0)


def test_resolutions_may_differ_between_networks() -> None:
    sizes = [small_network(size) for size in (8, 12)]
    supernet = Supernet.for_networks(sizes)
    supernet.train(lambda draw: draw.choice(sizes), TASK, Recipe(epochs=1), seed=0)
    for network in sizes:
        assert 0 <= supernet.accuracy(network, TASK.validation, TASK.train) <= 1
