"""Inputs and outputs of a C model: where they are, what they contain, and values to try them with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

C_TYPES: Mapping[str, str] = {
    "int8": "int8_t",
    "uint8": "uint8_t",
    "bool": "uint8_t",
    "int16": "int16_t",
    "int32": "int32_t",
    "int64": "int64_t",
    "float32": "float",
}
"""How C names the type of a tensor's values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """An input or output in the arena.

    Attributes:
        name: Of its tensor.
        offset: Bytes from the start of the arena.
        size: Bytes.
        dtype: Type of its values.
        upper: If its values are positions, how many there are.
        scale: What one step of a quantised value is worth; 0 if its values are not quantised.
        zero_point: The quantised value that stands for zero.
    """

    name: str
    offset: int
    size: int
    dtype: str = "int8"
    upper: int | None = None
    scale: float = 0.0
    zero_point: int = 0

    def random_values(self, random: np.random.Generator) -> NDArray[Any]:
        """Random values of its type that the network takes."""
        kind = np.dtype(self.dtype)
        count = self.size // kind.itemsize
        if kind.kind == "b":
            return random.integers(0, 2, count).astype(kind)
        if kind.kind == "f":
            return random.standard_normal(count).astype(kind)
        limits = np.iinfo(kind)
        if self.upper is not None:
            return random.integers(0, min(self.upper, int(limits.max) + 1), count).astype(kind)
        return random.integers(limits.min, limits.max, count, endpoint=True).astype(kind)


def split_outputs(content: NDArray[np.int8], ports: Sequence[Port]) -> list[NDArray[Any]]:
    """The bytes of all outputs as each output's own values."""
    ends = np.cumsum([port.size for port in ports])
    pieces = np.split(content, ends[:-1])
    return [np.frombuffer(piece.tobytes(), port.dtype) for piece, port in zip(pieces, ports, strict=True)]
