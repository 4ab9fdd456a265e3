"""Low-rank factorisation: one product with a matrix becomes two with thin ones."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from edgebench.compress.base import NotApplicableError, Setting
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
    """

    name: ClassVar[str] = "lowrank"
    trains: ClassVar[bool] = False
    energy: float
    multiple: int = 4

    def __post_init__(self) -> None:
        require_share("lowrank", "energy", self.energy)

    def apply(self, artefact: Artefact, setting: Setting) -> Artefact:
        """The network with factorised layers; it has not been trained since.

        Raises:
            NotApplicableError: No layer would have fewer multiply-accumulates.
        """
        layers: list[Layer] = []
        weights = dict(artefact.weights)
        skipped, changed = [], []
        for layer in artefact.network.layers:
            parts = self._factorised(artefact, layer) if isinstance(layer, (Conv2D, Dense)) else None
            if parts is None:
                if isinstance(layer, (Conv2D, Dense)):
                    skipped.append(f"{layer.name}: two layers would not save a quarter of its multiply-accumulates")
                layers.append(layer)
                continue
            first, second, own = parts
            layers += [first, second]
            weights |= own
            changed.append(layer.name)
        if not changed:
            raise NotApplicableError(
                "no layer has a rank low enough to save a quarter of its multiply-accumulates",
                remedy="keep less energy: lowrank(0.8)",
            )
        network = replace(artefact.network, layers=tuple(layers))
        made = replace(artefact, network=network, weights=weights, form=replace(artefact.form, ranges={}))
        done = f"factorised {len(changed)} layers: {', '.join(changed)}"
        return made.after(step_of(self, done, made, setting, skipped=tuple(skipped)))

    def _factorised(self, artefact: Artefact, layer: Conv2D | Dense) -> tuple[Layer, Layer, Weights] | None:
        """The two layers and their weights, or None if they are not worth it."""
        kernel, bias = artefact.weights[layer.name].kernel, artefact.weights[layer.name].bias
        outputs = len(kernel)
        matrix = kernel.reshape(outputs, -1).astype(np.float64)
        left, values, right = np.linalg.svd(matrix, full_matrices=False)
        kept = np.cumsum(values**2) / max(float((values**2).sum()), 1e-300)
        rank = int(np.searchsorted(kept, self.energy) + 1)
        rank = min(math.ceil(rank / self.multiple) * self.multiple, len(values))
        if rank * (outputs + matrix.shape[1]) > _WORTH * outputs * matrix.shape[1]:
            return None
        root = np.sqrt(values[:rank])
        thin = (root[:, None] * right[:rank]).astype(np.float32).reshape(rank, *kernel.shape[1:])
        wide = (left[:, :rank] * root).astype(np.float32)
        first, second = _halves(layer, rank)
        if isinstance(layer, Conv2D):
            wide = wide.reshape(outputs, 1, 1, rank)
        own = {
            first.name: LayerWeights(kernel=thin, bias=np.zeros(rank, np.float32)),
            second.name: LayerWeights(kernel=wide, bias=bias),
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
