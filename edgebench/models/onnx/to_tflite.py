"""A float ONNX file to float TFLite, compared with the original on random inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebench.core.model import InputSource, TensorSpec
from edgebench.errors import UnsupportedModelError
from edgebench.models.graph.passes import shortened
from edgebench.models.graph.tensor_graph import Port, TensorGraph
from edgebench.models.inputs import make_inputs
from edgebench.models.onnx.lowering.lower import HANDLERS, lower
from edgebench.models.onnx.simplify import SimpleModel, simplify
from edgebench.models.output_difference import relative_difference
from edgebench.models.tflite.writer import write_graph

Array = NDArray[Any]
_TOLERANCE = 1e-3
"""Relative difference of float outputs above which a conversion is wrong, not rounded."""
_MILLIONTH = 1e-6
_ROUNDINGS = 3.0
"""How many times as far as by such a change outputs may differ."""
_FURTHER_INPUTS = 2
"""Number of inputs that are compared in addition to those that the shapes were found with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertedModel:
    """A converted file.

    Attributes:
        path: The ``.tflite`` file.
        inputs: Its inputs: names in the user's model, and the order of their axes.
        ranges: For a model that was quantised, the lowest and highest value of tensors by name.
        difference: Largest difference of an output, as a share of the largest value of that output.
        notes: What a user must know about the conversion.
    """

    path: Path
    inputs: tuple[Port, ...]
    ranges: Mapping[str, tuple[float, float]]
    difference: float
    notes: tuple[str, ...]


def convert_onnx(path: Path, target: Path, specs: Sequence[TensorSpec], source: InputSource) -> ConvertedModel:
    """Convert an ONNX file.

    Args:
        path: The file.
        target: File to write.
        specs: Its inputs.
        source: Values, or shapes and seed, of the inputs that both are compared on.

    Raises:
        UnsupportedModelError: An operator cannot be converted, or outputs differ; the layer is named.
        InputError: The file is not valid.
    """
    values = dict(make_inputs(specs, source))
    _require_values(values, path.name)
    simple = simplify(path, {name: value.shape for name, value in values.items()}, values, HANDLERS)
    graph = shortened(lower(simple, path.stem))
    _require_kernels(graph, path.name)
    write_graph(graph, target)
    difference = _difference(simple, graph, target)
    for number in range(_FURTHER_INPUTS):
        further = simple.again(make_inputs(specs, replace(source, file=None, seed=source.seed + 1 + number)))
        difference = max(difference, _difference(further, graph, target))
    rounding = _sensitivity(simple) if difference > _TOLERANCE else 0.0
    if difference > max(_TOLERANCE, _ROUNDINGS * rounding):
        where = _first(simple, graph, target)
        raise UnsupportedModelError(
            f"the conversion to TFLite is not faithful: outputs differ by {difference:.1%}{where}",
            where=path.name,
            remedy="please report this model; until then profile it on a CPU: -d host",
        )
    notes = _notes(simple, graph, difference)
    if rounding:
        notes.append(f"the outputs of this model change by {rounding:.1%} if its inputs change by a millionth")
    return ConvertedModel(
        path=target, inputs=graph.inputs, ranges=graph.ranges, difference=difference, notes=tuple(notes)
    )


def _sensitivity(simple: SimpleModel) -> float:
    """How far outputs of the original change, relative to their size, if its inputs change by a millionth.

    Where that is far, so do outputs of a faithful conversion, which rounds in another order.
    """
    random = np.random.default_rng(0)
    nudged = {
        name: (value * (1 + _MILLIONTH * random.standard_normal(value.shape))).astype(value.dtype)
        if value.dtype.kind == "f"
        else value
        for name, value in ((name, simple.values[name]) for name in simple.inputs)
    }
    again = simple.again(nudged)
    return max(relative_difference(simple.values[name], again.values[name]) for name in simple.outputs)


def _require_values(values: Mapping[str, Array], where: str) -> None:
    """A cache that is empty in the first step works in ONNX Runtime, but TFLite's kernels do not take it."""
    empty = [f"{name}[{','.join(map(str, value.shape))}]" for name, value in values.items() if not value.size]
    if empty:
        raise UnsupportedModelError(
            f"inputs are empty, which TFLite's kernels do not take: {', '.join(empty)}",
            where=where,
            remedy="give sizes of at least 1 with --shape where the model leaves them open, or use -d host",
        )


def _require_kernels(graph: TensorGraph, where: str) -> None:
    """ERF is part of GELU; TFLite has no separate kernel for it."""
    layers = [node.source for node in graph.nodes if node.kind == "ERF"]
    if layers:
        raise UnsupportedModelError(
            f"TFLite has no operator Erf (layer {layers[0]!r}), except as a part of Gelu",
            operators=("Erf",),
            where=where,
            remedy="replace it with Tanh or Gelu, or profile the model on a CPU: -d host",
        )


def _notes(simple: SimpleModel, graph: TensorGraph, difference: float) -> list[str]:
    notes = [f"converted from ONNX to TFLite, outputs differ by {difference:.1e} of their size"]
    for name, value in simple.fixed.items():
        notes.append(f"input {name!r} decides what is computed: it is fixed at {value.reshape(-1)[0]} (see --inputs)")
    for what, ports in (("input", graph.inputs), ("output", graph.outputs)):
        for port in ports:
            if port.layout != tuple(range(len(port.layout))):
                shape = ",".join(map(str, graph.tensors[port.tensor].shape))
                notes.append(f"{what} {port.name!r} has its channels last in the converted file: [{shape}]")
    return notes


def _difference(simple: SimpleModel, graph: TensorGraph, path: Path) -> float:
    """Of every output, relative to its largest value; of integers the share that differs."""
    found = _run(path, graph, simple.values)
    worst = 0.0
    for port in graph.outputs:
        expected = np.transpose(simple.values[port.name], port.layout)
        worst = max(worst, relative_difference(expected, found[port.tensor]))
    return worst


def _run(path: Path, graph: TensorGraph, values: Mapping[str, Array], *, every: bool = False) -> dict[str, Array]:
    """Outputs, or every tensor, by name."""
    interpreter = _interpreter(path, every=every)
    indices = {detail["name"]: detail["index"] for detail in interpreter.get_tensor_details()}
    for port in graph.inputs:
        tensor = graph.tensors[port.tensor]
        value = np.transpose(values[port.name], port.layout).astype(tensor.dtype)
        interpreter.set_tensor(indices[port.tensor], value)
    interpreter.invoke()
    wanted = graph.tensors if every else [port.tensor for port in graph.outputs]
    found = {}
    for name in wanted:
        if name in indices:
            found[name] = interpreter.get_tensor(indices[name])
    return found


def _interpreter(path: Path, *, every: bool) -> Any:
    """LiteRT with its usual kernels, or where these do not take a file, with its plain ones."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    reason = ""
    for kernels in (OpResolverType.AUTO, OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES):
        try:
            interpreter = Interpreter(
                model_path=str(path),
                num_threads=1,
                experimental_preserve_all_tensors=every,
                experimental_op_resolver_type=kernels,
            )
            interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            reason = " ".join(str(error).split())[:300]
        else:
            return interpreter
    raise UnsupportedModelError(
        f"LiteRT does not take the converted model: {reason}",
        where=path.name,
        remedy="please report this model; until then profile it on a CPU: -d host",
    )


def _first(simple: SimpleModel, graph: TensorGraph, path: Path) -> str:
    """The first layer whose values differ, if it can be found."""
    found = _run(path, graph, simple.values, every=True)
    for node in graph.nodes:
        for name in node.outputs:
            expected = simple.values.get(name)
            if expected is None or name not in found or expected.size != found[name].size:
                continue
            # Internal layouts are unknown here: the sorted values must agree, whatever the order of axes.
            difference = relative_difference(np.sort(expected, axis=None), np.sort(found[name], axis=None))
            if difference > _TOLERANCE:
                return f"; the first layer that differs is {node.source!r} ({node.kind}), by {difference:.1%}"
    return ""
