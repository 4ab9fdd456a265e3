"""Two model files on the same inputs in a real runtime."""

from pathlib import Path

import onnx
import pytest

from edgebench.core.model import InputSource
from edgebench.store.devices import find_device
from edgebench.workers.measuring.outputs import compare_outputs
from tests.gate_models import write_network

INPUTS = InputSource(seed=1)


def test_outputs_are_as_far_apart_as_the_weights(tmp_path: Path) -> None:
    before = write_network(tmp_path / "a.onnx", hidden=4, layers=1, size=8)
    after = write_network(tmp_path / "b.onnx", hidden=4, layers=1, size=8, scale=1.02)
    host = find_device("host")
    assert compare_outputs(host, before, before, INPUTS).difference == 0
    found = compare_outputs(host, before, after, INPUTS)
    assert found.compared == 1
    assert found.difference == pytest.approx(0.02, rel=1e-3)


def test_outputs_of_other_names_are_compared_in_their_order(tmp_path: Path) -> None:
    before = write_network(tmp_path / "a.onnx", hidden=4, layers=1, size=8)
    model = onnx.load(str(before))
    model.graph.node[-1].output[0] = model.graph.output[0].name = "renamed"
    onnx.save(model, str(tmp_path / "b.onnx"))
    assert compare_outputs(find_device("host"), before, tmp_path / "b.onnx", INPUTS).difference == 0


def test_outputs_of_another_shape_are_not_comparable(tmp_path: Path) -> None:
    before = write_network(tmp_path / "a.onnx", hidden=4, layers=1, size=8)
    after = write_network(tmp_path / "b.onnx", hidden=4, layers=1, size=10)
    found = compare_outputs(find_device("host"), before, after, INPUTS)
    assert (found.compared, found.difference) == (1, None)
    assert found.reason


def test_values_that_are_not_finite_are_not_comparable(tmp_path: Path) -> None:
    before = write_network(tmp_path / "a.onnx", hidden=4, layers=1, size=8)
    after = write_network(tmp_path / "b.onnx", hidden=4, layers=1, size=8, scale=float("inf"))
    assert compare_outputs(find_device("host"), before, after, INPUTS).difference is None
