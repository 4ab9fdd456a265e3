"""Whether a model fits a device's memory, and what is left over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgebench.core.figure import FLASH, RAM
from edgebench.core.metric import Metric
from edgebench.core.profile import Outcome, Profile
from edgebench.core.record import Record
from edgebench.core.summary import summarise


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryFit(Record):
    """One memory of a device.

    Attributes:
        figure: ``ram_bytes`` or ``flash_bytes``.
        needed: What the model needs.
        limit: What the device has, in bytes.
    """

    figure: str
    needed: Metric
    limit: int

    @property
    def left(self) -> float:
        """Bytes left over; below 0 if the model does not fit."""
        return self.limit - self.needed.value


def memory_fits(profile: Profile) -> Mapping[str, MemoryFit]:
    """By figure, every memory whose limit the device states and whose use the target reports."""
    memory = profile.device.memory
    if memory is None or profile.outcome is not Outcome.OK:
        return {}
    figures = summarise(profile)
    limits = {RAM: memory.ram_bytes, FLASH: memory.flash_bytes}
    return {
        name: MemoryFit(figure=name, needed=figures[name], limit=limit)
        for name, limit in limits.items()
        if limit is not None and name in figures
    }


def fits(profile: Profile) -> bool | None:
    """Whether a model fits every known memory; None if none is known."""
    found = memory_fits(profile)
    return all(fit.left >= 0 for fit in found.values()) if found else None
