"""Rewrites a file so that LiteRT's reference kernels run it, if they lack an operator or compute it wrongly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebench.models.tflite.folding import fold_constants
from edgebench.models.tflite.mending import mend_axes
from edgebench.models.tflite.quantised_graph import QuantisedGraph, QuantisedOperator, load_buffers
from edgebench.models.tflite.tree import pack_model
from edgebench.targets.mcu.reference_tables import WITHOUT_REFERENCE, reference_table

_REPLACED = WITHOUT_REFERENCE | {"SUM"}


def reference_content(path: Path, graph: QuantisedGraph) -> bytes:
    """The file, or one with the same results.

    Operators that only LiteRT's other kernels know become tables. LiteRT's reference kernel of SUM takes signed
    values as unsigned ones; a convolution with ones sums them, and scales the sum just as SUM does elsewhere.

    Args:
        path: The model.
        graph: What is in it.
    """
    from ai_edge_litert import schema_py_generated as schema

    content = path.read_bytes()
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    load_buffers(model, content)
    mended = mend_axes(model)
    if not any(operator.kind in _REPLACED for operator in graph.operators):
        return pack_model(model, len(content)) if mended else content
    # The same operators as in the graph.
    fold_constants(schema, model)
    writer = _Writer(schema, model)
    found = []
    for number, operator in enumerate(graph.operators):
        if operator.kind in WITHOUT_REFERENCE:
            found += writer.table(graph, operator)
        elif operator.kind == "SUM":
            found += writer.sum(graph, operator)
        else:
            found.append(model.subgraphs[0].operators[number])
    model.subgraphs[0].operators = found
    # LiteRT must know all operators that a file lists, used or not.
    for code in model.operatorCodes:
        if max(code.builtinCode, code.deprecatedBuiltinCode) in writer.missing:
            code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CAST
            code.version = 1
    return pack_model(model, 1 << 16)


class _Writer:
    """Appends operators, tensors and constants to a file's first graph."""

    def __init__(self, schema: Any, model: Any) -> None:
        self._schema, self._model = schema, model
        self._tensors = model.subgraphs[0].tensors
        self.missing = {getattr(schema.BuiltinOperator, kind) for kind in WITHOUT_REFERENCE}

    def table(self, graph: QuantisedGraph, operator: QuantisedOperator) -> list[Any]:
        """A function of one value: the value, from 0 on, is the index of its result."""
        source, output = graph.tensors[operator.inputs[0]], graph.tensors[operator.outputs[0]]
        values = reference_table(operator.kind, source, output, operator.options)
        wide, index = (self._tensor(source.shape, "INT32") for _ in range(2))
        table = self._tensor((256,), "INT8", values, like=operator.outputs[0])
        return [
            self._operator("CAST", [operator.inputs[0]], [wide], "CastOptions", inDataType=9, outDataType=2),
            self._operator("ADD", [wide, self._tensor((), "INT32", np.array(128, np.int32))], [index], "AddOptions"),
            self._operator("GATHER", [table, index], list(operator.outputs), "GatherOptions"),
        ]

    def sum(self, graph: QuantisedGraph, operator: QuantisedOperator) -> list[Any]:
        """The summed axes moved to the end, and a convolution with ones over them."""
        source, output = graph.tensors[operator.inputs[0]], graph.tensors[operator.outputs[0]]
        rank, data = len(source.shape), graph.tensors[operator.inputs[1]].data
        axes = sorted({int(axis) % rank for axis in np.ravel(data)}) if rank and data is not None else []
        order = [axis for axis in range(rank) if axis not in axes] + axes
        count = source.elements // output.elements
        kind = source.dtype.upper()
        moved = self._tensor(tuple(source.shape[axis] for axis in order), kind, like=operator.inputs[0])
        rows = self._tensor((1, output.elements, 1, count), kind, like=operator.inputs[0])
        sums = self._tensor((1, output.elements, 1, 1), kind, like=operator.outputs[0])
        ones = self._tensor((1, 1, 1, count), "INT8", np.ones(count, np.int8), scale=1.0)
        zero = self._tensor((1,), "INT32", np.zeros(1, np.int32), scale=source.scale)
        steps = {"strideW": 1, "strideH": 1, "padding": 1, "quantizedBiasType": self._schema.TensorType.INT32}
        return [
            self._operator("TRANSPOSE", [operator.inputs[0], self._indices(order)], [moved], "TransposeOptions"),
            self._operator("RESHAPE", [moved, self._indices([1, output.elements, 1, count])], [rows]),
            self._operator("CONV_2D", [rows, ones, zero], [sums], "Conv2DOptions", **steps),
            self._operator("RESHAPE", [sums, self._indices(list(output.shape))], list(operator.outputs)),
        ]

    def _indices(self, values: list[int]) -> int:
        return self._tensor((len(values),), "INT32", np.array(values, np.int32))

    def _tensor(
        self,
        shape: tuple[int, ...],
        kind: str,
        data: NDArray[Any] | None = None,
        *,
        like: int | None = None,
        scale: float = 0.0,
    ) -> int:
        """Add a tensor, with the quantisation of another or a scale; returns its index."""
        tensor = self._schema.TensorT()
        tensor.name, tensor.shape = f"replaced {len(self._tensors)}".encode(), list(shape)
        tensor.type, tensor.buffer = getattr(self._schema.TensorType, kind), 0
        if like is not None:
            tensor.quantization = self._tensors[like].quantization
        elif scale:
            tensor.quantization = self._schema.QuantizationParametersT()
            tensor.quantization.scale, tensor.quantization.zeroPoint = [scale], [0]
        if data is not None:
            buffer = self._schema.BufferT()
            buffer.data = np.frombuffer(data.tobytes(), np.uint8)
            tensor.buffer = len(self._model.buffers)
            self._model.buffers.append(buffer)
        self._tensors.append(tensor)
        return len(self._tensors) - 1

    def _operator(self, kind: str, inputs: list[int], outputs: list[int], options: str = "", **settings: int) -> Any:
        code, made = self._schema.OperatorCodeT(), self._schema.OperatorT()
        code.builtinCode = getattr(self._schema.BuiltinOperator, kind)
        code.deprecatedBuiltinCode, code.version = min(code.builtinCode, 127), _VERSIONS.get(kind, 1)
        made.opcodeIndex, made.inputs, made.outputs = len(self._model.operatorCodes), inputs, outputs
        self._model.operatorCodes.append(code)
        if options:
            made.builtinOptionsType = getattr(self._schema.BuiltinOptions, options)
            made.builtinOptions = getattr(self._schema, f"{options}T")()
            for name, value in settings.items():
                setattr(made.builtinOptions, name, value)
        return made


_VERSIONS = {"CONV_2D": 4, "TRANSPOSE": 4, "GATHER": 2}
