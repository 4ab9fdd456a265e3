"""A task that is harder than digits: digits of mnist5k, turned, moved and among fragments of other digits.

    edgebench compress MODEL --task benchmarks.hard_task:cluttered ...      # in the repository's folder

40 x 40 pixels; each sample shows one whole digit, turned by up to 40 degrees, and pieces of eight others, with noise.
The images of the split of mnist5k stay in their part, so that no test digit is trained on.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgebench.tasks.registry import load_task
from edgebench.tasks.task import Split, Task, data_digest

SIZE, PIECE, PIECES, MOST_DEGREES, NOISE = 40, 8, 8, 40.0, 0.1
Images = NDArray[np.float32]


def cluttered() -> Task:
    """The task."""
    plain = load_task("mnist5k")
    train, validation, test = (_split(split, seed) for seed, split in enumerate(plain.parts().values()))
    digest = data_digest(plain.classes, train, validation, test)
    return Task(
        name="cluttered-digits", classes=plain.classes, train=train, validation=validation, test=test, digest=digest
    )


def _split(split: Split, seed: int) -> Split:
    random = np.random.default_rng(seed)
    images = np.stack([_scene(image[..., 0], split.images, random) for image in split.images])
    return Split(images=images[..., None].astype(np.float32), labels=split.labels)


def _scene(digit: Images, others: Images, random: np.random.Generator) -> Images:
    scene = random.random((SIZE, SIZE)).astype(np.float32) * NOISE
    for _ in range(PIECES):
        other = others[random.integers(len(others)), ..., 0]
        row, column = random.integers(4, other.shape[0] - PIECE - 4, 2)
        top, left = random.integers(0, SIZE - PIECE, 2)
        place = scene[top : top + PIECE, left : left + PIECE]
        np.maximum(place, other[row : row + PIECE, column : column + PIECE], out=place)
    turned = _turned(digit, float(random.uniform(-MOST_DEGREES, MOST_DEGREES)))
    top, left = random.integers(0, SIZE - len(digit) + 1, 2)
    place = scene[top : top + len(digit), left : left + len(digit)]
    np.maximum(place, turned, out=place)
    return np.clip(scene, 0, 1)


def _turned(image: Images, degrees: float) -> Images:
    """Turned about its middle; each pixel is the nearest one's."""
    angle, middle = np.deg2rad(degrees), (len(image) - 1) / 2
    rows, columns = np.indices(image.shape) - middle
    row = np.rint(rows * np.cos(angle) - columns * np.sin(angle) + middle).astype(int)
    column = np.rint(rows * np.sin(angle) + columns * np.cos(angle) + middle).astype(int)
    inside = (row >= 0) & (row < len(image)) & (column >= 0) & (column < len(image))
    clipped = image[np.clip(row, 0, len(image) - 1), np.clip(column, 0, len(image) - 1)]
    turned: Images = np.where(inside, clipped, np.float32(0))
    return turned
