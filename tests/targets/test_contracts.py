"""Every target keeps the contract that third parties are held to."""

from pathlib import Path
from types import ModuleType

import pytest

from edgebench.core.model import ModelFormat
from edgebench.models.network import INPUT
from edgebench.models.tflite.quantize import quantise_tflite
from edgebench.models.zoo import export, zoo_entry
from edgebench.store.devices import find_device
from edgebench.targets.base import Target
from edgebench.targets.registry import create_target
from edgebench.testing.target_contract import TargetContract
from tests.models.network.test_lowering import image_for


@pytest.fixture(scope="module")
def onnx_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "tiny.onnx"
    export("tiny", ModelFormat.ONNX, path)
    return path


@pytest.fixture(scope="module")
def tflite_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "tiny.tflite"
    export("tiny", ModelFormat.TFLITE, path)
    return path


@pytest.fixture(scope="module")
def int8_model(tflite_model: Path) -> Path:
    path = tflite_model.with_name("int8.tflite")
    network = zoo_entry("tiny").build()
    quantise_tflite(tflite_model, path, [{INPUT: image_for(network, seed)} for seed in range(4)])
    return path


class TestFake(TargetContract):
    @pytest.fixture
    def target(self) -> Target:
        return create_target(find_device("fake"))

    @pytest.fixture
    def model(self, onnx_model: Path) -> Path:
        return onnx_model

    def reads_the_model(self) -> bool:
        return False


class TestOnnxRuntime(TargetContract):
    @pytest.fixture
    def target(self) -> Target:
        return create_target(find_device("host"))

    @pytest.fixture
    def model(self, onnx_model: Path) -> Path:
        return onnx_model


class TestLiteRt(TargetContract):
    @pytest.fixture
    def target(self) -> Target:
        return create_target(find_device("host-litert"))

    @pytest.fixture
    def model(self, tflite_model: Path) -> Path:
        return tflite_model


class TestTorch(TargetContract):
    @pytest.fixture
    def target(self, torch: ModuleType) -> Target:
        return create_target(find_device("host-torch"))

    @pytest.fixture
    def model(self, torch: ModuleType, tmp_path: Path) -> Path:
        path = tmp_path / "tiny.pt2"
        export("tiny", ModelFormat.TORCH_EXPORT, path)
        return path


class TestEthosU(TargetContract):
    @pytest.fixture
    def target(self) -> Target:
        return create_target(find_device("ethos-u55-128"))

    @pytest.fixture
    def model(self, int8_model: Path) -> Path:
        return int8_model

    def reads_the_model(self) -> bool:
        # Vela crashes on what is not a model, which only a child process survives: see tests/flows.
        return False
