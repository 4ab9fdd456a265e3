"""What later releases of CMSIS-NN need from their callers, as read from its files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SUMS = "arm_vector_sum_s8("
_STARTS_FROM_SUMS = "= *kernel_sum++"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewerKernels:
    """A release after 4.

    Attributes:
        whole_sums: Whether the sums of weights for its matrix product on cores with vectors include the offset of
            the input and the bias too, as those of releases after 6 do.
    """

    whole_sums: bool

    def sums(self, weights: NDArray[Any], offset: int, bias: NDArray[Any] | None) -> NDArray[np.int64]:
        """One number per row of weights, from which its matrix product starts on cores with vectors."""
        plain: NDArray[np.int64] = weights.astype(np.int64).sum(axis=1)
        if not self.whole_sums:
            return plain
        return plain * offset + (0 if bias is None else bias.astype(np.int64).ravel())

    @staticmethod
    def columns_bytes(column: int, *, helium: bool) -> int:
        """Scratch of a convolution whose windows have this many values (``arm_convolve_s8_get_buffer_size``)."""
        return 4 * 16 * -(-column // 16) if helium else 2 * 2 * 4 * -(-column // 4)


def newer_kernels(folder: Path) -> NewerKernels | None:
    """What the release in a folder needs, or None if it is an older one.

    Args:
        folder: A checkout of CMSIS-NN.
    """
    if _SUMS not in _text(folder / "Include" / "arm_nnfunctions.h"):
        return None
    product = _text(folder / "Source" / "NNSupportFunctions" / "arm_nn_vec_mat_mult_t_s8.c")
    return NewerKernels(whole_sums=_STARTS_FROM_SUMS in product)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
