"""How far the outputs of an accelerator are from those of a trusted runtime."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def output_difference(expected: Mapping[str, NDArray[Any]], found: Mapping[str, NDArray[Any]]) -> float:
    """Largest difference of any output, as a fraction of that output's largest value.

    Args:
        expected: Outputs of the trusted runtime by name.
        found: Outputs under test.

    Returns:
        0 for equal outputs; infinite if one is missing, has another shape, or is not a number where the
        trusted one is.
    """
    worst = 0.0
    for name, reference in expected.items():
        value = found.get(name)
        if value is None or value.shape != reference.shape:
            return math.inf
        trusted, tested = reference.astype(np.float64), value.astype(np.float64)
        if not np.array_equal(np.isfinite(trusted), np.isfinite(tested)):
            return math.inf
        finite = np.isfinite(trusted)
        if not finite.any():
            continue
        size = float(np.abs(trusted[finite]).max())
        difference = float(np.abs(trusted[finite] - tested[finite]).max())
        worst = max(worst, difference / size if size > 0 else difference)
    return worst
