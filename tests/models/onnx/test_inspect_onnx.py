import hashlib
import math
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from edgebench.core.model import ModelFormat, ModelInfo
from edgebench.errors import InputError
from edgebench.models.inspect import inspect
from edgebench.models.onnx.costs import count_macs
from edgebench.models.onnx.file import parse_graph
from edgebench.models.onnx.inspect import inspect_onnx
from edgebench.models.onnx.parameters import count_parameters
from edgebench.models.onnx.protobuf_wire import encode_varint
from edgebench.models.source import identify, parse_source
from tests.models.small_model_files import (
    BOOL,
    INT8,
    INT32,
    INT64,
    keyword_net,
    numbers,
    onnx_model,
    value,
    weight,
    write,
)

node = helper.make_node


def described(path: Path, **shapes: tuple[int, ...]) -> ModelInfo:
    return inspect_onnx(path, parse_source(str(path)), shapes)


def macs_of(model: onnx.ModelProto, **shapes: tuple[int, ...]) -> int | None:
    return count_macs(model, shapes, {})[0]


def macs_at_run_time(model: onnx.ModelProto, feeds: dict[str, Any]) -> int:
    """Convolutions and matrix products, from the shapes that ONNX Runtime computes when it runs the model."""
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    given_outputs = {output.name for output in probe.graph.output}
    produced = {name for inner in probe.graph.node for name in inner.output if name} - given_outputs
    probe.graph.output.extend(onnx.ValueInfoProto(name=name) for name in sorted(produced))
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(probe.SerializeToString(), options)
    names = [output.name for output in session.get_outputs()]
    shapes = {
        name: np.shape(array) for name, array in {**dict(zip(names, session.run(None, feeds), strict=True))}.items()
    }
    shapes |= {name: np.shape(array) for name, array in feeds.items()}
    shapes |= {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    total = 0
    for inner in model.graph.node:
        if inner.op_type == "Conv":
            total += math.prod(shapes[inner.output[0]]) * math.prod(shapes[inner.input[1]][1:])
        if inner.op_type == "MatMul":
            total += math.prod(shapes[inner.output[0]]) * shapes[inner.input[0]][-1]
    return total


# ---- parameters


def test_weights_count_the_same_in_initializers_and_constant_nodes() -> None:
    kernel, bias = weight("k", 8, 3, 3, 3), weight("b", 8)
    conv = node("Conv", ["x", "k", "b"], ["y"])
    ends = ([value("x", [1, 3, 8, 8])], [value("y", None)])
    constants = [node("Constant", [], [tensor.name], value=tensor) for tensor in (kernel, bias)]
    assert count_parameters(onnx_model([conv], *ends, [kernel, bias])) == 8 * 27 + 8
    assert count_parameters(onnx_model([*constants, conv], *ends)) == 8 * 27 + 8


def test_quantised_weights_count_and_their_scales_do_not() -> None:
    quantised = [weight("k8", 8, 4, dtype="int8"), weight("b32", 4, dtype="int32")]
    scales = [weight("s", 4), weight("z", 4, dtype="int8"), weight("bs", 4), weight("bz", 4, dtype="int32")]
    nodes = [
        node("DequantizeLinear", ["k8", "s", "z"], ["k"], axis=1),
        node("DequantizeLinear", ["b32", "bs", "bz"], ["b"], axis=0),
        node("Gemm", ["x", "k", "b"], ["y"]),
    ]
    model = onnx_model(nodes, [value("x", [1, 8])], [value("y", None)], [*quantised, *scales])
    assert count_parameters(model) == 8 * 4 + 4
    assert macs_of(model) == 8 * 4


def test_what_is_not_learned_does_not_count() -> None:
    weights = [weight("scale", 8), weight("shift", 8), weight("mean", 8), weight("variance", 8)]
    others = [numbers("shape", 1, -1), weight("low"), weight("unused", 100), weight("sizes", 4)]
    nodes = [
        node("BatchNormalization", ["x", "scale", "shift", "mean", "variance"], ["n"]),
        node("Clip", ["n", "low"], ["c"]),
        node("Resize", ["c", "", "sizes"], ["r"]),
        node("Reshape", ["r", "shape"], ["y"]),
    ]
    assert count_parameters(onnx_model(nodes, [value("x", [1, 8, 2, 2])], [value("y", None)], weights + others)) == 16


def test_a_shared_table_and_packed_weights() -> None:
    nodes = [
        node("Gather", ["table", "ids"], ["e"]),
        node("MatMulNBits", ["e", "packed", "s"], ["h"], domain="com.microsoft", K=16, N=32, bits=4, block_size=16),
        node("MatMul", ["e", "table"], ["y"]),
    ]
    weights = [weight("table", 16, 16), weight("packed", 32, 1, 8, dtype="uint8"), weight("s", 32)]
    model = onnx_model(nodes, [value("ids", [1, 5], INT64)], [value("y", None)], weights, domains=["com.microsoft"])
    assert count_parameters(model) == 16 * 16 + 16 * 32


# ---- multiply-accumulates

CASES = {
    "conv": (node("Conv", ["x", "w"], ["y"], group=2, strides=[2, 2]), [2, 4, 9, 9], [6, 2, 3, 3], 2 * 6 * 16 * 18),
    "conv1d": (node("Conv", ["x", "w"], ["y"], dilations=[2]), [1, 3, 10], [5, 3, 3], 5 * 6 * 9),
    "transposed": (node("ConvTranspose", ["x", "w"], ["y"], strides=[2, 2]), [1, 4, 5, 5], [4, 3, 2, 2], 100 * 12),
    "gemm": (node("Gemm", ["x", "w"], ["y"], transB=1), [3, 8], [5, 8], 3 * 5 * 8),
    "gemm, left transposed": (node("Gemm", ["x", "w"], ["y"], transA=1), [8, 3], [8, 5], 3 * 5 * 8),
    "matmul": (node("MatMul", ["x", "w"], ["y"]), [2, 7, 3, 8], [8, 5], 14 * 3 * 5 * 8),
    "matmul, broadcast": (node("MatMul", ["x", "w"], ["y"]), [3, 8], [4, 8, 5], 4 * 3 * 5 * 8),
    "vector times matrix": (node("MatMul", ["x", "w"], ["y"]), [8], [8, 5], 8 * 5),
    "matrix times vector": (node("MatMul", ["x", "w"], ["y"]), [3, 8], [8], 3 * 8),
    "dot product": (node("MatMul", ["x", "w"], ["y"]), [8], [8], 8),
    "einsum": (node("Einsum", ["x", "w"], ["y"], equation="bhid, bhjd -> bhij"), [1, 2, 3, 8], [1, 2, 5, 8], 240),
    "element-wise": (node("Mul", ["x", "w"], ["y"]), [4, 8], [4, 8], 0),
}


@pytest.mark.parametrize("case", CASES)
def test_multiply_accumulates(case: str) -> None:
    operator, data, kernel, expected = CASES[case]
    model = onnx_model([operator], [value("x", data)], [value("y", None)], [weight("w", *kernel)])
    assert count_macs(model, {}, {}) == (expected, [])


@pytest.mark.parametrize(("kind", "gates"), [("RNN", 1), ("GRU", 3), ("LSTM", 4)])
@pytest.mark.parametrize("directions", [1, 2])
def test_recurrent_layers(kind: str, gates: int, directions: int) -> None:
    weights = [weight("w", directions, gates * 16, 10), weight("r", directions, gates * 16, 16)]
    direction = "bidirectional" if directions == 2 else "forward"
    layer = node(kind, ["x", "w", "r"], ["", "h"], hidden_size=16, direction=direction)
    model = onnx_model([layer], [value("x", [7, 3, 10])], [value("h", None)], weights)
    assert macs_of(model) == 7 * 3 * directions * gates * 16 * (10 + 16)


def test_quantised_operators() -> None:
    kernel, matrix = weight("k", 8, 3, 3, 3, dtype="int8"), weight("m", 8, 4, dtype="int8")
    scales = [weight("s"), weight("z", dtype="int8"), weight("i", 3, 8, dtype="int8")]
    nodes = [
        node("QLinearConv", ["x", "s", "z", "k", "s", "z", "s", "z"], ["a"]),
        node("ConvInteger", ["x", "k"], ["b"]),
        node("QLinearMatMul", ["i", "s", "z", "m", "s", "z", "s", "z"], ["c"]),
        node("MatMulInteger", ["i", "m"], ["y"]),
    ]
    model = onnx_model(nodes, [value("x", [1, 3, 8, 8], INT8)], [value("y", None, INT32)], [kernel, matrix, *scales])
    assert macs_of(model) == 2 * (8 * 36 * 27) + 2 * (3 * 4 * 8)


@pytest.mark.parametrize(("last", "macs"), [(0, 8 * 36 * 27 + 10 * 16), (1, None)])
def test_fused_operators_of_onnx_runtime(last: int, macs: int | None) -> None:
    weights = [weight("k", 8, 3, 3, 3), weight("m", 10, 16, dtype="uint8"), weight("s"), weight("z", dtype="uint8")]
    pool = node(
        "QLinearGlobalAveragePool", ["g", "s", "z", "s", "z"], ["p"], domain="com.microsoft", channels_last=last
    )
    nodes = [
        node("FusedConv", ["x", "k"], ["a"], domain="com.microsoft", activation="Relu"),
        node("QuantizeLinear", ["a", "s", "z"], ["q"]),
        node("QLinearSigmoid", ["q", "s", "z", "s", "z"], ["g"], domain="com.microsoft"),
        pool,
        node("QLinearConcat", ["s", "z", "p", "s", "z", "p", "s", "z"], ["c"], domain="com.microsoft", axis=1),
        node("Flatten", ["c"], ["f"]),
        node("QGemm", ["f", "s", "z", "m", "s", "z"], ["y"], domain="com.microsoft", transB=1),
    ]
    model = onnx_model(nodes, [value("x", [1, 3, 8, 8])], [value("y", None)], weights, domains=["com.microsoft"])
    assert count_macs(model, {}, {})[0] == macs


def test_operators_that_are_not_counted_are_listed() -> None:
    nodes = [node("MyConv", ["x"], ["a"], domain="my.ops"), node("STFT", ["s", "step", "", "length"], ["y"])]
    inputs = [value("x", [1, 3]), value("s", [1, 64, 1])]
    weights = [numpy_helper.from_array(np.array(n, np.int64), name) for name, n in [("step", 8), ("length", 16)]]
    model = onnx_model(nodes, inputs, [value("y", None)], weights, domains=["my.ops"])
    assert count_macs(model, {}, {}) == (0, ["MACs do not include 1 x my.ops::MyConv, 1 x STFT"])


def test_macs_follow_the_shapes_given(tmp_path: Path) -> None:
    path = write(tmp_path / "net.onnx", keyword_net())
    # The convolution gives 8 x 4 values from 2 x 3 each; the matrix product has 32 x 4 weights.
    assert described(path, audio=(1, 2, 8)).macs == 8 * 4 * 6 + 32 * 4
    assert described(path, audio=(5, 2, 8)).macs == 5 * (8 * 4 * 6 + 32 * 4)
    assert described(path).macs == 8 * 4 * 6 + 32 * 4
    (assumed,) = inspect(path, parse_source(str(path)), {}).caveats
    assert assumed.startswith("an open batch is taken as 1: audio[")
    longer = keyword_net()
    longer.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "samples"
    unknown = described(write(tmp_path / "open.onnx", longer))
    assert unknown.macs is None
    assert any("shapes of 1 x Conv, 1 x MatMul cannot be read from the file" in note for note in unknown.notes)


def test_a_dimensions_name_is_set_wherever_it_stands() -> None:
    nodes = [node("Mystery", ["x"], ["m"], domain="my.ops"), node("MatMul", ["m", "w"], ["y"])]
    model = onnx_model(nodes, [value("x", ["batch", 4])], [value("y", None)], [weight("w", 8, 3)], domains=["my.ops"])
    model.graph.value_info.append(value("m", ["batch", 8]))
    assert macs_of(model, x=(6, 4)) == 6 * 8 * 3


@given(st.lists(st.integers(0, 3), min_size=4, max_size=4), st.integers(1, 3), st.integers(8, 12))
@settings(max_examples=15, deadline=None)
def test_shapes_computed_from_constants_are_those_of_the_runtime(pads: list[int], batch: int, width: int) -> None:
    """Exporters write paddings and reshapes as arithmetic that plain shape inference does not follow."""
    nodes = [
        node("Reshape", ["pads", "two_columns"], ["pairs"]),
        node("Slice", ["pairs", "last", "before_first", "zero", "minus_one"], ["reversed"]),
        node("Transpose", ["reversed"], ["columns"], perm=[1, 0]),
        node("Reshape", ["columns", "flat"], ["ordered"]),
        node("Cast", ["ordered"], ["cast"], to=INT64),
        node("Concat", ["zeros", "cast_begins", "zeros", "cast_ends"], ["all_pads"], axis=0),
        node("Slice", ["cast", "zero", "two"], ["cast_begins"]),
        node("Slice", ["cast", "two", "four"], ["cast_ends"]),
        node("Pad", ["image", "all_pads"], ["padded"]),
        node("Conv", ["padded", "k"], ["c"], strides=[2, 1]),
        node("Shape", ["c"], ["s"]),
        node("Gather", ["s", "zero"], ["n"]),
        node("Concat", ["n", "minus_one"], ["rows"], axis=0),
        node("Reshape", ["c", "rows"], ["flat_c"]),
        node("Shape", ["flat_c"], ["fs"]),
        node("Gather", ["fs", "one"], ["columns_of_c"]),
        node("Concat", ["columns_of_c", "two"], ["matrix_shape"], axis=0),
        node("ConstantOfShape", ["matrix_shape"], ["matrix"]),
        node("MatMul", ["flat_c", "matrix"], ["y"]),
    ]
    nodes.insert(5, nodes.pop(6))
    nodes.insert(6, nodes.pop(7))
    constants = {
        "pads": pads, "two_columns": [-1, 2], "last": [-1], "before_first": [-(2**62)], "zero": [0], "one": [1],
        "two": [2], "four": [4], "minus_one": [-1], "flat": [-1], "zeros": [0, 0],
    }  # fmt: skip
    weights = [*(numbers(name, *values) for name, values in constants.items()), weight("k", 4, 2, 3, 3)]
    model = onnx_model(nodes, [value("image", ["n", 2, 9, "w"])], [value("y", None)], weights)
    feeds = {"image": np.zeros((batch, 2, 9, width), np.float32)}
    assert macs_of(model, image=(batch, 2, 9, width)) == macs_at_run_time(model, feeds)


def choice(condition: list[onnx.NodeProto], inputs: list[onnx.ValueInfoProto]) -> onnx.ModelProto:
    """An ``If`` between matrix products with 8 and with 3 columns."""
    branches = {
        f"{kind}_branch": helper.make_graph(
            [node("Identity", ["x"], [f"{kind}_x"]), node("MatMul", [f"{kind}_x", f"{kind}_w"], [f"{kind}_y"])],
            kind,
            [],
            [value(f"{kind}_y", None)],
            [weight(f"{kind}_w", 4, columns)],
        )
        for kind, columns in (("then", 8), ("else", 3))
    }
    nodes = [*condition, node("If", ["condition"], ["y"], **branches), node("MatMul", ["square", "y"], ["z"])]
    return onnx_model(nodes, [value("x", [2, 4]), *inputs], [value("z", None)], [weight("square", 2, 2)])


def test_of_an_if_that_depends_on_the_input_the_costlier_branch_counts(tmp_path: Path) -> None:
    model = choice([], [value("condition", [], BOOL)])
    model.graph.node.pop()
    model.graph.output[0].name = "y"
    info = described(write(tmp_path / "net.onnx", model))
    assert info.macs == 2 * 4 * 8
    assert info.parameters == 4 * 8 + 4 * 3
    assert info.operators == {"Identity": 2, "If": 1, "MatMul": 2}
    assert info.notes == ("MACs include the costlier branch of 1 x If",)


@pytest.mark.parametrize(("rate", "columns"), [(16000, 8), (8000, 3)])
def test_an_if_is_decided_where_it_can_be(tmp_path: Path, rate: int, columns: int) -> None:
    limit = numpy_helper.from_array(np.array(rate, np.int64), "limit")
    condition = [node("Constant", [], ["limit"], value=limit), node("Equal", ["sr", "limit"], ["condition"])]
    info = described(write(tmp_path / "net.onnx", choice(condition, [value("sr", [], INT64)])))
    assert info.macs == 2 * 4 * columns + 2 * 2 * columns
    assert info.notes == ("MACs are for sr = 16000",)


def test_a_loop_counts_once_with_a_note() -> None:
    body = helper.make_graph(
        [node("Identity", ["go"], ["again"]), node("MatMul", ["h", "w"], ["next"])],
        "body",
        [value("i", [], INT64), value("go", [], BOOL), value("h", [2, 4])],
        [value("again", [], BOOL), value("next", [2, 4])],
    )
    model = onnx_model(
        [node("Loop", ["count", "", "x"], ["y"], body=body)],
        [value("x", [2, 4]), value("count", [], INT64)],
        [value("y", [2, 4])],
        [weight("w", 4, 4)],
    )
    assert count_macs(model, {}, {}) == (32, ["MACs include one pass of 1 x Loop or Scan"])


def function(name: str, nodes: list[onnx.NodeProto]) -> onnx.FunctionProto:
    return helper.make_function(
        "f", name, ["a"], ["b"], nodes, [helper.make_opsetid("", 17), helper.make_opsetid("f", 1)]
    )


def test_functions_count_as_often_as_they_are_called(tmp_path: Path) -> None:
    layer = function("layer", [node("Constant", [], ["w"], value=weight("w", 4, 4)), node("MatMul", ["a", "w"], ["b"])])
    nodes = [node("layer", ["x"], ["h"], domain="f"), node("layer", ["h"], ["y"], domain="f")]
    model = onnx_model(nodes, [value("x", [3, 4])], [value("y", None)], domains=["f"], functions=[layer])
    info = described(write(tmp_path / "net.onnx", model))
    assert (info.parameters, info.macs, info.notes) == (16, 2 * 3 * 16, ())


def test_functions_that_multiply_without_end_do_not_hang(tmp_path: Path) -> None:
    functions = [function("f0", [node("Identity", ["a"], ["b"])])]
    for level in range(1, 60):
        calls = [
            node(f"f{level - 1}", ["a"], ["t"], domain="f"),
            node(f"f{level - 1}", ["t"], ["b"], domain="f"),
        ]
        functions.append(function(f"f{level}", calls))
    functions.append(function("loop", [node("loop", ["a"], ["b"], domain="f")]))
    nodes = [node("f59", ["x"], ["y"], domain="f"), node("loop", ["x"], ["z"], domain="f")]
    model = onnx_model(nodes, [value("x", [1])], [value("y", None)], domains=["f"], functions=functions)
    start = time.process_time()
    described(write(tmp_path / "net.onnx", model))
    assert time.process_time() - start < 2


# ---- the file and its external data


def test_the_data_of_weights_is_not_kept(tmp_path: Path) -> None:
    constant = node("Constant", [], ["c"], value=weight("c", 512, 512))
    nodes = [constant, node("MatMul", ["x", "w"], ["h"]), node("MatMul", ["h", "c"], ["y"])]
    model = onnx_model(nodes, [value("x", [1, 512])], [value("y", None)], [weight("w", 512, 512)])
    path = write(tmp_path / "net.onnx", model)
    assert path.stat().st_size > 2**21
    assert parse_graph(path).ByteSize() < 1000
    assert described(path).parameters == described(path).macs == 2 * 512 * 512


@pytest.fixture
def external(tmp_path: Path) -> Path:
    """A model whose weights, and whose shape constant, lie in ``net.data``."""
    nodes = [node("Reshape", ["x", "rows"], ["r"]), node("MatMul", ["r", "w"], ["y"])]
    model = onnx_model(
        nodes, [value("x", [2, 32, 2])], [value("y", None)], [weight("w", 64, 48), numbers("rows", 2, 64)]
    )
    path = tmp_path / "net.onnx"
    onnx.save(model, str(path), save_as_external_data=True, location="net.data", size_threshold=0)
    return path


def test_external_data_belongs_to_the_model(external: Path) -> None:
    data = external.with_name("net.data")
    info = described(external)
    both = external.read_bytes() + data.read_bytes()
    assert (info.digest, info.size_bytes) == (hashlib.sha256(both).hexdigest(), len(both))
    assert (info.parameters, info.macs) == (64 * 48, 2 * 64 * 48)
    data.write_bytes(b"\x01" + data.read_bytes()[1:])
    assert described(external).digest != info.digest


def test_missing_external_data_is_named(external: Path) -> None:
    external.with_name("net.data").unlink()
    with pytest.raises(InputError, match=r"'net.data' with the data of tensor 'w' is missing"):
        described(external)


def test_external_data_that_is_too_short_is_named(external: Path) -> None:
    data = external.with_name("net.data")
    data.write_bytes(data.read_bytes()[:1000])
    with pytest.raises(
        InputError, match=r"'net.data' is too short: tensor 'w' ends at byte 12288, the file ends at 1000"
    ):
        described(external)


@pytest.mark.parametrize("location", ["../secret", "/etc/passwd", "sub/../../secret", "", ".", "a\0b", "x" * 5000])
def test_external_data_must_be_in_the_models_folder(external: Path, location: str) -> None:
    (external.parent.parent / "secret").write_bytes(bytes(20000))
    model = onnx.load(str(external), load_external_data=False)
    for entry in model.graph.initializer[0].external_data:
        if entry.key == "location":
            entry.value = location
    write(external, model)
    with pytest.raises(InputError, match="not a file in the model's folder"):
        described(external)


def test_external_data_is_not_followed_through_links(external: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    data = external.with_name("net.data")
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "data"
    data.rename(elsewhere)
    data.symlink_to(elsewhere)
    with pytest.raises(InputError, match="not a file in the model's folder"):
        described(external)
    data.unlink()
    data.symlink_to(data)
    with pytest.raises(InputError):
        described(external)


@pytest.mark.parametrize(("key", "text"), [("offset", "-1"), ("length", "many"), ("offset", "9" * 5000)])
def test_external_data_has_a_valid_place(external: Path, key: str, text: str) -> None:
    model = onnx.load(str(external), load_external_data=False)
    for entry in model.graph.initializer[0].external_data:
        if entry.key == key:
            entry.value = text
    write(external, model)
    with pytest.raises(InputError, match="no valid position"):
        described(external)


def test_a_newer_opset_or_format_says_what_to_update(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    model = keyword_net()
    model.opset_import[0].version = onnx.defs.onnx_opset_version() + 1
    with pytest.raises(InputError, match="pip install --upgrade onnx"):
        described(write(path, model))
    model = keyword_net()
    model.ir_version = onnx.IR_VERSION + 1
    with pytest.raises(InputError, match="of the ONNX format"):
        described(write(path, model))


def test_an_empty_graph_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="graph of this ONNX file is empty"):
        described(write(tmp_path / "net.onnx", onnx_model([], [value("x", [1])], [value("x", [1])])))


def test_a_file_of_more_than_two_gigabytes_says_how_to_save_it(tmp_path: Path) -> None:
    path, graph_bytes = tmp_path / "net.onnx", 3 * 2**30
    head = b"\x3a" + encode_varint(graph_bytes)
    path.write_bytes(head)
    os.truncate(path, len(head) + graph_bytes)
    assert identify(path) is ModelFormat.ONNX
    with pytest.raises(InputError, match="save_as_external_data"):
        described(path)


def test_an_input_without_a_shape_is_noted(tmp_path: Path) -> None:
    model = onnx_model([node("Relu", ["x"], ["y"])], [value("x", None)], [value("y", None)])
    info = described(write(tmp_path / "net.onnx", model))
    assert info.notes == ("treated as single values, because the file states no shape: x",)


def test_impossible_tensors_are_refused(tmp_path: Path) -> None:
    model = keyword_net()
    model.graph.initializer[0].dims[0] = -1
    with pytest.raises(InputError, match="impossible shape"):
        described(write(tmp_path / "net.onnx", model))
    model.graph.initializer[0].ClearField("dims")
    model.graph.initializer[0].dims.extend([2**62] * 100_000)
    with pytest.raises(InputError, match="impossible shape"):
        described(write(tmp_path / "net.onnx", model))


# ---- inputs


@pytest.mark.parametrize(("axis", "length"), [(0, 50), (1, 16), (-1, 16)])
def test_an_index_is_bounded_by_the_shortest_table_it_looks_up(tmp_path: Path, axis: int, length: int) -> None:
    nodes = [
        node("Cast", ["ids"], ["wide"], to=INT64),
        node("Gather", ["table", "wide"], ["a"], axis=axis),
        node("Constant", [], ["longer"], value=weight("longer", 60, 60)),
        node("Gather", ["longer", "ids"], ["y"]),
        node("Gather", ["x", "others"], ["z"]),
    ]
    inputs = [value("ids", [1, 7], INT32), value("x", [4, 4]), value("others", [1], INT64)]
    info = described(
        write(tmp_path / "net.onnx", onnx_model(nodes, inputs, [value("y", None)], [weight("table", 50, 16)]))
    )
    assert [spec.upper for spec in info.inputs] == [length, None, None]


def test_inputs_and_outputs(tmp_path: Path) -> None:
    nodes = [node("Conv", ["x", "w"], ["y"]), node("Identity", ["text"], ["t"])]
    inputs = [value("x", ["n", 3, -1, 8]), value("text", [1], onnx.TensorProto.STRING), value("w", [4, 3, 1, 1])]
    inputs.append(value("half", [2], onnx.TensorProto.BFLOAT16))
    inputs.append(helper.make_tensor_sequence_value_info("list", onnx.TensorProto.FLOAT, None))
    model = onnx_model(nodes, inputs, [value("y", None), value("t", [1])], [weight("w", 4, 3, 1, 1)])
    info = described(write(tmp_path / "net.onnx", model))
    assert [(spec.name, spec.dtype, spec.shape) for spec in info.inputs] == [
        ("x", "float32", (None, 3, None, 8)),
        ("text", "string", (1,)),
        ("half", "bfloat16", (2,)),
        ("list", "sequence", ()),
    ]
    assert info.inputs[0].dimensions == ("n", "", "", "")
    assert [spec.name for spec in info.outputs] == ["y", "t"]


def test_custom_operators_are_noted_and_functions_are_not(tmp_path: Path) -> None:
    nodes = [node("Mine", ["x"], ["h"], domain="my.ops"), node("known", ["h"], ["y"], domain="f")]
    known = function("known", [node("Relu", ["a"], ["b"])])
    model = onnx_model(nodes, [value("x", [1])], [value("y", None)], domains=["my.ops", "f"], functions=[known])
    info = described(write(tmp_path / "net.onnx", model))
    assert info.notes[0] == "custom operators: my.ops::Mine"
    assert info.operators == {"Relu": 1, "f::known": 1, "my.ops::Mine": 1}
