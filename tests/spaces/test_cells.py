"""Cells whose edges are chosen: what is executed, what is equal, and what the published benchmark says of them."""

import time

import numpy as np
import pytest

from edgebench.core.space import SpaceDescription
from edgebench.errors import InputError
from edgebench.flows.spaces import open_space
from edgebench.models.network.layers import Activation, AveragePool2D, Conv2D, Zeros
from edgebench.spaces.cell_space import CellSpace, create
from edgebench.spaces.cells import edges_of, executed, kind_of
from edgebench.spaces.space import SearchSpace
from edgebench.testing.space_contract import SpaceContract

PUBLISHED = "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|"


def space_of(**options: object) -> SearchSpace:
    return create(SpaceDescription(name="cells", family="cell", description="", options=options))


@pytest.fixture(scope="module")
def nas_bench_201() -> SearchSpace:
    return open_space("nas-bench-201")


class TestDartsLike(SpaceContract):
    @pytest.fixture
    def space(self) -> SearchSpace:
        return space_of(
            input=[16, 16, 3],
            nodes=4,
            operations=["none", "skip", "separable3x3", "separable5x5", "avg_pool3x3"],
            cells=2,
            channels=[8, 16],
            output="concat",
        )


def test_there_are_as_many_kinds_as_published(nas_bench_201: SearchSpace) -> None:
    start = time.monotonic()
    rows = np.concatenate(list(nas_bench_201.enumerate()))
    assert (nas_bench_201.combinations, nas_bench_201.size, len(rows)) == (15_625, 6_466, 6_466)
    assert time.monotonic() - start < 30


def test_a_published_text_names_a_cell(nas_bench_201: SearchSpace) -> None:
    """The benchmark publishes 113.95 million multiply-accumulates for networks with three 3x3 convolutions a cell."""
    network = nas_bench_201.network(nas_bench_201.parse(PUBLISHED))
    assert sum(isinstance(layer, Conv2D) and layer.kernel == (3, 3) for layer in network.layers) == 15 * 3 + 1 + 4
    assert network.macs == 113_951_360
    for wrong in ("|nor_conv_3x3~0|", PUBLISHED.replace("~2", "~3"), PUBLISHED.replace("nor_conv", "conv"), "||||"):
        with pytest.raises(InputError):
            nas_bench_201.parse(wrong)


def test_what_leads_nowhere_is_not_executed() -> None:
    edges = edges_of(4)
    # 1 <- 0, 2 <- 0 and 1, 3 <- 0, 1 and 2, by index: 0 is nothing.
    rows = np.array(
        [
            [1, 1, 1, 1, 1, 1],
            [1, 1, 1, 1, 1, 0],  # Node 2 leads nowhere.
            [0, 1, 1, 1, 1, 1],  # Nothing reaches node 1.
            [1, 0, 0, 0, 0, 1],  # Nothing reaches the output.
        ],
        dtype=np.int8,
    )
    assert executed(rows, edges, 0).tolist() == [
        [True] * 6,
        [True, False, False, True, True, False],
        [False, True, False, True, False, True],
        [False] * 6,
    ]


def test_equal_cells_are_one() -> None:
    edges = edges_of(3)
    assert kind_of(["a", "skip", "b"], edges) == kind_of(["a", "skip", "b"], edges)
    # A convolution of the input and another of it: in which order they are added does not matter.
    assert kind_of(["skip", "a", "b"], edges) == kind_of(["skip", "b", "a"], edges)
    assert kind_of(["a", "none", "b"], edges) != kind_of(["b", "none", "a"], edges)


def test_convolutions_follow_their_activation_and_pools_keep_the_size(nas_bench_201: SearchSpace) -> None:
    network = nas_bench_201.network(nas_bench_201.parse(PUBLISHED))
    layers = {layer.name: layer for layer in network.layers}
    stages = [layer for layer in network.layers if layer.name.startswith("stage")]
    for layer in stages:
        if isinstance(layer, Conv2D):
            assert isinstance(layers[layer.inputs[0]], Activation)
            assert (layer.activation, layer.batch_norm) == ("none", True)
        if isinstance(layer, AveragePool2D):
            assert network.shapes[layer.name] == network.shapes[layer.inputs[0]]


def test_a_cell_that_gives_nothing_on_gives_zeros(nas_bench_201: SearchSpace) -> None:
    network = nas_bench_201.network(nas_bench_201.smallest)
    assert sum(isinstance(layer, Zeros) for layer in network.layers) == 15


def test_sizes_are_those_of_the_networks(nas_bench_201: SearchSpace) -> None:
    rows = nas_bench_201.sample(np.random.default_rng(0), 20)
    macs, parameters = nas_bench_201.sizes(rows)
    networks = [nas_bench_201.network(tuple(map(int, row))) for row in rows]
    assert macs.tolist() == [network.macs for network in networks]
    assert parameters.tolist() == [network.parameters for network in networks]


def test_features_tell_what_is_executed(nas_bench_201: SearchSpace) -> None:
    row = np.array([nas_bench_201.parse(PUBLISHED)], dtype=np.int8)
    families = {family.name: family for family in nas_bench_201.features(row)}
    counts = dict(zip(families["operations"].labels, families["operations"].values[0], strict=True))
    assert counts == {"none": 0, "skip": 2, "conv1x1": 0, "conv3x3": 3, "avg_pool3x3": 1}
    assert dict(zip(families["graph"].labels, families["graph"].values[0], strict=True))["depth"] == 2
    assert all(len(family.labels) == family.values.shape[1] for family in families.values())


def test_a_space_too_large_to_look_at_can_be_sampled() -> None:
    large = space_of(nodes=6, operations=["none", "skip", "conv1x1", "conv3x3", "separable3x3"], cells=1)
    assert isinstance(large, CellSpace)
    rows = large.sample(np.random.default_rng(0), 50)
    assert (large.canonical(rows) == rows).all()
    assert large.network(tuple(map(int, rows[0]))).macs == large.sizes(rows[:1])[0][0]


@pytest.mark.parametrize(
    "options",
    [{"nodes": 1}, {"operations": ["conv9x9"]}, {"operations": []}, {"channels": []}, {"input": [3]}, {"cells": 0}],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(InputError):
        space_of(**options)
