"""Structured pruning: whole channels go, so that every kernel has less to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from edgebench.compress.base import NotApplicableError, Setting
from edgebench.compress.channels import Channels, find_channels, importance, without
from edgebench.compress.steps import step_of
from edgebench.compress.widths import CostOfWidths, uniform_widths, widths_by_cost
from edgebench.errors import InputError
from edgebench.models.artefact import Artefact
from edgebench.models.network import Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Prune:
    """Remove the channels whose filters have the smallest norm.

    Attributes:
        ratio: Share of channels to remove, above 0 and below 1. With ``by``, the share whose removal everywhere sets
            how much time must go.
        by: A device by whose measured time of each layer the share of each is chosen, or empty for the same everywhere.
        multiple: What widths are rounded to: kernels work on 4 or 8 channels at once.
    """

    name: ClassVar[str] = "prune"
    trains: ClassVar[bool] = False
    ratio: float
    by: str = ""
    multiple: int = 4

    def __post_init__(self) -> None:
        require_share("prune", "ratio", self.ratio)
        if self.multiple < 1:
            raise InputError(f"prune(multiple={self.multiple}) must be at least 1")

    def apply(self, artefact: Artefact, setting: Setting) -> Artefact:
        """The narrower network; it has not been trained since.

        Raises:
            NotApplicableError: No layer can lose channels, or the device's costs are unknown.
        """
        channels = find_channels(artefact.network)
        scores = importance(channels, artefact.weights)
        widths = self._widths(channels, scores, setting)
        removed: set[int] = set()
        for group, width in zip(channels.groups, widths, strict=True):
            removed |= set(sorted(group.units, key=lambda unit: scores[unit])[: len(group.units) - width])
        if not removed:
            names = ", ".join(name for group in channels.groups for name in group.layers[:1])
            raise NotApplicableError(
                f"no layer has channels to lose with widths rounded to {self.multiple}"
                + (f": {names} are too narrow" if names else ": all are tied to the input or the output"),
                remedy="raise the ratio, or lower the multiple: prune(0.5, multiple=1)",
            )
        network, weights = without(channels, artefact.weights, removed)
        slim = replace(artefact, network=network, weights=weights, form=replace(artefact.form, ranges={}))
        before, after = _width(artefact.network), _width(network)
        how = f"by the time of layers on {self.by}" if self.by else "the same share everywhere"
        skipped = tuple(
            f"{group.layers[0]}: too narrow for a multiple of {self.multiple}"
            for group, width in zip(channels.groups, widths, strict=True)
            if width == len(group.units)
        )
        done = f"removed {before - after} of {before} channels, {how}"
        return slim.after(step_of(self, done, slim, setting, skipped=skipped))

    def _widths(self, channels: Channels, scores: dict[int, float], setting: Setting) -> list[int]:
        if not self.by:
            return uniform_widths(channels.groups, self.ratio, self.multiple)
        times = setting.costs.get(self.by)
        if times is None or not times.shown:
            raise NotApplicableError(
                f"the time of single layers on {self.by!r} is unknown",
                remedy="name a device of this study whose target reports layers (edgebench profile --layers)",
            )
        return widths_by_cost(CostOfWidths(channels, times), scores, self.ratio, self.multiple)


def narrowed(artefact: Artefact, widths: Sequence[int]) -> Artefact:
    """The network with other widths of its groups of channels, whichever channels go: to find out what it costs."""
    channels = find_channels(artefact.network)
    removed = {unit for group, width in zip(channels.groups, widths, strict=True) for unit in group.units[width:]}
    network, weights = without(channels, artefact.weights, removed)
    return replace(artefact, network=network, weights=weights, form=replace(artefact.form, ranges={}))


def require_share(name: str, key: str, value: float) -> None:
    """Check that a share is above 0 and below 1.

    Raises:
        InputError: It is not.
    """
    if not 0 < value < 1:
        raise InputError(
            f"{name}({key}={value:g}) must be above 0, which would change nothing, and below 1, which would leave "
            "nothing",
            remedy=f"write it as {name}(0.5)",
        )


def _width(network: Network) -> int:
    return sum(network.shapes[name][-1] for name in network.weight_shapes())
