"""Functions of one value as tables: the result of LiteRT's reference kernel for each value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebench.errors import UnsupportedModelError
from edgebench.models.tflite.quantised_graph import QuantisedTensor
from edgebench.models.tflite.tree import pack_model

_OPTIONS = {"LEAKY_RELU": "LeakyReluOptions", "GELU": "GeluOptions"}
"""Operators that have settings."""
WITHOUT_REFERENCE = {"ELU"}
"""Operators that are not among LiteRT's reference kernels, only among its others."""


def reference_table(
    kind: str, source: QuantisedTensor, output: QuantisedTensor, options: Mapping[str, Any]
) -> NDArray[np.int8]:
    """Run an operator on -128 to 127.

    Args:
        kind: Name in TFLite's schema.
        source: Its scale and zero point are those of the input.
        output: Its scale and zero point are those of the result.
        options: The operator's own settings, by the schema's names.

    Raises:
        UnsupportedModelError: LiteRT refuses the operator.
    """
    values = np.arange(-128, 128, dtype=np.int8)
    try:
        return reference_values(kind, source, output, options, values)
    except UnsupportedModelError:
        # Roots of values below 0 are refused: run each value separately, and use the result of the nearest above.
        if kind not in {"SQRT", "RSQRT"}:
            raise
    table = np.zeros(256, np.int8)
    start = source.zero_point + 128
    table[start:] = reference_values(kind, source, output, options, values[start:])
    table[:start] = table[start]
    return table


def reference_values(
    kind: str,
    source: QuantisedTensor,
    output: QuantisedTensor,
    options: Mapping[str, Any],
    values: NDArray[Any],
) -> NDArray[Any]:
    """The results of an operator on one tensor for some values.

    Raises:
        UnsupportedModelError: LiteRT refuses the operator or a value.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    resolver = OpResolverType.BUILTIN_REF
    if kind in WITHOUT_REFERENCE:
        resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    content = _one_operator(kind, source, output, options, len(values))
    try:
        interpreter = Interpreter(model_content=content, experimental_op_resolver_type=resolver)
        interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], values.reshape(1, -1))
        interpreter.invoke()
    except (RuntimeError, ValueError) as error:
        raise UnsupportedModelError(
            f"LiteRT refuses {kind}: {' '.join(str(error).split())[:200]}",
            operators=(kind,),
            remedy="quantise the model as LiteRT's specification says (edgebench export MODEL --to int8-tflite)",
        ) from None
    answer: NDArray[Any] = interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).ravel()
    return answer


def _one_operator(
    kind: str, source: QuantisedTensor, output: QuantisedTensor, options: Mapping[str, Any], size: int
) -> bytes:
    from ai_edge_litert import schema_py_generated as schema

    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = 0, [0], [1]
    if kind in _OPTIONS:
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, _OPTIONS[kind])
        operator.builtinOptions = getattr(schema, f"{_OPTIONS[kind]}T")()
        for name, value in options.items():
            setattr(operator.builtinOptions, name, value)
    code = schema.OperatorCodeT()
    code.builtinCode = getattr(schema.BuiltinOperator, kind)
    code.deprecatedBuiltinCode = min(code.builtinCode, 127)
    code.version = 2 if kind in {"LOGISTIC", "TANH", "LEAKY_RELU"} else 1
    graph = schema.SubGraphT()
    graph.tensors = [_tensor(schema, name, tensor, size) for name, tensor in (("input", source), ("output", output))]
    graph.operators, graph.inputs, graph.outputs = [operator], [0], [1]
    model = schema.ModelT()
    model.version, model.subgraphs, model.buffers, model.operatorCodes = 3, [graph], [schema.BufferT()], [code]
    return pack_model(model, 1024)


def _tensor(schema: Any, name: str, like: QuantisedTensor, size: int) -> Any:
    quantisation = schema.QuantizationParametersT()
    quantisation.scale, quantisation.zeroPoint = [like.scale], [like.zero_point]
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.buffer = name.encode(), [1, size], 0
    tensor.type, tensor.quantization = getattr(schema.TensorType, like.dtype.upper()), quantisation
    return tensor
