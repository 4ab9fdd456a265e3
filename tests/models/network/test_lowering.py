"""The lowered forms of one network give the same outputs and the same counts."""

from pathlib import Path
from types import ModuleType

import numpy as np
import onnxruntime
import pytest
from hypothesis import HealthCheck, given, settings

from edgebench.models.inspect import inspect
from edgebench.models.network import INPUT, Network
from edgebench.models.network.weights import random_weights
from edgebench.models.onnx.writer import to_onnx
from edgebench.models.source import parse_source
from edgebench.models.tflite.quantize import quantisation_error, quantise_tflite, run_tflite
from edgebench.models.tflite.writer import to_tflite
from edgebench.models.zoo import zoo_entries, zoo_entry
from tests.models.network_strategies import networks

TOLERANCE = 1e-4
ZOO = [entry.name for entry in zoo_entries() if entry.name != "mobilenet-v2-1.0-224"]
PROPERTY = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def image_for(network: Network, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((1, *network.input_shape), dtype=np.float32)


def channels_first(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array.transpose(0, 3, 1, 2)) if array.ndim == 4 else array


def channels_last(array: np.ndarray) -> np.ndarray:
    return array.transpose(0, 2, 3, 1) if array.ndim == 4 else array


def onnx_output(path: Path, image: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return channels_last(session.run(None, {INPUT: channels_first(image)})[0]).ravel()


def assert_close(first: np.ndarray, second: np.ndarray) -> None:
    scale = max(np.abs(first).max(), np.abs(second).max(), 1e-6)
    assert np.abs(first - second).max() <= TOLERANCE * scale


def check_agreement(network: Network, folder: Path) -> None:
    weights = random_weights(network, seed=1)
    onnx_path, tflite_path = folder / "model.onnx", folder / "model.tflite"
    to_onnx(network, weights, onnx_path)
    to_tflite(network, weights, tflite_path)
    image = image_for(network)
    assert_close(onnx_output(onnx_path, image), run_tflite(tflite_path, [{INPUT: image}])[0])
    for path in (onnx_path, tflite_path):
        info = inspect(path, parse_source(str(path)), {})
        assert (info.macs, info.parameters) == (network.macs, network.parameters), path.suffix


@pytest.mark.parametrize("name", ZOO)
def test_zoo_networks_agree_between_onnx_and_tflite(name: str, tmp_path: Path) -> None:
    check_agreement(zoo_entry(name).build(), tmp_path)


@settings(PROPERTY, max_examples=60)
@given(networks())
def test_random_networks_agree_between_onnx_and_tflite(tmp_path: Path, network: Network) -> None:
    check_agreement(network, tmp_path)


@settings(PROPERTY, max_examples=30)
@given(networks())
def test_random_networks_agree_with_torch_and_give_their_weights_back(
    torch: ModuleType, tmp_path: Path, network: Network
) -> None:
    from edgebench.models.pytorch.writer import to_torch, weights_from_torch

    weights = random_weights(network, seed=2)
    to_onnx(network, weights, tmp_path / "model.onnx")
    image = image_for(network)
    module = to_torch(network, weights)
    with torch.no_grad():
        output = module(torch.from_numpy(channels_first(image))).numpy()
    assert_close(onnx_output(tmp_path / "model.onnx", image), channels_last(output).ravel())
    for name, layer in weights_from_torch(network, module).items():
        np.testing.assert_array_equal(layer.kernel, weights[name].kernel)
        np.testing.assert_array_equal(layer.bias, weights[name].bias)


def test_batch_normalisation_is_folded_exactly(torch: ModuleType, tmp_path: Path) -> None:
    from edgebench.models.pytorch.writer import to_torch, weights_from_torch

    network = zoo_entry("tiny").build()
    torch.manual_seed(0)
    module = to_torch(network)
    assert sum(parameter.numel() for parameter in module.parameters()) == network.trainable_parameters
    module.train()
    for _ in range(5):
        module(torch.randn(16, 3, 8, 8))
    module.eval()
    image = image_for(network)
    to_onnx(network, weights_from_torch(network, module), tmp_path / "model.onnx")
    with torch.no_grad():
        output = module(torch.from_numpy(channels_first(image))).numpy()
    assert_close(onnx_output(tmp_path / "model.onnx", image), channels_last(output).ravel())


@pytest.mark.parametrize("name", ["tiny", "ds-cnn", "resnet8", "fc-autoencoder"])
def test_int8_networks_stay_close_to_float(name: str, tmp_path: Path) -> None:
    network = zoo_entry(name).build()
    to_tflite(network, random_weights(network, seed=0), tmp_path / "float.tflite")
    samples = [{INPUT: image_for(network, seed)} for seed in range(16)]
    quantise_tflite(tmp_path / "float.tflite", tmp_path / "int8.tflite", samples)
    info = inspect(tmp_path / "int8.tflite", parse_source("int8.tflite"), {})
    assert {spec.dtype for spec in (*info.inputs, *info.outputs)} == {"int8"}
    assert info.macs == network.macs
    error = quantisation_error(tmp_path / "float.tflite", tmp_path / "int8.tflite", samples, calibrated=False)
    # Random ten-layer networks amplify rounding; a broken conversion is off by more than the signal itself.
    assert error.relative_rms < 0.4
