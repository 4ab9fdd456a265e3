"""Every target keeps the contract that third parties are held to."""

from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest

from edgebench.core.device import Device, DeviceKind
from edgebench.core.model import InputSource, ModelFormat
from edgebench.core.plan import MeasurementPlan
from edgebench.core.profile import Outcome
from edgebench.flows.profile.profile import ProfileRequest, profile
from edgebench.models.network import INPUT
from edgebench.models.tflite.quantize import quantise_tflite
from edgebench.models.zoo import export, zoo_entry
from edgebench.store.devices import find_device
from edgebench.targets.base import MadeReadyOnce, Target
from edgebench.targets.registry import create_target
from edgebench.testing.target_contract import TargetContract
from tests.models.network.test_lowering import image_for
from tests.targets.delegates import write_sandwich


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
        # Vela crashes on what is not a model, which only a child process survives, as the test below shows.
        return False


@pytest.mark.child
class TestMcu(TargetContract):
    @pytest.fixture
    def target(self) -> Target:
        pytest.importorskip("unicorn")
        target = create_target(find_device("nucleo-l4r5zi"))
        assert isinstance(target, MadeReadyOnce)
        if target.pending():
            target.make_ready()
        return target

    @pytest.fixture
    def model(self, int8_model: Path) -> Path:
        return int8_model


@pytest.mark.child
class TestDelegate(TargetContract):
    @pytest.fixture
    def target(self, delegate_library: Path) -> Target:
        return create_target(
            Device(
                name="board",
                kind=DeviceKind.NPU,
                target="litert-delegate",
                description="a delegate in C",
                options={"library": str(delegate_library), "options": {"mode": "ok"}, "expect": 0.3},
                meter="none",
            )
        )

    @pytest.fixture
    def model(self, tmp_path: Path) -> Path:
        return write_sandwich(tmp_path / "sandwich.tflite")


@pytest.mark.skipif(find_spec("onnxruntime_qnn") is None, reason="needs onnxruntime-qnn")
@pytest.mark.child
class TestExecutionProvider(TargetContract):
    @pytest.fixture
    def target(self) -> Target:
        return create_target(find_device("qnn-htp-emulated"))

    @pytest.fixture
    def model(self, onnx_model: Path) -> Path:
        return onnx_model


@pytest.mark.child
def test_what_would_crash_a_compiler_ends_only_its_child(tmp_path: Path) -> None:
    (tmp_path / "rubbish.tflite").write_bytes(b"\x1c\0\0\0TFL3" + bytes(200))
    request = ProfileRequest(
        models=[str(tmp_path / "rubbish.tflite"), "zoo:tiny"],
        devices=[find_device("ethos-u55-128")],
        plan=MeasurementPlan(repetitions=1),
        inputs=InputSource(),
    )
    broken, good = profile(request, on_update=lambda _: None)
    assert broken.outcome is not Outcome.OK
    assert good.outcome is Outcome.OK
