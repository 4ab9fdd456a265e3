"""Per-operator times under LiteRT, whose Python packages have no profiler.

The model is cut after each operator, and the cuts are timed in turn; an operator costs the time by which its cut
takes longer than the one before. Every cut returns all tensors that later operators need, so that nothing before it
is optimised away.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from edgebench.core.metric import Metric, Provenance
from edgebench.core.profile import LayerCost
from edgebench.models.tflite.tree import pack_model
from edgebench.targets.timing import time_calls

_ROUNDS = 3
_RUN_S = 0.01
_MAX_RUNS = 50
_METHOD = "difference of the fastest runs of the model cut after this operator and before it"


def profile_layers(model: Path, make_interpreter: Callable[[Path], Any]) -> list[LayerCost]:
    """Time every operator of a model's main graph.

    Args:
        model: A ``.tflite`` file.
        make_interpreter: An interpreter with its inputs set, from a file.

    Returns:
        One row per operator in the order of execution; empty if the file's schema cannot be read here.
        Shares add up to 1 over the operators whose times could be distinguished from zero.
    """
    try:
        from ai_edge_litert import schema_py_generated as schema
    except ModuleNotFoundError:
        return []
    fastest: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for index, content in enumerate(_cuts(model, schema)):
            paths.append(Path(folder) / f"{index}.tflite")
            paths[-1].write_bytes(content)
        fastest = [float("inf")] * len(paths)
        for _ in range(_ROUNDS):
            for index, path in enumerate(paths):
                fastest[index] = min(fastest[index], _fastest_run(make_interpreter(path)))
    differences = [later - earlier for earlier, later in pairwise([0.0, *fastest])]
    total = sum(seconds for seconds in differences if seconds > 0)
    return [
        _cost(name, operator, seconds, total)
        for (name, operator), seconds in zip(_operators(model, schema), differences, strict=True)
    ]


def _cost(name: str, operator: str, seconds: float, total: float) -> LayerCost:
    """What an operator costs; one that makes its cut no slower was not measured: that is not 0."""
    if seconds <= 0:
        return LayerCost(name=name, operator=operator, reason="no time of its own: fused into others, or too short")
    metric = Metric(value=seconds, unit="s", provenance=Provenance.MEASURED, method=_METHOD)
    return LayerCost(name=name, operator=operator, share=seconds / total, metrics={"latency_s": metric})


def _cuts(model: Path, schema: Any) -> Iterator[bytes]:
    tree = schema.ModelT.InitFromObj(schema.Model.GetRootAs(model.read_bytes(), 0))
    tree.signatureDefs = None
    graph = tree.subgraphs[0]
    operators, outputs = list(graph.operators), {int(index) for index in graph.outputs}
    for end in range(1, len(operators) + 1):
        produced = {int(index) for operator in operators[:end] for index in operator.outputs}
        needed = {int(index) for operator in operators[end:] for index in operator.inputs} | outputs
        graph.operators = operators[:end]
        graph.outputs = sorted(produced & needed)
        yield pack_model(tree, model.stat().st_size)


def _operators(model: Path, schema: Any) -> Iterator[tuple[str, str]]:
    """Name and kind of each operator."""
    kinds = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    tree = schema.Model.GetRootAs(model.read_bytes(), 0)
    graph = tree.Subgraphs(0)
    for index in range(graph.OperatorsLength()):
        operator = graph.Operators(index)
        code = tree.OperatorCodes(operator.OpcodeIndex())
        kind = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        name = graph.Tensors(operator.Outputs(0)).Name().decode("utf-8", "replace")
        yield name.rpartition(";")[2] or name, kinds.get(kind, "CUSTOM")


def _fastest_run(interpreter: Any) -> float:
    first = time_calls(interpreter.invoke, 2, single_thread=False).latencies_s[-1]
    runs = max(3, min(_MAX_RUNS, round(_RUN_S / first))) if first > 0 else _MAX_RUNS
    return min(time_calls(interpreter.invoke, runs, single_thread=False).latencies_s)
