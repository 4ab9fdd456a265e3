"""What targets share whose boards time themselves: nothing of the model runs here."""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar, Generic, TypeVar

from edgebench.core.board_link import LoopSettings, read_link
from edgebench.core.device import Device
from edgebench.core.metric import Provenance

Settings = TypeVar("Settings", bound=LoopSettings)


class OnABoard(Generic[Settings]):
    """A target whose device file says how its board is reached and how long it measures.

    Attributes:
        settings_type: The keys of its link.
    """

    settings_type: ClassVar[type[LoopSettings]]
    deterministic: bool = False
    latency_provenance: Provenance = Provenance.MEASURED

    def __init__(self, device: Device) -> None:
        self.device = device

    @cached_property
    def _settings(self) -> Settings:
        found: Settings = read_link(self.device, self.settings_type)  # type: ignore[assignment]
        return found

    @property
    def _where(self) -> str:
        return self.device.origin or self.device.name

    @property
    def loops(self) -> int:
        """As the device's file says."""
        return self._settings.loops

    @property
    def loop_s(self) -> float:
        """As the device's file says, in seconds."""
        return self._settings.loop_s

    def import_runtime(self) -> None:
        """Nothing is imported: the board runs the model."""
