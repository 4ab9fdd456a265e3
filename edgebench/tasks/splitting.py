"""Turns users' arrays into a task: checked, scaled, and split by class."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from edgebench.errors import InputError
from edgebench.tasks.task import Split, Task, data_digest

HELD_OUT = 0.15
"""Share of the samples that go to validation, and the same to test."""
_FEWEST_SAMPLES = 3
_LARGEST_VALUE = 50.0
"""Above it, float images are surely not scaled (0 to 255, or 16-bit)."""


def task_from_arrays(name: str, images: NDArray[np.generic], labels: NDArray[np.generic], *, seed: int) -> Task:
    """A task whose samples are split 70 % / 15 % / 15 % within each class.

    Args:
        name: For tables and messages.
        images: [n, height, width, channels] or [n, height, width]; uint8, or floats of about 0 to 1.
        labels: Integers as [n] or [n, 1].
        seed: Decides which sample goes where.

    Raises:
        InputError: The arrays are of another form, or a class has too few samples.
    """
    whole = checked_split(name, images, labels)
    _check_class_sizes(name, whole.labels, _FEWEST_SAMPLES)
    test, rest = _held_out(whole.labels, np.arange(len(whole)), seed, salt=0)
    validation, train = _held_out(whole.labels, rest, seed, salt=1, share=HELD_OUT / (1 - HELD_OUT))
    return _task(name, *(_chosen(whole, part, seed) for part in (train, validation, test)))


def task_from_splits(name: str, parts: Mapping[str, Split], *, seed: int) -> Task:
    """A task from the parts that the user chose.

    Args:
        name: For tables and messages.
        parts: ``train``, ``test`` and perhaps ``validation``, which is otherwise taken from ``train``.
        seed: Decides what goes from ``train`` to ``validation``.

    Raises:
        InputError: A class has too few samples, or the parts do not match.
    """
    train, test = parts["train"], parts["test"]
    if "validation" in parts:
        return _task(name, train, parts["validation"], test)
    _check_class_sizes(name, train.labels, _FEWEST_SAMPLES - 1)
    held_out, rest = _held_out(train.labels, np.arange(len(train)), seed, salt=1)
    return _task(name, _chosen(train, rest, seed), _chosen(train, held_out, seed), test)


def checked_split(where: str, images: NDArray[np.generic], labels: NDArray[np.generic]) -> Split:
    """A split from arrays of any origin; uint8 images are divided by 255.

    Raises:
        InputError: Types, shapes or values are not those of labelled images.
    """
    if labels.dtype.kind == "f" and not np.array_equal(labels, labels.round()):
        raise InputError(
            f"labels are {labels.dtype} that are no whole numbers: regression is not supported",
            where=where,
            remedy="tasks are classifications: turn the values into classes, such as numpy.digitize(labels, borders)",
        )
    if labels.ndim == 2 and labels.shape[1] > 1 and (np.count_nonzero(labels, axis=1) > 1).any():
        raise InputError(
            "some samples have several labels: multi-label tasks are not supported",
            where=where,
            remedy="give each sample one class, or make a task for each label",
        )
    if labels.dtype.kind not in "iu" or labels.ndim not in {1, 2} or (labels.ndim == 2 and labels.shape[1] != 1):
        raise InputError(
            f"labels are {labels.dtype} of shape {list(labels.shape)}, not one integer for each image",
            where=where,
            remedy="take labels.argmax(1) of one-hot rows; number the classes from 0 instead of naming them",
        )
    if images.ndim not in {3, 4}:
        raise InputError(
            f"images have shape {list(images.shape)}",
            where=where,
            remedy="reshape them to [n, height, width, channels]",
        )
    shaped = images if images.ndim == 4 else images[..., None]
    _, first, second, last = shaped.shape
    if first in {1, 3} and second == last and last > 4:
        raise InputError(
            f"images of shape {list(images.shape)} seem to have their channels first",
            where=where,
            remedy="transpose them with images.transpose(0, 2, 3, 1)",
        )
    try:
        return Split(images=_scaled(where, shaped), labels=labels.reshape(-1).astype(np.int64))
    except InputError as error:
        raise InputError(error.what, where=where, remedy=error.remedy) from None


def _scaled(where: str, images: NDArray[np.generic]) -> NDArray[np.float32]:
    if images.dtype == np.uint8:
        return images.astype(np.float32) / np.float32(255)
    if images.dtype.kind != "f":
        raise InputError(
            f"images are {images.dtype}",
            where=where,
            remedy="give uint8 from 0 to 255, or floats scaled to about 0 to 1",
        )
    with np.errstate(over="ignore"):
        scaled = images.astype(np.float32)
    largest = max(-float(scaled.min()), float(scaled.max())) if scaled.size else 0.0
    # Values that are not finite are not a question of scale; the split refuses them.
    if math.isfinite(largest) and largest > _LARGEST_VALUE:
        raise InputError(
            f"float images reach {largest:g}, which is not a scale of about 0 to 1",
            where=where,
            remedy="divide them by 255, or give uint8",
        )
    return scaled


def _held_out(
    labels: NDArray[np.int64], among: NDArray[np.int64], seed: int, *, salt: int, share: float = HELD_OUT
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A share of each class, at least 1 sample and never all, and the remainder."""
    if seed < 0:
        raise InputError(f"the seed must be at least 0, not {seed}")
    taken = []
    for label in np.unique(labels[among]):
        members = among[labels[among] == label]
        count = min(len(members) - 1, max(1, round(share * len(members))))
        taken.append(np.random.default_rng([seed, salt, int(label)]).permutation(members)[:count])
    chosen = np.sort(np.concatenate(taken))
    return chosen, np.setdiff1d(among, chosen)


def _check_class_sizes(name: str, labels: NDArray[np.int64], fewest: int) -> None:
    if labels.min() < 0:
        raise InputError(
            f"a label is {labels.min()}",
            where=name,
            remedy="number the classes from 0: numpy.unique(labels, return_inverse=True)[1]",
        )
    classes, counts = np.unique(labels, return_counts=True)
    if counts.min() < fewest:
        raise InputError(
            f"class {classes[counts.argmin()]} has {counts.min()} samples, but a split needs at least {fewest}",
            where=name,
            remedy="add samples of it, or leave the class out",
        )


def _chosen(split: Split, indices: NDArray[np.int64], seed: int) -> Split:
    """Some samples in a shuffled order: data is often sorted by class, and the first few must resemble the rest."""
    mixed = np.random.default_rng([seed, len(indices)]).permutation(indices)
    return Split(images=split.images[mixed], labels=split.labels[mixed])


def _task(name: str, train: Split, validation: Split, test: Split) -> Task:
    classes = int(max(split.labels.max() for split in (train, validation, test))) + 1
    digest = data_digest(classes, train, validation, test)
    return Task(name=name, classes=classes, train=train, validation=validation, test=test, digest=digest)
