"""An ONNX model made simple for lowering: fixed shapes, float32, constants folded, local functions inlined.

ONNX Runtime's own basic optimisation does the folding and fuses batch normalisation into convolutions; the rest of
the shape arithmetic is computed by running the model once, which also yields the shape of every value.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebench.errors import InputError, UnsupportedModelError
from edgebench.models.onnx.branches import names_read, take_branches
from edgebench.models.onnx.file import FIRST_OPSET, MODERN_OPSET, external_files, opset_of, parse_graph, tensor_array
from edgebench.models.onnx.quantised import without_quantisation

Array = NDArray[Any]
_HALF = (10, 16, 11)
"""FLOAT16, BFLOAT16 and DOUBLE of ``TensorProto.DataType``."""
_FLOAT = 1
_CONSTANTS_ALONE = 4
"""The first version of the format in which constants need not be listed among the inputs."""
_WITH_DEFINITIONS = 21
"""An opset in which all operators that can be are defined by simpler ones."""
_MAX_VALUES_BYTES = 4 << 30
_UPCAST = {"float16": np.float32, "bfloat16": np.float32, "float64": np.float32}


@dataclass(frozen=True, slots=True, kw_only=True)
class SimpleModel:
    """A simplified model.

    Attributes:
        model: The ``ModelProto``.
        constants: Values that do not depend on the inputs, by name.
        shapes: Shape of every value at the given inputs.
        dtypes: Numpy type name of every value.
        inputs: Names of the inputs, in the order of the file.
        outputs: Names of the outputs, in the order of the file.
        values: All values in the run that shapes come from: they show where a conversion goes wrong.
        ranges: For a quantised model, the lowest and highest value that a value's scale can represent.
        fixed: Inputs of the file that decide which branch is computed and are therefore constants here.
    """

    model: Any
    constants: Mapping[str, Array]
    shapes: Mapping[str, tuple[int, ...]]
    dtypes: Mapping[str, str]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    values: Mapping[str, Array]
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    fixed: Mapping[str, Array] = field(default_factory=dict)

    def again(self, inputs: Mapping[str, Array]) -> SimpleModel:
        """The same with what its outputs are on other inputs."""
        given = {name: _single(inputs[name]) for name in self.inputs}
        found = _run(self.model, self.outputs, given, "the simplified model")
        return replace(self, values={**self.constants, **given, **found})


def simplify(
    path: Path, shapes: Mapping[str, tuple[int, ...]], inputs: Mapping[str, Array], known: Collection[str]
) -> SimpleModel:
    """Read and simplify an ONNX file.

    Args:
        path: The file.
        shapes: Shapes of all inputs.
        inputs: Values of all inputs at these shapes, in the model's own types or float32.
        known: Operators that must not be written with simpler ones.

    Raises:
        InputError: The file is not valid.
        UnsupportedModelError: ONNX Runtime rejects it; its message is given.
    """
    import onnx

    external_files(parse_graph(path), path)
    try:
        model = onnx.load(str(path))
    except Exception as error:  # protobuf and onnx raise a dozen kinds
        raise InputError(f"cannot be read: {' '.join(str(error).split())[:300]}", where=path.name) from None
    model = _of_supported_opset(model)
    fix_shapes(model, shapes)
    _to_float32(model)
    ranges = without_quantisation(model)
    model = _inlined(model, known)
    _to_float32(model)
    values = {name: _single(value) for name, value in inputs.items()}
    fixed = take_branches(model, values, partial(_run, where=path.name))
    simple = _executed(_optimised(model, path.name), values, path.name)
    return replace(simple, ranges=ranges, fixed=fixed)


def _of_supported_opset(model: Any) -> Any:
    """ONNX Runtime lacks operators of opsets before its first: these models are converted to a newer one."""
    from onnx.version_converter import convert_version

    if opset_of(model) >= FIRST_OPSET:
        return model
    try:
        return convert_version(model, MODERN_OPSET)
    except Exception:  # the converter raises RuntimeError and more; ONNX Runtime then reports what it lacks
        return model


def fix_shapes(model: Any, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Give a model's inputs these shapes, by name; those of all else are inferred again."""
    initialisers = {tensor.name for tensor in model.graph.initializer}
    # Old files list constants among the inputs, with a default value that nothing overrides.
    inputs = [value for value in model.graph.input if value.name not in initialisers]
    copies = [type(value).FromString(value.SerializeToString()) for value in inputs]
    del model.graph.input[:]
    model.graph.input.extend(copies)
    model.ir_version = max(model.ir_version, _CONSTANTS_ALONE)
    for value in model.graph.input:
        if value.name not in shapes:
            continue
        dims = value.type.tensor_type.shape.dim
        del dims[:]
        for size in shapes[value.name]:
            dims.add().dim_value = size
    # Stored shapes of intermediate values may name open dimensions; they are inferred again.
    del model.graph.value_info[:]
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")


def _to_float32(model: Any) -> None:
    """Half, brain and double precision become float32: what LiteRT computes with."""
    for graph in _graphs(model):
        for tensor in graph.initializer:
            _tensor_to_float32(tensor)
        for value in (*graph.input, *graph.output, *graph.value_info):
            if value.type.tensor_type.elem_type in _HALF:
                value.type.tensor_type.elem_type = _FLOAT
        for node in graph.node:
            _node_to_float32(node)


def _graphs(model: Any) -> list[Any]:
    """The main graph and those inside its nodes and functions."""
    found, waiting = [], [model.graph, *model.functions]
    while waiting:
        graph = waiting.pop()
        if hasattr(graph, "initializer"):
            found.append(graph)
        for node in graph.node:
            for attribute in node.attribute:
                waiting += [attribute.g] if attribute.HasField("g") else []
                waiting += list(attribute.graphs)
    return found


def _node_to_float32(node: Any) -> None:
    for attribute in node.attribute:
        if attribute.HasField("t"):
            _tensor_to_float32(attribute.t)
        if attribute.name in {"to", "dtype"} and attribute.i in _HALF:
            attribute.i = _FLOAT


def _tensor_to_float32(tensor: Any) -> None:
    from onnx import numpy_helper

    if tensor.data_type not in _HALF:
        return
    values = tensor_array(tensor).astype(np.float32)
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def _single(value: Array) -> Array:
    return value.astype(_UPCAST[value.dtype.name]) if value.dtype.name in _UPCAST else value


def _inlined(model: Any, known: Collection[str]) -> Any:
    """Operators that ONNX's standard defines with simpler ones are written with those, unless they are known.

    Some of these definitions exist only in later opsets: then the model is converted to one of them.
    """
    from onnx.inliner import inline_selected_functions
    from onnx.version_converter import convert_version

    wanted = _defined_by_others(model, known)
    if not wanted:
        return model
    written = inline_selected_functions(model, wanted, inline_schema_functions=True)
    if not _defined_by_others(written, known):
        return written
    try:
        newer = convert_version(written, _WITH_DEFINITIONS)
    except Exception:  # the converter raises RuntimeError and more; the operators are then reported as unknown
        return written
    return inline_selected_functions(newer, _defined_by_others(newer, known), inline_schema_functions=True)


def _defined_by_others(model: Any, known: Collection[str]) -> list[tuple[str, str]]:
    """Domain and name of operators that have a definition in ONNX's standard, which may be of a later opset."""
    from onnx import defs

    found = set()
    for node in model.graph.node:
        if node.domain in {"", "ai.onnx"} and node.op_type not in known and defs.has(node.op_type, _WITH_DEFINITIONS):
            schema: Any = defs.get_schema(node.op_type, _WITH_DEFINITIONS)
            if schema.has_function or schema.has_context_dependent_function:
                found.add(("", node.op_type))
    return sorted(found)


def _optimised(model: Any, where: str) -> Any:
    """Optimised with ONNX Runtime's basic level, which uses only standard operators."""
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    with tempfile.TemporaryDirectory(prefix="edgebench-") as folder:
        source, target = Path(folder) / "fixed.onnx", Path(folder) / "simple.onnx"
        options.optimized_model_filepath = str(target)
        try:
            onnx.save(model, str(source), save_as_external_data=model.ByteSize() > 1 << 30)
            onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
            return onnx.load(str(target))
        except Exception as error:  # ONNX Runtime's exceptions have no common base but Exception
            raise _refused(error, where) from None


def _executed(model: Any, inputs: Mapping[str, Array], where: str) -> SimpleModel:
    """Run once with every value as an output."""
    graph = model.graph
    constants = {tensor.name: tensor_array(tensor) for tensor in graph.initializer}
    names = [name for node in graph.node for name in node.output if name]
    given = [value.name for value in graph.input if value.name not in constants]
    outputs = [value.name for value in graph.output]
    found = _run(model, names, {name: inputs[name] for name in given}, where)
    values = {**constants, **{name: inputs[name] for name in given}, **found}
    depends = set(given)
    for node in graph.node:
        shape_only = node.op_type in {"Shape", "Size"}
        if not shape_only and any(name in depends for name in names_read(node)):
            depends.update(node.output)
        else:
            constants.update({name: found[name] for name in node.output if name})
    return SimpleModel(
        model=model,
        constants=constants,
        shapes={name: tuple(map(int, value.shape)) for name, value in values.items()},
        dtypes={name: value.dtype.name for name, value in values.items()},
        inputs=tuple(given),
        outputs=tuple(outputs),
        values=values,
    )


def _run(model: Any, names: Sequence[str], inputs: Mapping[str, Array], where: str) -> dict[str, Array]:
    import onnx
    import onnxruntime

    shown = onnx.ModelProto()
    shown.CopyFrom(model)
    del shown.graph.output[:]
    shown.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = onnxruntime.InferenceSession(shown.SerializeToString(), options, providers=["CPUExecutionProvider"])
        results = session.run(list(names), dict(inputs))
    except Exception as error:
        raise _refused(error, where) from None
    found = dict(zip(names, results, strict=True))
    if any(not isinstance(value, np.ndarray) for value in found.values()):
        raise UnsupportedModelError("a value is a sequence, not a tensor: TFLite has no sequences", where=where)
    return found


def _refused(error: Exception, where: str) -> UnsupportedModelError:
    reason = " ".join(str(error).split())[:300]
    return UnsupportedModelError(
        f"ONNX Runtime rejects the model: {reason}",
        where=where,
        remedy="check the shapes given with --shape; for an old file, convert it to a newer opset",
    )
