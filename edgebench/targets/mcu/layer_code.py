"""What a writer of one operator has to work with: tensors, the arena, constants."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgebench.errors import UnsupportedModelError
from edgebench.models.tflite.quantised_graph import QuantisedGraph, QuantisedTensor
from edgebench.targets.mcu.ports import C_TYPES

ARENA = "edgebench_arena"
WEIGHTS_SECTION = ".rodata.edgebench_weights"


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerCode:
    """One operator as C.

    Attributes:
        name: Name of its output in the model.
        kind: Operator in TFLite's schema.
        body: Statements of its function.
        constants: Definitions its function needs.
        scratch_bytes: Working memory while it runs.
        notes: What a user of the layer must know.
    """

    name: str
    kind: str
    body: str
    constants: str = ""
    scratch_bytes: int = 0
    notes: tuple[str, ...] = ()


class CodeContext:
    """What an operator's writer may ask for: where tensors lie, and constants.

    Args:
        graph: The model.
        helium: Whether kernels are compiled for Arm's vector extension, and need more scratch memory.
    """

    def __init__(self, graph: QuantisedGraph, *, helium: bool = False) -> None:
        self.graph = graph
        self.helium = helium

    def tensor(self, index: int) -> QuantisedTensor:
        """A tensor by its index."""
        return self.graph.tensors[index]

    def pointer(self, index: int) -> str:
        """C expression for a tensor in the arena, a pointer to its type; its offset follows once the arena is planned.

        Raises:
            UnsupportedModelError: It is a constant.
        """
        tensor = self.graph.tensors[index]
        if tensor.data is not None:
            raise UnsupportedModelError(
                f"an operator computes with the constant {tensor.name!r} alone",
                remedy="fold it: compute such values before the model is converted",
            )
        place = f"(edgebench_arena + OFFSET_{index})"
        return place if tensor.dtype == "int8" else f"(({C_TYPES[tensor.dtype]} *){place})"


def array(kind: str, name: str, values: NDArray[np.generic], *, weights: bool = False) -> str:
    """A constant array; weights go into a section of their own, so that their size can be told apart."""
    section = f' __attribute__((section("{WEIGHTS_SECTION}"), aligned(4)))' if weights else ""
    flat = values.ravel().tolist()
    lines = [", ".join(map(str, flat[start : start + 24])) for start in range(0, len(flat), 24)]
    return f"static const {kind} {name}[{len(flat)}]{section} = {{\n  " + ",\n  ".join(lines) + "\n};\n"
