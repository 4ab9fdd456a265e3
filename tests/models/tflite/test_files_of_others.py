"""Kinds of files that others made, each of which once did not reach a device."""

from pathlib import Path

import numpy as np

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


def embedding(path: Path) -> Path:
    """As Keras 2 writes it: positions are given as real numbers."""
    graph = FloatGraph()
    x = graph.tensor("x", [1, 6])
    words = graph.add("CAST", [x], [1, 6], "CastOptions", dtype="int32", inDataType=0, outDataType=2)
    rows = graph.add("GATHER", [graph.weights(50, 8, size=1.0), words], [1, 6, 8], "GatherOptions", axis=0)
    mean = graph.add("MEAN", [rows, graph.indices([1])], [1, 8], "ReducerOptions", keepDims=False)
    return graph.ports([x], [graph.dense(mean, 4)]).model.write(path)


def test_positions_given_as_real_numbers_become_integers(tmp_path: Path) -> None:
    path = embedding(tmp_path / "words.tflite")
    (spec,) = inspect_tflite(path, parse_source(str(path)), {}).inputs
    assert spec.upper == 50
    values = make_inputs([spec], InputSource(seed=3))["x"]
    assert values.dtype == np.float32
    assert set(values.ravel()) <= set(range(50))
    done = quantise(path, tmp_path / "int8.tflite", None, 0)
    content = done.path.read_bytes()
    assert types(content) <= {"int8", "int32"}
    (taken,) = inspect_tflite(done.path, parse_source(str(path)), {}).inputs
    assert taken.dtype == "int32"
    expected, found = run_content(path.read_bytes(), [{"x": values}]), run_content(content, [{"x": values}])
    assert relative_difference(expected, found) < 0.05
    generate(read_quantised_graph(done.path))


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
