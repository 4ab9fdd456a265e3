import time
from pathlib import Path

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from edgebench.core.model import ModelInfo
from edgebench.errors import InputError
from edgebench.models.source import parse_source
from edgebench.models.tflite.inspect import inspect_tflite
from tests.models.small_model_files import TfliteFile, keyword_tflite


def described(path: Path, content: bytes, **shapes: tuple[int, ...]) -> ModelInfo:
    path.write_bytes(content)
    return inspect_tflite(path, parse_source(str(path)), shapes)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.tflite"


def test_a_quantised_network(path: Path) -> None:
    info = described(path, keyword_tflite())
    # 4 x 4 x 4 outputs of 3 x 3 x 1 taps, 2 x 2 x 4 of 3 x 3, and 3 of 16.
    assert info.macs == 64 * 9 + 16 * 9 + 3 * 16
    # Weights and the bias; neither scales nor the shape of the reshape.
    assert info.parameters == 4 * 9 + 4 + 9 * 4 + 3 * 16
    assert info.operators == {"CONV_2D": 1, "DEPTHWISE_CONV_2D": 1, "FULLY_CONNECTED": 1, "RESHAPE": 1}
    assert [(spec.name, spec.dtype, spec.shape) for spec in info.inputs] == [("image", "int8", (1, 6, 6, 1))]
    assert [(spec.name, spec.shape) for spec in info.outputs] == [("scores", (1, 3))]
    assert info.notes == ()


def test_the_runtime_reads_the_same_inputs(path: Path) -> None:
    info = described(path, keyword_tflite())
    (detail,) = Interpreter(model_path=str(path)).get_input_details()
    assert (detail["name"], np.dtype(detail["dtype"]).name) == (info.inputs[0].name, info.inputs[0].dtype)
    assert tuple(detail["shape"]) == info.inputs[0].shape


def test_another_shape_is_taken_where_the_file_leaves_it_open(path: Path) -> None:
    info = described(path, keyword_tflite(), image=(4, 6, 6, 1))
    assert info.inputs[0].shape == (None, 6, 6, 1)
    assert info.macs is None
    assert info.notes == ("MACs are unknown: image is resized, and the file has only the original shapes",)
    assert described(path, keyword_tflite(), image=(1, 6, 6, 1)).macs == 768


CASES = {
    "CONV_2D": ([1, 5, 5, 4], [8, 3, 3, 2], [1, 3, 3, 8], 72 * 18),
    "DEPTHWISE_CONV_2D": ([2, 5, 5, 4], [1, 3, 3, 8], [2, 3, 3, 8], 144 * 9),
    "CONV_3D": ([1, 4, 4, 4, 2], [3, 3, 3, 2, 5], [1, 2, 2, 2, 5], 40 * 54),
    "FULLY_CONNECTED": ([2, 3, 8], [5, 8], [2, 3, 5], 30 * 8),
    "BATCH_MATMUL": ([2, 3, 8], [2, 8, 5], [2, 3, 5], 30 * 8),
    "BATCH_MATMUL, left transposed": ([2, 8, 3], [2, 8, 5], [2, 3, 5], 30 * 8),
    "ADD": ([4, 8], [4, 8], [4, 8], 0),
}


@pytest.mark.parametrize("case", CASES)
def test_multiply_accumulates(path: Path, case: str) -> None:
    data, weights, output, expected = CASES[case]
    file = TfliteFile()
    x, w, y = file.tensor("x", data), file.tensor("w", weights, constant=True), file.tensor("y", output)
    file.operator(case.partition(",")[0], [x, w, -1], [y])
    info = described(path, file.content([x], [y]))
    assert (info.macs, info.notes) == (expected, ())
    assert info.parameters == np.prod(weights)


def test_transposed_convolutions(path: Path) -> None:
    file = TfliteFile()
    shape, w = file.tensor("shape", [4], "int32", constant=True), file.tensor("w", [6, 2, 2, 4], constant=True)
    x, y = file.tensor("x", [1, 5, 5, 4]), file.tensor("y", [1, 10, 10, 6])
    file.operator("TRANSPOSE_CONV", [shape, w, x], [y])
    info = described(path, file.content([x], [y]))
    assert (info.macs, info.parameters) == (100 * 6 * 4, 96)


def test_recurrent_layers(path: Path) -> None:
    file = TfliteFile()
    x, y = file.tensor("x", [2, 7, 10]), file.tensor("y", [2, 7, 16])
    weights = [file.tensor(f"i{gate}", [16, 10], constant=True) for gate in range(4)]
    weights += [file.tensor(f"r{gate}", [16, 16], constant=True) for gate in range(4)]
    biases = [file.tensor(f"b{gate}", [16], constant=True) for gate in range(4)]
    states = [file.tensor("h", [2, 16]), file.tensor("c", [2, 16])]
    file.operator("UNIDIRECTIONAL_SEQUENCE_LSTM", [x, *weights, -1, -1, -1, *biases, -1, -1, *states], [y])
    feature, memory = file.tensor("feature", [8, 10], constant=True), file.tensor("memory", [8, 4], constant=True)
    z = file.tensor("z", [2, 8])
    file.operator("SVDF", [file.tensor("v", [2, 10]), feature, memory, -1, file.tensor("s", [2, 32])], [z])
    info = described(path, file.content([x], [y]))
    assert info.macs == 2 * 7 * 4 * 16 * (10 + 16) + 2 * 8 * (10 + 4)


def test_what_is_not_counted_is_listed(path: Path) -> None:
    file = TfliteFile()
    x, y = file.tensor("x", [1, 4]), file.tensor("y", [1, 4])
    file.operator("CUSTOM", [x], [y], custom="MyOp")
    file.operator("RFFT2D", [x], [y])
    info = described(path, file.content([x], [y]))
    assert info.operators == {"MyOp": 1, "RFFT2D": 1}
    assert info.notes == ("MACs do not include 1 x MyOp, 1 x RFFT2D",)


def test_half_precision_weights_count_once(path: Path) -> None:
    file = TfliteFile()
    x, y = file.tensor("x", [1, 8]), file.tensor("y", [1, 4])
    half, w = file.tensor("half", [4, 8], "float16", constant=True), file.tensor("w", [4, 8])
    same = file.tensor("same", [4, 8], "float16")
    file.graph.tensors[same].buffer = file.graph.tensors[half].buffer
    file.operator("DEQUANTIZE", [half], [w])
    file.operator("DEQUANTIZE", [same], [w])
    file.operator("FULLY_CONNECTED", [x, w, -1], [y])
    assert described(path, file.content([x], [y])).parameters == 32


@pytest.mark.parametrize(("axis", "length"), [(0, 50), (1, 6)])
def test_an_index_is_bounded_by_its_table(path: Path, axis: int, length: int) -> None:
    file = TfliteFile()
    ids, table, y = file.tensor("ids", [3], "int32"), file.tensor("t", [50, 6], constant=True), file.tensor("y", [3, 6])
    options = schema.GatherOptionsT()
    options.axis = axis
    file.operator("GATHER", [table, ids], [y], options)
    assert described(path, file.content([ids], [y])).inputs[0].upper == length


def test_open_sizes_beyond_the_batch_have_to_be_given(path: Path) -> None:
    file = TfliteFile()
    x, y = file.tensor("x", [1, 1, 1, 3], signature=[-1, -1, -1, 3]), file.tensor("y", [1, 3])
    file.operator("MEAN", [x], [y])
    assert described(path, file.content([x], [y])).inputs[0].shape == (1, None, None, 3)
    assert described(path, file.content([x], [y]), x=(1, 8, 8, 3)).inputs[0].shape == (None, None, None, 3)


# ---- damage


def broken(change: str) -> bytes:
    file = TfliteFile()
    x, w, y = file.tensor("x", [1, 8]), file.tensor("w", [4, 8], constant=True), file.tensor("y", [1, 4])
    file.operator("FULLY_CONNECTED", [x, w, -1], [y])
    if change == "tensor index":
        file.graph.operators[0].inputs = [x, 17, -1]
    if change == "missing required":
        file.graph.operators[0].outputs = [-1]
    if change == "code index":
        file.graph.operators[0].opcodeIndex = 9
    if change == "buffer index":
        file.graph.tensors[w].buffer = 99
    if change == "short buffer":
        file.graph.tensors[w].shape = [4000, 8000]
    if change == "signature":
        file.graph.tensors[x].shapeSignature = [-1]
    if change == "rank":
        file.graph.tensors[x].shape = [2] * 1000
    if change == "negative size":
        file.graph.tensors[x].shape = [1, -8]
    if change == "no operators":
        file.graph.operators = []
    if change == "no graph":
        file.model.subgraphs = []
    return file.content([x], [y])


@pytest.mark.parametrize(
    "change",
    [
        "tensor index", "missing required", "code index", "buffer index", "short buffer", "signature", "rank",
        "negative size", "no operators", "no graph",
    ],
)  # fmt: skip
def test_damage_is_an_input_error(path: Path, change: str) -> None:
    assert described(path, broken("nothing")).macs == 32
    with pytest.raises(InputError, match="damaged TFLite file"):
        described(path, broken(change))


def test_tables_that_overlap_do_not_hang(path: Path) -> None:
    """A megabyte in which 100,000 tensors share one name of 10,000 characters would be read as a gigabyte."""
    builder = flatbuffers.Builder(1 << 20)
    name = builder.CreateString("x" * 10_000)
    schema.TensorStart(builder)
    schema.TensorAddName(builder, name)
    tensor = schema.TensorEnd(builder)
    schema.SubGraphStartTensorsVector(builder, 100_000)
    for _ in range(100_000):
        builder.PrependUOffsetTRelative(tensor)
    tensors = builder.EndVector()
    schema.SubGraphStart(builder)
    schema.SubGraphAddTensors(builder, tensors)
    graph = schema.SubGraphEnd(builder)
    schema.ModelStartSubgraphsVector(builder, 1)
    builder.PrependUOffsetTRelative(graph)
    graphs = builder.EndVector()
    schema.BufferStart(builder)
    buffer = schema.BufferEnd(builder)
    schema.ModelStartBuffersVector(builder, 1)
    builder.PrependUOffsetTRelative(buffer)
    buffers = builder.EndVector()
    schema.ModelStart(builder)
    schema.ModelAddSubgraphs(builder, graphs)
    schema.ModelAddBuffers(builder, buffers)
    builder.Finish(schema.ModelEnd(builder), file_identifier=b"TFL3")
    start = time.process_time()
    with pytest.raises(InputError, match="more than 4000000 entries"):
        described(path, bytes(builder.Output()))
    assert time.process_time() - start < 2
