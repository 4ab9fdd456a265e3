"""Spaces whose networks a user's function makes."""

import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from edgebench.core.named_function import imported
from edgebench.core.space import SpaceDescription
from edgebench.errors import InputError, UnsupportedModelError
from edgebench.models.network.weights import random_weights
from edgebench.models.onnx.writer import to_onnx
from edgebench.models.pytorch.to_network import traced
from edgebench.models.pytorch.writer import to_torch
from edgebench.models.tflite.quantize import run_tflite
from edgebench.models.tflite.writer import to_tflite
from edgebench.search.costs import cost_model
from edgebench.spaces.registry import create_space
from edgebench.spaces.space import SearchSpace
from edgebench.testing.space_contract import SpaceContract

torch = pytest.importorskip("torch")
functions = pytest.importorskip("tests.spaces.functions")
pytestmark = pytest.mark.heavy

CHAIN = {
    "function": "tests.spaces.functions:chain",
    "input": [32, 32, 3],
    "choices": {"width": [8, 16], "depth": [1, 2, 3], "kernel1": [3, 5], "kernel2": [3, 5], "kernel3": [3, 5]},
    "needs": {"kernel2": {"depth": 2}, "kernel3": {"depth": 3}},
}
SCALED = {
    "function": "tests.spaces.functions:scaled",
    "input": [12, 12, 1],
    "choices": {"width": [4, 8], "kernel": [3, 5]},
}
TWO = {
    "function": "tests.spaces.functions:two_inputs",
    "inputs": {"image": [16, 16, 3], "sensor": [6]},
    "choices": {"width": [4, 8], "classes": [2, 5]},
}


def space_of(options: object) -> SearchSpace:
    return create_space(SpaceDescription(name="mine", family="function", description="", options=options))  # type: ignore[arg-type]


class TestChain(SpaceContract):
    @pytest.fixture
    def space(self) -> SearchSpace:
        return space_of(CHAIN)


class TestNotAChain(SpaceContract):
    @pytest.fixture
    def space(self) -> SearchSpace:
        return space_of(SCALED)


class TestTwoInputs(SpaceContract):
    @pytest.fixture
    def space(self) -> SearchSpace:
        return space_of(TWO)


def test_parts_of_a_chain_are_blocks() -> None:
    space = space_of(CHAIN)
    assert not space.learnt_whole
    assert [slot.name for slot in space.slots] == ["stem.0", "blocks.0", "blocks.1", "blocks.2", "classifier"]
    assert space.size == 2 * (2 + 4 + 8)
    assert len(space.all_blocks) == 2 + 2 * 2 + 2
    assert "kernel3" in space.slots[3].dimensions
    assert "kernel3" not in space.slots[1].dimensions


def test_parts_that_read_more_than_the_one_before_are_one_block() -> None:
    space = space_of(SCALED)
    assert [name for name, _ in space.blocks(space.largest)] == ["first", "second", "last"]
    two = space_of(TWO)
    assert [name for name, _ in two.blocks(two.largest)] == ["image.0"]


def test_sizes_need_no_table() -> None:
    for options in (CHAIN, SCALED):
        space = space_of(options)
        rows = space.sample(np.random.default_rng(0), 5)
        predicted = cost_model(space, {}).predict(rows)
        found = [space.network(tuple(map(int, row))) for row in rows]
        assert predicted[:, 0].tolist() == [network.macs for network in found]
        assert predicted[:, 1].tolist() == [network.parameters for network in found]


def test_a_recorded_network_trains_as_many_weights_as_the_module() -> None:
    choice = {"width": 16, "depth": 3, "kernel1": 3, "kernel2": 5, "kernel3": 3}
    network = traced(functions.Chain(choice), "chain", {"input": (32, 32, 3)}).network
    own = sum(parameter.numel() for parameter in functions.Chain(choice).parameters())
    again = sum(parameter.numel() for parameter in to_torch(network).parameters())
    # Ours has no bias before a batch normalisation.
    assert again == own


@pytest.mark.parametrize("format_", ["onnx", "tflite"])
def test_networks_with_two_inputs_compute_the_same_everywhere(format_: str, tmp_path: Path) -> None:
    network = traced(
        functions.TwoInputs({"width": 4, "classes": 3}), "two", {"image": (16, 16, 3), "sensor": (6,)}
    ).network
    assert list(network.inputs.values()) == [(16, 16, 3), (6,)]
    weights, random = random_weights(network, 0), np.random.default_rng(0)
    values = {name: random.standard_normal((1, *shape), dtype=np.float32) for name, shape in network.inputs.items()}
    first = {name: v.transpose(0, 3, 1, 2).copy() if v.ndim == 4 else v for name, v in values.items()}
    with torch.no_grad():
        expected = to_torch(network, weights)(*map(torch.from_numpy, first.values())).numpy()
    path = tmp_path / f"two.{format_}"
    if format_ == "onnx":
        to_onnx(network, weights, path)
        found = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, first)[0]
    else:
        to_tflite(network, weights, path)
        found = run_tflite(path, [values])[0]
    np.testing.assert_allclose(found.ravel(), expected.ravel(), rtol=1e-4, atol=1e-5)


def test_another_function_body_is_another_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    code = "from torch import nn\n\ndef build(choice):\n    return nn.Sequential(nn.Conv2d(1, choice['width'], {}))\n"
    digests = []
    for number, kernel in enumerate((3, 5)):
        (tmp_path / f"own_networks{number}.py").write_text(code.format(kernel))
        options = {"function": f"own_networks{number}:build", "input": [8, 8, 1], "choices": {"width": [4, 8]}}
        space = space_of(options)
        networks = [repr(space.network(row).layers) for row in (space.smallest, space.largest)]
        digests.append((space.digest, networks))
    assert digests[0] != digests[1]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"function": "no_such_module:build"}, "cannot be imported"),
        ({"function": "tests.spaces.functions:failing"}, "it fails: KeyError"),
        ({"function": "tests.spaces.functions:number"}, "it returns int"),
        ({"function": "tests.spaces.functions:with_a_recurrent_layer"}, "hardsigmoid in 1: there is no layer for it"),
        ({"function": "nonsense"}, "package.module:function"),
        ({"input": [32, 32]}, "input needs rows"),
        ({"inputs": {"a": [1]}}, "either input or inputs"),
        ({"choices": {"width": 8}}, "needs a list"),
        ({"choices": {"width": []}, "needs": {}}, "needs 1 to 127"),
        ({"needs": {"kernel2": 2}}, "other_choice"),
        ({"needs": {"kernel2": {"depth": 7}}}, "has no value 7"),
        ({"needs": {"kernel9": {"depth": 2}}}, "no such choice"),
    ],
)
def test_wrong_options_and_functions_are_named(changed: dict[str, object], expected: str) -> None:
    with pytest.raises((InputError, UnsupportedModelError), match=expected):
        space_of({**CHAIN, **changed}).network((0, 0, 0, 0, 0))


def test_nothing_runs_until_a_network_is_needed() -> None:
    space = space_of({**CHAIN, "function": "no_such_module:build"})
    assert space.size == 28
    assert isinstance(space, SearchSpace)
    assert space.runs_code


def test_files_in_the_current_folder_do_not_stand_in_for_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "colorsys.py").write_text("raise SystemExit('this must not run')")
    (tmp_path / "only_here.py").write_text("import colorsys\n\ndef build(choice):\n    return colorsys.rgb_to_hsv")
    assert imported("only_here:build")({})
    with pytest.raises(InputError) as caught:
        imported("nowhere_at_all:build")
    assert "current folder" in str(caught.value.remedy)


def test_a_module_alone_is_no_network() -> None:
    with pytest.raises(UnsupportedModelError, match="computed"):
        traced(torch.nn.Identity(), "nothing", {"input": (4, 4, 1)})
