"""The seam between edgebench and what measures energy."""

from __future__ import annotations

from typing import Protocol


class EnergyMeter(Protocol):
    """Reads the energy a device has used.

    Attributes:
        name: Name a device file uses for it.
        resolution_s: Time between two updates of the reading, in seconds.
        scope: What is measured, for the reader of a number: a package, a board, a rail.
    """

    name: str
    resolution_s: float
    scope: str

    def read_j(self) -> float:
        """Energy since some fixed moment, in joules; it never decreases."""
