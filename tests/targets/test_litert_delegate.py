"""A real delegate in C, through child process, profile and comparison with the CPU."""

from dataclasses import replace
from pathlib import Path

import pytest

from edgebench.core.device import Device, DeviceKind
from edgebench.core.model import InputSource
from edgebench.core.plan import MeasurementPlan
from edgebench.core.profile import Outcome, Profile
from edgebench.core.summary import summarise
from edgebench.flows.profile.profile import ProfileRequest, profile
from tests.targets.delegates import write_sandwich

pytestmark = pytest.mark.child

PLAN = MeasurementPlan(repetitions=2, goal=10.0, time_limit_s=10, layers=True)


@pytest.fixture(scope="module")
def library(delegate_library: Path) -> Path:
    return delegate_library


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sandwich(tmp_path_factory.mktemp("model") / "sandwich.tflite")


def device(library: Path | str, mode: str = "ok", **options: object) -> Device:
    return Device(
        name="board",
        kind=DeviceKind.NPU,
        target="litert-delegate",
        description="a delegate in C",
        options={"library": str(library), "options": {"mode": mode}, "expect": 0.3, **options},
        meter="none",
    )


def run(model: Path, *devices: Device, plan: MeasurementPlan = PLAN) -> list[Profile]:
    request = ProfileRequest(models=[str(model)], devices=devices, plan=plan, inputs=InputSource())
    return list(profile(request, on_update=lambda _: None))


def test_the_delegated_operators_are_named(library: Path, model: Path) -> None:
    (found,) = run(model, device(library))
    assert found.outcome is Outcome.OK, found.failure
    placements = {layer.operator: layer.placement for layer in found.layers}
    assert placements == {"CONV_2D": "CPU", "TANH": "delegate"}
    assert summarise(found)["delegated_share"].value == pytest.approx(1 / 3)
    assert any("2 x CONV_2D" in note for note in found.notes)
    assert "libtest_delegate.so" in found.method


@pytest.mark.parametrize("expect", ["all", 0.5])
def test_a_delegate_that_takes_too_little_is_refused(library: Path, model: Path, expect: object) -> None:
    (found,) = run(model, device(library, expect=expect))
    assert found.outcome is Outcome.UNSUPPORTED
    assert found.failure is not None
    assert "33%" in found.failure.message
    assert "CONV_2D" in found.failure.message


@pytest.mark.parametrize(
    ("mode", "outcome", "words"),
    [
        ("fail-create", Outcome.UNAVAILABLE, "no accelerator is attached"),
        ("fail-prepare", Outcome.UNSUPPORTED, "refuses"),
        ("fail-invoke", Outcome.UNSUPPORTED, "stopped"),
        ("crash", Outcome.CRASHED, "SIGSEGV"),
        ("wrong", Outcome.WRONG_RESULTS, "differ from the CPU's"),
    ],
)
def test_each_way_to_fail_is_a_result(library: Path, model: Path, mode: str, outcome: Outcome, words: str) -> None:
    broken, sound = run(model, device(library, mode), replace(device(library), name="sound"))
    assert broken.outcome is outcome, broken.failure
    assert broken.failure is not None
    assert words in broken.failure.message
    assert broken.failure.remedy
    assert sound.outcome is Outcome.OK


def test_a_hang_ends_with_the_time_limit(library: Path, model: Path) -> None:
    (found,) = run(model, device(library, "hang"), plan=replace(PLAN, time_limit_s=2))
    assert found.outcome is Outcome.TIMED_OUT


def test_libraries_that_are_no_delegates_are_explained(tmp_path: Path, model: Path) -> None:
    (tmp_path / "text.so").write_text("not a library")
    libc = next((p for p in ("/lib/x86_64-linux-gnu/libm.so.6", "/lib64/libm.so.6") if Path(p).exists()), None)
    candidates = [(tmp_path / "absent.so", "does not exist"), (tmp_path / "text.so", "cannot be loaded")]
    if libc:
        candidates.append((Path(libc), "not a TFLite delegate"))
    for path, words in candidates:
        (found,) = run(model, device(path))
        assert found.outcome is Outcome.UNAVAILABLE
        assert found.failure is not None
        assert words in found.failure.message
