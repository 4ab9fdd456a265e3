"""The verb ``devices``: what can be targeted here, what is missing, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from edgebench.core.device import Device
from edgebench.errors import EdgebenchError
from edgebench.reports.report import Column, Remark, Report, Table
from edgebench.store.devices import device_names, find_device
from edgebench.targets.registry import create_target


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceStatus:
    """Whether a device can be targeted here.

    Attributes:
        name: Its name.
        device: Its description, or None where its file is not valid.
        versions: What its target found installed.
        problem: Why it cannot be used, or None if it can.
        remedy: What to do about it.
    """

    name: str
    device: Device | None
    versions: Mapping[str, str] = field(default_factory=dict)
    problem: str | None = None
    remedy: str | None = None

    @property
    def ready(self) -> bool:
        """Whether a model can be profiled on it now."""
        return self.problem is None


def all_statuses() -> list[DeviceStatus]:
    """Status of every device that can be found; a damaged file is a status, not an error."""
    return [status_of(name) for name in device_names()]


def status_of(name: str) -> DeviceStatus:
    """Status of one device by name or path.

    Raises:
        InputError: There is no such device.
    """
    device = None
    try:
        device = find_device(name)
        return DeviceStatus(name=device.name, device=device, versions=create_target(device).check())
    except EdgebenchError as error:
        if device is None and name not in device_names():
            raise
        problem = f"{error.where}: {error.what}" if error.where else error.what
        return DeviceStatus(name=name, device=device, problem=problem, remedy=error.remedy)


def devices_report(statuses: Iterable[DeviceStatus]) -> Report:
    """A table of devices, with the remedy of each that is not ready."""
    known = list(statuses)
    rows = [
        {
            "device": status.name,
            "kind": status.device.kind.value if status.device else None,
            "target": status.device.target if status.device else None,
            "ready": "yes" if status.ready else "no",
            "versions": ", ".join(f"{key} {value}" for key, value in status.versions.items()) or None,
            "description": status.device.description if status.device else None,
        }
        for status in known
    ]
    columns = ("device", "kind", "target", "ready", "versions", "description")
    return Report(
        tables=(
            Table(
                title="Devices",
                columns=tuple(Column(key=key, title=key) for key in columns),
                rows=tuple(rows),
            ),
        ),
        remarks=tuple(
            Remark(kind="failure", subject=status.name, text=status.problem, remedy=status.remedy)
            for status in known
            if status.problem
        ),
        records=tuple(
            {**row, "ready": status.ready, "problem": status.problem, "remedy": status.remedy}
            for row, status in zip(rows, known, strict=True)
        ),
    )
