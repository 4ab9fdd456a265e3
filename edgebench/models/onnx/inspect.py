"""Describes an ONNX file from its graph; the data of its weights is not loaded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from edgebench.core.model import ModelFormat, ModelInfo, TensorSpec
from edgebench.errors import InputError
from edgebench.models.digest import digest_files
from edgebench.models.input_shapes import with_batch_of_one
from edgebench.models.inputs import usual_value
from edgebench.models.mac_notes import is_partial
from edgebench.models.onnx.costs import count_macs, operator_name
from edgebench.models.onnx.file import MAX_DIMENSIONS, external_files, nodes, parse_graph
from edgebench.models.onnx.parameters import constant_shapes, count_parameters
from edgebench.models.source import ModelSource

_KNOWN_DOMAINS = ("", "ai.onnx", "com.microsoft")
_PASSING = frozenset({"Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"})
"""Operators whose output has the values of their first input."""
_MAX_LISTED = 20


def inspect_onnx(path: Path, source: ModelSource, shapes: Mapping[str, tuple[int, ...]]) -> ModelInfo:
    """Describe a file.

    Args:
        path: The file; its external data is in the same folder.
        source: What the user typed.
        shapes: Shapes of inputs, by name, at which multiply-accumulates are counted.

    Raises:
        InputError: Not an ONNX model, newer than the installed onnx package, or its external data is missing
            or is outside its folder.
    """
    model = parse_graph(path)
    try:
        return _describe(model, path, source, shapes)
    except (ValueError, TypeError, IndexError, RecursionError, OverflowError) as error:
        # Invalid text, sizes out of range, and so on.
        raise InputError(
            f"damaged ONNX file: {error}", where=str(path), remedy="export or copy the model again"
        ) from None


def _describe(model: Any, path: Path, source: ModelSource, shapes: Mapping[str, tuple[int, ...]]) -> ModelInfo:
    digest, size = digest_files([path, *external_files(model, path)])
    functions = {(function.domain, function.name) for function in model.functions}
    custom = {
        operator_name(node)
        for node in nodes(model)
        if not node.domain.startswith(_KNOWN_DOMAINS[1:])
        and node.domain not in _KNOWN_DOMAINS
        and (node.domain, node.op_type) not in functions
    }
    notes = [f"custom operators: {_listed(custom)}"] if custom else []
    constants = {tensor.name for tensor in model.graph.initializer}
    lengths = _table_lengths(model)
    inputs = tuple(_spec(v, lengths.get(v.name)) for v in model.graph.input if v.name not in constants)
    types = {value.name: value.type for value in model.graph.input if value.name not in constants}
    shapeless = {n for n, t in types.items() if t.HasField("tensor_type") and not t.tensor_type.HasField("shape")}
    if shapeless:
        notes.append(f"treated as single values, because the file states no shape: {_listed(shapeless)}")
    values = {spec.name: value for spec in inputs if (value := usual_value(spec)) is not None and _is_scalar(spec)}
    macs, mac_notes = count_macs(model, with_batch_of_one(inputs, shapes), values)
    operators = _operators(model)
    if values and "If" in operators:
        notes.append(f"MACs are for {', '.join(f'{name[:80]} = {value}' for name, value in values.items())}")
    return ModelInfo(
        name=source.name,
        source=source.text,
        format=ModelFormat.ONNX,
        digest=digest,
        size_bytes=size,
        parameters=count_parameters(model),
        macs=macs,
        inputs=inputs,
        outputs=tuple(_spec(value) for value in model.graph.output),
        operators=operators,
        macs_partial=is_partial(mac_notes),
        notes=(*notes, *mac_notes),
    )


def _operators(model: Any) -> dict[str, int]:
    """How often each operator occurs in the file, including branches and functions."""
    return dict(sorted(Counter(operator_name(node) for node in nodes(model) if node.op_type != "Constant").items()))


def _listed(names: Iterable[str]) -> str:
    ordered = sorted(names)
    shown = [name[:80] for name in ordered[:_MAX_LISTED]]
    return ", ".join([*shown, *(["others"] if len(ordered) > _MAX_LISTED else [])])


def _is_scalar(spec: TensorSpec) -> bool:
    return "int" in spec.dtype and all(size == 1 for size in spec.shape)


def _table_lengths(model: Any) -> dict[str, int]:
    """Length of the shortest constant table that a value indexes, by the value's name."""
    tables = constant_shapes(model)
    source = {}
    lengths: dict[str, int] = {}
    for node in nodes(model):
        if node.op_type == "DequantizeLinear" and node.input and node.output and node.input[0] in tables:
            tables[node.output[0]] = tables[node.input[0]]
        if node.op_type in _PASSING and node.input and node.output:
            source[node.output[0]] = node.input[0]
        if node.op_type != "Gather" or len(node.input) < 2 or node.input[0] not in tables:
            continue
        axis = next((int(attribute.i) for attribute in node.attribute if attribute.name == "axis"), 0)
        dims = tables[node.input[0]]
        if not -len(dims) <= axis < len(dims):
            continue
        name = node.input[1]
        for _ in range(8):
            lengths[name] = min(dims[axis], lengths.get(name, dims[axis]))
            if name not in source:
                break
            name = source[name]
    return lengths


def _spec(value: Any, upper: int | None = None) -> TensorSpec:
    import onnx

    if not value.type.HasField("tensor_type"):
        kind = value.type.WhichOneof("value") or "value of unknown type"
        return TensorSpec(name=value.name, dtype=kind.removesuffix("_type"), shape=())
    tensor = value.type.tensor_type
    dimensions = list(tensor.shape.dim)
    if len(dimensions) > MAX_DIMENSIONS:
        raise ValueError(f"{value.name[:80]!r} has {len(dimensions)} dimensions")
    try:
        dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).name
    except (KeyError, ValueError, TypeError):
        dtype = f"type {tensor.elem_type}"
    if tensor.elem_type == onnx.TensorProto.STRING:
        dtype = "string"
    return TensorSpec(
        name=value.name,
        dtype=dtype,
        shape=tuple(int(d.dim_value) if d.HasField("dim_value") and d.dim_value >= 0 else None for d in dimensions),
        dimensions=tuple(d.dim_param for d in dimensions),
        upper=upper if "int" in dtype and upper else None,
    )
