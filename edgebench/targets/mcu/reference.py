"""The results of LiteRT's reference kernels, to compare with."""

from __future__ import annotations

import faulthandler
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebench.errors import InputError
from edgebench.models.tflite.quantised_graph import QuantisedGraph, read_quantised_graph
from edgebench.targets.mcu.float_edges import without_float_edges
from edgebench.targets.mcu.reference_models import reference_content

_MANY = 512


class NoReferenceError(Exception):
    """LiteRT's reference kernels have no result for a model, or for some values of its inputs."""


class ReferenceModel:
    """A model in LiteRT's reference kernels; what it keeps from run to run starts as the file says.

    Args:
        model: A ``.tflite`` file.

    Raises:
        InputError: LiteRT refuses the model.
        NoReferenceError: LiteRT has no working kernel.
    """

    def __init__(self, model: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        self._graph = read_quantised_graph(model)
        _require_kernels(self._graph)
        self._inside, _ = without_float_edges(self._graph)
        try:
            self._interpreter: Any = Interpreter(
                model_content=reference_content(model, self._graph),
                experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
            )
            self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            what = f"LiteRT refuses the model: {' '.join(str(error).split())[:300]}"
            raise InputError(what, where=str(model)) from None

    def run(self, inputs: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """Each output as the C model has it; if the file takes real numbers, those that the inputs represent.

        Raises:
            NoReferenceError: LiteRT refuses the values.
        """
        details = self._interpreter.get_input_details()
        for detail, index, values in zip(details, self._inside.inputs, inputs, strict=True):
            given: NDArray[Any] = values
            tensor = self._graph.tensors[index]
            if detail["dtype"] == np.float32 and tensor.dtype != "float32":
                given = (values.astype(np.float32) - tensor.zero_point) * np.float32(tensor.scale)
            self._interpreter.set_tensor(detail["index"], given.reshape(detail["shape"]))
        if _may_stop(self._graph) and not _ends(self._interpreter):
            raise NoReferenceError("SOFTMAX over 512 or more values that are nearly equal, at which LiteRT aborts")
        try:
            self._interpreter.invoke()
        except RuntimeError as error:
            raise NoReferenceError(" ".join(str(error).split())[:200]) from None
        found = []
        for detail, index in zip(self._interpreter.get_output_details(), self._inside.outputs, strict=True):
            value: NDArray[Any] = self._interpreter.get_tensor(detail["index"]).ravel()
            tensor = self._graph.tensors[index]
            if detail["dtype"] == np.float32 and tensor.dtype != "float32":
                value = np.rint(value / np.float32(tensor.scale)).astype(np.int64) + tensor.zero_point
            found.append(value.astype(tensor.dtype))
        return found


def reference_outputs(model: Path, inputs: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    """Each output of a first run as the C model has it.

    Raises:
        InputError: LiteRT refuses the model.
        NoReferenceError: LiteRT refuses the values, or has no working kernel.
    """
    return ReferenceModel(model).run(inputs)


def _require_kernels(graph: QuantisedGraph) -> None:
    """Keep LiteRT from what makes it access memory out of bounds: filters over time with an 8-bit state."""
    for operator in graph.operators:
        if operator.kind == "SVDF" and graph.tensors[operator.inputs[-1]].dtype == "int8":
            raise NoReferenceError("SVDF with an 8-bit state, which only TensorFlow Lite Micro supports")


def _may_stop(graph: QuantisedGraph) -> bool:
    """Whether LiteRT may abort the whole process, as its softmax does if exponentials add up to 512."""
    return hasattr(os, "fork") and any(
        operator.kind == "SOFTMAX" and graph.tensors[operator.inputs[0]].shape[-1:] >= (_MANY,)
        for operator in graph.operators
    )


def _ends(interpreter: Any) -> bool:
    """Whether an inference finishes in a copy of this process."""
    child = os.fork()
    if child == 0:
        faulthandler.disable()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        try:
            interpreter.invoke()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
