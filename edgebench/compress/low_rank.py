"""Low-rank factorisation: one product with a matrix becomes two with thin ones."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from edgebench.compress.base import NotApplicableError, Setting
from edgebench.compress.layer_times import SplitTimes
from edgebench.compress.prune import require_share
from edgebench.compress.steps import step_of
from edgebench.models.artefact import Artefact
from edgebench.models.network.layers import Conv2D, Dense, Layer
from edgebench.models.network.weights import LayerWeights, Weights

_WORTH = 0.75
"""Two layers are made from one only if they have at most this share of its multiply-accumulates: each layer costs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LowRank:
    """Factorise convolutions and dense layers by singular values (Denton et al. 2014).

    Attributes:
        energy: Share of the squared singular values that is kept, above 0 and below 1.
        multiple: What ranks are rounded up to: kernels work on 4 or 8 channels at once.
        by: A device on which the two layers must be faster than the one, as measured there; empty for any layer whose
            multiply-accumulates fall by a quarter.
    """

    name: ClassVar[str] = "lowrank"
    trains: ClassVar[bool] = False
    energy: float
    multiple: int = 4
    by: str = ""

    def __post_init__(self) -> None:
        require_share("lowrank", "energy", self.energy)

    def apply(self, artefact: Artefact, setting: Setting) -> Artefact:
        """The network with factorised layers; it has not been trained since.

        Raises:
            NotApplicableError: No layer would have fewer multiply-accumulates.
        """
        times = self._times(setting)
        layers: list[Layer] = []
        weights = dict(artefact.weights)
        skipped, changed = [], []
        for layer in artefact.network.layers:
            parts = self._factorised(artefact, layer, times) if isinstance(layer, (Conv2D, Dense)) else None
            if parts is None:
                if isinstance(layer, (Conv2D, Dense)):
                    skipped.append(f"{layer.name}: {self._why_not}")
                layers.append(layer)
                continue
            first, second, own = parts
            layers += [first, second]
            weights |= own
            changed.append(layer.name)
        if not changed:
            raise NotApplicableError(
                f"no layer is worth it: {self._why_not}",
                remedy="keep less energy: lowrank(0.8)",
            )
        network = replace(artefact.network, layers=tuple(layers))
        made = replace(artefact, network=network, weights=weights, form=replace(artefact.form, ranges={}))
        done = f"factorised {len(changed)} layers: {', '.join(changed)}"
        return made.after(step_of(self, done, made, setting, skipped=tuple(skipped)))

    @property
    def _why_not(self) -> str:
        if self.by:
            return f"two layers would not be faster on {self.by}"
        return "two layers would not save a quarter of its multiply-accumulates"

    def _times(self, setting: Setting) -> SplitTimes | None:
        """What was measured on the device, or None if none is named.

        Raises:
            NotApplicableError: Nothing was.
        """
        if not self.by:
            return None
        times = setting.splits.get(self.by)
        if times is None or not times.shown:
            raise NotApplicableError(
                f"the time of single layers on {self.by!r} is unknown",
                remedy="name a device of this study whose target reports layers (edgebench profile --layers)",
            )
        return times

    def _is_worth(self, layer: Layer, rank: int, share: float, times: SplitTimes | None) -> bool:
        """Whether two layers of a rank are better than the one.

        Args:
            layer: What would be factorised.
            rank: Between the two.
            share: Of its multiply-accumulates that they would have.
            times: What was measured, or None.
        """
        if times is None:
            return share <= _WORTH
        both, whole = times.at_rank(layer.name, rank), times.whole.get(layer.name)
        return both is not None and whole is not None and both < whole

    def _factorised(
        self, artefact: Artefact, layer: Conv2D | Dense, times: SplitTimes | None
    ) -> tuple[Layer, Layer, Weights] | None:
        """The two layers and their weights, or None if they are not worth it."""
        kernel = artefact.weights[layer.name].kernel
        outputs = len(kernel)
        inputs = kernel.size // outputs
        values = np.linalg.svd(kernel.reshape(outputs, -1).astype(np.float64), compute_uv=False)
        kept = np.cumsum(values**2) / max(float((values**2).sum()), 1e-300)
        rank = int(np.searchsorted(kept, self.energy) + 1)
        rank = min(math.ceil(rank / self.multiple) * self.multiple, len(values))
        if not self._is_worth(layer, rank, rank * (outputs + inputs) / (outputs * inputs), times):
            return None
        return split_layer(layer, artefact.weights[layer.name], rank)


def split_layer(layer: Conv2D | Dense, weights: LayerWeights, rank: int) -> tuple[Layer, Layer, Weights]:
    """Two thin layers of a rank in place of one, and their weights.

    Args:
        layer: A convolution or dense layer.
        weights: Its weights.
        rank: Channels between the two, at most the smaller of its inputs and outputs.
    """
    kernel, outputs = weights.kernel, len(weights.kernel)
    left, values, right = np.linalg.svd(kernel.reshape(outputs, -1).astype(np.float64), full_matrices=False)
    root = np.sqrt(values[:rank])
    thin = (root[:, None] * right[:rank]).astype(np.float32).reshape(rank, *kernel.shape[1:])
    wide = (left[:, :rank] * root).astype(np.float32)
    first, second = _halves(layer, rank)
    if isinstance(layer, Conv2D):
        wide = wide.reshape(outputs, 1, 1, rank)
    own = {
        first.name: LayerWeights(kernel=thin, bias=np.zeros(rank, np.float32)),
        second.name: LayerWeights(kernel=wide, bias=weights.bias),
    }
    return first, second, own


def _halves(layer: Conv2D | Dense, rank: int) -> tuple[Layer, Layer]:
    """The thin layer, which reads, and the one that keeps the name and the activation."""
    low = f"{layer.name}_low"
    if isinstance(layer, Dense):
        first: Layer = replace(layer, name=low, units=rank, activation="none", batch_norm=False)
        return first, replace(layer, inputs=(low,))
    first = replace(layer, name=low, filters=rank, activation="none", batch_norm=False)
    second = Conv2D(
        name=layer.name,
        inputs=(low,),
        filters=layer.filters,
        kernel=(1, 1),
        activation=layer.activation,
        batch_norm=layer.batch_norm,
    )
    return first, second


def split_everywhere(artefact: Artefact, share: float, multiple: int) -> tuple[Artefact, dict[str, int]]:
    """The network with every layer factorised, to find out what that costs; and the rank of each.

    Args:
        artefact: With weights.
        share: Of the largest rank that each layer could have.
        multiple: What ranks are rounded to.
    """
    layers: list[Layer] = []
    weights, ranks = dict(artefact.weights), dict[str, int]()
    for layer in artefact.network.layers:
        if not isinstance(layer, (Conv2D, Dense)):
            layers.append(layer)
            continue
        kernel = artefact.weights[layer.name].kernel
        most = min(len(kernel), kernel.size // len(kernel))
        rank = min(most, max(1, round(most * share / multiple) * multiple))
        first, second, own = split_layer(layer, artefact.weights[layer.name], rank)
        layers += [first, second]
        weights |= own
        ranks[layer.name] = rank
    network = replace(artefact.network, layers=tuple(layers))
    return replace(artefact, network=network, weights=weights, form=replace(artefact.form, ranges={})), ranks
