"""The seam between edgebench and what measures energy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self


class EnergyMeter(Protocol):
    """Reads the energy that a device has used. Derive from it to get ``close`` and the ``with`` statement.

    Attributes:
        name: Name a device file uses for it.
        resolution_s: Time between two updates of the reading, in seconds.
        scope: What is measured, for the reader of a number: a package, a board, a rail.
    """

    name: str
    resolution_s: float
    scope: str

    def read_j(self) -> float:
        """Energy since some fixed moment, in joules; it never decreases.

        Raises:
            TargetUnavailableError: The meter cannot be read any more.
        """

    def close(self) -> None:
        """Stop what the meter runs in the background. May be called twice; nothing is read afterwards."""
        return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class MeterPlugin(Protocol):
    """What an entry point of the group ``edgebench.meters`` names: one kind of meter.

    A meter is written ``KIND`` or ``KIND:SELECTOR``, such as ``hwmon:ina3221/VDD_IN``. A meter class with
    these two as class methods will do.
    """

    def selectors(self, sysfs: Path) -> Sequence[str]:
        """What may follow the colon on this machine, found cheaply and without raising; empty if there is nothing.

        Args:
            sysfs: Where ``/sys`` is mounted.
        """

    def open(self, selector: str, sysfs: Path) -> EnergyMeter:
        """Open a meter and read it once, so that a meter that does not work fails now.

        Args:
            selector: One of ``selectors``, or ``""`` for the one a user most likely means.
            sysfs: Where ``/sys`` is mounted.

        Raises:
            InputError: There is no such selector.
            TargetUnavailableError: It cannot be read; the remedy says what to do about it.
        """
