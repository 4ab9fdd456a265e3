"""Few different values in each tensor of int8 weights, so that the file compresses well."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgebench.models.tflite.int8.plain_form import remove_unused
from edgebench.models.tflite.tree import GraphEditor, pack_model, read_tree

_WEIGHTED = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}
_ROUNDS = 50


def share_weights(path: Path, values: int) -> int:
    """Round the int8 weights of each tensor of a file to the nearest of a few values.

    Scales of channels are not touched, so that shared values remain shared.

    Args:
        path: An int8 ``.tflite`` file, which is replaced.
        values: How many values each tensor may have, at least 2.

    Returns:
        How many tensors were changed.
    """
    editor = GraphEditor(read_tree(path))
    changed = 0
    for index in dict.fromkeys(
        operator.inputs[1] for operator in editor.operators if editor.kind(operator) in _WEIGHTED
    ):
        weights = editor.values(index)
        if weights is None or weights.dtype != np.int8:
            continue
        shared = nearest_of_few(weights, values)
        if not np.array_equal(shared, weights):
            editor.set_values(index, shared)
            changed += 1
    remove_unused(editor.model)
    path.write_bytes(pack_model(editor.model, path.stat().st_size))
    return changed


def nearest_of_few(weights: NDArray[np.int8], values: int) -> NDArray[np.int8]:
    """Each weight replaced by the nearest of the centres of k-means (Lloyd 1982), which start at quantiles.

    Args:
        weights: Any shape.
        values: How many centres, at least 2.

    Returns:
        The same shape with at most that many different values; zero stays zero, so that pruned weights stay pruned.
    """
    levels, counts = np.unique(weights, return_counts=True)
    if len(levels) <= values:
        return weights
    centres = np.unique(np.quantile(weights, np.linspace(0, 1, values)))
    for _ in range(_ROUNDS):
        nearest = np.abs(levels[:, None] - centres[None]).argmin(axis=1)
        sums = np.bincount(nearest, counts * levels.astype(np.float64), len(centres))
        sizes = np.bincount(nearest, counts, len(centres))
        moved = np.where(sizes > 0, sums / np.maximum(sizes, 1), centres)
        if np.allclose(moved, centres):
            break
        centres = moved
    rounded = np.rint(centres)
    rounded[np.abs(rounded).argmin()] = 0
    table = rounded[np.abs(levels[:, None] - rounded[None]).argmin(axis=1)].astype(np.int8)
    found: NDArray[np.int8] = table[np.searchsorted(levels, weights)]
    return found
