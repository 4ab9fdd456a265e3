"""Whether there is C code for a model, found out without compiling it."""

from __future__ import annotations

from collections import Counter

from edgebench.core.support import LeftOperators, Support
from edgebench.errors import UnsupportedModelError
from edgebench.models.tflite.quantised_graph import QuantisedGraph
from edgebench.targets.mcu.generator import generate
from edgebench.targets.mcu.newer_kernels import NewerKernels
from edgebench.targets.mcu.operators import WRITERS


def try_generating(graph: QuantisedGraph, *, helium: bool, newer: NewerKernels | None) -> Support:
    """Write the C code, and report which operators have no kernel and how much memory it takes at least.

    Args:
        graph: The model.
        helium: Whether it is for a core with Arm's vector extension.
        newer: What CMSIS-NN needs if it is a later release than the one in the package bakenn.
    """
    try:
        generated = generate(graph, helium=helium, newer=newer)
    except UnsupportedModelError as error:
        counts = Counter(operator.kind for operator in graph.operators if operator.kind not in WRITERS)
        left = tuple(
            LeftOperators(operator=operator, count=count, reason="there is no kernel for it")
            for operator, count in counts.most_common()
        )
        named = tuple(LeftOperators(operator=operator) for operator in error.operators)
        return Support(left=left or named, runs=False, reason=error.what, remedy=error.remedy)
    return Support(
        notes=generated.notes,
        at_least={
            "ram_bytes": generated.plan.size + generated.state_bytes,
            "flash_bytes": generated.constant_bytes,
        },
    )
