"""Whether a device can be targeted on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgebench.core.device import Device
from edgebench.core.place import Seen


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceStatus:
    """Whether a device can be targeted here.

    Attributes:
        name: Its name.
        device: Its description, or None if its file is not valid.
        versions: What its target found installed.
        problem: Why it cannot be used, or None if it can.
        remedy: What to do about it.
        reached: How its board is reached, such as ``ssh pi@pi5``; empty if it is here.
        probed: Whether its board was asked; if not, it may still be unreachable.
        seen: What its board is, if it was asked for it.
        note: What must be known about its file, such as that it hides another one.
    """

    name: str
    device: Device | None
    versions: Mapping[str, str] = field(default_factory=dict)
    problem: str | None = None
    remedy: str | None = None
    note: str | None = None
    reached: str = ""
    probed: bool = True
    seen: Seen | None = None

    @property
    def known(self) -> bool:
        """Whether it was looked at; a board is only on request."""
        return self.probed or self.problem is not None

    @property
    def ready(self) -> bool:
        """Whether a model can be profiled on it now."""
        return self.problem is None
