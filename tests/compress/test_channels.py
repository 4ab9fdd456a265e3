"""Channels that belong together stay together, and what is left computes what the rest of the network did."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgebench.compress.channels import find_channels, importance, without
from edgebench.compress.layer_times import LayerTimes
from edgebench.compress.widths import CostOfWidths, rounded_width, sampled_widths, uniform_widths, widths_by_cost
from edgebench.models.network import NetworkBuilder
from edgebench.models.network.weights import LayerWeights, random_weights
from tests.compress.networks import coupled, images_of


def test_a_sum_ties_its_inputs_and_a_concatenation_does_not() -> None:
    channels = find_channels(coupled())
    makers = {group.layers for group in channels.groups}
    assert ("conv_1", "conv_3") in makers, "the residual block"
    assert ("conv_5",) in makers
    assert ("conv_6",) in makers
    assert not any("dense_12" in names for names in makers), "classes stay"


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_any_choice_of_channels_leaves_a_network_with_the_same_ends(data: st.DataObject) -> None:
    network = coupled(8)
    channels, weights = find_channels(network), random_weights(network, 0)
    removed = set()
    for group in channels.groups:
        chosen = data.draw(st.sets(st.sampled_from(group.units), max_size=len(group.units) - 1))
        removed |= chosen
    slim, own = without(channels, weights, removed)
    assert slim.shapes[slim.output] == network.shapes[network.output]
    assert {name: (item.kernel.shape, item.bias.shape) for name, item in own.items()} == slim.weight_shapes()


def test_channels_that_contribute_nothing_can_go_without_a_change(torch: object) -> None:
    from edgebench.models.pytorch.writer import to_torch
    from edgebench.tasks.fitting import image_tensor

    network = coupled(8)
    channels, weights = find_channels(network), random_weights(network, 0)
    removed = {group.units[0] for group in channels.groups}
    zeroed = {}
    for layer in network.layers:
        if layer.name in weights:
            own, gone = weights[layer.name], np.isin(channels.of[layer.name], list(removed))
            kernel, bias = own.kernel.copy(), own.bias.copy()
            kernel[(..., gone) if kernel.shape[0] == 1 and kernel.ndim == 4 else gone] = 0
            bias[gone] = 0
            zeroed[layer.name] = LayerWeights(kernel=kernel, bias=bias)
    slim, own = without(channels, zeroed, removed)
    images = image_tensor(images_of(network))
    before, after = to_torch(network, zeroed)(images), to_torch(slim, own)(images)
    assert np.allclose(before.detach(), after.detach(), atol=1e-5)
    assert slim.macs < network.macs


def test_a_flatten_keeps_the_pixels_of_a_channel_together() -> None:
    builder = NetworkBuilder("flat", (2, 2, 1))
    builder.conv(4, 1)
    builder.dense(2)
    channels = find_channels(builder.build())
    assert channels.of["flatten_2"].tolist() == channels.of["conv_1"].tolist() * 4


@given(st.integers(1, 300), st.floats(0.01, 1), st.sampled_from([1, 2, 4, 8]))
def test_widths_are_never_empty_and_never_grow(width: int, share: float, multiple: int) -> None:
    found = rounded_width(width, share, multiple)
    assert 1 <= found <= width
    assert found % multiple == 0 or found == width


@pytest.mark.parametrize("expensive", ["conv_5", "conv_6"])
def test_by_cost_what_is_cheap_stays_at_no_more_time_than_uniform(expensive: str) -> None:
    network = coupled(32)
    channels, weights = find_channels(network), random_weights(network, 0)
    seconds = {layer.name: (1e-6,) for layer in network.layers} | {expensive: (1e-3,)}
    whole = tuple(len(group.units) for group in channels.groups)
    cost, scores = CostOfWidths(channels, LayerTimes(widths=(whole,), seconds=seconds)), importance(channels, weights)
    even = uniform_widths(channels.groups, 0.5, 4)
    chosen = widths_by_cost(cost, scores, 0.5, 4)
    assert cost.total(chosen) <= cost.total(even) * (1 + 1e-9)
    shares = dict(zip(((group.layers[0]) for group in channels.groups), zip(chosen, even, strict=True), strict=True))
    assert shares["dense_11"][0] > shares["dense_11"][1], "what costs nothing is left alone"


@given(st.lists(st.floats(0, 10), min_size=4, max_size=4), st.integers(0, 5))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_times_that_are_sums_of_parts_are_found_again(parts: list[float], seed: int) -> None:
    """A constant, a part of the channels read, one of those written, and one of both."""
    network = coupled(32)
    channels = find_channels(network)
    widths = tuple(sampled_widths(channels.groups, 4, seed))
    unit = CostOfWidths(channels, LayerTimes(widths=widths[:1], seconds={"conv_5": (1.0,)}))
    shares = [unit._shares(chosen)["conv_5"] for chosen in widths]
    truth = [parts[0] + parts[1] * read + parts[2] * written + parts[3] * read * written for read, written in shares]
    cost = CostOfWidths(channels, LayerTimes(widths=widths, seconds={"conv_5": tuple(truth)}))
    for chosen, expected in zip(widths, truth, strict=True):
        assert cost.total(chosen) == pytest.approx(expected, rel=0.02, abs=0.05)
    assert cost.layers(widths[0]).keys() == {"conv_5"}


def test_without_measurements_of_narrower_networks_time_follows_multiply_accumulates() -> None:
    network = coupled(32)
    channels = find_channels(network)
    whole = tuple(len(group.units) for group in channels.groups)
    cost = CostOfWidths(channels, LayerTimes(widths=(whole,), seconds={"conv_3": (4.0,)}))
    half = [len(group.units) // 2 if "conv_3" in group.layers else len(group.units) for group in channels.groups]
    assert cost.total(whole) == pytest.approx(4.0)
    assert cost.total(half) == pytest.approx(1.0), "it reads and writes the same group"


def test_networks_to_measure_begin_with_the_original_and_differ() -> None:
    groups = find_channels(coupled(32)).groups
    widths = sampled_widths(groups, 4, seed=1)
    assert widths[0] == tuple(len(group.units) for group in groups)
    assert len(widths) == len(set(widths)) > 4
    assert sampled_widths(groups, 4, seed=1) == widths
