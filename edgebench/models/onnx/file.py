"""Parses ONNX files without the data of their weights, and finds the files that contain it."""

from __future__ import annotations

from collections.abc import Iterator
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

from edgebench.errors import InputError
from edgebench.models.onnx.protobuf_wire import LENGTH_DELIMITED, WireError, encode_varint, walk_fields

_MAX_FILE_BYTES = 2**31 - 1
_SMALL_BYTES = 4096
"""Tensors up to this size keep their data, because shapes may be computed from them."""
MAX_DIMENSIONS = 64
"""Maximum rank of numpy; ONNX Runtime and the operators take fewer."""
_MAX_FIELDS = 5_000_000
_MAX_DEPTH = 100
_DATA_FIELDS = frozenset(
    {"raw_data", "float_data", "int32_data", "string_data", "int64_data", "double_data", "uint64_data"}
)
_STANDARD_DOMAINS = frozenset({"", "ai.onnx"})


FIRST_OPSET, MODERN_OPSET = 7, 17
"""The first that ONNX Runtime has operators for, and one that all its versions in use know."""


def opset_of(model: Any) -> int:
    """Version of ONNX's standard operators that a model uses."""
    return max((item.version for item in model.opset_import if item.domain in _STANDARD_DOMAINS), default=1)


def unusual_types(model: Any) -> list[str]:
    """Types of real numbers other than float32 that a graph's inputs and constants have, by name."""
    import onnx

    names = {
        onnx.TensorProto.BFLOAT16: "bfloat16",
        onnx.TensorProto.FLOAT16: "float16",
        onnx.TensorProto.DOUBLE: "float64",
    }
    found = {tensor.data_type for tensor in model.graph.initializer}
    found |= {value.type.tensor_type.elem_type for value in model.graph.input}
    return sorted(names[code] for code in found & set(names))


def parse_graph(path: Path) -> Any:
    """Parse a file into a ``ModelProto`` whose large tensors have their shapes but not their data.

    Only what is kept is copied, so that a model of two gigabytes needs no more memory than its graph.

    Raises:
        InputError: It does not parse, has no graph, or needs a newer onnx package.
    """
    import onnx
    from google.protobuf.message import DecodeError

    where = str(path)
    if path.stat().st_size > _MAX_FILE_BYTES:
        raise InputError(
            "an ONNX file cannot be larger than 2 GiB",
            where=where,
            remedy="save it with external data: onnx.save(model, path, save_as_external_data=True)",
        )
    model = onnx.ModelProto()
    try:
        with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
            model.ParseFromString(_Reader(content).without_data())
    except (DecodeError, ValueError, RecursionError) as error:
        raise InputError(f"damaged ONNX file: {error}", where=where, remedy="export or copy the model again") from None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", where=where) from None
    if not model.graph.node or not model.graph.output:
        raise InputError("the graph of this ONNX file is empty", where=where)
    _require_known_versions(model, where)
    if any(isinstance(text, bytes) for text in _texts(model)):
        raise InputError("damaged ONNX file: a name that is not text", where=where)
    for tensor in tensors(model):
        # Beyond this, just the product of the sizes would take for ever.
        if len(tensor.dims) > MAX_DIMENSIONS or any(size < 0 for size in tensor.dims):
            raise InputError("damaged ONNX file: a tensor with an impossible shape", where=where)
    return model


class _Reader:
    """Copies a serialised ``ModelProto`` without the data of large tensors."""

    def __init__(self, content: bytes | mmap) -> None:
        self._content = content
        self._fields = 0

    def without_data(self) -> bytes:
        import onnx

        return self._copy(0, len(self._content), onnx.ModelProto.DESCRIPTOR, 0)

    def _copy(self, start: int, end: int, message: Any, depth: int) -> bytes:
        if depth > _MAX_DEPTH:
            raise WireError(f"messages are nested more than {_MAX_DEPTH} deep")
        pieces = []
        kept_from = start
        for field in walk_fields(self._content, start, end):
            self._fields += 1
            if self._fields > _MAX_FIELDS:
                raise WireError(f"more than {_MAX_FIELDS} fields")
            if field.wire != LENGTH_DELIMITED or field.end - field.content <= _SMALL_BYTES:
                continue
            known = message.fields_by_number.get(field.number)
            if known is None or (known.message_type is None and known.name not in _DATA_FIELDS):
                continue
            pieces.append(self._content[kept_from : field.start])
            if known.message_type is not None:
                inner = self._copy(field.content, field.end, known.message_type, depth + 1)
                pieces += [encode_varint(field.number << 3 | LENGTH_DELIMITED), encode_varint(len(inner)), inner]
            kept_from = field.end
        pieces.append(self._content[kept_from:end])
        return b"".join(pieces)


def _require_known_versions(model: Any, where: str) -> None:
    import onnx

    remedy = "pip install --upgrade onnx onnxruntime, or export with a lower opset"
    newest = onnx.defs.onnx_opset_version()
    for opset in model.opset_import:
        if opset.domain in _STANDARD_DOMAINS and opset.version > newest:
            raise InputError(
                f"the model uses opset {opset.version}, the installed onnx {onnx.__version__} supports up to {newest}",
                where=where,
                remedy=remedy,
            )
    if model.ir_version > onnx.IR_VERSION:
        raise InputError(
            f"the file has version {model.ir_version} of the ONNX format, the installed onnx {onnx.__version__} "
            f"knows up to {onnx.IR_VERSION}",
            where=where,
            remedy=remedy,
        )


def _texts(model: Any) -> Iterator[Any]:
    """Names in a model, which protobuf returns as bytes if they are not UTF-8."""
    yield from (tensor.name for tensor in tensors(model))
    for node in nodes(model):
        yield from (node.op_type, node.domain, *node.input, *node.output)
        yield from (attribute.name for attribute in node.attribute)
    for graph in graphs(model.graph):
        for value in (*graph.input, *graph.output, *graph.value_info):
            yield value.name
            yield from (dimension.dim_param for dimension in value.type.tensor_type.shape.dim)


def graphs(graph: Any) -> Iterator[Any]:
    """A graph and all graphs inside its nodes."""
    yield graph
    for node in graph.node:
        for inner in subgraphs(node):
            yield from graphs(inner)


def subgraphs(node: Any) -> Iterator[Any]:
    """The graphs inside a node, such as the branches of an ``If``."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def nodes(model: Any) -> Iterator[Any]:
    """All nodes of a model: of its graph, of graphs inside nodes, and of its functions."""
    for holder in (model.graph, *model.functions):
        for inner in graphs(holder):
            yield from inner.node


def tensors(model: Any) -> Iterator[Any]:
    """All constant tensors of a model: initializers and attributes of nodes, including parts of sparse ones."""
    for inner in graphs(model.graph):
        yield from inner.initializer
        for sparse in inner.sparse_initializer:
            yield from (sparse.values, sparse.indices)
    for node in nodes(model):
        for attribute in node.attribute:
            yield from attribute_tensors(attribute)


def attribute_tensors(attribute: Any) -> Iterator[Any]:
    """The tensors in an attribute."""
    if attribute.HasField("t"):
        yield attribute.t
    yield from attribute.tensors
    if attribute.HasField("sparse_tensor"):
        yield from (attribute.sparse_tensor.values, attribute.sparse_tensor.indices)


def tensor_array(tensor: Any) -> Any:
    """The values of a tensor as a numpy array.

    Raises:
        InputError: Its bytes, its shape and its type do not belong together.
    """
    from onnx import numpy_helper

    try:
        return numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError, OverflowError, AttributeError) as error:
        raise InputError(f"tensor {tensor.name!r} is damaged: {error}", remedy="export the model again") from None


def external_files(model: Any, path: Path) -> list[Path]:
    """Files beside the model with its weights, each once, in the order in which the model names them.

    The data of small tensors is read from them into the model, as if it were inline.

    Raises:
        InputError: A file is missing or too short, or its path leaves the model's folder.
    """
    import onnx

    folder = path.parent.resolve()
    sizes: dict[Path, int] = {}
    places: dict[str, Path] = {}
    for tensor in tensors(model):
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            continue
        entries = {entry.key: entry.value for entry in tensor.external_data}
        location = entries.get("location", "")
        if location not in places:
            places[location] = _place(tensor.name, location, folder, path)
        place = places[location]
        size = sizes.setdefault(place, place.stat().st_size)
        offset, length = _range(entries, tensor.name, path)
        if offset + length > size:
            raise InputError(
                f"the file {location!r} is too short: tensor {tensor.name!r} ends at byte {offset + length}, "
                f"the file ends at {size}",
                where=str(path),
                remedy="export or copy both files again",
            )
        if 0 < length <= _SMALL_BYTES:
            with place.open("rb") as file:
                file.seek(offset)
                tensor.raw_data = file.read(length)
            tensor.data_location = onnx.TensorProto.DEFAULT
    return list(sizes)


def _place(tensor: str, location: str, folder: Path, path: Path) -> Path:
    where = str(path)
    try:
        # Links are resolved first, so that one that leads elsewhere is detected.
        place = (folder / location).resolve()
        inside = place.is_relative_to(folder) and place != folder and ".." not in Path(location).parts
        found = place.is_file()
    except (OSError, ValueError, RuntimeError):
        inside = found = False
    if not inside or Path(location).is_absolute():
        raise InputError(
            f"tensor {tensor!r} has its data in {location!r}, which is not a file in the model's folder",
            where=where,
            remedy="save the model again with its data beside it: onnx.save(model, path, save_as_external_data=True)",
        )
    if not found:
        raise InputError(
            f"the file {location!r} with the data of tensor {tensor!r} is missing",
            where=where,
            remedy=f"copy it to {path.parent}",
        )
    return place


def _range(entries: dict[str, str], tensor: str, path: Path) -> tuple[int, int]:
    try:
        offset, length = int(entries.get("offset", "0")), int(entries.get("length", "0"))
    except ValueError:
        offset = length = -1
    if offset < 0 or length < 0:
        raise InputError(f"tensor {tensor!r} has no valid position in its data file", where=str(path))
    return offset, length
