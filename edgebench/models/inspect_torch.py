"""Describes TorchScript and ``torch.export`` files without importing PyTorch, and without unpickling."""

from __future__ import annotations

import json
import math
import re
import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgebench.core.model import ModelFormat, ModelInfo, TensorSpec
from edgebench.errors import InputError
from edgebench.models.digest import digest_files
from edgebench.models.source import ModelSource
from edgebench.models.torch_safety import sanitised_archive

_DTYPES = {
    1: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 6: "float16", 7: "float32", 8: "float64", 12: "bool",
    13: "bfloat16",
}  # fmt: skip
"""``torch._export.serde.schema.ScalarType``."""


def inspect_torch(path: Path, source: ModelSource, format_: ModelFormat) -> ModelInfo:
    """Describe a file; multiply-accumulates are not counted.

    Raises:
        InputError: Damaged, or an archive that could run code of its own.
    """
    digest, size = digest_files([path])
    info = ModelInfo(name=source.name, source=source.text, format=format_, digest=digest, size_bytes=size)
    notes = ("MACs are not counted for PyTorch files: export to ONNX to see them",)
    if format_ is ModelFormat.TORCHSCRIPT:
        return replace(info, notes=("parameters are not counted for TorchScript", *notes))
    try:
        with zipfile.ZipFile(sanitised_archive(path)) as archive:
            tables = {name: json.loads(archive.read(name)) for name in archive.namelist() if name.endswith(".json")}
        graph = next(table for name, table in tables.items() if "/models/" in name)["graph_module"]
        weights = next(table for name, table in tables.items() if "weights_config" in name)["config"]
        inputs = tuple(_inputs(graph))
        return replace(
            info,
            parameters=sum(_elements(entry["tensor_meta"]) for entry in weights.values() if entry["is_param"]),
            inputs=inputs,
            operators=dict(sorted(Counter(_short(node["target"]) for node in graph["graph"]["nodes"]).items())),
            notes=notes,
        )
    except (KeyError, TypeError, ValueError, AttributeError, StopIteration, zipfile.BadZipFile) as error:
        raise InputError(f"damaged torch.export file: {error!r}", where=str(path)) from None


def _inputs(graph: dict[str, Any]) -> list[TensorSpec]:
    names = [
        entry["user_input"]["arg"]["as_tensor"]["name"]
        for entry in graph["signature"]["input_specs"]
        if "user_input" in entry and "as_tensor" in entry["user_input"]["arg"]
    ]
    values = graph["graph"]["tensor_values"]
    return [
        TensorSpec(
            name=name,
            dtype=_DTYPES.get(values[name]["dtype"], f"type {values[name]['dtype']}"),
            shape=tuple(size.get("as_int") for size in values[name]["sizes"]),
        )
        for name in names
    ]


def _elements(meta: dict[str, Any]) -> int:
    return math.prod(int(size["as_int"]) for size in meta["sizes"])


def _short(target: str) -> str:
    """``torch.ops.aten.conv2d.default`` to ``conv2d``."""
    match = re.fullmatch(r"torch\.ops\.\w+\.(\w+)(\.\w+)?", target)
    return match[1] if match else target
