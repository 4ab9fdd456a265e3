"""Search spaces: what can be chosen, and the networks that follow."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from edgebench.core.space import SpaceDescription
from edgebench.errors import InputError
from edgebench.flows.spaces import open_space
from edgebench.spaces.blocks import Block, Head, Stem
from edgebench.spaces.features import Dimension
from edgebench.spaces.registry import create_space
from edgebench.spaces.space import SearchSpace, Slot
from edgebench.store.spaces import read_space, space_names
from edgebench.testing.space_contract import SpaceContract

SPACES = {name: open_space(name) for name in space_names()}


class TestSpaces(SpaceContract):
    @pytest.fixture(params=sorted(SPACES))
    def space(self, request: pytest.FixtureRequest) -> SearchSpace:
        return SPACES[request.param]


def test_a_space_that_hides_what_its_blocks_depend_on_is_found() -> None:
    """A slot that does not name a dimension: its table would hold one block where there are two."""
    description = SpaceDescription(name="liar", family="liar", description="", options={})
    filters = Dimension(name="filters", values=(8, 16))
    head = Slot(name="head", dimensions=(), block=lambda _: Head(input_shape=(8, 8, 8), classes=2, features=0))

    def stem(values: Mapping[str, Any]) -> Block:
        return Stem(input_shape=(8, 8, 1), filters=8, kernel=(values.get("filters", 8) // 8 * 2 + 1,) * 2)

    liar = SearchSpace(description, [filters], [Slot(name="stem", dimensions=(), block=stem), head])
    with pytest.raises(AssertionError, match="names every dimension"):
        SpaceContract().test_every_choice_is_a_network_of_its_blocks(liar)


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


def test_layers_of_one_slot_keep_their_names_whatever_comes_before() -> None:
    space = SPACES["mobile"]
    short, deep = space.network(space.smallest), space.network(space.largest)
    assert {layer.name for layer in short.layers if layer.name.startswith("head")} == {
        layer.name for layer in deep.layers if layer.name.startswith("head")
    }


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
        (HEAD + "filters = [8, 8]\ndepths = [1]\nkernels = [3]", "distinct values"),
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
