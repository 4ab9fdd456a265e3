"""A calibration that was interrupted goes on where it stopped."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgebench.core.model import ModelInfo
from edgebench.core.profile import Failure, Outcome, Profile
from edgebench.errors import InputError
from edgebench.flows import calibrate as calibrating
from edgebench.flows.calibrate import calibrate
from edgebench.flows.profile.profile import ProfileRequest
from edgebench.store.begun import begun_calibration
from edgebench.store.devices import find_device

BOARD = find_device("nucleo-l4r5zi")


def failing(asked: list[str], stop_at: int, outcome: Outcome = Outcome.CRASHED) -> Callable[..., tuple[Profile, ...]]:
    """A profile that fails, and that the user interrupts after so many."""

    def profiled(request: ProfileRequest, **_: Any) -> tuple[Profile, ...]:
        if len(asked) == stop_at:
            raise KeyboardInterrupt
        (model,), (device,) = request.models, request.devices
        asked.append(model)
        info = ModelInfo(name=model, source=model, format=None, digest="", size_bytes=0)
        failure = Failure(message="as if")
        return (Profile(model=info, device=device, outcome=outcome, failure=failure, versions={"compiler": "x"}),)

    return profiled


def test_networks_that_are_done_are_not_emulated_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "own.tflite"
    own.write_bytes(b"1")
    names = ["zoo:tiny", "zoo:ds-cnn", str(own)]
    listed = tmp_path / "latencies.csv"
    listed.write_text("model,latency_ms\n" + "".join(f"{name},3\n" for name in names))
    kept = begun_calibration(tmp_path, BOARD.name)

    def asked(stop_at: int = 99, device: Any = BOARD, outcome: Outcome = Outcome.CRASHED) -> list[str]:
        found: list[str] = []
        monkeypatch.setattr(calibrating, "profile", failing(found, stop_at, outcome))
        with pytest.raises((InputError, KeyboardInterrupt)):
            calibrate(device, listed, kept=kept)
        return found

    assert asked(stop_at=2) == names[:2]
    assert asked() == names[2:]
    assert asked() == []
    own.write_bytes(b"2")
    assert asked() == [str(own)], "another file is another network"
    changed = replace(BOARD, options={**BOARD.options, "optimization": "O3"})
    assert asked(device=changed, outcome=Outcome.UNAVAILABLE) == names, "another compilation counts other instructions"
    assert asked(device=changed) == names, "what could not be measured is measured again"
