"""How far outputs of a converted model are from those of the original."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def relative_difference(expected: NDArray[Any], found: NDArray[Any]) -> float:
    """Largest difference as a share of the largest expected value; for integers, the share that differs.

    Infinite for another shape; equal infinities and values that are not numbers in both are equal.
    """
    if expected.shape != found.shape:
        return float("inf")
    if not expected.size:
        return 0.0
    if expected.dtype.kind in "iub":
        # In a near tie, either position may win: one in a thousand is not an error.
        return float((expected != found).mean()) if expected.size > 1 else 0.0
    wanted, have = expected.astype(np.float64), found.astype(np.float64)
    same = (wanted == have) | (np.isnan(wanted) & np.isnan(have))
    if same.all():
        return 0.0
    size = float(np.abs(wanted[np.isfinite(wanted)]).max(initial=0.0))
    worst = float(np.abs(wanted - have)[~same].max())
    return worst / size if size > 0 else worst
