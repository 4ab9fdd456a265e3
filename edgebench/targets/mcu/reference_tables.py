"""Functions of one int8 value as tables: what LiteRT's reference kernel answers for each of the 256 inputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebench.models.tflite.quantised_graph import QuantisedTensor
from edgebench.models.tflite.tree import pack_model

_OPTIONS = {"LEAKY_RELU": "LeakyReluOptions"}
"""Operators that have settings."""


def reference_table(
    kind: str, source: QuantisedTensor, output: QuantisedTensor, options: Mapping[str, Any]
) -> NDArray[np.int8]:
    """Run an operator on -128 to 127.

    Args:
        kind: Name in TFLite's schema.
        source: Its scale and zero point are those of the input.
        output: Its scale and zero point are those of the result.
        options: The operator's own settings, by the schema's names.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=_one_operator(kind, source, output, options),
        experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
    )
    interpreter.allocate_tensors()
    values = np.arange(-128, 128, dtype=np.int8).reshape(1, 256)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], values)
    interpreter.invoke()
    table: NDArray[np.int8] = interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).ravel()
    return table


def _one_operator(kind: str, source: QuantisedTensor, output: QuantisedTensor, options: Mapping[str, Any]) -> bytes:
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
    graph.tensors = [_tensor(schema, name, tensor) for name, tensor in (("input", source), ("output", output))]
    graph.operators, graph.inputs, graph.outputs = [operator], [0], [1]
    model = schema.ModelT()
    model.version, model.subgraphs, model.buffers, model.operatorCodes = 3, [graph], [schema.BufferT()], [code]
    return pack_model(model, 1024)


def _tensor(schema: Any, name: str, like: QuantisedTensor) -> Any:
    quantisation = schema.QuantizationParametersT()
    quantisation.scale, quantisation.zeroPoint = [like.scale], [like.zero_point]
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.buffer = name.encode(), [1, 256], 0
    tensor.type, tensor.quantization = schema.TensorType.INT8, quantisation
    return tensor
