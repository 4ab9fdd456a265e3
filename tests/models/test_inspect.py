import hashlib
import sys
from pathlib import Path

import pytest
from onnx import helper

from edgebench.core.model import ModelFormat, ModelInfo
from edgebench.core.suggestions import did_you_mean
from edgebench.errors import InputError
from edgebench.models.inspect import inspect
from edgebench.models.onnx.inspect import inspect_onnx
from edgebench.models.pytorch.inspect import inspect_torch
from edgebench.models.source import identify, parse_source
from edgebench.models.tflite.inspect import inspect_tflite
from edgebench.models.zoo import build, export
from tests.models.small_model_files import FLOAT, INT64, exported, keyword_tflite, onnx_model, value, write


def described(path: Path, **shapes: tuple[int, ...]) -> ModelInfo:
    return inspect(path, parse_source(str(path)), shapes)


def described_without_shapes(path: Path) -> ModelInfo:
    source, format_ = parse_source(str(path)), identify(path)
    if format_ is ModelFormat.ONNX:
        return inspect_onnx(path, source, {})
    return (
        inspect_tflite(path, source, {}) if format_ is ModelFormat.TFLITE else inspect_torch(path, source, format_, {})
    )


@pytest.mark.parametrize("name", ["tiny", "ds-cnn", "resnet8", "fc-autoencoder"])
@pytest.mark.parametrize(
    "format_", [ModelFormat.ONNX, ModelFormat.TFLITE, pytest.param(ModelFormat.TORCH_EXPORT, marks=pytest.mark.slow)]
)
def test_a_network_has_the_same_counts_in_every_format(tmp_path: Path, name: str, format_: ModelFormat) -> None:
    path = tmp_path / "model"
    export(name, format_, path)
    info, counts = described(path), build(name)
    assert (info.parameters, info.macs) == (counts.parameters, counts.macs)
    assert info.notes == ()


@pytest.fixture
def detector(tmp_path: Path) -> Path:
    """A model with open dimensions of every kind in three inputs."""
    nodes = [helper.make_node(kind, [name], [name + "_out"]) for kind, name in [("Relu", "image"), ("Abs", "tokens")]]
    inputs = [
        value("image", ["batch", 3, "height", "width"]),
        value("tokens", ["batch", "sequence_length"], INT64),
        value("free", [None, None, None, 3]),
        value("fixed", [1, 4]),
    ]
    return write(tmp_path / "detector.onnx", onnx_model(nodes, inputs, [value("image_out", None, FLOAT)]))


@pytest.mark.parametrize("content", [keyword_tflite, exported])
def test_name_digest_and_size(tmp_path: Path, content: object) -> None:
    path = tmp_path / "some.model"
    path.write_bytes(content())  # type: ignore[operator]
    info = described_without_shapes(path)
    assert (info.name, info.source) == ("some", str(path))
    assert info.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert info.size_bytes == path.stat().st_size


def test_all_open_dimensions_are_listed_with_a_command_that_sets_them(detector: Path) -> None:
    with pytest.raises(InputError) as caught:
        described(detector)
    assert caught.value.what == (
        "inputs have open dimensions: image[batch,3,height,width], tokens[batch,sequence_length], free[?,?,?,3]"
    )
    assert caught.value.remedy == (
        "set them, for example --shape image=1,3,224,224 --shape tokens=1,128 --shape free=1,224,224,3"
    )


def test_the_suggested_command_is_accepted(detector: Path) -> None:
    with pytest.raises(InputError) as caught:
        described(detector)
    options = str(caught.value.remedy).partition("example ")[2].replace("--shape ", "").split()
    shapes = {name: tuple(map(int, sizes.split(","))) for name, _, sizes in (o.partition("=") for o in options)}
    info = described(detector, **shapes)
    assert info.format is ModelFormat.ONNX
    assert info.notes == ()
    assert [spec.shape for spec in info.inputs] == [(None, 3, None, None), (None, None), (None, None, None, 3), (1, 4)]
    assert info.inputs[0].dimensions == ("batch", "", "height", "width")


def test_only_what_is_still_open_is_listed(detector: Path) -> None:
    with pytest.raises(InputError) as caught:
        described(detector, image=(2, 3, 8, 8), free=(1, 8, 8, 3))
    assert caught.value.what == "inputs have open dimensions: tokens[batch,sequence_length]"
    assert described_without_shapes(detector).inputs[1].shape == (None, None)


def test_a_misspelt_input_is_named(detector: Path) -> None:
    with pytest.raises(InputError) as caught:
        described(detector, imagee=(1, 3, 8, 8))
    assert "there is no input 'imagee'" in caught.value.what
    assert did_you_mean("imagee", ["image"]) in str(caught.value.remedy)


def test_a_shape_that_no_input_takes_is_noted(detector: Path) -> None:
    shapes = {"image": (1, 3, 8, 8), "tokens": (1, 8), "free": (1, 8, 8, 3), "other": (1,)}
    assert described(detector, **shapes).notes == (
        "--shape other: there is no such input; the inputs are image, tokens, free, fixed",
    )


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((1, 3, 8), "has 4 dimensions, [batch,3,height,width], not 3, [1,3,8]"),
        ((1, 4, 8, 8), "has the shape [batch,3,height,width], not [1,4,8,8]"),
        ((-1, 3, 8, 8), "below 0"),
        ((1 << 20, 3, 1 << 10, 1 << 10), "larger than 8 GiB"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(detector: Path, shape: tuple[int, ...], words: str) -> None:
    with pytest.raises(InputError) as caught:
        described(detector, image=shape)
    assert words in caught.value.what
    assert caught.value.where == "--shape image"


def test_tflite_without_its_schema_is_described_in_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(keyword_tflite())
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    info = described(path)
    assert (info.parameters, info.macs, info.inputs) == (None, None, ())
    assert info.size_bytes == path.stat().st_size
    assert "pip install ai-edge-litert" in info.notes[0]
