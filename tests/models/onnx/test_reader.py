"""ONNX files become networks that compute the same."""

from pathlib import Path
from types import ModuleType

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from onnx import TensorProto, helper, numpy_helper

from edgebench.errors import UnsupportedModelError
from edgebench.models.network import INPUT, Network
from edgebench.models.network.weights import random_weights
from edgebench.models.onnx.reader import import_onnx
from edgebench.models.onnx.writer import to_onnx
from edgebench.models.tflite.quantize import run_tflite
from edgebench.models.tflite.writer import to_tflite
from edgebench.models.zoo import zoo_entries, zoo_entry
from tests.models.network.test_lowering import PROPERTY, assert_close, channels_first, image_for, onnx_output
from tests.models.network_strategies import networks


def check_import(path: Path, network_input: np.ndarray, expected: np.ndarray, folder: Path) -> Network:
    network, weights = import_onnx(path, {})
    to_tflite(network, weights, folder / "imported.tflite")
    assert_close(run_tflite(folder / "imported.tflite", [{INPUT: network_input}])[0], expected)
    return network


@pytest.mark.parametrize("name", [entry.name for entry in zoo_entries() if "224" not in entry.name])
def test_zoo_networks_come_back_from_onnx(name: str, tmp_path: Path) -> None:
    network = zoo_entry(name).build()
    to_onnx(network, random_weights(network, 0), tmp_path / "model.onnx")
    image = image_for(network)
    imported = check_import(tmp_path / "model.onnx", image, onnx_output(tmp_path / "model.onnx", image), tmp_path)
    assert (imported.macs, imported.parameters) == (network.macs, network.parameters)


@settings(PROPERTY, max_examples=60)
@given(networks())
def test_random_networks_come_back_or_name_what_does_not(tmp_path: Path, network: Network) -> None:
    to_onnx(network, random_weights(network, 0), tmp_path / "model.onnx")
    image = image_for(network)
    try:
        check_import(tmp_path / "model.onnx", image, onnx_output(tmp_path / "model.onnx", image), tmp_path)
    except UnsupportedModelError as error:
        assert "edgebench" in error.what or "TFLite" in error.what or "output" in error.what or "order" in error.what


def test_exports_of_torch_come_in_with_batch_norm_folded(torch: ModuleType, tmp_path: Path) -> None:
    nn = torch.nn
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU6(),
        nn.Conv2d(8, 8, 3, padding=1, groups=8),
        nn.Hardswish(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(8 * 4 * 4, 16),
        nn.Tanh(),
        nn.Linear(16, 5),
        nn.Softmax(dim=1),
    )
    module(torch.randn(32, 3, 16, 16))
    module.eval()
    image = torch.randn(1, 3, 16, 16)
    torch.onnx.export(module, (image,), str(tmp_path / "model.onnx"), dynamo=False, opset_version=17)
    with torch.no_grad():
        expected = module(image).numpy().ravel()
    network_input = image.numpy().transpose(0, 2, 3, 1)
    network = check_import(tmp_path / "model.onnx", network_input, expected, tmp_path)
    assert not any(layer.name.startswith("relu6") for layer in network.layers), "activations are fused"


def test_a_layer_read_twice_keeps_its_own_value(tmp_path: Path) -> None:
    """``conv + relu(conv)``: the activation must not move into the convolution."""
    random = np.random.default_rng(0)
    kernel = numpy_helper.from_array(random.standard_normal((4, 3, 1, 1)).astype(np.float32), "kernel")
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "kernel"], ["c"]),
            helper.make_node("Relu", ["c"], ["r"]),
            helper.make_node("Add", ["c", "r"], ["y"]),
        ],
        "twice",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 4, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4, 4, 4])],
        [kernel],
    )
    path = tmp_path / "twice.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    image = random.standard_normal((1, 4, 4, 3)).astype(np.float32)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    expected = session.run(None, {"x": channels_first(image)})[0].transpose(0, 2, 3, 1).ravel()
    check_import(path, image, expected, tmp_path)


def test_an_operator_outside_is_named(tmp_path: Path) -> None:
    graph = helper.make_graph(
        [helper.make_node("Einsum", ["x"], ["e"], equation="ij->ji"), helper.make_node("Erf", ["e"], ["y"])],
        "outside",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [3, 1])],
    )
    path = tmp_path / "outside.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    with pytest.raises(UnsupportedModelError) as caught:
        import_onnx(path, {})
    assert caught.value.operators == ("Einsum", "Erf")
    assert caught.value.remedy
