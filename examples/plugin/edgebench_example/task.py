"""A task: labelled images. A function without arguments that returns arrays is enough; edgebench splits them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

COUNT = 600
SIZE = 8


def bars() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Images of a bright row, column or diagonal in noise, the same ones at every call.

    Returns:
        Images as [600, 8, 8, 1] from 0 to 1, and their classes: 0 row, 1 column, 2 diagonal.
    """
    random = np.random.default_rng(0)
    labels = np.arange(COUNT, dtype=np.int64) % 3
    images = random.uniform(0, 0.5, (COUNT, SIZE, SIZE, 1)).astype(np.float32)
    for image, label in zip(images, labels, strict=True):
        place = random.integers(SIZE)
        pixels = {0: (place, slice(None)), 1: (slice(None), place), 2: (np.arange(SIZE), np.arange(SIZE))}
        image[pixels[int(label)]] += 0.5
    return images, labels
