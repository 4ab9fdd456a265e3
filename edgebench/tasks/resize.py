"""Resizes images, in plain numpy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def resize_images(images: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Scale images, each axis separately: means of areas to make it smaller, linear interpolation to make it larger.

    Means keep what is between the pixels that linear interpolation would use.

    Args:
        images: Images as [n, height, width, channels].
        height: Rows of the result, at least 1.
        width: Columns of the result, at least 1.

    Returns:
        Images as [n, height, width, channels]; a constant image keeps its value.
    """
    count, old_height, old_width, channels = images.shape
    result = images
    if height != old_height:
        rows = _weights(old_height, height) @ result.reshape(count, old_height, old_width * channels)
        result = rows.reshape(count, height, old_width, channels)
    if width != old_width:
        result = _weights(old_width, width) @ result
    return np.ascontiguousarray(result, dtype=np.float32)


def _weights(old: int, new: int) -> NDArray[np.float32]:
    """Share of each old pixel in each new one, as [new, old]; rows add up to 1."""
    scale = old / new
    weights = np.zeros((new, old))
    if new < old:
        starts = np.arange(new)[:, None] * scale
        pixels = np.arange(old)[None, :]
        # Length of the overlap of the new pixel's interval with each old pixel's.
        weights = np.clip(np.minimum(starts + scale, pixels + 1) - np.maximum(starts, pixels), 0, None)
    else:
        centres = np.clip((np.arange(new) + 0.5) * scale - 0.5, 0, old - 1)
        below = np.floor(centres).astype(np.int64)
        above = np.minimum(below + 1, old - 1)
        weights[np.arange(new), below] += 1 - (centres - below)
        weights[np.arange(new), above] += centres - below
    shares: NDArray[np.float32] = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares
