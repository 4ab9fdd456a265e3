"""What must be equal before two figures of a device may be compared."""

from __future__ import annotations

from collections.abc import Mapping

from edgebench.core.profile import Profile
from edgebench.core.run import Run


def conditions(run: Run, profile: Profile) -> dict[str, str]:
    """What must be equal before two figures of a device may be compared."""
    options = {f"option {key}": str(value) for key, value in profile.device.options.items()}
    place = profile.machine or run.machine
    machine = {key: place[key] for key in ("cpu", "governor") if key in place}
    return {**machine, **dict(profile.versions), **options, "target": profile.device.target}


def differences(first: Mapping[str, str], second: Mapping[str, str]) -> list[str]:
    """Every condition that differs, such as ``option threads 1 | 4``."""
    return [
        f"{key} {first.get(key, 'none')} | {second.get(key, 'none')}"
        for key in dict.fromkeys((*first, *second))
        if first.get(key) != second.get(key)
    ]
