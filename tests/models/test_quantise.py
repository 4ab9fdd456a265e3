"""Whole files to int8: shapes, edges, states, half-quantised networks, ranges, and what is said about the result."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from edgebench.errors import InputError, UnsupportedModelError
from edgebench.models.convert import quantise
from edgebench.models.tflite.int8.running import Runner
from edgebench.models.tflite.quantize import relative_difference, run_content
from edgebench.models.tflite.tree import GraphEditor, parse_tree
from tests.models.tflite.float_graphs import FloatGraph, FloatModel, streaming_model
from tests.models.tflite.operator_cases import network
from tests.models.tflite.test_int8_operators import kinds, types
from tests.models.tflite.test_signatures import two_signatures


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "model.tflite"


def int8(source: Path, calibration: Path | None = None, **options: object) -> tuple[bytes, tuple[str, ...]]:
    done = quantise(source, source.with_name("int8.tflite"), calibration, 0, **options)  # type: ignore[arg-type]
    return done.path.read_bytes(), (*done.notes, *done.caveats)


def ports(content: bytes) -> list[tuple[str, tuple[int, ...]]]:
    editor = GraphEditor(parse_tree(content, "model"))
    return [(editor.dtype(index), editor.shape(index)) for index in (*editor.inputs, *editor.outputs)]


# ---- shapes


def open_network() -> FloatGraph:
    """Height and width are open."""
    graph = FloatGraph()
    x = graph.tensor("x", [1, 1, 1, 3], signature=[-1, -1, -1, 3])
    y = graph.conv(graph.conv(x, 8, stride=2, activation=1), 4)
    for tensor in graph.table.tensors:
        if tensor.buffer == 0 and tensor.shapeSignature is None:
            tensor.shapeSignature = [-1, -1, -1, tensor.shape[3]]
    return graph.ports([x], [y])


def test_shapes_are_fixed_everywhere(source: Path) -> None:
    open_network().model.write(source)
    content, _ = int8(source, shapes={"x": (1, 20, 30, 3)})
    assert ports(content) == [("int8", (1, 20, 30, 3)), ("int8", (1, 10, 15, 4))]
    editor = GraphEditor(parse_tree(content, "model"))
    assert all(tensor.shapeSignature is None for tensor in editor.graph.tensors)


def test_open_shapes_have_to_be_given(source: Path) -> None:
    open_network().model.write(source)
    with pytest.raises(InputError, match="open dimensions"):
        int8(source)


def test_shape_arithmetic_vanishes(source: Path) -> None:
    """As converters write ``x.reshape(x.shape[0], -1)``."""
    graph = FloatGraph()
    x = graph.tensor("x", [1, 4, 4, 2], signature=[-1, 4, 4, 2])
    shape = graph.add("SHAPE", [x], [4], "ShapeOptions", "int32", outType=2)
    slices = [graph.indices(0), graph.indices(1), graph.indices(1)]
    batch = graph.add("STRIDED_SLICE", [shape, *slices], [], "StridedSliceOptions", "int32", shrinkAxisMask=1)
    rest = graph.constant(np.int32(-1))
    wanted = graph.add("PACK", [batch, rest], [2], "PackOptions", "int32", valuesCount=2)
    flat = graph.add("RESHAPE", [x, wanted], [1, 32], "ReshapeOptions")
    graph.ports([x], [graph.dense(flat, 3)]).model.write(source)
    content, _ = int8(source)
    assert kinds(content) == ["RESHAPE", "FULLY_CONNECTED"]
    assert ports(int8(source, shapes={"x": (2, 4, 4, 2)})[0]) == [("int8", (2, 4, 4, 2)), ("int8", (2, 3))]


# ---- int8 inside


def int8_inside(edge: str) -> FloatGraph:
    """What TensorFlow writes where inputs and outputs are to stay real numbers or bytes."""
    graph = FloatGraph()
    scale = {"scale": 0.02, "zero_point": 100} if edge == "uint8" else {}
    x, y = (graph.tensor(name, [1, 8], edge, **scale) for name in "xy")  # type: ignore[arg-type]
    inside, out = (graph.tensor(name, [1, 8], "int8", scale=0.02, zero_point=-28) for name in ("inside", "out"))
    graph.operator("QUANTIZE", [x], [inside], "QuantizeOptions")
    weights = graph.constant(graph.random.integers(-127, 128, (8, 8)).astype(np.int8), scale=0.005)
    graph.operator("FULLY_CONNECTED", [inside, weights, -1], [out], "FullyConnectedOptions")
    graph.operator("QUANTIZE" if edge == "uint8" else "DEQUANTIZE", [out], [y])
    return graph.ports([x], [y])


@pytest.mark.parametrize("edge", ["float32", "uint8"])
def test_edges_are_left_to_the_application(edge: str, source: Path) -> None:
    int8_inside(edge).model.write(source)
    content, notes = int8(source)
    assert kinds(content) == ["FULLY_CONNECTED"]
    assert ports(content) == [("int8", (1, 8)), ("int8", (1, 8))]
    assert [note.split(":")[0] for note in notes] == [
        f"input 'x' is int8 instead of {edge}",
        f"output 'y' is int8 instead of {edge}",
    ]
    assert all(note.endswith("is left to the application") for note in notes)
    x = np.linspace(-1.5, 3, 8, dtype=np.float32)[None]
    (expected,), (found,) = run_content(source.read_bytes(), [{"x": x}]), run_content(content, [{"x": x}])
    np.testing.assert_allclose(expected, found, atol=1e-6)


def test_an_int8_file_is_left_as_it_is(source: Path) -> None:
    int8_inside("float32").model.write(source)
    content, _ = int8(source)
    source.write_bytes(content)
    done = quantise(source, source.with_name("again.tflite"), None, 0)
    assert (done.path, done.notes) == (source, ())


def test_a_real_tail_of_an_int8_network_becomes_int8_too(source: Path) -> None:
    """Its int8 part keeps the scales it has."""
    graph = int8_inside("float32")
    y = graph.table.outputs[0]
    graph.ports(graph.table.inputs, [graph.add("SOFTMAX", [y], [1, 8], "SoftmaxOptions", beta=1.0)]).model.write(source)
    content, notes = int8(source)
    assert kinds(content) == ["FULLY_CONNECTED", "SOFTMAX"]
    assert types(content) == {"int8"}
    editor = GraphEditor(parse_tree(content, "model"))
    scales = editor.scales(editor.inputs[0])
    assert scales is not None
    assert (scales[0][0], scales[1][0]) == (pytest.approx(0.02), -28)
    assert notes[0].startswith("quantised to int8")


# ---- what has no int8 form


def test_an_operator_without_an_int8_form_stays_between_conversions(source: Path) -> None:
    graph = FloatGraph()
    x = graph.tensor("x", [1, 8])
    sine = graph.add("SIN", [graph.dense(x, 8)], [1, 8])
    graph.ports([x], [graph.dense(graph.add("COS", [sine], [1, 8]), 4)]).model.write(source)
    content, _ = int8(source)
    assert kinds(content) == ["FULLY_CONNECTED", "DEQUANTIZE", "SIN", "COS", "QUANTIZE", "FULLY_CONNECTED"]
    assert ports(content) == [("int8", (1, 8)), ("int8", (1, 4))]


def test_an_operator_that_litert_lacks_is_named(source: Path) -> None:
    graph = FloatGraph()
    x = graph.tensor("x", [1, 8])
    graph.ports([x], [graph.add("MyOwn", [graph.dense(x, 8)], [1, 8])]).model.write(source)
    with pytest.raises(UnsupportedModelError, match="MyOwn"):
        int8(source)


# ---- state


def test_variables_are_int8_from_the_first_value_on(source: Path) -> None:
    streaming_model().write(source)
    content, _ = int8(source)
    assert types(content) == {"int8", "int32", "resource"}
    tree = parse_tree(content, "model")
    starting = GraphEditor(tree, 1)
    (assigned,) = (operator for operator in starting.operators if starting.kind(operator) == "ASSIGN_VARIABLE")
    assert starting.dtype(assigned.inputs[1]) == "int8"
    random = np.random.default_rng(0)
    frames = [{"frame": random.uniform(-1, 1, (1, 1, 8)).astype(np.float32)} for _ in range(6)]
    assert relative_difference(run_content(source.read_bytes(), frames), run_content(content, frames)) < 0.04


def test_an_lstm_keeps_its_state_in_int8_and_its_cell_in_16_bits(source: Path) -> None:
    network("UNIDIRECTIONAL_SEQUENCE_LSTM").model.write(source)
    content, _ = int8(source)
    editor = GraphEditor(parse_tree(content, "model"))
    (layer,) = (operator for operator in editor.operators if editor.kind(operator).endswith("LSTM"))
    state, cell = layer.inputs[18:20]
    assert (editor.dtype(state), editor.dtype(cell)) == ("int8", "int16")
    assert editor.scales(state)[0] == editor.scales(layer.outputs[0])[0]  # type: ignore[index]
    assert np.log2(editor.scales(cell)[0][0]) % 1 == 0  # type: ignore[index]
    assert len(layer.intermediates) == 5


def svdf_network() -> FloatGraph:
    graph = FloatGraph()
    x, state = graph.tensor("x", [1, 8]), graph.tensor("state", [1, 60], variable=True)
    inputs = [x, graph.weights(10, 8), graph.weights(10, 6), graph.weights(10, size=0.1), state]
    graph.ports([x], [graph.add("SVDF", inputs, [1, 10], "SVDFOptions", rank=1, fusedActivationFunction=1)])
    return graph


def test_an_svdf_remembers_in_16_bits(source: Path, tmp_path: Path) -> None:
    svdf_network().model.write(source)
    random = np.random.default_rng(0)
    frames = [{"x": random.standard_normal((1, 8)).astype(np.float32)} for _ in range(20)]
    np.savez(tmp_path / "frames.npz", x=np.concatenate([frame["x"] for frame in frames]))
    content, _ = int8(source, tmp_path / "frames.npz")
    assert types(content) == {"int8", "int16", "int32"}
    runner, found = Runner(content, reference=True), []
    for frame in frames:
        runner.run(frame)
        found.append(runner.outputs())
    assert relative_difference(run_content(source.read_bytes(), frames), found) < 0.05


# ---- signatures


def test_the_graph_of_a_signature(source: Path) -> None:
    two_signatures().write(source)
    assert ports(int8(source)[0]) == [("int8", (1, 8)), ("int8", (1, 8))]
    assert ports(int8(source, signature="decode")[0]) == [("int8", (1, 8)), ("int8", (1, 32))]


# ---- calibration


def two_inputs() -> FloatModel:
    graph = FloatGraph()
    left, right = (graph.tensor(f"serving_default_{side}:0", [1, 16]) for side in ("left", "right"))
    total = graph.add("ADD", [graph.dense(left, 8), graph.dense(right, 8)], [1, 8], "AddOptions")
    graph.ports([left, right], [graph.dense(total, 3)])
    graph.model.signature("serving_default", 0, {"left": left, "right": right}, {"y": graph.table.outputs[0]})
    return graph.model


def steps(content: bytes) -> list[float]:
    """Of the inputs."""
    editor = GraphEditor(parse_tree(content, "model"))
    return [float(editor.scales(index)[0][0]) for index in editor.inputs]  # type: ignore[index]


def test_each_input_gets_the_ranges_of_its_own_array(source: Path, tmp_path: Path) -> None:
    two_inputs().write(source)
    random = np.random.default_rng(0)
    samples = {"left": random.uniform(-1, 1, (20, 16)), "right": random.uniform(-50, 50, (20, 16))}
    np.savez(tmp_path / "samples.npz", **samples)
    content, notes = int8(source, tmp_path / "samples.npz")
    left, right = steps(content)
    assert right / left == pytest.approx(50, rel=0.05)
    assert not any("latency only" in note for note in notes)
    np.savez(tmp_path / "samples.npz", left=samples["left"], rihgt=samples["right"])
    with pytest.raises(InputError, match="'rihgt' fits no input"):
        int8(source, tmp_path / "samples.npz")


@dataclass(frozen=True)
class Port:
    tensor: str
    name: str
    layout: tuple[int, ...]


def test_arrays_in_the_layout_of_the_users_model(source: Path, tmp_path: Path) -> None:
    """Channels of very different sizes, so that a wrong layout would show in the ranges."""
    graph = FloatGraph()
    x = graph.tensor("pixels_nhwc", [1, 4, 4, 4])
    graph.ports([x], [graph.conv(x, 2)]).model.write(source)
    samples = np.random.default_rng(0).standard_normal((9, 4, 4, 4)) * np.array([1, 1, 1, 30])[None, :, None, None]
    np.savez(tmp_path / "samples.npz", pixels=samples)
    port = Port(tensor="pixels_nhwc", name="pixels", layout=(0, 2, 3, 1))
    first, _ = int8(source, tmp_path / "samples.npz", ports=[port])
    np.savez(tmp_path / "samples.npz", pixels_nhwc=samples.transpose(0, 2, 3, 1))
    last, _ = int8(source, tmp_path / "samples.npz")
    assert first == last


def test_ranges_of_the_caller_win(source: Path) -> None:
    two_inputs().write(source)
    content, _ = int8(source, ranges={"serving_default_left:0": (-25.5, 25.5)})
    assert steps(content)[0] == pytest.approx(0.2)


def test_the_layer_that_costs_most_is_named(source: Path, tmp_path: Path) -> None:
    """One channel a thousand times as large as the others, which the next layer takes away again."""
    graph = FloatGraph()
    x = graph.tensor("x", [1, 16])
    sizes = np.array([1000.0, *[1.0] * 15], np.float32)
    scaled = graph.add("MUL", [x, graph.constant(sizes)], [1, 16], "MulOptions")
    even = graph.add("MUL", [scaled, graph.constant(1 / sizes)], [1, 16], "MulOptions")
    graph.table.tensors[scaled].name, graph.table.tensors[even].name = b"uneven", b"even"
    graph.ports([x], [graph.dense(even, 4)]).model.write(source)
    np.savez(tmp_path / "samples.npz", x=np.random.default_rng(0).standard_normal((30, 16)))
    _, notes = int8(source, tmp_path / "samples.npz")
    (named,) = (note for note in notes if "costs most" in note)
    assert "MUL 'even' costs most" in named
    assert not any("costs most" in note for note in int8(source)[1])


def test_it_says_how_much_of_the_data_was_used(source: Path, tmp_path: Path) -> None:
    two_inputs().write(source)
    samples = np.random.default_rng(0).standard_normal((1000, 16))
    np.savez(tmp_path / "samples.npz", left=samples, right=samples)
    assert "of 1000 samples 128 set the ranges, evenly spread" in int8(source, tmp_path / "samples.npz")[1]
