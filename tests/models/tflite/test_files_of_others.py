"""Kinds of files that others made, each of which once did not reach a device."""

from pathlib import Path

import numpy as np
import pytest

from edgebench.core.model import InputSource
from edgebench.models.convert import quantise
from edgebench.models.inputs import make_inputs
from edgebench.models.source import parse_source
from edgebench.models.tflite.file import read_contents
from edgebench.models.tflite.inspect import inspect_tflite
from edgebench.models.tflite.quantised_graph import read_quantised_graph
from edgebench.models.tflite.quantize import relative_difference, run_content
from edgebench.targets.mcu.generator import generate
from tests.models.tflite.float_graphs import FloatGraph
from tests.models.tflite.test_int8_operators import kinds, quantised, types


def test_a_bias_may_have_more_axes_than_it_needs(tmp_path: Path) -> None:
    graph = FloatGraph()
    x = graph.tensor("x", [1, 16])
    inputs = [x, graph.weights(4, 16), graph.weights(1, 4)]
    graph.ports([x], [graph.add("FULLY_CONNECTED", inputs, [1, 4], "FullyConnectedOptions")])
    path = graph.model.write(tmp_path / "float.tflite")
    _, int8, _, samples = quantised(path)
    assert "float32" not in types(int8)
    assert relative_difference(run_content(path.read_bytes(), samples), run_content(int8, samples)) < 0.03


def test_a_graph_that_sets_up_variables_is_left_out_where_none_is_read(tmp_path: Path) -> None:
    """As of signatures that compute a loss, in files that train."""
    main = FloatGraph()
    start = FloatGraph("start", main.model)
    handle = start.tensor("handle", [1], "resource")
    start.operator("VAR_HANDLE", [], [handle], "VarHandleOptions", container=b"", sharedName=b"w")
    start.operator("ASSIGN_VARIABLE", [handle, start.constant(np.zeros((1, 4), np.float32))], [])
    start.ports([], [])
    x = main.tensor("x", [1, 16])
    main.operator("CALL_ONCE", [], [], "CallOnceOptions", initSubgraphIndex=1)
    main.ports([x], [main.dense(x, 4)])
    path = main.model.write(tmp_path / "float.tflite")
    _, int8, _, _ = quantised(path)
    path.write_bytes(int8)
    assert kinds(int8) == ["FULLY_CONNECTED"]
    assert len(read_contents(path).graphs) == 1


def embedding(path: Path, *, from_the_end: bool = False) -> Path:
    """As Keras writes it: positions are given as real numbers, and in version 3 may be counted from the end."""
    graph = FloatGraph()
    x = graph.tensor("x", [1, 6])
    words = graph.add("CAST", [x], [1, 6], "CastOptions", dtype="int32", inDataType=0, outDataType=2)
    if from_the_end:
        zero, length = (graph.constant(np.array(value, np.int32)) for value in (0, 50))
        below = graph.add("LESS", [words, zero], [1, 6], "LessOptions", dtype="bool")
        moved = graph.add("ADD", [words, length], [1, 6], "AddOptions", dtype="int32")
        words = graph.add("SELECT_V2", [below, moved, words], [1, 6], "SelectV2Options", dtype="int32")
    rows = graph.add("GATHER", [graph.weights(50, 8, size=1.0), words], [1, 6, 8], "GatherOptions", axis=0)
    mean = graph.add("MEAN", [rows, graph.indices([1])], [1, 8], "ReducerOptions", keepDims=False)
    return graph.ports([x], [graph.dense(mean, 4)]).model.write(path)


@pytest.mark.parametrize("from_the_end", [False, True])
def test_positions_given_as_real_numbers_become_integers(from_the_end: bool, tmp_path: Path) -> None:
    path = embedding(tmp_path / "words.tflite", from_the_end=from_the_end)
    (spec,) = inspect_tflite(path, parse_source(str(path)), {}).inputs
    assert spec.upper == 50
    values = make_inputs([spec], InputSource(seed=3))["x"]
    assert values.dtype == np.float32
    assert set(values.ravel()) <= set(range(50))
    done = quantise(path, tmp_path / "int8.tflite", None, 0)
    content = done.path.read_bytes()
    assert types(content) <= {"int8", "int32", "bool"}
    (taken,) = inspect_tflite(done.path, parse_source(str(path)), {}).inputs
    assert taken.dtype == "int32"
    expected, found = run_content(path.read_bytes(), [{"x": values}]), run_content(content, [{"x": values}])
    assert relative_difference(expected, found) < 0.05
    (port,) = generate(read_quantised_graph(done.path)).inputs
    assert port.upper == 50


def test_samples_of_positions_may_be_real_numbers(tmp_path: Path) -> None:
    path = embedding(tmp_path / "words.tflite")
    samples = np.random.default_rng(0).integers(0, 50, (20, 6)).astype(np.float32)
    np.savez(tmp_path / "samples.npz", x=samples)
    done = quantise(path, tmp_path / "int8.tflite", tmp_path / "samples.npz", 0)
    assert not any("means nothing" in note for note in done.notes)


def test_a_cast_of_a_mask_needs_no_options(tmp_path: Path) -> None:
    graph = FloatGraph()
    x = graph.tensor("x", [1, 16])
    mask = graph.add("GREATER", [x, graph.constant(np.float32(0.1))], [1, 16], dtype="bool")
    real = graph.add("CAST", [mask], [1, 16])
    graph.ports([x], [graph.add("MUL", [x, real], [1, 16], "MulOptions")])
    path = graph.model.write(tmp_path / "float.tflite")
    _, int8, _, samples = quantised(path)
    assert types(int8) == {"int8", "bool"}
    assert relative_difference(run_content(path.read_bytes(), samples), run_content(int8, samples)) < 0.05


def test_shapes_without_axes_are_constants_too(tmp_path: Path) -> None:
    """As the framing of sounds computes its positions."""
    graph = FloatGraph()
    x = graph.tensor("x", [1, 16])
    sizes = graph.add("SHAPE", [x], [2], "ShapeOptions", dtype="int32", outType=2)
    length = graph.add("SLICE", [sizes, graph.indices([1]), graph.indices([1])], [1], "SliceOptions", dtype="int32")
    number = graph.add("RESHAPE", [length, graph.tensor("no_axes", [0], "int32")], [], "ReshapeOptions", dtype="int32")
    start, step = (graph.constant(np.array(value, np.int32)) for value in (0, 2))
    positions = graph.add("RANGE", [start, number, step], [8], "RangeOptions", dtype="int32")
    taken = graph.add("GATHER", [x, positions], [1, 8], "GatherOptions", axis=1)
    path = graph.ports([x], [graph.dense(taken, 4)]).model.write(tmp_path / "frames.tflite")
    _, int8, _, samples = quantised(path)
    assert not {"RANGE", "GATHER"} & set(kinds(int8))
    assert relative_difference(run_content(path.read_bytes(), samples), run_content(int8, samples)) < 0.05


def test_few_random_inputs_run_through_networks_that_take_long(tmp_path: Path) -> None:
    notes = []
    for side in (8, 1024):
        graph = FloatGraph()
        x = graph.tensor("x", [1, side, side, 3])
        y = graph.conv(graph.conv(x, 16, kernel=1), 2, kernel=1)
        path = graph.ports([x], [y]).model.write(tmp_path / f"{side}.tflite")
        notes.append(quantise(path, tmp_path / "int8.tflite", None, 0).notes[0])
    assert "over 8 inputs" in notes[0]
    assert "over 4 inputs" in notes[1]


@pytest.mark.parametrize("kind", ["float32", "uint8"])
def test_the_decoding_of_boxes_is_left_to_the_application(kind: str, tmp_path: Path) -> None:
    graph = FloatGraph()
    if kind == "float32":
        x = graph.tensor("x", [1, 8, 8, 3])
        boxes, scores = graph.conv(x, 4, stride=2), graph.conv(x, 2, stride=2)
    else:
        x = graph.tensor("x", [1, 8, 8, 3], "uint8", scale=0.1, zero_point=128)
        boxes = graph.tensor("boxes", [1, 8, 8, 3], "uint8", scale=1 / 256)
        scores = graph.tensor("scores", [1, 8, 8, 3], "uint8", scale=1 / 256)
        graph.operator("LOGISTIC", [x], [boxes])
        graph.operator("LOGISTIC", [x], [scores])
    anchors = graph.constant(np.ones((16, 4), np.float32))
    ends = [graph.tensor(f"end{number}", []) for number in range(4)]
    graph.operator("TFLite_Detection_PostProcess", [boxes, scores, anchors], ends)
    path = graph.ports([x], ends).model.write(tmp_path / "detector.tflite")
    done = quantise(path, tmp_path / "int8.tflite", None, 0)
    assert "is left to the application" in done.notes[-1 if kind == "float32" else 0]
    names = [tensor.name for tensor in inspect_tflite(done.path, parse_source(str(path)), {}).outputs]
    assert names == [graph.table.tensors[index].name.decode() for index in (boxes, scores)]
    assert types(done.path.read_bytes()) <= {"int8", "int32"}
    generate(read_quantised_graph(done.path))


def test_bytes_of_several_scales_are_joined(tmp_path: Path) -> None:
    graph = FloatGraph()
    scales = {"x": 0.02, "y": 0.05, "z": 0.05}
    x, y, z = (graph.tensor(name, [1, 4], "uint8", scale=scale, zero_point=100) for name, scale in scales.items())
    joined = graph.tensor("joined", [1, 12], "uint8", scale=0.05, zero_point=100)
    graph.operator("CONCATENATION", [x, y, z], [joined], "ConcatenationOptions", axis=1)
    path = graph.ports([x, y, z], [joined]).model.write(tmp_path / "uint8.tflite")
    done = quantise(path, tmp_path / "int8.tflite", None, 0)
    content = done.path.read_bytes()
    assert kinds(content) == ["QUANTIZE", "CONCATENATION"]
    random = np.random.default_rng(0)
    samples = [{name: random.uniform(-2, 2, (1, 4)) for name in scales} for _ in range(8)]
    expected, found = run_content(path.read_bytes(), samples), run_content(content, samples)
    assert max(np.abs(a - b).max() for a, b in zip(expected, found, strict=True)) < 0.0501
    generate(read_quantised_graph(done.path))


@pytest.mark.parametrize("kind", ["RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"])
@pytest.mark.parametrize("centres", [True, False])
def test_images_that_have_the_size_are_not_resized(kind: str, centres: bool, tmp_path: Path) -> None:
    graph = FloatGraph()
    x = graph.tensor("x", [1, 8, 8, 3])
    options = "ResizeBilinearOptions" if kind == "RESIZE_BILINEAR" else "ResizeNearestNeighborOptions"
    same = graph.add(kind, [graph.conv(x, 4), graph.indices(8, 8)], [1, 8, 8, 4], options, halfPixelCenters=centres)
    path = graph.ports([x], [graph.conv(same, 2)]).model.write(tmp_path / "same.tflite")
    _, int8, _, samples = quantised(path)
    assert kind not in kinds(int8)
    assert relative_difference(run_content(path.read_bytes(), samples), run_content(int8, samples)) < 0.03
