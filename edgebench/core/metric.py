"""A number with its unit and where it comes from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from edgebench.core.record import Record


class Provenance(StrEnum):
    """How a number was obtained; it travels with every metric."""

    MEASURED = "measured"
    """A clock or counter of the hardware itself."""
    EXACT = "exact"
    """Read from the artefact that would be deployed."""
    SIMULATED = "simulated"
    """Counted while the model really executed on a simulator."""
    ESTIMATED = "estimated"
    """Computed by a model, with an error band and its source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric(Record):
    """One figure. An absent figure is ``None`` instead of a Metric, never a Metric of 0.

    Attributes:
        value: The figure in SI units.
        unit: ``s``, ``J``, ``bytes``, ``1/s``, ``cycles``, ``instructions`` or ``1`` for a ratio.
        provenance: How the figure was obtained.
        method: One phrase that says how exactly: runtime, formula, file.
        low: Lower end of the 95 % interval (measured) or of the error band (estimated).
        high: Upper end of it.
        source: Where the band, or an estimate's constants, come from.
    """

    value: float
    unit: str
    provenance: Provenance
    method: str
    low: float | None = None
    high: float | None = None
    source: str | None = None

    @property
    def least(self) -> float:
        """Lower end of the interval or band; the figure itself if there is none."""
        return self.value if self.low is None else self.low

    @property
    def most(self) -> float:
        """Upper end of the interval or band; the figure itself if there is none."""
        return self.value if self.high is None else self.high

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise ValueError(f"a metric must be finite, not {self.value} ({self.method})")
        if (self.low is None) != (self.high is None):
            raise ValueError(f"an interval needs both ends ({self.method})")
        if self.low is not None and self.high is not None and not self.low <= self.value <= self.high:
            raise ValueError(f"{self.value} is outside its interval [{self.low}, {self.high}]")
        if self.provenance is Provenance.ESTIMATED and not self.source:
            raise ValueError(f"an estimate must name its source ({self.method})")
