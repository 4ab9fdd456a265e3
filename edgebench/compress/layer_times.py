"""What layers of a network took on a device, in networks that were made from it to find out: data only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgebench.core.record import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerTimes(Record):
    """What layers took in a network as it is and with fewer channels.

    Attributes:
        widths: For each network that was measured, the width of each group of channels; the first one is the original.
        seconds: By layer, its time in each of these networks, in seconds or another unit that adds up.
    """

    widths: tuple[tuple[int, ...], ...]
    seconds: Mapping[str, tuple[float, ...]]

    @property
    def shown(self) -> bool:
        """Whether the device reports layers."""
        return bool(self.seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitTimes(Record):
    """What layers took as they are, and as two thin ones.

    Attributes:
        whole: By layer, its time as it is.
        split: By layer, for each rank that was measured, the time of both thin layers.
    """

    whole: Mapping[str, float]
    split: Mapping[str, tuple[tuple[int, float], ...]]

    @property
    def shown(self) -> bool:
        """Whether the device reports layers."""
        return bool(self.whole)

    def at_rank(self, layer: str, rank: int) -> float | None:
        """Time of both thin layers, on the line through what was measured; None if nothing was."""
        known = sorted(self.split.get(layer, ()))
        if not known:
            return None
        (low, first), (high, last) = known[0], known[-1]
        if low == high:
            return first * rank / low
        slope = max(0.0, (last - first) / (high - low))
        return max(0.0, first + slope * (rank - low))
