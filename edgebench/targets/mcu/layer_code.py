"""What a writer of one operator has to work with: tensors, the arena, constants."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgebench.errors import UnsupportedModelError
from edgebench.models.tflite.quantised_graph import QuantisedGraph, QuantisedOperator, QuantisedTensor
from edgebench.targets.mcu.newer_kernels import NewerKernels
from edgebench.targets.mcu.ports import C_TYPES

ARENA = "edgebench_arena"
WEIGHTS = "EDGEBENCH_WEIGHTS"
WEIGHTS_MACRO = f"""\
#if defined(__ELF__)
#define {WEIGHTS} __attribute__((section(".rodata.edgebench_weights"), aligned(4)))
#else
#define {WEIGHTS} __attribute__((aligned(4)))
#endif
"""
"""What marks weights in C. Their own section shows their size; not all hosts' file formats have such names."""


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
        macs: Multiply-accumulates of one inference.
    """

    name: str
    kind: str
    body: str
    constants: str = ""
    scratch_bytes: int = 0
    notes: tuple[str, ...] = ()
    macs: int = 0


class CodeContext:
    """What an operator's writer may ask for: where tensors are, and constants.

    Args:
        graph: The model.
        helium: Whether kernels are compiled for Arm's vector extension, and need more scratch memory.
        newer: What CMSIS-NN needs if it is a later release than the one in the package bakenn.
        states: Symbols of the buffers of tensors that live from run to run, by the tensors' indices.
    """

    def __init__(
        self,
        graph: QuantisedGraph,
        *,
        helium: bool = False,
        newer: NewerKernels | None = None,
        states: Mapping[int, str] | None = None,
    ) -> None:
        self.graph = graph
        self.helium = helium
        self.newer = newer
        self.states = states or {}

    def tensor(self, index: int) -> QuantisedTensor:
        """A tensor by its index."""
        return self.graph.tensors[index]

    def pointer(self, index: int) -> str:
        """C expression for a computed tensor, a pointer to its type; its offset follows once the arena is planned.

        Raises:
            UnsupportedModelError: It is a constant.
        """
        tensor = self.graph.tensors[index]
        if tensor.data is not None:
            raise UnsupportedModelError(
                f"an operator computes only with the constant {tensor.name!r}",
                remedy="fold it: compute such values before the model is converted",
            )
        place = self.states.get(index, f"({ARENA} + OFFSET_{index})")
        return (
            place if tensor.dtype not in C_TYPES or tensor.dtype == "int8" else f"(({C_TYPES[tensor.dtype]} *){place})"
        )

    def operand(self, operator: QuantisedOperator, position: int, layer: int) -> tuple[str, str]:
        """C expression for an input, which may be a constant, and the definition that it then needs.

        Args:
            operator: Reads the input.
            position: Of the input among the operator's.
            layer: Number of the operator; it makes the constant's name unique.
        """
        tensor = self.tensor(operator.inputs[position])
        if tensor.data is None:
            return self.pointer(operator.inputs[position]), ""
        name = f"constant_{layer}_{position}"
        values = tensor.data.view(np.uint8) if tensor.dtype == "bool" else tensor.data
        return name, array(C_TYPES[tensor.dtype], name, values, weights=True)


_ARRAY = re.compile(r"static const (\w+) (\w+)(\[\d+\].*? = \{.*?\};\n)", re.DOTALL)
"""What ``array`` writes."""


def share_arrays(layers: Iterable[LayerCode]) -> list[LayerCode]:
    """Let layers use the array of an earlier one if theirs would be the same, as for unrolled layers' weights."""
    first: dict[bytes, str] = {}

    def shared(match: re.Match[str]) -> str:
        kind, name, rest = match.groups()
        earlier = first.setdefault(hashlib.sha256(f"{kind}{rest}".encode()).digest(), name)
        return match[0] if earlier == name else f"#define {name} {earlier}\n"

    return [replace(layer, constants=_ARRAY.sub(shared, layer.constants)) for layer in layers]


def arrays_in(constants: str) -> list[str]:
    """Names of the arrays that a layer's constants define, not of those that it shares with an earlier one."""
    return [match[2] for match in _ARRAY.finditer(constants)]


def array(kind: str, name: str, values: NDArray[np.generic], *, weights: bool = False) -> str:
    """A constant array; weights go into their own section, so that their size can be read separately."""
    section = f" {WEIGHTS}" if weights else ""
    flat = values.ravel().tolist()
    lines = [", ".join(map(str, flat[start : start + 24])) for start in range(0, len(flat), 24)]
    return f"static const {kind} {name}[{len(flat)}]{section} = {{\n  " + ",\n  ".join(lines) + "\n};\n"
