"""Shapes and arrays reach a model under any name of its inputs; one file of samples serves inputs and calibration."""

from pathlib import Path

import numpy as np
import pytest

from edgebench.core.model import ModelFormat
from edgebench.errors import InputError
from edgebench.models.prepare import Prepared, PrepareRequest, prepare
from tests.models.tflite.float_graphs import FloatGraph, FloatModel
from tests.models.tflite.test_signatures import two_signatures


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "model.tflite"


def prepared(source: Path, dtype: str | None = "int8", **options: object) -> Prepared:
    folder = source.parent / "prepared"
    folder.mkdir(exist_ok=True)
    formats = (ModelFormat.TFLITE,)
    request = PrepareRequest(source=str(source), formats=formats, dtype=dtype, folder=str(folder), **options)  # type: ignore[arg-type]
    return prepare(request)


def shapes(info: Prepared) -> list[tuple[int | None, ...]]:
    return [spec.shape for spec in (info.deployed or info.info).inputs]


def open_model() -> FloatModel:
    graph = FloatGraph()
    x = graph.tensor("serving_default_image:0", [1, 1, 1, 3], signature=[-1, -1, -1, 3])
    y = graph.conv(x, 4)
    graph.table.tensors[y].shapeSignature = [-1, -1, -1, 4]
    graph.ports([x], [y]).model.signature("serving_default", 0, {"image": x}, {"y": y})
    return graph.model


@pytest.mark.parametrize("name", ["image", "serving_default_image:0"])
def test_a_shape_is_known_by_any_name_of_its_input(name: str, source: Path) -> None:
    open_model().write(source)
    assert shapes(prepared(source, shapes={name: (1, 8, 9, 3)})) == [(1, 8, 9, 3)]


def test_a_shape_for_another_model_is_noted(source: Path) -> None:
    open_model().write(source)
    found = prepared(source, shapes={"image": (1, 8, 9, 3), "audio": (1, 5)})
    assert any("no such input" in note for note in found.info.notes)


def test_one_file_serves_inputs_and_calibration(source: Path, tmp_path: Path) -> None:
    """Its first axis is that of the samples, not a batch."""
    open_model().write(source)
    path = str(tmp_path / "samples.npz")
    np.savez(path, image=np.random.default_rng(0).standard_normal((12, 8, 9, 3)).astype(np.float32))
    found = prepared(source, inputs=path, calibration=path)
    assert shapes(found) == [(1, 8, 9, 3)]
    assert found.deployed is not None
    assert found.deployed.caveats == ()
    assert shapes(prepared(source, inputs=path)) == [(12, 8, 9, 3)]


def test_an_array_of_the_wrong_shape_is_refused(source: Path, tmp_path: Path) -> None:
    open_model().write(source)
    path = str(tmp_path / "samples.npz")
    np.savez(path, image=np.zeros((12, 8, 9, 4), np.float32))
    with pytest.raises(InputError, match="has the shape"):
        prepared(source, inputs=path)


def test_only_one_signature_is_deployed(source: Path) -> None:
    two_signatures().write(source)
    found = prepared(source, signature="decode")
    assert found.info.macs == 256
    assert found.deployed is not None
    assert (found.deployed.macs, found.deployed.parameters) == (256, 288)
    assert prepared(source, dtype=None, signature="decode").path == str(source)


def test_other_formats_have_no_signatures(source: Path) -> None:
    from edgebench.models.zoo import export

    export("tiny", ModelFormat.ONNX, source.with_suffix(".onnx"))
    with pytest.raises(InputError, match="onnx files have no signatures"):
        prepared(source.with_suffix(".onnx"), signature="serving_default")
