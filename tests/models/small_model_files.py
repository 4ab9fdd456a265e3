"""Small model files of every format, written without the package under test."""

import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import onnx
from ai_edge_litert import schema_py_generated as schema
from onnx import TensorProto, helper, numpy_helper

FLOAT, INT8, INT32, INT64, BOOL = (
    TensorProto.FLOAT,
    TensorProto.INT8,
    TensorProto.INT32,
    TensorProto.INT64,
    TensorProto.BOOL,
)


def value(name: str, shape: Sequence[int | str | None] | None, dtype: int = FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, dtype, shape)


def weight(name: str, *shape: int, dtype: str = "float32") -> onnx.TensorProto:
    return numpy_helper.from_array(np.ones(shape, dtype), name)


def numbers(name: str, *values: int) -> onnx.TensorProto:
    return numpy_helper.from_array(np.array(values, np.int64), name)


def onnx_model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
    weights: Sequence[onnx.TensorProto] = (),
    *,
    opset: int = 17,
    domains: Sequence[str] = (),
    functions: Sequence[onnx.FunctionProto] = (),
) -> onnx.ModelProto:
    graph = helper.make_graph(nodes, "graph", inputs, outputs, weights)
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8, functions=functions)


def write(path: Path, model: onnx.ModelProto) -> Path:
    path.write_bytes(model.SerializeToString())
    return path


def keyword_net() -> onnx.ModelProto:
    """A convolution, shape arithmetic, an ``If`` and a matrix product: something of everything for mutations."""
    branch = helper.make_graph([helper.make_node("Relu", ["features"], ["r"])], "yes", [], [value("r", None)])
    other = helper.make_graph([helper.make_node("Neg", ["features"], ["n"])], "no", [], [value("n", None)])
    nodes = [
        helper.make_node("Conv", ["audio", "kernel", "bias"], ["features"], pads=[1, 1], strides=[2]),
        helper.make_node("Equal", ["sr", "rate"], ["wide"]),
        helper.make_node("If", ["wide"], ["chosen"], then_branch=branch, else_branch=other),
        helper.make_node("Shape", ["chosen"], ["shape"]),
        helper.make_node("Slice", ["shape", "zero", "one"], ["batch"]),
        helper.make_node("Concat", ["batch", "rest"], ["flat"], axis=0),
        helper.make_node("Reshape", ["chosen", "flat"], ["rows"]),
        helper.make_node("Constant", [], ["matrix"], value=weight("matrix", 32, 4)),
        helper.make_node("MatMul", ["rows", "matrix"], ["scores"]),
        helper.make_node("Softplus", ["scores"], ["y"]),
    ]
    weights = [
        weight("kernel", 8, 2, 3),
        weight("bias", 8),
        numpy_helper.from_array(np.array(16000, np.int64), "rate"),
        numbers("zero", 0),
        numbers("one", 1),
        numbers("rest", -1),
    ]
    return onnx_model(
        nodes,
        [value("audio", ["batch", 2, 8]), value("sr", [], INT64)],
        [value("y", ["batch", 4])],
        weights,
    )


class TfliteFile:
    """A TFLite file in the making: one graph, tensors by number."""

    def __init__(self) -> None:
        self.model = schema.ModelT()
        self.model.version = 3
        self.model.buffers = [schema.BufferT()]
        self.model.operatorCodes = []
        self.graph = schema.SubGraphT()
        self.graph.tensors, self.graph.operators = [], []
        self.graph.inputs, self.graph.outputs = [], []
        self.model.subgraphs = [self.graph]

    def tensor(
        self,
        name: str,
        shape: Sequence[int],
        dtype: str = "float32",
        *,
        constant: bool = False,
        signature: Sequence[int] | None = None,
        scale: float | None = None,
    ) -> int:
        tensor = schema.TensorT()
        tensor.name, tensor.shape = name.encode(), list(shape)
        tensor.type = getattr(schema.TensorType, dtype.upper())
        tensor.buffer = 0
        tensor.shapeSignature = None if signature is None else list(signature)
        if scale is not None:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale, tensor.quantization.zeroPoint = [scale], [0]
        if constant:
            buffer = schema.BufferT()
            buffer.data = np.zeros(int(np.prod(shape)) * np.dtype(dtype).itemsize, np.uint8)
            tensor.buffer = len(self.model.buffers)
            self.model.buffers.append(buffer)
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def operator(
        self, kind: str, inputs: Sequence[int], outputs: Sequence[int], options: Any = None, custom: str = ""
    ) -> None:
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, kind)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.customCode = custom.encode() if custom else None
        operator = schema.OperatorT()
        operator.opcodeIndex = len(self.model.operatorCodes)
        operator.inputs, operator.outputs = list(inputs), list(outputs)
        if options is not None:
            operator.builtinOptions = options
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
        self.model.operatorCodes.append(code)
        self.graph.operators.append(operator)

    def content(self, inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
        self.graph.inputs, self.graph.outputs = list(inputs), list(outputs)
        builder = flatbuffers.Builder(1024)
        builder.Finish(self.model.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())


def keyword_tflite() -> bytes:
    """A quantised convolution, a depthwise one and a classifier."""
    file = TfliteFile()
    image = file.tensor("image", [1, 6, 6, 1], "int8", signature=[-1, 6, 6, 1], scale=0.1)
    kernel = file.tensor("kernel", [4, 3, 3, 1], "int8", constant=True, scale=0.1)
    bias = file.tensor("bias", [4], "int32", constant=True, scale=0.01)
    features = file.tensor("features", [1, 4, 4, 4], "int8", scale=0.1)
    depthwise = file.tensor("depthwise", [1, 3, 3, 4], "int8", constant=True, scale=0.1)
    narrow = file.tensor("narrow", [1, 2, 2, 4], "int8", scale=0.1)
    shape = file.tensor("shape", [2], "int32", constant=True)
    flat = file.tensor("flat", [1, 16], "int8", scale=0.1)
    matrix = file.tensor("matrix", [3, 16], "int8", constant=True, scale=0.1)
    scores = file.tensor("scores", [1, 3], "int8", scale=0.1)
    file.operator("CONV_2D", [image, kernel, bias], [features])
    file.operator("DEPTHWISE_CONV_2D", [features, depthwise, -1], [narrow])
    file.operator("RESHAPE", [narrow, shape], [flat])
    file.operator("FULLY_CONNECTED", [flat, matrix, -1], [scores])
    return file.content([image], [scores])


def archive(entries: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as file:
        for name, data in entries.items():
            file.writestr(name, data)
    return content.getvalue()


def torchscript() -> bytes:
    """The entries that ``torch.jit.save`` writes."""
    names = ("data.pkl", "code/__torch__/net.py", "code/__torch__/net.py.debug_pkl", "constants.pkl", "version")
    return archive({f"net/{name}": b"\x80\x02." for name in names})


def _tensor(*sizes: int | str, dtype: int = 7) -> dict[str, Any]:
    shown = [
        {"as_int": s} if isinstance(s, int) else {"as_expr": {"expr_str": s, "hint": {"as_int": 2}}} for s in sizes
    ]
    return {"dtype": dtype, "sizes": shown, "requires_grad": False, "layout": 7}


def _argument(name: str, tensor: str) -> dict[str, Any]:
    return {"name": name, "arg": {"as_tensor": {"name": tensor}}, "kind": 1}


def _node(target: str, inputs: list[dict[str, Any]], output: str) -> dict[str, Any]:
    return {"target": f"torch.ops.aten.{target}", "inputs": inputs, "outputs": [{"as_tensor": {"name": output}}]}


def exported_tables() -> tuple[dict[str, Any], dict[str, Any]]:
    """Tables of a convolution and a linear layer, as ``torch.export.save`` of PyTorch 2.13 writes them."""
    symbol = "Symbol('s40', positive=True, integer=True)"
    half = f"FloorDiv(Add({symbol}, Integer(-1)), Integer(2))"
    weights = {
        name: {"path_name": f"weight_{number}", "is_param": is_param, "use_pickle": False, "tensor_meta": meta}
        for number, (name, is_param, meta) in enumerate(
            [
                ("c.weight", True, _tensor(8, 3, 3, 3)),
                ("l.weight", True, _tensor(10, 8)),
                ("b.running_mean", False, _tensor(8)),
            ]
        )
    }
    weights["tied.weight"] = weights["l.weight"]
    values = {
        "p_c_weight": _tensor(8, 3, 3, 3),
        "p_l_weight": _tensor(10, 8),
        "image": _tensor(symbol, 3, 16, 16),
        "conv2d": _tensor(symbol, 8, 14, 14),
        "pooled": _tensor(half, 8),
        "linear": _tensor(half, 10),
    }
    nodes = [
        _node("conv2d.default", [_argument("input", "image"), _argument("weight", "p_c_weight")], "conv2d"),
        _node("my_pool.default", [_argument("self", "conv2d")], "pooled"),
        _node("linear.default", [_argument("input", "pooled"), _argument("weight", "p_l_weight")], "linear"),
    ]
    signature = {
        "input_specs": [
            {"parameter": {"arg": {"name": "p_c_weight"}, "parameter_name": "c.weight"}},
            {"parameter": {"arg": {"name": "p_l_weight"}, "parameter_name": "l.weight"}},
            {"user_input": {"arg": {"as_tensor": {"name": "image"}}}},
        ],
        "output_specs": [{"user_output": {"arg": {"as_tensor": {"name": "linear"}}}}],
    }
    graph = {"inputs": [], "outputs": [], "nodes": nodes, "tensor_values": values}
    return {"graph_module": {"graph": graph, "signature": signature}}, {"config": weights}


def exported(
    model: dict[str, Any] | None = None, weights: dict[str, Any] | None = None, compression: int = zipfile.ZIP_STORED
) -> bytes:
    default_model, default_weights = exported_tables()
    return archive(
        {
            "net/archive_format": b"pt2",
            "net/models/model.json": json.dumps(model or default_model).encode(),
            "net/data/weights/model_weights_config.json": json.dumps(weights or default_weights).encode(),
            "net/data/weights/weight_0": b"\0" * 864,
        },
        compression,
    )
