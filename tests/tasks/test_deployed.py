"""Exported files predict what their networks predict."""

from pathlib import Path

import numpy as np
import pytest

from edgebench.errors import InputError, UnsupportedModelError
from edgebench.models.network import INPUT
from edgebench.models.onnx.writer import to_onnx
from edgebench.models.tflite.quantize import quantise_tflite
from edgebench.models.tflite.writer import to_tflite
from edgebench.tasks.accuracy import accuracy_drop, top1
from edgebench.tasks.deployed import deployed_accuracy
from edgebench.tasks.training import Recipe, predict, train
from tests.tasks.synthetic import bars_task, small_network

pytestmark = pytest.mark.usefixtures("torch")
TASK = bars_task(600, noise=0.6)
NETWORK = small_network(softmax=True)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path | np.ndarray]:
    folder = tmp_path_factory.mktemp("deployed")
    weights = train(NETWORK, TASK, Recipe(epochs=5, batch_size=16), seed=0, threads=1).weights
    to_onnx(NETWORK, weights, folder / "model.onnx")
    to_tflite(NETWORK, weights, folder / "model.tflite")
    samples = [{INPUT: image[None]} for image in TASK.train.images[:64]]
    quantise_tflite(folder / "model.tflite", folder / "int8.tflite", samples)
    expected = predict(NETWORK, weights, TASK.test)
    return {path.name: path for path in folder.iterdir()} | {"expected": expected}


def test_float_files_predict_what_the_network_predicts(files: dict) -> None:
    np.testing.assert_array_equal(deployed_accuracy(files["model.onnx"], TASK.test, "onnxruntime"), files["expected"])
    np.testing.assert_array_equal(deployed_accuracy(files["model.tflite"], TASK.test, "litert"), files["expected"])


def test_int8_is_nearly_as_accurate_as_float(files: dict) -> None:
    float_accuracy = top1(files["expected"], TASK.test.labels)
    assert float_accuracy > 0.9
    for reference in (False, True):
        predictions = deployed_accuracy(files["int8.tflite"], TASK.test, reference=reference)
        assert predictions.dtype == np.int64
        drop = accuracy_drop(files["expected"], predictions, TASK.test.labels)
        assert abs(drop.value) <= 0.04
        assert drop.low <= 0.02


def test_images_of_another_size_are_resized(files: dict) -> None:
    larger = TASK.resized(16, 16).test
    for name in ("model.onnx", "model.tflite"):
        np.testing.assert_array_equal(
            deployed_accuracy(files[name], larger), deployed_accuracy(files[name], larger.resized(8, 8))
        )


@pytest.mark.parametrize(("batch", "last"), [(1, False), (7, False), (None, False), (4, True), (None, True)])
def test_any_batch_and_either_layout_is_fed(batch: int | None, last: bool, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    helper, floats = onnx.helper, onnx.TensorProto.FLOAT
    # Sums of the left, middle and right columns, which say where an image was bright.
    image = [batch or "n", 8, 8, 1] if last else [batch or "n", 1, 8, 8]
    weights = np.zeros((64, 3), np.float32)
    weights.reshape(8, 8, 3)[:, :, :] = np.eye(3, dtype=np.float32)[np.arange(8) // 3][None]
    graph = helper.make_graph(
        [helper.make_node("Flatten", ["image"], ["flat"]), helper.make_node("MatMul", ["flat", "w"], ["sums"])],
        "sums",
        [helper.make_tensor_value_info("image", floats, image)],
        [helper.make_tensor_value_info("sums", floats, [batch or "n", 3])],
        [onnx.numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (tmp_path / "sums.onnx").write_bytes(model.SerializeToString())
    predictions = deployed_accuracy(tmp_path / "sums.onnx", TASK.test)
    expected = (TASK.test.images.reshape(-1, 64) @ weights).argmax(1)
    np.testing.assert_array_equal(predictions, expected)


def test_files_that_do_not_fit_are_refused(files: dict, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        deployed_accuracy(tmp_path / "none.onnx", TASK.test)
    with pytest.raises(InputError, match="litert cannot run this file"):
        deployed_accuracy(files["model.onnx"], TASK.test, "litert")
    with pytest.raises(InputError, match="no reference kernels"):
        deployed_accuracy(files["model.onnx"], TASK.test, reference=True)
    for name in ("broken.onnx", "broken.tflite"):
        (tmp_path / name).write_bytes(b"nothing like a model, and longer than a header")
        with pytest.raises(UnsupportedModelError, match="cannot run"):
            deployed_accuracy(tmp_path / name, TASK.test)
    colour = type(TASK.test)(images=TASK.test.images.repeat(3, axis=3), labels=TASK.test.labels)
    for name in ("model.onnx", "model.tflite"):
        with pytest.raises(InputError, match="does not take images with 3 channels"):
            deployed_accuracy(files[name], colour)
    many = type(TASK.test)(images=TASK.test.images, labels=TASK.test.labels + 3)
    with pytest.raises(InputError, match="returns 3 values, but there are 6 classes"):
        deployed_accuracy(files["model.onnx"], many)
