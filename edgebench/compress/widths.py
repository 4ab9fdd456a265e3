"""How wide each group of channels becomes: the same share of all, or as a device's costs suggest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from edgebench.compress.channels import ChannelGroup, Channels
from edgebench.models.network.layers import Conv2D, Dense

HALF, HALF_MULTIPLE = 0.5, 4
"""The pruning whose layers are measured besides those of the original: ``prune(0.5)``."""
LEAST_SHARE = 0.2
"""The narrowest that choosing by cost makes a group, as a share of its width."""


def rounded_width(width: int, share: float, multiple: int) -> int:
    """The nearest multiple that kernels like, at least one of it, at most the whole width."""
    wanted = round(width * share / multiple) * multiple
    return max(min(multiple, width), min(width, wanted))


def uniform_widths(groups: Sequence[ChannelGroup], ratio: float, multiple: int) -> list[int]:
    """The width of each group if the same share of channels goes everywhere."""
    return [rounded_width(len(group.units), 1 - ratio, multiple) for group in groups]


class CostOfWidths:
    """Predicts the time of a narrower network from the times of its layers.

    A layer's time is linear in its multiply-accumulates: those of a convolution fall with its input channels and with
    its output channels, those of anything else with its output. The line goes through the layer as it is and as it is
    in a network with half the channels, if that was measured, otherwise through 0: small layers take more time than
    their share.

    Args:
        channels: Of the network.
        seconds: By layer, its time as it is, and if it is known, with half the channels.
    """

    def __init__(self, channels: Channels, seconds: Mapping[str, tuple[float, ...]]) -> None:
        self._channels, self._seconds = channels, seconds
        self._halved = self._factors(uniform_widths(channels.groups, HALF, HALF_MULTIPLE))

    @property
    def groups(self) -> tuple[ChannelGroup, ...]:
        """What can be made narrower."""
        return self._channels.groups

    def total(self, widths: Sequence[int]) -> float:
        """Seconds of the network whose groups have these widths."""
        factors = self._factors(widths)
        return sum(self._of_layer(name, factor) for name, factor in factors.items() if name in self._seconds)

    def _of_layer(self, name: str, factor: float) -> float:
        whole, *rest = self._seconds[name]
        halved = self._halved[name]
        if not rest or halved >= 1:
            return whole * factor
        fixed = max(0.0, (rest[0] - whole * halved) / (1 - halved))
        return min(fixed, whole) + (whole - min(fixed, whole)) * factor

    def _factors(self, widths: Sequence[int]) -> dict[str, float]:
        """Multiply-accumulates of each layer as a share of what they are."""
        share = {
            unit: width / len(group.units)
            for group, width in zip(self._channels.groups, widths, strict=True)
            for unit in group.units
        }
        kept = {
            name: float(np.mean([share.get(unit, 1.0) for unit in ids.tolist()]))
            for name, ids in self._channels.of.items()
        }
        layers = self._channels.network.layers
        wide = {layer.name for layer in layers if isinstance(layer, (Conv2D, Dense))}
        return {layer.name: kept[layer.name] * (kept[layer.inputs[0]] if layer.name in wide else 1) for layer in layers}


def widths_by_cost(cost: CostOfWidths, scores: Mapping[int, float], ratio: float, multiple: int) -> list[int]:
    """Widths that take no longer than those of the same ratio everywhere, and lose the least important channels.

    Greedy: again and again the group loses channels in which a second saved costs the least importance.

    Args:
        cost: Predicts times on the device.
        scores: Importance of each unit.
        ratio: Share of channels that sets how much time must go.
        multiple: What widths are rounded to.
    """
    groups = cost.groups
    goal = cost.total(uniform_widths(groups, ratio, multiple))
    ordered = [sorted(scores[unit] for unit in group.units) for group in groups]
    totals = [max(sum(values), 1e-12) for values in ordered]
    widths = [len(group.units) for group in groups]
    least = [rounded_width(len(group.units), LEAST_SHARE, multiple) for group in groups]
    now = cost.total(widths)
    while now > goal * (1 + 1e-9):
        best: tuple[float, int, int, float] | None = None
        for number, group in enumerate(groups):
            narrower = max(least[number], (widths[number] - 1) // multiple * multiple)
            if narrower >= widths[number]:
                continue
            changed = [*widths]
            changed[number] = narrower
            saved = now - cost.total(changed)
            first, last = len(group.units) - widths[number], len(group.units) - narrower
            lost = sum(ordered[number][first:last]) / totals[number]
            price = lost / max(saved, 1e-15)
            if best is None or price < best[0]:
                best = (price, number, narrower, now - saved)
        if best is None:
            break
        widths[best[1]], now = best[2], best[3]
    return widths
