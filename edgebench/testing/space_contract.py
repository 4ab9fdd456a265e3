"""What every search space must satisfy, as tests that its author inherits.

A test class derives from ``SpaceContract`` and overrides the fixture ``space``::

    class TestMySpace(SpaceContract):
        @pytest.fixture
        def space(self):
            return create(SpaceDescription(name="mine", family="mine", description="", options={}))
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgebench.models.network.layers import Layer
from edgebench.models.network.weights import random_weights
from edgebench.models.onnx.writer import to_onnx
from edgebench.models.tflite.writer import to_tflite
from edgebench.spaces.space import Architecture, SearchSpace

_DRAWN = 12
_ENUMERATED = 200_000


class SpaceContract:
    """Tests of one space; pytest runs them for each class that derives from this one."""

    @pytest.fixture
    def space(self) -> SearchSpace:
        """The space under test; the test class provides it."""
        raise NotImplementedError("override the fixture `space`")

    def test_every_choice_is_a_network_of_its_blocks(self, space: SearchSpace) -> None:
        """Tables are looked up by ``terms``; what they name must be what the network is made of."""
        for architecture in _drawn(space):
            numbers = [
                int(term.blocks[tuple(architecture[column] for column in term.dimensions)]) for term in space.terms
            ]
            from_terms = [space.all_blocks[number].key for number in numbers if number >= 0]
            assert from_terms == [block.key for _, block in space.blocks(architecture)], (
                "a slot names every dimension that its block depends on"
            )
            network = space.network(architecture)
            assert network.macs == sum(block.network().macs for _, block in space.blocks(architecture)), (
                "a network is its blocks and nothing else"
            )

    def test_equal_keys_mean_equal_blocks(self, space: SearchSpace) -> None:
        """A block is measured once for each key, so a key must state everything that its cost depends on."""
        seen: dict[str, tuple[Layer, ...]] = {}
        for architecture in _drawn(space):
            for _, block in space.blocks(architecture):
                assert seen.setdefault(block.key, block.network().layers) == block.network().layers, (
                    f"{block.key!r} stands for different blocks"
                )

    def test_a_text_names_one_architecture(self, space: SearchSpace) -> None:
        """Studies, files and users name architectures by their text."""
        for architecture in _drawn(space):
            assert space.parse(space.text(architecture)) == architecture
            assert space.canonical_one(architecture) == architecture, "samples are canonical"

    def test_dimensions_without_effect_change_nothing(self, space: SearchSpace) -> None:
        """``needs`` says where a dimension has no effect; a search treats such choices as the same network."""
        random = np.random.default_rng(1)
        for _ in range(_DRAWN):
            raw = tuple(int(random.integers(0, len(item.values))) for item in space.dimensions)
            one, other = space.network(raw), space.network(space.canonical_one(raw))
            if space.learnt_whole:
                # Equal cells may be written down in another order.
                assert (one.macs, one.parameters) == (other.macs, other.parameters)
            else:
                assert one.layers == other.layers

    def test_what_is_looked_up_are_the_features(self, space: SearchSpace) -> None:
        """Fast predictions look up what slow ones compute."""
        rows = np.array(_drawn(space), dtype=np.int8)
        computed = {family.name: family for family in space.features(rows)}
        for family in space.lookups():
            assert family.labels == computed[family.name].labels
            values = np.zeros((len(rows), len(family.labels) + 1))
            for columns, numbers in family.parts:
                values[np.arange(len(rows)), numbers[tuple(rows[:, column] for column in columns)]] += 1
            np.testing.assert_array_equal(values[:, :-1], computed[family.name].values)

    def test_enumeration_gives_each_architecture_once(self, space: SearchSpace) -> None:
        """The size of a space is that of its enumeration."""
        if space.combinations > _ENUMERATED:
            pytest.skip("too large to enumerate")
        rows = np.concatenate(list(space.enumerate(chunk=5000)))
        assert len(rows) == space.size == len(np.unique(rows, axis=0))
        assert (space.canonical(rows) == rows).all()

    def test_networks_become_files(self, space: SearchSpace, tmp_path: Path) -> None:
        """The smallest and the largest network can be written in both formats."""
        for name, architecture in (("smallest", space.smallest), ("largest", space.largest)):
            network = space.network(architecture)
            to_onnx(network, random_weights(network, 0), tmp_path / f"{name}.onnx")
            to_tflite(network, random_weights(network, 0), tmp_path / f"{name}.tflite")
            assert all((tmp_path / f"{name}.{ending}").stat().st_size > 0 for ending in ("onnx", "tflite"))


def _drawn(space: SearchSpace) -> list[Architecture]:
    rows = space.sample(np.random.default_rng(0), _DRAWN)
    return [tuple(map(int, row)) for row in rows]
