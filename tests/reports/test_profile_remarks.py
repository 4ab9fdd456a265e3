"""What is said besides the figures of profiles: each thing once, and only what concerns them."""

from dataclasses import replace

from edgebench.core.device import Device, DeviceKind, Memory
from edgebench.core.metric import Metric, Provenance
from edgebench.core.model import ModelFormat, ModelInfo
from edgebench.core.plan import MeasurementPlan
from edgebench.core.profile import Failure, Outcome, ProcessRun, Profile, Sample
from edgebench.core.run import Run
from edgebench.reports.codes import Code, Kind
from edgebench.reports.profiles import report
from edgebench.reports.report import Remark

DEVICES = [Device(name=name, kind=DeviceKind.CPU, target="fake", description="") for name in ("a", "b")]
SAMPLED = (ProcessRun(bursts=(Sample(latencies_s=(1e-3,) * 10),)),)


def profile(model: str, device: Device, **changes: object) -> Profile:
    info = ModelInfo(name=model, source=f"{model}.onnx", format=ModelFormat.ONNX, digest=model, size_bytes=10)
    found = Profile(model=info, device=device, outcome=Outcome.OK, method="a test")
    return replace(found, **changes)


def remarks(*profiles: Profile, warnings: tuple[str, ...] = ()) -> list[Remark]:
    run = Run(
        name="r", started="", command=(), edgebench="0", plan=MeasurementPlan(), profiles=profiles, warnings=warnings
    )
    return list(report([run]).remarks)


def subjects(found: list[Remark], code: Code) -> list[str]:
    return [remark.subject for remark in found if remark.code is code]


def test_a_note_of_a_device_is_said_once_for_all_models() -> None:
    noted = [profile(model, DEVICES[0], notes=("slow",)) for model in ("m", "n", "o")]
    others = [profile(model, DEVICES[1]) for model in ("m", "n", "o")]
    assert subjects(remarks(*noted, *others), Code.DEVICE_NOTE) == ["a"]


def test_a_note_of_a_model_is_said_once_for_all_devices() -> None:
    noted = [profile("m", device, notes=("odd",)) for device in DEVICES]
    others = [profile("n", device) for device in DEVICES]
    assert subjects(remarks(*noted, *others), Code.DEVICE_NOTE) == ["m"]


def test_pairs_are_named_and_many_counted() -> None:
    single = remarks(profile("m", DEVICES[0], notes=("odd",)), profile("n", DEVICES[0]), profile("m", DEVICES[1]))
    assert subjects(single, Code.DEVICE_NOTE) == ["m on a"]
    mixed = [profile(f"m{number}", DEVICES[0], notes=("odd",)) for number in range(5)]
    others = [profile(f"m{number}", DEVICES[1]) for number in range(5)]
    (subject,) = subjects(remarks(*mixed, profile("z", DEVICES[0]), *others), Code.DEVICE_NOTE)
    assert subject == "m0 on a, m1 on a, m2 on a and 2 more"


def test_notes_are_details_and_failures_are_not() -> None:
    failed = profile("m", DEVICES[0], outcome=Outcome.CRASHED, failure=Failure(message="gone", remedy="help"))
    found = remarks(failed, profile("n", DEVICES[0], notes=("odd",)))
    assert {remark.kind: remark.detail for remark in found} == {Kind.FAILURE: False, Kind.NOTE: True}
    (failure,) = [remark for remark in found if remark.code is Code.PROFILE_FAILED]
    assert (failure.text, failure.remedy) == ("crashed: gone", "help")


def test_what_does_not_fit_is_a_failure_with_what_is_missing() -> None:
    small = replace(DEVICES[0], memory=Memory(ram_bytes=100, source="a test"))
    ram = Metric(value=612, unit="bytes", provenance=Provenance.EXACT, method="a test")
    found = remarks(profile("m", small, metrics={"ram_bytes": ram}))
    (failure,) = [remark for remark in found if remark.code is Code.DOES_NOT_FIT]
    assert "512 more than the device has" in failure.text


def test_the_machine_concerns_only_what_was_measured() -> None:
    measured = profile("m", DEVICES[0], processes=SAMPLED, latency_provenance=Provenance.MEASURED)
    assert subjects(remarks(measured, warnings=("busy",)), Code.MACHINE) == ["this machine"]
    assert subjects(remarks(profile("m", DEVICES[0]), warnings=("busy",)), Code.MACHINE) == []
