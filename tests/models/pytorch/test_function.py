"""``module:function`` as a model."""

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from edgebench.errors import InputError, UnsupportedModelError
from edgebench.models.pytorch.function import export_function
from edgebench.models.source import parse_source

NETS = """
import torch

class Two(torch.nn.Module):
    def forward(self, left, right, scale=2.0):
        return left * scale + right

Bare = Two
ready = Two()
def pair(): return Two(), (torch.ones(1, 3), torch.ones(1, 3))
def named(): return Two(), {"left": torch.ones(1, 3), "right": torch.ones(1, 3)}
def whole(): return torch.nn.Embedding(7, 2), torch.zeros(1, 4, dtype=torch.int64)
def broken(): raise KeyError("weights")
def number(): return 3

class Branching(torch.nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x
def branching(): return Branching(), torch.ones(2)
def training(): return torch.nn.Dropout(0.5).train(), torch.ones(1, 3)
"""


@pytest.fixture
def nets(torch: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "nets_of_a_user.py").write_text(NETS)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path / "model.pt2"


def names(path: Path) -> list[tuple[str, str, tuple[int | None, ...]]]:
    from edgebench.models.pytorch.load import load_program

    return [(spec.name, spec.dtype, spec.shape) for spec in load_program(path, {}).specs]


@pytest.mark.parametrize("text", ["pair", "named"])
def test_a_module_with_example_inputs(text: str, nets: Path) -> None:
    export_function(f"nets_of_a_user:{text}", nets, {})
    assert names(nets) == [("left", "float32", (1, 3)), ("right", "float32", (1, 3))]


def test_one_tensor_is_an_example_too_and_keeps_its_type(nets: Path) -> None:
    export_function("nets_of_a_user:whole", nets, {})
    assert names(nets) == [("input", "int64", (1, 4))]
    export_function("nets_of_a_user:whole", nets, {"input": (1, 9)})
    assert names(nets) == [("input", "int64", (1, 9))]


@pytest.mark.parametrize("text", ["Bare", "ready"])
def test_a_module_or_its_class_with_shapes(text: str, nets: Path) -> None:
    with pytest.raises(InputError, match="left, right") as caught:
        export_function(f"nets_of_a_user:{text}", nets, {})
    assert "--shape left=" in str(caught.value.remedy)
    export_function(f"nets_of_a_user:{text}", nets, {"left": (2, 3), "right": (2, 3)})
    assert names(nets) == [("left", "float32", (2, 3)), ("right", "float32", (2, 3))]


def test_arrays_of_a_file_are_examples(nets: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "inputs.npz", left=np.ones((4, 3), np.float32), right=np.ones((4, 3), np.float32))
    export_function("nets_of_a_user:ready", nets, {}, str(tmp_path / "inputs.npz"))
    assert names(nets)[0] == ("left", "float32", (4, 3))


def test_the_mode_is_that_of_evaluation(nets: Path, torch: ModuleType) -> None:
    from edgebench.models.pytorch.load import load_program

    export_function("nets_of_a_user:training", nets, {})
    (output,) = load_program(nets, {}).outputs({"input": np.ones((1, 3), np.float32)})
    assert (output == 1).all()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("broken", "it fails: KeyError"),
        ("number", "it returns int"),
        ("absent", "cannot be imported: AttributeError"),
    ],
)
def test_what_is_no_module(text: str, words: str, nets: Path) -> None:
    with pytest.raises(InputError, match=words):
        export_function(f"nets_of_a_user:{text}", nets, {})


def test_a_package_that_is_not_there(nets: Path) -> None:
    with pytest.raises(InputError, match="No module named") as caught:
        export_function("no_such_module_here:net", nets, {})
    assert "in the folder" in str(caught.value.remedy)


def test_a_way_that_depends_on_values(nets: Path) -> None:
    with pytest.raises(UnsupportedModelError, match=r"torch\.export cannot write") as caught:
        export_function("nets_of_a_user:branching", nets, {})
    assert "torch.cond" in str(caught.value.remedy)


def test_a_file_with_a_colon_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse_source("nets:one").function == "nets:one"
    assert parse_source("nets:one").name == "one"
    (tmp_path / "nets:one").write_bytes(b"")
    assert parse_source("nets:one").path == Path("nets:one")
    assert parse_source("zoo:tiny").function is None
