"""The whole path of a profile: child processes, sampling, outcomes. Only the fake device is faked."""

import time
from dataclasses import replace
from pathlib import Path

import pytest
from onnx import helper

from edgebench.core.device import Device
from edgebench.core.model import InputSource
from edgebench.core.plan import MeasurementPlan
from edgebench.core.profile import Outcome, Profile
from edgebench.core.summary import summarise
from edgebench.flows.profile.profile import ProfileRequest, profile
from edgebench.store.devices import find_device
from tests.models_on_disk import write_onnx, write_onnx_node

pytestmark = pytest.mark.child

QUICK = MeasurementPlan(repetitions=2, goal=10.0, time_limit_s=20)


def fake(misbehave: str = "none", name: str = "fake") -> Device:
    device = find_device("fake")
    return replace(device, name=name, options={**device.options, "misbehave": misbehave})


def run(models: list[Path], devices: list[Device], plan: MeasurementPlan = QUICK, **inputs) -> list[Profile]:
    request = ProfileRequest(
        models=[str(model) for model in models], devices=devices, plan=plan, inputs=InputSource(**inputs)
    )
    return list(profile(request, on_update=lambda _: None))


def test_every_model_meets_every_device(tmp_path: Path) -> None:
    models = [write_onnx(tmp_path / "small.onnx"), write_onnx(tmp_path / "large.onnx", channels=32)]
    profiles = run(models, [fake(), find_device("host")])
    pairs = [(found.model.name, found.device.name) for found in profiles]
    assert pairs == [("small", "fake"), ("small", "host"), ("large", "fake"), ("large", "host")]
    assert {found.outcome for found in profiles} == {Outcome.OK}
    for found in profiles:
        figures = summarise(found)
        assert len(found.processes) >= 2
        assert figures["latency_min_s"].value <= figures["latency_p5_s"].value <= figures["latency_s"].value
        assert figures["latency_s"].value <= figures["latency_p99_s"].value
        assert figures["model_bytes"].value == Path(found.model.source).stat().st_size


def test_the_fake_device_repeats_exactly(tmp_path: Path) -> None:
    model = write_onnx(tmp_path / "model.onnx")
    first, second = (run([model], [fake()])[0] for _ in range(2))
    latencies = [[burst.latencies_s for burst in process.bursts] for process in first.processes]
    assert latencies == [[burst.latencies_s for burst in process.bursts] for process in second.processes]
    assert latencies[0] != latencies[1], "fresh processes differ"


@pytest.mark.parametrize(
    ("misbehave", "outcome", "words"),
    [
        ("crash", Outcome.CRASHED, "SIGSEGV"),
        ("crash-later", Outcome.CRASHED, "SIGSEGV"),
        ("error", Outcome.CRASHED, "failed for no reason"),
        ("unsupported", Outcome.UNSUPPORTED, "Frobnicate"),
        ("unavailable", Outcome.UNAVAILABLE, "not attached"),
    ],
)
def test_a_failure_is_a_result_and_spares_the_others(
    tmp_path: Path, misbehave: str, outcome: Outcome, words: str
) -> None:
    model = write_onnx(tmp_path / "model.onnx")
    broken, sound = run([model], [fake(misbehave, "broken"), fake()])
    assert broken.outcome is outcome
    assert broken.failure is not None
    assert words in broken.failure.message
    assert broken.failure.remedy
    assert sound.outcome is Outcome.OK


def test_a_hang_ends_with_the_time_limit(tmp_path: Path) -> None:
    model = write_onnx(tmp_path / "model.onnx")
    start = time.monotonic()
    (hung,) = run([model], [fake("hang")], replace(QUICK, time_limit_s=2))
    assert hung.outcome is Outcome.TIMED_OUT
    assert time.monotonic() - start < 15


def test_memory_is_limited(tmp_path: Path) -> None:
    model = write_onnx(tmp_path / "model.onnx")
    (greedy,) = run([model], [fake("exhaust-memory")], replace(QUICK, memory_limit_bytes=2**30))
    assert greedy.outcome is Outcome.OUT_OF_MEMORY
    assert greedy.failure is not None
    assert "--memory-limit" in str(greedy.failure.remedy)


def test_outputs_that_are_no_numbers_are_flagged(tmp_path: Path) -> None:
    model = write_onnx(tmp_path / "model.onnx", weight=float("nan"))
    (found,) = run([model], [find_device("host")])
    assert any("not-a-number" in note for note in found.notes)


def test_an_interrupt_keeps_what_was_measured(tmp_path: Path) -> None:
    models = [write_onnx(tmp_path / "model.onnx")]
    seen: list[tuple[Profile, ...]] = []

    def interrupt_after_the_second_process(profiles: tuple[Profile, ...]) -> None:
        seen.append(profiles)
        if len(profiles[0].processes) == 2 and profiles[0].outcome is Outcome.INTERRUPTED and len(seen) == 3:
            raise KeyboardInterrupt

    request = ProfileRequest(
        models=[str(models[0])],
        devices=[fake()],
        plan=replace(QUICK, repetitions=50),
        inputs=InputSource(),
    )
    with pytest.raises(KeyboardInterrupt):
        profile(request, on_update=interrupt_after_the_second_process)
    (kept,) = seen[-1]
    assert kept.outcome is Outcome.INTERRUPTED
    assert len(kept.processes) == 2
    assert summarise(kept)["latency_s"].value > 0


def test_layers_are_reported_on_request(tmp_path: Path) -> None:
    model = write_onnx(tmp_path / "model.onnx")
    (found,) = run([model], [find_device("host")], replace(QUICK, layers=True))
    assert {layer.operator for layer in found.layers} >= {"Conv"}
    assert sum(layer.share or 0 for layer in found.layers) == pytest.approx(1.0)


def test_a_custom_operator_is_named(tmp_path: Path) -> None:
    node = helper.make_node("Frobnicate", ["x"], ["y"], domain="my.domain")
    (found,) = run([write_onnx_node(tmp_path / "custom.onnx", node, domains=("my.domain",))], [find_device("host")])
    assert found.outcome is Outcome.UNSUPPORTED
    assert found.failure is not None
    assert "Frobnicate" in found.failure.message


def test_options_reach_the_runtime(tmp_path: Path) -> None:
    model = write_onnx(tmp_path / "model.onnx")
    host = find_device("host")
    (found,) = run([model], [replace(host, options={"threads": 2, "optimization": "basic"})])
    assert "2 threads" in found.method
    assert "optimization basic" in found.method
