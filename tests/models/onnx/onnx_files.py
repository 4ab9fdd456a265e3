"""Small ONNX files, written in a line each."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from edgebench.core.model import InputSource
from edgebench.models.inspect import inspect
from edgebench.models.onnx.to_tflite import ConvertedModel, convert_onnx
from edgebench.models.source import parse_source

node = helper.make_node
TYPES = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "int64": TensorProto.INT64}


def values(*shape: int, seed: int = 0, scale: float = 1.0) -> np.ndarray:
    return (np.random.default_rng([seed, *shape]).standard_normal(shape) * scale).astype(np.float32)


def ints(*items: int) -> np.ndarray:
    return np.array(items, np.int64)


def write(
    path: Path,
    nodes: Sequence[Any],
    inputs: Mapping[str, Sequence[int | str]],
    constants: Mapping[str, np.ndarray] | None = None,
    outputs: Sequence[str] = ("y",),
    *,
    opset: int = 17,
    dtype: str = "float32",
) -> Path:
    graph = helper.make_graph(
        list(nodes),
        "graph",
        [helper.make_tensor_value_info(name, TYPES[dtype], shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, _type(nodes, name, dtype), None) for name in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def _type(nodes: Sequence[Any], name: str, dtype: str) -> int:
    """Type of an output; positions are integers."""
    made = next(item for item in nodes if name in item.output)
    positions = made.op_type in {"ArgMax", "ArgMin", "NonZero"} or (
        made.op_type == "MaxPool" and name != made.output[0]
    )
    return TYPES["int64" if positions else dtype]


def convert(path: Path, shapes: Mapping[str, tuple[int, ...]] | None = None) -> ConvertedModel:
    """Convert a file; the conversion itself compares outputs with ONNX Runtime's."""
    info = inspect(path, parse_source(str(path)), shapes or {})
    return convert_onnx(path, path.with_suffix(".tflite"), info.inputs, InputSource(shapes=shapes or {}))


def kinds(path: Path) -> list[str]:
    """Operators of the converted file, in the order of execution."""
    from edgebench.models.tflite.file import read_graphs

    return [operator.kind for operator in read_graphs(path.with_suffix(".tflite"))[0].operators]
