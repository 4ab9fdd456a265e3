"""A task from a folder of images with one subfolder for each class."""

from __future__ import annotations

import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebench.errors import InputError, MissingPackageError
from edgebench.tasks.builtin import INSTALL
from edgebench.tasks.npz_file import MAX_BYTES
from edgebench.tasks.splitting import checked_split, task_from_arrays, task_from_splits
from edgebench.tasks.task import Task

LONGEST_SIDE = 224
"""Larger images are scaled down on reading; networks for edge devices use no more."""
_MAX_PIXELS = 50_000_000
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "PPM", "TIFF")
_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".tif", ".tiff"}
_PARTS = ("train", "validation", "test")
_MAX_LISTED = 5
_LAYOUT = "make one subfolder of images for each class, or train/ and test/ folders of such subfolders"

Labelled = list[tuple[Path, int]]


def load_folder(folder: Path, *, seed: int) -> Task:
    """A task of images on disk; classes are numbered in the order of their folders' names.

    Images that are all grey have one channel, others three. All are resized to the most common size, scaled
    down to 224 pixels on the longer side.

    Args:
        folder: Has one subfolder per class, or ``train``, ``test`` and perhaps ``validation`` with these inside.
        seed: Decides what goes where.

    Raises:
        InputError: The layout is wrong, images cannot be read (all of them are checked, the first few named), or
            they do not make a task.
        MissingPackageError: Pillow is not installed.
    """
    parts = [name for name in _PARTS if (folder / name).is_dir()]
    if not parts:
        classes = _class_names(folder)
        images = _Images(_labelled(folder, classes))
        return task_from_arrays(folder.name, *images.arrays(images.files), seed=seed)
    for part in ("train", "test"):
        if part not in parts:
            raise InputError(f"there is no folder {part}/ next to {parts[0]}/", where=str(folder), remedy=_LAYOUT)
    classes = _class_names(folder / "train")
    for part in parts:
        if (names := _class_names(folder / part)) != classes:
            different = sorted(set(names) ^ set(classes))[0]
            raise InputError(f"class {different!r} is not in both train/ and {part}/", where=str(folder))
    files = {part: _labelled(folder / part, classes) for part in parts}
    images = _Images([entry for part in parts for entry in files[part]])
    splits = {part: checked_split(str(folder / part), *images.arrays(files[part])) for part in parts}
    return task_from_splits(folder.name, splits, seed=seed)


def _class_names(folder: Path) -> list[str]:
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if len(names) < 2:
        raise InputError(
            f"there are {len(names)} subfolders, but a task needs at least 2 classes", where=str(folder), remedy=_LAYOUT
        )
    return names


def _labelled(folder: Path, classes: list[str]) -> Labelled:
    found: Labelled = []
    for label, name in enumerate(classes):
        inside = sorted((folder / name).rglob("*"))
        files = [path for path in inside if path.suffix.lower() in _SUFFIXES and path.is_file()]
        if not files:
            raise InputError(
                "there is no image in this folder",
                where=str(folder / name),
                remedy=f"names of images must end in {', '.join(sorted(_SUFFIXES))}",
            )
        found.extend((path, label) for path in files)
    return found


class _Images:
    """All images of a task, which share a size and a number of channels."""

    def __init__(self, files: Labelled) -> None:
        self.files = files
        self._pillow = _pillow()
        headers = self._headers()
        (width, height), _ = Counter(size for size, _ in headers).most_common(1)[0]
        scale = min(1.0, LONGEST_SIDE / max(width, height))
        self._size = (max(1, round(width * scale)), max(1, round(height * scale)))
        self._mode = "L" if all(grey for _, grey in headers) else "RGB"
        # One byte per value while reading and four as float32.
        size = len(files) * self._size[0] * self._size[1] * len(self._mode) * 5
        if size > MAX_BYTES:
            raise InputError(
                f"{len(files)} images of {self._size[1]} x {self._size[0]} take {size / 2**30:.1f} GiB; edgebench "
                f"loads at most {MAX_BYTES / 2**30:.0f} GiB",
                remedy="scale the images down, or use fewer",
            )

    def arrays(self, files: Labelled) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Images as [n, height, width, channels] and labels of some of the files.

        Raises:
            InputError: Some cannot be decoded.
        """
        width, height = self._size
        images = np.empty((len(files), height, width, len(self._mode)), dtype=np.uint8)
        broken: list[str] = []
        for index, (path, _) in enumerate(files):
            try:
                images[index] = self._decoded(path)
            except (OSError, ValueError, SyntaxError, EOFError) as error:
                broken.append(f"{path} ({error})")
        _refuse(broken)
        return images, np.array([label for _, label in files], dtype=np.int64)

    def _headers(self) -> list[tuple[tuple[int, int], bool]]:
        """Size in columns and rows, and whether it is grey, of each image."""
        found, broken = [], []
        for path, _ in self.files:
            try:
                with self._opened(path) as image:
                    _check_header(image)
                    found.append((image.size, image.mode in {"1", "L", "LA"}))
            except (OSError, ValueError, SyntaxError, EOFError) as error:
                broken.append(f"{path} ({error})")
        _refuse(broken)
        return found

    def _decoded(self, path: Path) -> NDArray[np.uint8]:
        with self._opened(path) as image:
            upright = self._pillow.ImageOps.exif_transpose(image).convert(self._mode)
            if upright.size != self._size:
                upright = upright.resize(self._size, self._pillow.Image.Resampling.BILINEAR)
            pixels = np.asarray(upright, dtype=np.uint8)
        return pixels.reshape(*pixels.shape[:2], len(self._mode))

    def _opened(self, path: Path) -> Any:
        with warnings.catch_warnings():
            # Sizes are checked by us, and odd metadata does not matter here.
            warnings.simplefilter("ignore")
            try:
                return self._pillow.Image.open(path, formats=_FORMATS)
            except self._pillow.Image.DecompressionBombError as error:
                raise ValueError(str(error)) from None
            except self._pillow.UnidentifiedImageError:
                raise ValueError("not an image") from None


def _check_header(image: Any) -> None:
    if image.width * image.height > _MAX_PIXELS:
        raise ValueError(f"{image.width} x {image.height} pixels are too many")
    if image.mode.startswith(("I", "F")):
        raise ValueError(f"pixels of mode {image.mode} have no common scale; store 8 bits per channel")


def _refuse(broken: list[str]) -> None:
    if broken:
        listed = "; ".join(broken[:_MAX_LISTED]) + "; ..." * (len(broken) > _MAX_LISTED)
        raise InputError(f"{len(broken)} images cannot be read: {listed}", remedy="replace or remove these files")


def _pillow() -> Any:
    try:
        import PIL
        import PIL.Image
        import PIL.ImageOps
    except ModuleNotFoundError as error:
        raise MissingPackageError("reading images needs Pillow", remedy=INSTALL) from error
    return PIL
