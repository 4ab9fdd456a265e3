"""Describes TorchScript and ``torch.export`` files without importing PyTorch, and without unpickling."""

from __future__ import annotations

import json
import math
import re
import zipfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgebench.core.model import ModelFormat, ModelInfo, TensorSpec
from edgebench.errors import InputError
from edgebench.models.digest import digest_files
from edgebench.models.input_shapes import with_batch_of_one
from edgebench.models.mac_notes import is_partial
from edgebench.models.pytorch.costs import count_macs, operator_name
from edgebench.models.pytorch.sizes import evaluate, symbol_of
from edgebench.models.source import DAMAGED_ARCHIVE, ModelSource

_Shape = tuple[int | None, ...]

_DTYPES = {
    1: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 6: "float16", 7: "float32", 8: "float64",
    9: "complex32", 10: "complex64", 11: "complex128", 12: "bool", 13: "bfloat16", 28: "uint16", 34: "uint32",
    35: "uint64",
}  # fmt: skip
"""``ScalarType`` of the schema that ``torch.export.save`` writes."""
_QUANTIZED = frozenset({1, 2})
_MODEL = re.compile(r"[^/]+/models/\w+\.json")
_WEIGHTS = re.compile(r"[^/]+/data/weights/\w+_config\.json")
_MAX_TABLE_BYTES = 128 * 2**20
_MAX_DIMENSIONS = 64
_DAMAGE = (KeyError, TypeError, AttributeError, MemoryError, *DAMAGED_ARCHIVE)
"""What reading tables of an unexpected form raises; a deeply nested one is a ``RuntimeError``."""


def inspect_torch(
    path: Path, source: ModelSource, format_: ModelFormat, shapes: Mapping[str, tuple[int, ...]]
) -> ModelInfo:
    """Describe a file.

    Args:
        path: The file.
        source: What the user typed.
        format_: TorchScript, which shows nothing without PyTorch, or ``torch.export``.
        shapes: Shapes of inputs, by name, at which multiply-accumulates are counted.

    Raises:
        InputError: Damaged.
    """
    digest, size = digest_files([path])
    info = ModelInfo(name=source.name, source=source.text, format=format_, digest=digest, size_bytes=size)
    if format_ is ModelFormat.TORCHSCRIPT:
        note = "TorchScript shows no inputs, parameters or MACs: save the model with torch.export.save to see them"
        return replace(info, notes=(note,))
    try:
        with zipfile.ZipFile(path) as archive:
            graph = _table(archive, _MODEL)["graph_module"]
            weights = _table(archive, _WEIGHTS)["config"]
        return _describe(info, graph, weights, shapes)
    except _DAMAGE as error:
        raise InputError(
            f"damaged torch.export file: {type(error).__name__} {str(error)[:200]}".strip(),
            where=str(path),
            remedy="export the model again with the installed version of torch",
        ) from None


def _describe(
    info: ModelInfo, module: dict[str, Any], weights: dict[str, Any], shapes: Mapping[str, tuple[int, ...]]
) -> ModelInfo:
    graph, signature = module["graph"], module["signature"]
    values = graph["tensor_values"]
    names = [
        entry["user_input"]["arg"]["as_tensor"]["name"]
        for entry in signature["input_specs"]
        if "as_tensor" in entry.get("user_input", {}).get("arg", {})
    ]
    lengths = _table_lengths(graph["nodes"], values)
    inputs = tuple(_spec(name, values[name], lengths.get(name)) for name in names)
    results = [entry["user_output"]["arg"] for entry in signature["output_specs"] if "user_output" in entry]
    outputs = [result["as_tensor"]["name"] for result in results if "as_tensor" in result]
    macs, notes = count_macs(graph["nodes"], _resolved(values, inputs, with_batch_of_one(inputs, shapes)))
    return replace(
        info,
        parameters=_count_parameters(weights),
        macs=macs,
        macs_partial=is_partial(notes),
        inputs=inputs,
        outputs=tuple(_spec(name, values[name]) for name in outputs),
        operators=dict(sorted(Counter(operator_name(node["target"]) for node in graph["nodes"]).items())),
        notes=tuple(notes),
    )


def _table(archive: zipfile.ZipFile, pattern: re.Pattern[str]) -> dict[str, Any]:
    entries = [entry for entry in archive.infolist() if pattern.fullmatch(entry.filename)]
    if len(entries) != 1:
        raise ValueError(f"the archive contains {len(entries)} tables of a kind that may occur only once")
    # What is stored uncompressed cannot be larger than the file.
    if entries[0].compress_type != zipfile.ZIP_STORED or entries[0].file_size > _MAX_TABLE_BYTES:
        raise ValueError(f"the table {entries[0].filename} is compressed, or larger than 128 MiB")
    table = json.loads(archive.read(entries[0]))
    if not isinstance(table, dict):
        raise TypeError(f"{entries[0].filename} is not a table")
    return table


def _resolved(
    values: dict[str, Any], inputs: tuple[TensorSpec, ...], shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, _Shape]:
    """Shapes of all tensors, with the sizes that the user gave instead of their symbols."""
    sizes: dict[str, int] = {}
    for spec in inputs:
        given = zip(spec.dimensions, shapes.get(spec.name, ()), strict=False)
        sizes.update((symbol, size) for symbol, size in given if symbol)
    return {name: tuple(_size(size, sizes) for size in value["sizes"]) for name, value in values.items()}


def _size(size: dict[str, Any], sizes: Mapping[str, int]) -> int | None:
    return _integer(size) if "as_int" in size else evaluate(size["as_expr"]["expr_str"], sizes)


def _spec(name: str, value: dict[str, Any], upper: int | None = None) -> TensorSpec:
    sizes = value["sizes"]
    if not isinstance(name, str) or len(sizes) > _MAX_DIMENSIONS:
        raise ValueError("a tensor has no name, or too many dimensions")
    dtype = _DTYPES.get(value["dtype"], f"type {value['dtype']}")
    return TensorSpec(
        name=name,
        dtype=dtype,
        shape=tuple(_integer(size) if "as_int" in size else None for size in sizes),
        dimensions=tuple(_symbol(size) for size in sizes),
        upper=upper if "int" in dtype else None,
    )


def _symbol(size: dict[str, Any]) -> str:
    """Name of a dimension that is a plain symbol; ``""`` for a number or a formula."""
    return symbol_of(size["as_expr"]["expr_str"]) if "as_expr" in size else ""


def _integer(size: dict[str, Any]) -> int:
    value = size["as_int"]
    if not isinstance(value, int) or not 0 <= value < 2**63:
        raise ValueError(f"a tensor has a size of {str(value)[:50]}")
    return value


def _count_parameters(weights: dict[str, Any]) -> int:
    """Elements of parameters, shared ones once, and of quantised weights, which are buffers."""
    stored = {
        (entry["path_name"], tuple(_integer(size) for size in entry["tensor_meta"]["sizes"][:_MAX_DIMENSIONS]))
        for entry in weights.values()
        if entry["is_param"] or entry["tensor_meta"]["dtype"] in _QUANTIZED
    }
    return sum(math.prod(sizes) for _, sizes in stored)


def _table_lengths(nodes: list[dict[str, Any]], values: dict[str, Any]) -> dict[str, int]:
    """Length of the embedding table that an input indexes, by the input's name."""
    lengths: dict[str, int] = {}
    for node in nodes:
        if operator_name(node["target"]) != "embedding":
            continue
        arguments = {entry["name"]: entry["arg"].get("as_tensor", {}).get("name") for entry in node["inputs"]}
        sizes = values[arguments["weight"]]["sizes"]
        if sizes and "as_int" in sizes[0]:
            lengths[arguments["indices"]] = _integer(sizes[0])
    return lengths
