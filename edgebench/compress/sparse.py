"""Unstructured and 2:4 pruning: single weights become zero."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from edgebench.compress.base import NotApplicableError, Setting
from edgebench.compress.prune import require_share
from edgebench.compress.steps import pass_text, step_of
from edgebench.core.compression import StepDone
from edgebench.errors import InputError, UnsupportedModelError
from edgebench.models.artefact import Artefact
from edgebench.models.file_artefact import FileArtefact
from edgebench.models.network.layers import DepthwiseConv2D
from edgebench.models.network.weights import LayerWeights

_OF_FOUR = 4
_SMALLER_ONLY = "no target here skips zeros: only the compressed file gets smaller, not its time or memory"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sparse:
    """Set the smallest weights of each convolution and dense layer to zero; training keeps them so.

    Attributes:
        ratio: Share of zeros, above 0 and below 1.
        pattern: ``free``, or ``2:4`` for the two smallest of any four neighbouring inputs, whatever the ratio.
    """

    name: ClassVar[str] = "sparse"
    trains: ClassVar[bool] = False
    ratio: float = 0.5
    pattern: str = "free"

    def __post_init__(self) -> None:
        require_share("sparse", "ratio", self.ratio)
        if self.pattern not in {"free", "2:4"}:
            raise InputError(f"sparse has no pattern {self.pattern!r}", remedy="free or 2:4")

    def apply(self, artefact: Artefact, setting: Setting) -> Artefact:
        """The network with zeros; it has not been trained since.

        Raises:
            NotApplicableError: No layer takes the pattern.
        """
        weights, skipped, zeros, total = dict(artefact.weights), [_SMALLER_ONLY], 0, 0
        for layer in artefact.network.layers:
            if layer.name not in weights:
                continue
            own = weights[layer.name]
            if isinstance(layer, DepthwiseConv2D):
                skipped.append(f"{layer.name}: a depthwise convolution has few weights and needs them")
                continue
            mask = self._kept(own.kernel)
            if mask is None:
                skipped.append(f"{layer.name}: its inputs are no multiple of four")
                continue
            weights[layer.name] = LayerWeights(kernel=np.where(mask, own.kernel, np.float32(0)), bias=own.bias)
            zeros, total = zeros + int((~mask).sum()), total + mask.size
        if not total:
            raise NotApplicableError("no layer takes this pattern: " + "; ".join(skipped[1:]))
        form = replace(artefact.form, ranges={})
        made = replace(artefact, weights=weights, form=form, keeps_zeros=True)
        done = f"set {zeros:,} of {total:,} weights to zero ({self.pattern})"
        return made.after(step_of(self, done, made, setting, skipped=tuple(skipped)))

    def apply_to_file(self, artefact: FileArtefact) -> FileArtefact:
        """The model with zeros in every format.

        Raises:
            NotApplicableError: No layer takes the pattern, or its weights are not in float32.
        """
        from edgebench.models.onnx.weight_forms import with_weights as with_onnx_weights
        from edgebench.models.tflite.weight_forms import with_weights as with_tflite_weights

        files, skipped, counts = {}, [_SMALLER_ONLY], {}
        for suffix, content in artefact.files.items():
            changed = [0, 0]

            def zeroed(kernel: NDArray[np.float32], changed: list[int] = changed) -> NDArray[np.float32] | None:
                mask = self._kept(kernel)
                if mask is None:
                    return None
                changed[0], changed[1] = changed[0] + int((~mask).sum()), changed[1] + mask.size
                return np.where(mask, kernel, np.float32(0))

            try:
                if suffix == ".onnx":
                    files[suffix], left = with_onnx_weights(content, zeroed)
                else:
                    files[suffix], left = with_tflite_weights(content, self.name, zeroed)
            except UnsupportedModelError as error:
                raise NotApplicableError(error.what, remedy=error.remedy) from None
            counts[suffix] = changed
            skipped += [
                f"{name} in {suffix}: depthwise, grouped, or its inputs are no multiple of four" for name in left
            ]
        zeros, total = max(counts.values(), key=lambda pair: pair[1])
        if not total:
            raise NotApplicableError("no layer takes this pattern: " + "; ".join(skipped[1:4]))
        done = f"set {zeros:,} of {total:,} weights to zero ({self.pattern})"
        made = replace(artefact, files=files)
        return made.after(StepDone(text=pass_text(self), done=done, skipped=tuple(skipped)))

    def _kept(self, kernel: NDArray[np.float32]) -> NDArray[np.bool_] | None:
        """Which weights stay, or None if the pattern does not fit."""
        size = np.abs(kernel)
        if self.pattern == "free":
            kept: NDArray[np.bool_] = size > np.quantile(size, self.ratio)
            return kept
        if kernel.shape[-1] % _OF_FOUR:
            return None
        fours = size.reshape(-1, _OF_FOUR)
        rank = fours.argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
        return (rank >= _OF_FOUR // 2).reshape(kernel.shape)
