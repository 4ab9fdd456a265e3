"""What messages advise is done here, word for word, and helps."""

import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.cli.test_cli import QUICK, edgebench
from tests.models.onnx.onnx_files import node, values, write

pytestmark = pytest.mark.child


def failing(folder: Path, *arguments: str) -> str:
    done = edgebench("profile", *arguments, *QUICK, cwd=folder)
    assert done.returncode == 2, done.stdout + done.stderr
    return " ".join((done.stdout + done.stderr).split())


def working(folder: Path, *arguments: str) -> None:
    done = edgebench("profile", *arguments, *QUICK, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_the_shape_that_is_proposed_is_one_that_runs(tmp_path: Path) -> None:
    """A filter of 256 samples over audio, and an image of open size."""
    listen = [
        node("Unsqueeze", ["audio", "axis"], ["a"]),
        node("Conv", ["a", "w"], ["y"], kernel_shape=[256], strides=[128]),
    ]
    constants = {"axis": np.array([1]), "w": values(16, 1, 256)}
    write(tmp_path / "audio.onnx", listen, {"audio": ["batch", "samples"]}, constants)
    look = [node("Conv", ["image", "w"], ["y"], kernel_shape=[3, 3])]
    write(tmp_path / "image.onnx", look, {"image": ["batch", 3, "height", "width"]}, {"w": values(4, 3, 3, 3)})
    for name in ("audio.onnx", "image.onnx"):
        (option,) = re.findall(r"--shape \S+", failing(tmp_path, name, "-d", "host"))
        working(tmp_path, name, "-d", "host", *option.split())


def test_an_old_opset_is_converted_as_advised(tmp_path: Path) -> None:
    ones = np.ones(4, np.float32)
    norm = node("BatchNormalization", ["x", "s", "b", "m", "v"], ["y"], is_test=1)
    constants = {"s": ones, "b": ones, "m": ones, "v": ones}
    path = write(tmp_path / "old.onnx", [norm], {"x": [1, 4, 8, 8]}, constants, opset=6)
    said = failing(tmp_path, "old.onnx", "-d", "host")
    (version,) = re.findall(r"onnx\.version_converter\.convert_version\(model, (\d+)\)", said)
    onnx.save(onnx.version_converter.convert_version(onnx.load(str(path)), int(version)), str(tmp_path / "new.onnx"))
    working(tmp_path, "new.onnx", "-d", "host")


def test_a_type_without_kernels_is_named(tmp_path: Path) -> None:
    def saved(name: str, kind: int, weights: np.ndarray) -> None:
        tensor = numpy_helper.from_array(weights, "w")
        graph = helper.make_graph(
            [node("Conv", ["x", "w"], ["y"], kernel_shape=[1, 1])],
            "graph",
            [helper.make_tensor_value_info("x", kind, [1, 3, 8, 8])],
            [helper.make_tensor_value_info("y", kind, None)],
            [tensor],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
        (tmp_path / name).write_bytes(model.SerializeToString())

    import ml_dtypes

    saved("brain.onnx", TensorProto.BFLOAT16, values(4, 3, 1, 1).astype(ml_dtypes.bfloat16))
    assert "bfloat16: export the model in float32" in failing(tmp_path, "brain.onnx", "-d", "host")
    saved("float.onnx", TensorProto.FLOAT, values(4, 3, 1, 1))
    working(tmp_path, "float.onnx", "-d", "host")


def test_the_device_that_takes_what_another_does_not(tmp_path: Path) -> None:
    """A stride of three is too large for an Ethos-U55."""
    up = [node("ConvTranspose", ["x", "w"], ["y"], kernel_shape=[3, 3], strides=[3, 3])]
    write(tmp_path / "up.onnx", up, {"x": [1, 3, 4, 4]}, {"w": values(3, 8, 3, 3)})
    (device,) = re.findall(r"-d (ethos-u85-\d+)", failing(tmp_path, "up.onnx", "-d", "ethos-u55-128"))
    working(tmp_path, "up.onnx", "-d", device)


def test_an_operator_without_a_form_in_tflite_runs_where_it_is_said_to(tmp_path: Path) -> None:
    write(tmp_path / "model.onnx", [node("Erf", ["x"], ["y"])], {"x": [1, 8]})
    (device,) = set(re.findall(r"-d (\S+)", failing(tmp_path, "model.onnx", "-d", "ethos-u55-128")))
    working(tmp_path, "model.onnx", "-d", device)
