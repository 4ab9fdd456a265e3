"""What LiteRT's reference kernels answer, to compare with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebench.errors import InputError
from edgebench.models.tflite.quantised_graph import QuantisedGraph, read_quantised_graph
from edgebench.targets.mcu.float_edges import without_float_edges
from edgebench.targets.mcu.reference_models import reference_content


class NoReferenceError(Exception):
    """LiteRT's reference kernels have no answer for a model, or for some values of its inputs."""


def reference_outputs(model: Path, inputs: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    """Each output as the C model has it; where the file takes real numbers, those that stand for the inputs.

    Raises:
        InputError: LiteRT refuses the model.
        NoReferenceError: LiteRT refuses the values, or has no kernel that ends well.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    graph = read_quantised_graph(model)
    _require_kernels(graph)
    try:
        interpreter = Interpreter(
            model_content=reference_content(model, graph), experimental_op_resolver_type=OpResolverType.BUILTIN_REF
        )
        interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise InputError(f"LiteRT refuses the model: {' '.join(str(error).split())[:300]}", where=str(model)) from None
    inside, _ = without_float_edges(graph)
    for detail, index, values in zip(interpreter.get_input_details(), inside.inputs, inputs, strict=True):
        given: NDArray[Any] = values
        tensor = graph.tensors[index]
        if detail["dtype"] == np.float32 and tensor.dtype != "float32":
            given = (values.astype(np.float32) - tensor.zero_point) * np.float32(tensor.scale)
        interpreter.set_tensor(detail["index"], given.reshape(detail["shape"]))
    try:
        interpreter.invoke()
    except RuntimeError as error:
        raise NoReferenceError(" ".join(str(error).split())[:200]) from None
    found = []
    for detail, index in zip(interpreter.get_output_details(), inside.outputs, strict=True):
        value: NDArray[Any] = interpreter.get_tensor(detail["index"]).ravel()
        tensor = graph.tensors[index]
        if detail["dtype"] == np.float32 and tensor.dtype != "float32":
            value = np.rint(value / np.float32(tensor.scale)).astype(np.int64) + tensor.zero_point
        found.append(value.astype(tensor.dtype))
    return found


def _require_kernels(graph: QuantisedGraph) -> None:
    """Keep LiteRT from what it computes outside of its memory: filters over time with a state of 8 bits."""
    for operator in graph.operators:
        if operator.kind == "SVDF" and graph.tensors[operator.inputs[-1]].dtype == "int8":
            raise NoReferenceError("SVDF with a state of 8 bits, which TensorFlow Lite Micro alone has")
