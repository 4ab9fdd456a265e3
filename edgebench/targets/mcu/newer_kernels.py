"""What later releases of CMSIS-NN need of their callers, told from their headers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SUMS = re.compile(r"\barm_vector_sum_s8\s*\(([^)]*)\)")
_PARAMETERS_WITHOUT_OFFSET = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class NewerKernels:
    """A release after 4.

    Attributes:
        whole_sums: Whether the sums of weights that its matrix product takes on cores with vectors hold the offset of
            the input and the bias too, as those of releases after 5 do.
    """

    whole_sums: bool

    def sums(self, weights: NDArray[Any], offset: int, bias: NDArray[Any] | None) -> NDArray[np.int64]:
        """One number a row of weights, from which its matrix product starts on cores with vectors."""
        plain: NDArray[np.int64] = weights.astype(np.int64).sum(axis=1)
        if not self.whole_sums:
            return plain
        return plain * offset + (0 if bias is None else bias.astype(np.int64).ravel())

    @staticmethod
    def columns_bytes(column: int, *, helium: bool) -> int:
        """Scratch of a convolution whose windows have so many values (``arm_convolve_s8_get_buffer_size``)."""
        return 4 * 16 * -(-column // 16) if helium else 2 * 2 * 4 * -(-column // 4)


def newer_kernels(header: Path) -> NewerKernels | None:
    """What the release with this header needs, or None where it is an older one.

    Args:
        header: CMSIS-NN's ``arm_nnfunctions.h``.
    """
    try:
        declared = _SUMS.search(header.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return None
    if declared is None:
        return None
    return NewerKernels(whole_sums=declared[1].count(",") + 1 > _PARAMETERS_WITHOUT_OFFSET)
