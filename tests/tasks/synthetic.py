"""Small tasks and networks that tests train in a second."""

import numpy as np

from edgebench.models.network import Network, NetworkBuilder
from edgebench.tasks.splitting import task_from_arrays
from edgebench.tasks.task import Task


def bars(count: int = 240, size: int = 8, *, noise: float = 0.3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Images of a bright row, column or diagonal in noise: three classes."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    images = noise * random.random((count, size, size, 1))
    for image, label in zip(images, labels, strict=True):
        place = random.integers(size)
        if label == 0:
            image[place] += 0.7
        elif label == 1:
            image[:, place] += 0.7
        else:
            image[np.arange(size), np.arange(size)] += 0.7
    return images.astype(np.float32), labels.astype(np.int64)


def bars_task(count: int = 240, **options: float) -> Task:
    return task_from_arrays("bars", *bars(count, **options), seed=0)


def small_network(
    size: int = 8, *, width: int = 8, kernel: int = 3, classes: int = 3, depth: int = 1, softmax: bool = False
) -> Network:
    """Layers get their number as a name, so depth comes last to keep the names of the others."""
    builder = NetworkBuilder(f"small-{width}-{kernel}-{depth}", (size, size, 1))
    builder.conv(width, kernel)
    builder.depthwise(kernel, 2)
    builder.conv(width)
    builder.global_average_pool()
    builder.dense(classes if depth == 1 else width, activation="none" if depth == 1 else "relu")
    if depth > 1:
        builder.dense(classes)
    if softmax:
        builder.softmax()
    return builder.build()
