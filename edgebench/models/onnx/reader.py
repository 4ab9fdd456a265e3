"""An ONNX file as a network of edgebench's own, for the common operators of convolutional networks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgebench.errors import InputError, UnsupportedModelError
from edgebench.models.network import INPUT, Network
from edgebench.models.network.layers import Shape
from edgebench.models.network.weights import LayerWeights
from edgebench.models.onnx.file import external_files, parse_graph
from edgebench.models.onnx.reader_operators import HANDLERS, Importer

_SKIPPED = {"Identity", "Dropout"}


def import_onnx(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> tuple[Network, dict[str, LayerWeights]]:
    """Read a float ONNX file.

    Args:
        path: The file.
        shapes: Shapes of open inputs, by name.

    Returns:
        A network with the input channels last, and its weights.

    Raises:
        InputError: The file is not valid.
        UnsupportedModelError: It has several inputs or outputs, a batch other than 1, or an operator that
            networks cannot describe; the operators are named.
    """
    import onnx

    external_files(parse_graph(path), path)
    model = onnx.load(str(path))
    graph = model.graph
    constants = {tensor.name: _array(tensor) for tensor in graph.initializer}
    _collect_constant_nodes(graph, constants)
    unknown = sorted({node.op_type for node in graph.node} - set(HANDLERS) - _SKIPPED - {"Constant"})
    if unknown:
        raise UnsupportedModelError(
            f"edgebench cannot convert the operators {', '.join(unknown)}",
            operators=tuple(unknown),
            where=path.name,
            remedy="convert the model to an int8 .tflite with the tool of its framework and give that file",
        )
    source = _single([value for value in graph.input if value.name not in constants], "inputs", path)
    output = _single(list(graph.output), "outputs", path)
    uses = Counter([output.name, *(name for node in graph.node for name in node.input)])
    importer = Importer(path.stem, _input_shape(source, shapes, path), constants, uses)
    importer.names[source.name] = INPUT
    for node in graph.node:
        if node.op_type == "Constant":
            continue
        if node.op_type in _SKIPPED:
            importer.alias(node.output[0], node.input[0])
            continue
        HANDLERS[node.op_type](importer, node)
    return importer.finish(output.name)


def _array(tensor: Any) -> NDArray[Any]:
    from onnx import numpy_helper

    try:
        return numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"tensor {tensor.name!r} is damaged: {error}") from None


def _collect_constant_nodes(graph: Any, constants: dict[str, NDArray[Any]]) -> None:
    for node in graph.node:
        if node.op_type == "Constant":
            for attribute in node.attribute:
                if attribute.HasField("t"):
                    constants[node.output[0]] = _array(attribute.t)


def _single(values: list[Any], what: str, path: Path) -> Any:
    if len(values) != 1:
        raise UnsupportedModelError(
            f"edgebench converts models with one input and one output, this has {len(values)} {what}",
            where=path.name,
            remedy="convert the model to .tflite with the tool of its framework",
        )
    return values[0]


def _input_shape(value: Any, shapes: Mapping[str, tuple[int, ...]], path: Path) -> Shape:
    """Channels last, without the batch."""
    sizes = shapes.get(value.name) or tuple(int(d.dim_value) for d in value.type.tensor_type.shape.dim)
    if value.type.tensor_type.elem_type != 1 or len(sizes) not in {2, 4} or sizes[0] > 1 or min(sizes[1:]) < 1:
        raise UnsupportedModelError(
            f"input {value.name!r} is not one float image or vector: shape {','.join(map(str, sizes))}",
            where=path.name,
            remedy=f"export it with a batch of 1, or set it: --shape {value.name}=1,3,224,224",
        )
    return (sizes[2], sizes[3], sizes[1]) if len(sizes) == 4 else (sizes[1],)
