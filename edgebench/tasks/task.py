"""A classification task: labelled images in three parts that do not overlap."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from edgebench.errors import InputError
from edgebench.tasks.resize import resize_images

_SIZES_KEPT = 4
"""How many resized copies a task keeps; a search space has few resolutions, and copies may be large."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Split:
    """Labelled images.

    Attributes:
        images: float32 as [n, height, width, channels], on a scale of about 0 to 1.
        labels: int64 as [n], the class of each image.

    Raises:
        InputError: Shapes or types do not match, there is no image, or a value is not finite.
    """

    images: NDArray[np.float32]
    labels: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.images.ndim != 4 or not self.images.size or self.images.dtype != np.float32:
            raise InputError(
                f"images must be float32 of shape [n, height, width, channels], not {self.images.dtype} of shape "
                f"{list(self.images.shape)}",
                remedy="reshape and convert them with numpy",
            )
        if self.labels.shape != self.images.shape[:1] or self.labels.dtype != np.int64:
            raise InputError(
                f"{len(self.images)} images need as many int64 labels, not {self.labels.dtype} of shape "
                f"{list(self.labels.shape)}",
                remedy="give one class number for each image",
            )
        # The double-precision sum of float32 values is finite exactly if every value is, and needs no copy.
        with np.errstate(invalid="ignore"):
            total = self.images.sum(dtype=np.float64)
        if not np.isfinite(total):
            broken = int(np.count_nonzero(~np.isfinite(self.images).all(axis=(1, 2, 3))))
            raise InputError(
                f"{broken} of {len(self.images)} images contain values that are not finite",
                remedy="replace them, for instance with numpy.nan_to_num, or leave these images out",
            )

    def __len__(self) -> int:
        return len(self.labels)

    def sample(self, count: int) -> Split:
        """Up to ``count`` samples at equal distances, which include all classes even if the data is sorted by class.

        For statistics of real images: calibration of int8, normalisation.
        """
        if len(self) <= count:
            return self
        chosen = np.linspace(0, len(self) - 1, max(1, count)).round().astype(np.int64)
        return Split(images=self.images[chosen], labels=self.labels[chosen])

    def resized(self, height: int, width: int) -> Split:
        """The same images with other numbers of rows and columns; unchanged if the size is already right."""
        if self.images.shape[1:3] == (height, width):
            return self
        if min(height, width) < 1:
            raise InputError(f"an image needs at least 1 row and column, not {height} x {width}")
        return Split(images=resize_images(self.images, height, width), labels=self.labels)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Task:
    """What networks are trained for, and what their accuracy is measured on.

    Attributes:
        name: For tables.
        classes: How many there are; labels are 0 to ``classes`` - 1.
        train: What weights are fitted to.
        validation: What chooses between networks and epochs.
        test: What the accuracy of the result is stated on; nothing may be chosen by it.
        digest: SHA-256 over data and split, in hexadecimal.

    Raises:
        InputError: The parts do not match, or one lacks a class.
    """

    name: str
    classes: int
    train: Split
    validation: Split
    test: Split
    digest: str
    _sizes: dict[tuple[int, int], Task] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.classes < 2:
            raise InputError(f"a task needs at least 2 classes, not {self.classes}", where=self.name)
        for part, split in self.parts().items():
            if split.images.shape[1:] != self.train.images.shape[1:]:
                raise InputError(
                    f"images of {part} are {list(split.images.shape[1:])}, but those of train "
                    f"{list(self.train.images.shape[1:])}",
                    where=self.name,
                    remedy="bring all images to one size and number of channels",
                )
            self._check_labels(part, split.labels)

    def _check_labels(self, part: str, labels: NDArray[np.int64]) -> None:
        low, high = int(labels.min()), int(labels.max())
        if low < 0 or high >= self.classes:
            raise InputError(
                f"labels of {part} run from {low} to {high}, but those of {self.classes} classes must be 0 to "
                f"{self.classes - 1}",
                where=self.name,
                remedy="number the classes from 0: numpy.unique(labels, return_inverse=True)[1]",
            )
        missing = np.flatnonzero(np.bincount(labels, minlength=self.classes) == 0)
        if missing.size:
            raise InputError(
                f"{part} has no sample of class {int(missing[0])} ({missing.size} of {self.classes} classes missing)",
                where=self.name,
                remedy="number the classes from 0 without gaps, and give each some samples in every part",
            )

    def parts(self) -> dict[str, Split]:
        """The three parts by name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Rows, columns and channels of an image."""
        height, width, channels = self.train.images.shape[1:]
        return height, width, channels

    def resized(self, height: int, width: int) -> Task:
        """The task with images of another size; the task itself if they already have it.

        The last few sizes are kept. The digest is that of the original and the size.

        Raises:
            InputError: A size is below 1.
        """
        size = (height, width)
        if self.input_shape[:2] == size:
            return self
        if size not in self._sizes:
            parts = {part: split.resized(height, width) for part, split in self.parts().items()}
            digest = hashlib.sha256(f"{self.digest} {height}x{width}".encode()).hexdigest()
            resized = replace(self, **parts, digest=digest)  # type: ignore[arg-type]
            while len(self._sizes) >= _SIZES_KEPT:
                del self._sizes[next(iter(self._sizes))]
            self._sizes[size] = resized
        return self._sizes[size]


def data_digest(classes: int, *splits: Split) -> str:
    """SHA-256 over classes, shapes, images and labels of splits in their order, in hexadecimal."""
    digest = hashlib.sha256(f"classes {classes}".encode())
    for split in splits:
        digest.update(f" images {list(split.images.shape)} ".encode())
        digest.update(np.ascontiguousarray(split.images, dtype="<f4").data)
        digest.update(np.ascontiguousarray(split.labels, dtype="<i8").data)
    return digest.hexdigest()
