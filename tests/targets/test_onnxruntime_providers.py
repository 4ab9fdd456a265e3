"""Execution providers: never the CPU under another name; the emulated Hexagon NPU where its package is installed."""

from importlib.util import find_spec
from pathlib import Path

import pytest
from onnx import helper

from edgebench.core.device import Device, DeviceKind
from edgebench.core.model import InputSource, ModelFormat
from edgebench.core.plan import MeasurementPlan
from edgebench.core.profile import Outcome, Profile
from edgebench.core.summary import summarise
from edgebench.flows.profile.profile import ProfileRequest, profile
from edgebench.models.zoo import export
from edgebench.store.devices import find_device
from tests.models_on_disk import write_onnx_node

pytestmark = pytest.mark.child

PLAN = MeasurementPlan(repetitions=2, goal=10.0)
needs_qnn = pytest.mark.skipif(find_spec("onnxruntime_qnn") is None, reason="needs onnxruntime-qnn")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    export("tiny", ModelFormat.ONNX, tmp_path / "tiny.onnx")
    return tmp_path / "tiny.onnx"


def device(**options: object) -> Device:
    return Device(
        name="board", kind=DeviceKind.NPU, target="onnxruntime-ep", description="", options=options, meter="none"
    )


def run(model: Path, *devices: Device) -> list[Profile]:
    request = ProfileRequest(models=[str(model)], devices=devices, plan=PLAN, inputs=InputSource())
    return list(profile(request, on_update=lambda _: None))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"provider": "TensorrtExecutionProvider"}, "no TensorrtExecutionProvider"),
        ({"provider": "MadeUpProvider", "library": "/nowhere/lib.so"}, "does not exist"),
        ({"provider": "MadeUpProvider", "library": "package:no_such_package/lib.so"}, "no_such_package"),
        ({"provider": "MadeUpProvider", "library": "package:onnxruntime/__init__.py"}, "cannot be loaded"),
    ],
)
def test_a_missing_provider_is_an_error_with_a_remedy(model: Path, options: dict[str, object], words: str) -> None:
    missing, host = run(model, device(**options), find_device("host"))
    assert missing.outcome is Outcome.UNAVAILABLE
    assert missing.failure is not None
    assert words in missing.failure.message
    assert missing.failure.remedy
    assert host.outcome is Outcome.OK


def test_the_cpu_is_no_accelerator(model: Path) -> None:
    (found,) = run(model, device(provider="CPUExecutionProvider"))
    assert found.outcome is Outcome.BAD_INPUT
    assert found.failure is not None
    assert "not an accelerator" in found.failure.message


@needs_qnn
def test_the_emulated_npu_checks_outputs_and_claims_no_latency(model: Path) -> None:
    (found,) = run(model, find_device("qnn-htp-emulated"))
    assert found.outcome is Outcome.OK, found.failure
    figures = summarise(found)
    assert "latency_s" not in figures
    assert 0 <= figures["output_difference"].value < 0.05
    assert figures["output_difference"].provenance == "simulated"
    assert any("latency is not reported" in note for note in found.notes)


@needs_qnn
def test_an_operator_the_npu_lacks_is_no_silent_fallback(tmp_path: Path) -> None:
    path = write_onnx_node(tmp_path / "acosh.onnx", helper.make_node("Acosh", ["x"], ["y"]))
    qnn = find_device("qnn-htp-emulated")
    refused, allowed = run(
        path, qnn, Device(**{**_fields(qnn), "options": {**qnn.options, "allow_cpu_fallback": True}})
    )
    assert refused.outcome is Outcome.UNSUPPORTED
    assert refused.failure is not None
    assert "fallback to the CPU is not allowed" in refused.failure.message
    assert allowed.outcome is Outcome.WRONG_RESULTS
    assert allowed.failure is not None
    assert "all fell back" in allowed.failure.message


def _fields(found: Device) -> dict[str, object]:
    return {name: getattr(found, name) for name in found.__dataclass_fields__}
