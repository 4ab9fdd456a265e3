"""The verb ``devices``: what can be targeted here, what is missing, and why."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgebench.core.device_status import DeviceStatus
from edgebench.errors import EdgebenchError, InputError
from edgebench.store.devices import described_device, device_names, require_trusted_device, search_devices
from edgebench.store.toml_files import stands_in
from edgebench.targets.registry import create_target


def all_statuses(words: Sequence[str] = ()) -> list[DeviceStatus]:
    """Status of every device that can be found; a damaged file is a status, not an error.

    Args:
        words: If any are given, only of devices whose file has all of them.

    Raises:
        InputError: No device has these words.
    """
    names = search_devices(words) if words else device_names()
    if not names:
        raise InputError(
            f"no device has the words {' '.join(words)!r}",
            where="--search",
            remedy="`edgebench devices` lists them all",
        )
    return [status_of(name) for name in names]


def status_of(name: str) -> DeviceStatus:
    """Status of one device by name or path.

    Raises:
        InputError: There is no such device.
    """
    device, note = None, None
    try:
        device = described_device(name)
        note = stands_in(Path(device.origin), "devices")
        require_trusted_device(device)
        return DeviceStatus(name=device.name, device=device, versions=create_target(device).check(), note=note)
    except EdgebenchError as error:
        if device is None and name not in device_names():
            raise
        problem = f"{error.where}: {error.what}" if error.where else error.what
        return DeviceStatus(name=name, device=device, problem=problem, remedy=error.remedy, note=note)
