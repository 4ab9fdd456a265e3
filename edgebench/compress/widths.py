"""How wide each group of channels becomes: the same share of all, or as a device's costs suggest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgebench.compress.channels import ChannelGroup, Channels
from edgebench.models.network.layers import Conv2D, Dense

LEAST_SHARE = 0.2
"""The narrowest that choosing by cost makes a group, as a share of its width."""


def rounded_width(width: int, share: float, multiple: int) -> int:
    """The nearest multiple that kernels like, at least one of it, at most the whole width."""
    wanted = round(width * share / multiple) * multiple
    return max(min(multiple, width), min(width, wanted))


def uniform_widths(groups: Sequence[ChannelGroup], ratio: float, multiple: int) -> list[int]:
    """The width of each group if the same share of channels goes everywhere."""
    return [rounded_width(len(group.units), 1 - ratio, multiple) for group in groups]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CostOfWidths:
    """Predicts the time of a narrower network from the times of its layers.

    A convolution's time falls with its input channels and with its output channels, anything else's with its output.

    Attributes:
        channels: Of the network.
        seconds: Time of each layer as it is, by name.
    """

    channels: Channels
    seconds: Mapping[str, float]

    def total(self, widths: Sequence[int]) -> float:
        """Seconds of the network whose groups have these widths."""
        groups = self.channels.groups
        share = {
            unit: width / len(group.units) for group, width in zip(groups, widths, strict=True) for unit in group.units
        }
        kept = {
            name: float(np.mean([share.get(unit, 1.0) for unit in ids.tolist()]))
            for name, ids in self.channels.of.items()
        }
        total = 0.0
        for layer in self.channels.network.layers:
            factor = kept[layer.name]
            if isinstance(layer, (Conv2D, Dense)):
                factor *= kept[layer.inputs[0]]
            total += self.seconds.get(layer.name, 0.0) * factor
        return total


def widths_by_cost(cost: CostOfWidths, scores: Mapping[int, float], ratio: float, multiple: int) -> list[int]:
    """Widths that take no longer than those of the same ratio everywhere, and lose the least important channels.

    Greedy: again and again the group loses channels in which a second saved costs the least importance.

    Args:
        cost: Predicts times on the device.
        scores: Importance of each unit.
        ratio: Share of channels that sets how much time must go.
        multiple: What widths are rounded to.
    """
    groups = cost.channels.groups
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
