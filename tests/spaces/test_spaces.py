"""Search spaces: what can be chosen, and the networks that follow."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgebench.core.space import SpaceDescription
from edgebench.errors import InputError
from edgebench.flows.spaces import open_space
from edgebench.models.lower_tflite import to_tflite
from edgebench.models.weights import random_weights
from edgebench.spaces.registry import create_space
from edgebench.spaces.space import SearchSpace
from edgebench.store.spaces import read_space, space_names

SPACES = {name: open_space(name) for name in space_names()}
chosen = st.sampled_from(sorted(SPACES))


@settings(max_examples=60, deadline=None)
@given(chosen, st.integers(0, 2**32 - 1))
def test_every_choice_is_a_network_of_its_blocks(name: str, seed: int) -> None:
    space = SPACES[name]
    architecture = tuple(map(int, space.sample(np.random.default_rng(seed), 1)[0]))
    network = space.network(architecture)
    assert space.parse(space.text(architecture)) == architecture == space.canonical_one(architecture)
    numbers = [int(term.blocks[tuple(architecture[column] for column in term.dimensions)]) for term in space.terms]
    from_terms = [space.all_blocks[number].key for number in numbers if number >= 0]
    assert from_terms == [block.key for _, block in space.blocks(architecture)]
    assert network.shapes[network.output] == (space.blocks(architecture)[-1][1].classes,)  # type: ignore[attr-defined]


@settings(max_examples=30, deadline=None)
@given(chosen, st.integers(0, 2**32 - 1))
def test_dimensions_without_effect_change_nothing(name: str, seed: int) -> None:
    space = SPACES[name]
    random = np.random.default_rng(seed)
    raw = tuple(int(random.integers(0, len(item.values))) for item in space.dimensions)
    assert space.network(raw).layers == space.network(space.canonical_one(raw)).layers


@pytest.mark.parametrize("name", ["dscnn", "nas-bench-macro", "resnet"])
def test_enumeration_gives_each_architecture_once(name: str) -> None:
    space = SPACES[name]
    rows = np.concatenate(list(space.enumerate(chunk=5000)))
    assert len(rows) == space.size == len(np.unique(rows, axis=0))
    assert (space.canonical(rows) == rows).all()


def test_sizes_are_those_of_the_arithmetic() -> None:
    assert SPACES["nas-bench-macro"].size == 3**8
    assert SPACES["mobile-fixed"].size == 9**8
    assert SPACES["dscnn"].size == 5 * sum(2**depth for depth in range(2, 7))
    assert SPACES["mobile"].size == 9 * sum(6**depth for depth in range(1, 4)) ** 3


@pytest.mark.parametrize(
    ("architecture", "parameters"), [("11111221", 2_181_386), ("02012100", 890_666)]
)  # published with the benchmark
def test_nas_bench_macro_has_the_published_parameters(architecture: str, parameters: int) -> None:
    space = SPACES["nas-bench-macro"]
    assert space.network(space.parse(architecture)).trainable_parameters == parameters


def test_layers_of_one_slot_keep_their_names_whatever_lies_before() -> None:
    space = SPACES["mobile"]
    short, deep = space.network(space.smallest), space.network(space.largest)
    assert {layer.name for layer in short.layers if layer.name.startswith("head")} == {
        layer.name for layer in deep.layers if layer.name.startswith("head")
    }


def test_networks_lower_to_files(tmp_path: Path) -> None:
    for name, space in SPACES.items():
        network = space.network(space.smallest)
        to_tflite(network, random_weights(network, 0), tmp_path / f"{name}.tflite")
        assert (tmp_path / f"{name}.tflite").stat().st_size > 1000


def test_a_user_adds_a_space_with_a_file(tmp_path: Path) -> None:
    path = tmp_path / "tiny-kws.toml"
    path.write_text(
        'schema = "edgebench.space/1"\nfamily = "dscnn"\ndescription = "mine"\n'
        "[options]\nclasses = 4\nfilters = [8, 16]\ndepths = [1, 2]\nkernels = [3]\n"
    )
    assert open_space(str(path)).size == 2 * 2


HEAD = 'schema = "edgebench.space/1"\nfamily = "dscnn"\ndescription = ""\n[options]\nclasses = 4\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "missing"),
        ("x = [", "TOML"),
        ('schema = "edgebench.space/9"\nfamily = "dscnn"\ndescription = ""', "schema"),
        ('schema = "edgebench.space/1"\nfamily = "dscm"\ndescription = ""', "dscm"),
        ('schema = "edgebench.space/1"\nfamily = "dscnn"\ndescription = ""\n[options]\nclases = 3', "clases"),
        ('schema = "edgebench.space/1"\nfamily = "dscnn"\ndescription = ""\n[options]\nclasses = 3', "missing"),
        (HEAD + "filters = []\ndepths = [1]\nkernels = [3]", "filters"),
        (HEAD + "filters = [8, 8]\ndepths = [1]\nkernels = [3]", "different values"),
        (HEAD + "filters = [8]\ndepths = [1]\nkernels = [3]\ninput = [49, 10, 0]", "49, 10, 0"),
    ],
)
def test_wrong_files_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        create_space(read_space(path))
    assert "wrong" in str(caught.value) or "dscm" in str(caught.value)


def test_a_choice_of_another_space_is_refused() -> None:
    space: SearchSpace = SPACES["nas-bench-macro"]
    for text in ("1111", "11111229", "abcdefgh", ""):
        with pytest.raises(InputError):
            space.parse(text)
    description = SpaceDescription(name="x", family="mobile", description="", options={"sizes": [8]})
    with pytest.raises(InputError, match="missing"):
        create_space(description)
