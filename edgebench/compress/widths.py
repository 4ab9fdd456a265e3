"""How wide each group of channels becomes: the same share of all, or as a device's costs suggest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from edgebench.compress.channels import ChannelGroup, Channels
from edgebench.compress.layer_times import LayerTimes
from edgebench.models.network.layers import Conv2D, Dense

HALF, MULTIPLE = 0.5, 4
"""Of the networks that are measured to find out what layers cost."""
_RANDOM_NETWORKS = 6
_PRIOR = 1e-3
"""Weight of the assumption that time is proportional to multiply-accumulates, in measurements."""
LEAST_SHARE = 0.2
"""The narrowest that choosing by cost makes a group, as a share of its width."""


def rounded_width(width: int, share: float, multiple: int) -> int:
    """The nearest multiple that kernels like, at least one of it, at most the whole width."""
    wanted = round(width * share / multiple) * multiple
    return max(min(multiple, width), min(width, wanted))


def uniform_widths(groups: Sequence[ChannelGroup], ratio: float, multiple: int) -> list[int]:
    """The width of each group if the same share of channels goes everywhere."""
    return [rounded_width(len(group.units), 1 - ratio, multiple) for group in groups]


def sampled_widths(groups: Sequence[ChannelGroup], multiple: int, seed: int) -> list[tuple[int, ...]]:
    """Widths of the networks that show what a layer's time depends on: the original, half of it, and random ones.

    In random ones the channels that a layer reads and those that it writes vary apart.
    """
    random = np.random.default_rng(seed)
    found = [tuple(len(group.units) for group in groups), tuple(uniform_widths(groups, HALF, multiple))]
    for _ in range(_RANDOM_NETWORKS):
        shares = random.uniform(LEAST_SHARE, 1, len(groups))
        found.append(
            tuple(rounded_width(len(group.units), share, multiple) for group, share in zip(groups, shares, strict=True))
        )
    return list(dict.fromkeys(found))


class CostOfWidths:
    """Predicts the time of a narrower network from the times of its layers.

    The time of a convolution or dense layer is a sum of a constant and of parts that grow with its input channels,
    with its output channels and with their product; that of any other layer of a constant and a part that grows with
    its channels. No part is negative. What was measured too seldom to tell grows with the multiply-accumulates.

    Args:
        channels: Of the network.
        times: What was measured.
    """

    def __init__(self, channels: Channels, times: LayerTimes) -> None:
        self._channels = channels
        shares = [self._shares(widths) for widths in times.widths]
        self._parts = {
            name: _fitted(np.array([_features(share[name]) for share in shares]), np.array(seconds))
            for name, seconds in times.seconds.items()
            if name in shares[0]
        }

    @property
    def groups(self) -> tuple[ChannelGroup, ...]:
        """What can be made narrower."""
        return self._channels.groups

    def total(self, widths: Sequence[int]) -> float:
        """Seconds of the network whose groups have these widths."""
        return sum(self.layers(widths).values())

    def layers(self, widths: Sequence[int]) -> dict[str, float]:
        """Seconds of each layer of that network."""
        shares = self._shares(widths)
        return {name: float(_features(shares[name]) @ parts) for name, parts in self._parts.items()}

    def _shares(self, widths: Sequence[int]) -> dict[str, tuple[float, float]]:
        """Of each layer the channels that it reads and those that it writes, as shares of what they are."""
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
        return {
            layer.name: (kept[layer.inputs[0]] if layer.name in wide else 1.0, kept[layer.name]) for layer in layers
        }


def _features(shares: tuple[float, float]) -> NDArray[np.float64]:
    read, written = shares
    return np.array([1.0, read, written, read * written])


def _fitted(rows: NDArray[np.float64], seconds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Parts of a layer's time that are not negative, by least squares with a prior of proportional time."""
    whole = float(seconds[0])
    prior = np.array([0.0, 0.0, 0.0, whole])
    used = np.ones(4, dtype=bool)
    parts = prior
    while used.any():
        free = rows[:, used]
        missing = seconds - free @ prior[used]
        gain = np.linalg.solve(free.T @ free + _PRIOR * np.eye(int(used.sum())), free.T @ missing)
        parts = np.zeros(4)
        parts[used] = prior[used] + gain
        if (parts >= 0).all():
            break
        used &= parts > 0
    return parts


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
