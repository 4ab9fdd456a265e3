"""Describes an ONNX file from its graph; tensor data that is not needed is not loaded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edgebench.core.model import ModelFormat, ModelInfo, TensorSpec
from edgebench.errors import InputError
from edgebench.models.digest import digest_files
from edgebench.models.onnx_costs import count_macs
from edgebench.models.source import ModelSource

_STANDARD_DOMAINS = {"", "ai.onnx", "ai.onnx.ml", "ai.onnx.training", "ai.onnx.preview.training"}
_MICROSOFT = "com.microsoft"
_NOT_LEARNED = {7, 8, 9}
"""``TensorProto``'s INT64, STRING and BOOL."""
_MAX_IN_FILE = 2**31 - 1
_SMALL_ELEMENTS = 1024
"""Constants up to this many elements keep their data: shapes may be computed from them."""


def inspect_onnx(path: Path, source: ModelSource, shapes: Mapping[str, tuple[int, ...]]) -> ModelInfo:
    """Describe a file.

    Parameters are the elements of all initializers and constants, in subgraphs too, except scalars, 64-bit
    integers and truth values (shapes, axes, masks), and quantisation scales and zero points.

    Raises:
        InputError: Not an ONNX model, newer than the installed onnx package, or its external data is missing
            or lies outside its folder.
    """
    model = load_graph(path)
    data_files = external_files(model, path)
    digest, size = digest_files([path, *data_files])
    constants = {initializer.name for initializer in model.graph.initializer}
    custom = sorted({f"{node.domain}::{node.op_type}" for node in _nodes(model.graph) if _is_custom(node.domain)})
    notes = [f"custom operators: {', '.join(custom)}"] if custom else []
    parameters = _count_parameters(model.graph)
    inputs = [value for value in model.graph.input if value.name not in constants]
    lengths = _table_lengths(model.graph)
    operators = Counter(node.op_type for node in _nodes(model.graph) if node.op_type != "Constant")
    specs = tuple(_spec(value, lengths.get(value.name)) for value in inputs)
    _strip(model.graph)
    macs, mac_notes = count_macs(model, shapes)
    return ModelInfo(
        name=source.name,
        source=source.text,
        format=ModelFormat.ONNX,
        digest=digest,
        size_bytes=size,
        parameters=parameters,
        macs=macs,
        inputs=specs,
        outputs=tuple(_spec(value) for value in model.graph.output),
        operators=dict(sorted(operators.items())),
        notes=(*notes, *mac_notes),
    )


def load_graph(path: Path) -> Any:
    """Parse a file, without the data of external tensors.

    Raises:
        InputError: It does not parse, has no graph, or needs a newer onnx package.
    """
    import onnx
    from google.protobuf.message import DecodeError

    if path.stat().st_size > _MAX_IN_FILE:
        raise InputError(
            "an ONNX file cannot hold more than 2 GiB",
            where=str(path),
            remedy="save it with external data: onnx.save(model, path, save_as_external_data=True)",
        )
    try:
        model = onnx.ModelProto()
        model.ParseFromString(path.read_bytes())
    except (DecodeError, ValueError, RecursionError) as error:
        raise InputError(f"not a valid ONNX file: {error}", where=str(path)) from None
    if not model.graph.node or not model.graph.output:
        raise InputError("not a valid ONNX file: its graph is empty", where=str(path))
    if not all(isinstance(name, str) for name in _all_names(model.graph)):
        raise InputError("not a valid ONNX file: a name is not UTF-8", where=str(path))
    newest = onnx.defs.onnx_opset_version()
    for opset in model.opset_import:
        if opset.domain in {"", "ai.onnx"} and opset.version > newest:
            raise InputError(
                f"the model uses opset {opset.version}, the installed onnx knows up to {newest}",
                where=str(path),
                remedy="pip install --upgrade onnx onnxruntime, or export with a lower opset",
            )
    return model


def external_files(model: Any, path: Path) -> list[Path]:
    """Files beside the model that hold its weights, each once.

    Raises:
        InputError: A file is missing, or its path leaves the model's folder.
    """
    folder = path.parent.resolve()
    files: dict[Path, None] = {}
    for tensor in _tensors(model.graph):
        location = next((entry.value for entry in tensor.external_data if entry.key == "location"), None)
        if location is None:
            continue
        place = (folder / location).resolve() if "\0" not in location else folder
        if not place.is_relative_to(folder) or place == folder:
            raise InputError(
                f"tensor {tensor.name!r} has its data in {location!r}, outside the model's folder", where=str(path)
            )
        if not place.is_file():
            raise InputError(
                f"the file {location!r} with the data of tensor {tensor.name!r} is missing",
                where=str(path),
                remedy=f"copy it to {path.parent}",
            )
        files[place] = None
    return list(files)


def _graphs(graph: Any) -> Iterator[Any]:
    """A graph and all graphs inside its nodes."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _graphs(attribute.g)
            for inner in attribute.graphs:
                yield from _graphs(inner)


def _nodes(graph: Any) -> Iterator[Any]:
    for inner in _graphs(graph):
        yield from inner.node


def _tensors(graph: Any) -> Iterator[Any]:
    for inner in _graphs(graph):
        yield from inner.initializer
        yield from (attribute.t for node in inner.node for attribute in node.attribute if attribute.HasField("t"))


def _all_names(graph: Any) -> Iterator[object]:
    """Every name that is used; protobuf hands one that is not UTF-8 over as bytes."""
    for inner in _graphs(graph):
        for node in inner.node:
            yield from (node.op_type, node.domain, *node.input, *node.output)
            yield from (attribute.name for attribute in node.attribute)
        for value in (*inner.input, *inner.output, *inner.value_info):
            yield value.name
            yield from (dimension.dim_param for dimension in value.type.tensor_type.shape.dim)
    for tensor in _tensors(graph):
        yield tensor.name
        yield from (part for entry in tensor.external_data for part in (entry.key, entry.value))


def _count_parameters(graph: Any) -> int:
    quantisation = {
        name
        for node in _nodes(graph)
        for name in node.input[1:]
        if node.op_type in {"QuantizeLinear", "DequantizeLinear"}
    }
    return sum(
        _elements(tensor.dims)
        for name, tensor in _named_tensors(graph)
        if name not in quantisation and tensor.dims and tensor.data_type not in _NOT_LEARNED
    )


def _named_tensors(graph: Any) -> Iterator[tuple[str, Any]]:
    """Initializers, and the values of constants by the name of their output."""
    for inner in _graphs(graph):
        yield from ((tensor.name, tensor) for tensor in inner.initializer)
        for node in inner.node:
            if node.op_type == "Constant":
                yield from ((node.output[0], a.t) for a in node.attribute if a.HasField("t"))


def _elements(dims: Any) -> int:
    total = 1
    for size in dims:
        total *= max(0, int(size))
    return total


def _table_lengths(graph: Any) -> dict[str, int]:
    """Length of the constant table that an input indexes."""
    tables = {tensor.name: tensor.dims for tensor in graph.initializer}
    lengths = {}
    for node in graph.node:
        if node.op_type == "Gather" and len(node.input) == 2 and node.input[0] in tables:
            axis = next((int(a.i) for a in node.attribute if a.name == "axis"), 0)
            dims = tables[node.input[0]]
            if -len(dims) <= axis < len(dims):
                lengths[node.input[1]] = int(dims[axis])
    return lengths


def _strip(graph: Any) -> None:
    """Drop the data of large initializers: counting needs their shapes alone. Constant nodes need theirs."""
    for tensor in graph.initializer:
        if _elements(tensor.dims) > _SMALL_ELEMENTS:
            for field in ("raw_data", "float_data", "int32_data", "int64_data", "double_data", "uint64_data"):
                tensor.ClearField(field)


def _spec(value: Any, upper: int | None = None) -> TensorSpec:
    import onnx

    if not value.type.HasField("tensor_type"):
        kind = value.type.WhichOneof("value") or "value of unknown type"
        return TensorSpec(name=value.name, dtype=kind.removesuffix("_type"), shape=())
    tensor = value.type.tensor_type
    dimensions = list(tensor.shape.dim)
    try:
        dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).name
    except (KeyError, ValueError, TypeError):
        dtype = f"type {tensor.elem_type}"
    return TensorSpec(
        name=value.name,
        dtype="string" if dtype == "object" else dtype,
        shape=tuple(int(d.dim_value) if d.HasField("dim_value") and d.dim_value > 0 else None for d in dimensions),
        dimensions=tuple(d.dim_param for d in dimensions),
        upper=upper,
    )


def _is_custom(domain: str) -> bool:
    return domain not in _STANDARD_DOMAINS and not domain.startswith(_MICROSOFT)
