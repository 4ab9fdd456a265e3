"""What no input decides becomes a constant, and nothing else does."""

from pathlib import Path

import numpy as np
import pytest

from edgebench.models.tflite.quantised_graph import read_quantised_graph
from tests.targets.mcu.small_graphs import Operator, Tensor, write_graph


def integers(*values: object) -> Tensor:
    data = np.array(values, np.int32)
    return Tensor(shape=data.shape, dtype="INT32", scale=None, data=data)


def test_weights_that_are_moved_are_constants(tmp_path: Path) -> None:
    weights = np.arange(12, dtype=np.int8).reshape(4, 3)
    tensors = [
        *(Tensor(shape=(1, 4)), Tensor(shape=(4, 3), data=weights), integers(1, 0), Tensor(shape=(3, 4))),
        Tensor(shape=(1, 3)),
    ]
    operators = [
        Operator(kind="TRANSPOSE", inputs=(1, 2), outputs=(3,), options_type="TransposeOptions"),
        Operator(kind="FULLY_CONNECTED", inputs=(0, 3), outputs=(4,), options_type="FullyConnectedOptions", version=4),
    ]
    graph = read_quantised_graph(write_graph(tmp_path / "g.tflite", tensors, operators, [0], [4]))
    assert [operator.kind for operator in graph.operators] == ["FULLY_CONNECTED"]
    assert graph.tensors[3].data is not None
    assert np.array_equal(graph.tensors[3].data, weights.T)


@pytest.mark.parametrize("wide", [False, True])
def test_a_shape_is_folded_although_its_tensor_is_computed(wide: bool, tmp_path: Path) -> None:
    dtype, kind = ("INT64", {"outType": 4}) if wide else ("INT32", {"outType": 2})
    shape, half = Tensor(shape=(2,), dtype=dtype, scale=None), Tensor(shape=(2,), dtype="INT32", scale=None)
    tensors = [Tensor(shape=(3, 8)), Tensor(shape=(3, 8)), shape, half, integers(1, 2), half, Tensor(shape=(3, 8))]
    operators = [
        Operator(kind="RELU", inputs=(0,), outputs=(1,)),
        Operator(kind="SHAPE", inputs=(1,), outputs=(2,), options_type="ShapeOptions", options=kind, version=1),
        Operator(kind="CAST", inputs=(2,), outputs=(3,), options_type="CastOptions", version=1),
        Operator(kind="MUL", inputs=(3, 4), outputs=(5,), options_type="MulOptions", version=1),
        Operator(kind="RESHAPE", inputs=(1, 5), outputs=(6,), options_type="ReshapeOptions", version=1),
    ]  # fmt: skip
    graph = read_quantised_graph(write_graph(tmp_path / "g.tflite", tensors, operators, [0], [6]))
    assert [operator.kind for operator in graph.operators] == ["RELU", "RESHAPE"]
    assert [tensor.data.tolist() for tensor in (graph.tensors[2], graph.tensors[5]) if tensor.data is not None] == [
        [3, 8],
        [3, 16],
    ]


def test_what_the_network_itself_gives_is_kept(tmp_path: Path) -> None:
    tensors = [Tensor(shape=(1, 4)), integers(1, 2), integers(3, 4), Tensor(shape=(2,), dtype="INT32", scale=None)]
    add = Operator(kind="ADD", inputs=(1, 2), outputs=(3,), options_type="AddOptions", version=1)
    graph = read_quantised_graph(write_graph(tmp_path / "g.tflite", tensors, [add], [0], [0, 3]))
    assert [operator.kind for operator in graph.operators] == ["ADD"]


def test_what_litert_refuses_to_compute_is_kept(tmp_path: Path) -> None:
    """Shapes that do not fit."""
    tensors = [Tensor(shape=(1, 4)), integers(1, 2), integers(3, 4, 5), integers(0), Tensor(shape=(1, 4))]
    tensors[3] = Tensor(shape=(3,), dtype="INT32", scale=None)
    operators = [
        Operator(kind="ADD", inputs=(1, 2), outputs=(3,), options_type="AddOptions", version=1),
        Operator(kind="RESHAPE", inputs=(0, 3), outputs=(4,), options_type="ReshapeOptions", version=1),
    ]
    graph = read_quantised_graph(write_graph(tmp_path / "g.tflite", tensors, operators, [0], [4]))
    assert [operator.kind for operator in graph.operators] == ["ADD", "RESHAPE"]
