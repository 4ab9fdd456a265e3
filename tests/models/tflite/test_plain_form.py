"""Old and unusual files: what they compute stays, and what no kernel takes is refused with its reason."""

import struct
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from edgebench.errors import InputError, UnsupportedModelError
from edgebench.models.tflite.file import read_contents
from edgebench.models.tflite.int8.plain_model import read_plain
from edgebench.models.tflite.quantize import quantise_plain, relative_difference, run_content
from edgebench.models.tflite.tree import GraphEditor, parse_tree
from tests.models.tflite.float_graphs import FloatGraph
from tests.models.tflite.test_int8_operators import kinds, quantised, types

X = np.random.default_rng(1).standard_normal((1, 16)).astype(np.float32)


def outputs(content: bytes, name: str = "x", value: np.ndarray = X) -> np.ndarray:
    return run_content(content, [{name: value}])[0]


def test_codes_of_operators_where_tensorflow_before_2_4_put_them(tmp_path: Path) -> None:
    graph = FloatGraph()
    x = graph.tensor("x", [1, 8, 8, 3])
    graph.ports([x], [graph.conv(x, 4)]).model.old_codes = True
    path = graph.model.write(tmp_path / "old.tflite")
    assert read_contents(path).old_codes
    plain, int8, _, samples = quantised(path)
    assert plain.changed
    assert kinds(int8) == ["CONV_2D"]
    editor = GraphEditor(parse_tree(int8, "model"))
    code = editor.model.operatorCodes[0]
    assert code.builtinCode == code.deprecatedBuiltinCode == schema.BuiltinOperator.CONV_2D
    assert relative_difference(run_content(path.read_bytes(), samples), run_content(int8, samples)) < 0.03


@pytest.mark.parametrize("half", ["float16", "bfloat16"])
def test_half_floats(half: str, tmp_path: Path) -> None:
    graph = FloatGraph()
    weights = graph.random.standard_normal((4, 16)).astype(ml_dtypes.bfloat16 if half == "bfloat16" else np.float16)
    x = graph.tensor("x", [1, 16])
    packed = graph.constant(weights, dtype=half)
    unpacked = graph.add("DEQUANTIZE", [packed], [4, 16], "DequantizeOptions")
    graph.ports([x], [graph.add("FULLY_CONNECTED", [x, unpacked, -1], [1, 4], "FullyConnectedOptions")])
    plain, int8, _, _ = quantised(graph.model.write(tmp_path / "half.tflite"))
    np.testing.assert_allclose(outputs(plain.content), X[0] @ weights.astype(np.float32).T, rtol=1e-5)
    assert types(int8) == {"int8"}


@pytest.mark.parametrize(("dtype", "bits"), [("int4", 4), ("int2", 2), ("uint4", 4)])
def test_weights_of_few_bits_are_unpacked(dtype: str, bits: int, tmp_path: Path) -> None:
    signed = not dtype.startswith("u")
    low = -(1 << bits - 1) if signed else 0
    random = np.random.default_rng(0)
    weights = random.integers(low, low + (1 << bits), (5, 16)).astype(np.int8)
    fields = (weights.ravel() & ((1 << bits) - 1)).astype(np.uint8).reshape(-1, 8 // bits)
    stored = np.bitwise_or.reduce([fields[:, place] << bits * place for place in range(8 // bits)])
    graph = FloatGraph()
    x = graph.tensor("x", [1, 16])
    scales = [0.1, 0.2, 0.3, 0.4, 0.5]
    packed = graph.constant(stored, dtype=dtype, scale=scales)
    graph.table.tensors[packed].shape = [5, 16]
    graph.ports([x], [graph.add("FULLY_CONNECTED", [x, packed, -1], [1, 5], "FullyConnectedOptions")])
    plain, int8, _, _ = quantised(graph.model.write(tmp_path / "few.tflite"))
    expected = X[0] @ (weights * np.array(scales, np.float32)[:, None]).T
    np.testing.assert_allclose(outputs(plain.content), expected, rtol=1e-5, atol=1e-5)
    assert kinds(int8) == ["FULLY_CONNECTED"]


def test_packed_weights_of_int8_networks_stay_the_same_numbers(tmp_path: Path) -> None:
    graph = FloatGraph()
    x, y = graph.tensor("x", [1, 4], "int8", scale=0.1), graph.tensor("y", [1, 1], "int8", scale=0.5)
    packed = graph.constant(np.array([0x71, 0x8F], np.uint8), dtype="int4", scale=0.25)
    graph.table.tensors[packed].shape = [1, 4]
    graph.operator("FULLY_CONNECTED", [x, packed, -1], [y], "FullyConnectedOptions")
    plain = read_plain(graph.ports([x], [y]).model.write(tmp_path / "packed.tflite"))
    editor = plain.editor
    assert plain.changed
    assert not plain.computes_on_reals
    values = editor.values(editor.operators[0].inputs[1])
    assert values is not None
    assert values.tolist() == [[1, 7, -1, -8]]


def test_scales_of_blocks_are_refused(tmp_path: Path) -> None:
    graph = FloatGraph()
    x, weights = graph.tensor("x", [1, 16]), graph.constant(np.zeros((4, 16), np.int8), scale=0.1)
    quantisation = graph.table.tensors[weights].quantization
    quantisation.detailsType = schema.QuantizationDetails.BlockwiseQuantization
    quantisation.details = schema.BlockwiseQuantizationT()
    graph.ports([x], [graph.add("FULLY_CONNECTED", [x, weights, -1], [1, 4], "FullyConnectedOptions")])
    with pytest.raises(UnsupportedModelError, match="a scale for each block"):
        read_plain(graph.model.write(tmp_path / "blocks.tflite"))


def test_activations_of_few_bits_are_refused(tmp_path: Path) -> None:
    graph = FloatGraph()
    x, y = (graph.tensor(name, [1, 16], "int4", scale=0.1) for name in "xy")
    graph.operator("RELU", [x], [y])
    with pytest.raises(UnsupportedModelError, match="'x' is computed with 4 bits"):
        read_plain(graph.ports([x], [y]).model.write(tmp_path / "int4.tflite"))


@pytest.mark.parametrize("scales", [0.01, [0.01, 0.02, 0.03, 0.04]])
def test_integer_weights_of_real_operators_are_the_numbers_they_represent(scales: object, tmp_path: Path) -> None:
    graph = FloatGraph()
    stored = graph.random.integers(-127, 128, (4, 16)).astype(np.int8)
    x, weights = graph.tensor("x", [1, 16]), graph.constant(stored, scale=scales)  # type: ignore[arg-type]
    graph.ports([x], [graph.add("FULLY_CONNECTED", [x, weights, -1], [1, 4], "FullyConnectedOptions")])
    plain, int8, _, _ = quantised(graph.model.write(tmp_path / "hybrid.tflite"))
    real = stored * np.broadcast_to(np.asarray(scales, np.float32), 4)[:, None]
    np.testing.assert_allclose(outputs(plain.content), X[0] @ real.T, rtol=1e-4, atol=1e-4)
    assert types(int8) == {"int8"}


def sparse(dense: np.ndarray, graph: FloatGraph) -> int:
    """A matrix without its zeros, row by row."""
    kept = dense != 0
    index = graph.constant(dense[kept])
    tensor = graph.table.tensors[index]
    tensor.shape = list(dense.shape)
    tensor.sparsity = schema.SparsityParametersT()
    tensor.sparsity.traversalOrder = [0, 1]
    rows, columns = schema.DimensionMetadataT(), schema.DimensionMetadataT()
    rows.format, rows.denseSize = schema.DimensionType.DENSE, dense.shape[0]
    columns.format = schema.DimensionType.SPARSE_CSR
    columns.arraySegmentsType = columns.arrayIndicesType = schema.SparseIndexVector.Int32Vector
    columns.arraySegments, columns.arrayIndices = schema.Int32VectorT(), schema.Int32VectorT()
    columns.arraySegments.values = [0, *np.cumsum(kept.sum(axis=1)).tolist()]
    columns.arrayIndices.values = np.nonzero(kept)[1].tolist()
    tensor.sparsity.dimMetadata = [rows, columns]
    return index


def test_sparse_weights(tmp_path: Path) -> None:
    graph = FloatGraph()
    dense = graph.random.standard_normal((4, 16)).astype(np.float32) * (graph.random.random((4, 16)) < 0.4)
    x = graph.tensor("x", [1, 16])
    inputs = [x, sparse(dense, graph), -1]
    graph.ports([x], [graph.add("FULLY_CONNECTED", inputs, [1, 4], "FullyConnectedOptions")])
    plain, int8, _, _ = quantised(graph.model.write(tmp_path / "sparse.tflite"))
    np.testing.assert_allclose(outputs(plain.content), X[0] @ dense.T, rtol=1e-5, atol=1e-6)
    assert kinds(int8) == ["FULLY_CONNECTED"]


def test_names_become_unique_and_ports_keep_theirs(tmp_path: Path) -> None:
    graph = FloatGraph()
    x = graph.tensor("same", [1, 16])
    hidden = graph.dense(x, 8)
    y = graph.dense(hidden, 4)
    graph.table.tensors[hidden].name = b"same"
    graph.table.tensors[y].name = b""
    plain, int8, _, _ = quantised(graph.ports([x], [y]).model.write(tmp_path / "names.tflite"))
    assert plain.changed
    editor = GraphEditor(parse_tree(int8, "model"))
    names = [editor.name(index) for index in range(len(editor.graph.tensors))]
    assert len(set(names)) == len(names)
    assert editor.name(editor.inputs[0]) == "same"
    assert "" not in names


def test_images_of_bytes_are_read_as_they_are(tmp_path: Path) -> None:
    graph = FloatGraph()
    x = graph.tensor("image", [1, 8, 8, 3], "uint8")
    real = graph.add("CAST", [x], [1, 8, 8, 3], "CastOptions", inDataType=3, outDataType=0)
    scaled = graph.add("MUL", [real, graph.constant(np.float32(1 / 255))], [1, 8, 8, 3], "MulOptions")
    path = graph.ports([x], [graph.conv(scaled, 4)]).model.write(tmp_path / "bytes.tflite")
    image = np.random.default_rng(0).integers(0, 256, (1, 8, 8, 3), np.uint8)
    plain = read_plain(path)
    np.testing.assert_allclose(outputs(plain.content, "image", image), outputs(path.read_bytes(), "image", image))
    int8, _ = quantise_plain(plain, [{"image": image}])
    assert types(int8) == {"int8", "int32"}
    editor = GraphEditor(parse_tree(int8, "model"))
    scales = editor.scales(editor.inputs[0])
    assert scales is not None
    assert (scales[0][0], scales[1][0]) == (1.0, -128)


def test_a_custom_operator_of_mediapipe_is_the_one_that_tflite_has(tmp_path: Path) -> None:
    graph = FloatGraph()
    x = graph.tensor("x", [1, 4, 4, 3])
    inputs = [x, graph.weights(5, 3, 2, 3), graph.weights(5)]
    y = graph.add("Convolution2DTransposeBias", inputs, [1, 8, 12, 5])
    graph.table.operators[-1].customOptions = np.frombuffer(struct.pack("<3i", 1, 3, 2), np.uint8)
    plain = read_plain(graph.ports([x], [y]).model.write(tmp_path / "custom.tflite"))
    (operator,) = plain.editor.operators
    assert plain.editor.kind(operator) == "TRANSPOSE_CONV"
    options = operator.builtinOptions
    assert (options.padding, options.strideW, options.strideH) == (schema.Padding.SAME, 3, 2)
    assert outputs(plain.content, "x", np.ones((1, 4, 4, 3), np.float32)).size == 8 * 12 * 5


def test_an_axis_of_scales_that_does_not_exist_is_mended(tmp_path: Path) -> None:
    graph = FloatGraph()
    x, y = graph.tensor("x", [1, 4], "int8", scale=0.1), graph.tensor("y", [1, 2], "int8", scale=0.5)
    weights = graph.constant(np.ones((2, 4), np.int8), scale=[0.1, 0.2])
    bias = graph.constant(np.ones(2, np.int32), scale=[0.01, 0.02], axis=3)
    graph.operator("FULLY_CONNECTED", [x, weights, bias], [y], "FullyConnectedOptions")
    plain = read_plain(graph.ports([x], [y]).model.write(tmp_path / "axis.tflite"))
    scales = plain.editor.scales(plain.editor.operators[0].inputs[2])
    assert plain.changed
    assert scales is not None
    assert scales[2] == 0


@pytest.mark.parametrize("kind", ["CALL", "STABLEHLO_COMPOSITE"])
def test_calls_are_replaced_by_what_they_call(kind: str, tmp_path: Path) -> None:
    """Twice the same graph, which calls a third one."""
    main = FloatGraph("main")
    model = main.model
    outer, inner = FloatGraph("outer", model), FloatGraph("inner", model)
    y = inner.tensor("y", [1, 16])
    inner.ports([y], [inner.add("ABS", [y], [1, 16])])

    def call(graph: FloatGraph, source: int, number: int) -> int:
        if kind == "CALL":
            return graph.add("CALL", [source], [1, 16], "CallOptions", subgraph=number)
        found = graph.add(kind, [source], [1, 16])
        options = schema.StableHLOCompositeOptionsT()
        options.name, options.decompositionSubgraphIndex = b"mine", number
        operator = graph.table.operators[-1]
        operator.builtinOptions2, operator.builtinOptions2Type = (
            options,
            schema.BuiltinOptions2.StableHLOCompositeOptions,
        )
        return found

    z = outer.tensor("z", [1, 16])
    outer.ports([z], [outer.dense(call(outer, z, 2), 16)])
    x = main.tensor("x", [1, 16])
    main.ports([x], [call(main, call(main, x, 1), 1)])
    plain, int8, _, _ = quantised(model.write(tmp_path / "calls.tflite"))
    assert kinds(int8) == ["ABS", "FULLY_CONNECTED"] * 2
    assert len(plain.editor.model.subgraphs) == 1
    weights, bias = (plain.editor.values(index) for index in plain.editor.operators[1].inputs[1:])
    once = np.abs(X) @ weights.T + bias
    np.testing.assert_allclose(outputs(plain.content), (np.abs(once) @ weights.T + bias)[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("calls", [1, 2])
def test_graphs_that_call_each_other_in_a_circle_are_refused(calls: int, tmp_path: Path) -> None:
    graph = FloatGraph()
    x = graph.tensor("x", [1, 16])
    found = [graph.add("CALL", [x], [1, 16], "CallOptions", subgraph=0) for _ in range(calls)]
    graph.ports([x], found[:1])
    with pytest.raises(InputError, match="in a circle"):
        read_plain(graph.model.write(tmp_path / "circle.tflite"))


# ---- networks of unsigned bytes


def unsigned_network(weights: np.ndarray, zero_point: int) -> FloatGraph:
    graph = FloatGraph()
    x = graph.tensor("x", [1, 6, 6, 2], "uint8", scale=0.02, zero_point=120)
    hidden = graph.tensor("hidden", [1, 6, 6, 3], "uint8", scale=0.1, zero_point=90)
    pooled = graph.tensor("pooled", [1, 3, 3, 3], "uint8", scale=0.1, zero_point=90)
    stored = graph.constant(weights, scale=0.05, zero_point=zero_point)
    bias = graph.constant(np.array([100, -400, 900], np.int32), scale=0.02 * 0.05)
    fields = {"strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}
    graph.operator("CONV_2D", [x, stored, bias], [hidden], "Conv2DOptions", **fields)
    pool = {"filterHeight": 2, "filterWidth": 2, "strideH": 2, "strideW": 2, "padding": 1}
    graph.operator("MAX_POOL_2D", [hidden], [pooled], "Pool2DOptions", **pool)
    return graph.ports([x], [pooled])


@pytest.mark.parametrize(("low", "high", "steps"), [(3, 255, 0), (0, 256, 2)])
def test_bytes_become_int8(low: int, high: int, steps: int, tmp_path: Path) -> None:
    """To the bit, where weights lie up to 127 steps from their zero; else they are rounded."""
    weights = np.random.default_rng(0).integers(low, high, (3, 3, 3, 2), np.uint8)
    path = unsigned_network(weights, 130 if low else 160).model.write(tmp_path / "uint8.tflite")
    plain = read_plain(path)
    assert not plain.computes_on_reals
    int8, _ = quantise_plain(plain, [])
    assert types(int8) == {"int8", "int32"}
    random = np.random.default_rng(1)
    samples = [{"x": 2 * random.standard_normal((1, 6, 6, 2)).astype(np.float32)} for _ in range(8)]
    expected, found = run_content(path.read_bytes(), samples), run_content(int8, samples)
    assert max(np.abs(a - b).max() for a, b in zip(expected, found, strict=True)) <= 0.1 * steps + 1e-6


def test_bytes_beside_an_operator_without_an_int8_form_stay(tmp_path: Path) -> None:
    graph = FloatGraph()
    x, y = (graph.tensor(name, [1, 4], "uint8", scale=0.02, zero_point=120) for name in "xy")
    graph.operator("MyOwn", [x], [y])
    plain = read_plain(graph.ports([x], [y]).model.write(tmp_path / "own.tflite"))
    assert not plain.changed
    assert plain.editor.dtype(plain.editor.inputs[0]) == "uint8"


# ---- damage


def damaged(change: str) -> FloatGraph:
    graph = FloatGraph()
    x = graph.tensor("x", [1, 16])
    hidden = graph.dense(x, 16)
    y = graph.dense(hidden, 16)
    graph.ports([x], [y])
    first, second = graph.table.operators
    if change == "cycle":
        first.inputs = [y, *first.inputs[1:]]
    if change == "order":
        graph.table.operators = [second, first]
    if change == "written twice":
        second.outputs = [hidden]
        graph.table.outputs = [hidden]
    if change == "no constant":
        graph.table.tensors[first.inputs[1]].buffer = 0
    if change == "no output":
        graph.table.outputs = [graph.tensor("nothing", [1, 16])]
    if change == "NaN":
        first.inputs[1] = graph.constant(np.full((16, 16), np.nan, np.float32))
    return graph


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("cycle", "before it is computed"),
        ("order", "before it is computed"),
        ("written twice", "two operators write"),
        ("no constant", "has no values"),
        ("no output", "nothing computes the output"),
        ("NaN", r"not numbers \(NaN\)"),
    ],
)
def test_damage_is_named(change: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words):
        quantised(damaged(change).model.write(tmp_path / "damaged.tflite"))
