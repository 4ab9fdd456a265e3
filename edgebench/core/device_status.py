"""Whether a device can be targeted on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgebench.core.device import Device


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceStatus:
    """Whether a device can be targeted here.

    Attributes:
        name: Its name.
        device: Its description, or None if its file is not valid.
        versions: What its target found installed.
        problem: Why it cannot be used, or None if it can.
        remedy: What to do about it.
        note: What must be known about its file, such as that it hides another one.
    """

    name: str
    device: Device | None
    versions: Mapping[str, str] = field(default_factory=dict)
    problem: str | None = None
    remedy: str | None = None
    note: str | None = None

    @property
    def ready(self) -> bool:
        """Whether a model can be profiled on it now."""
        return self.problem is None
