"""Kinds of files that others made, each of which once did not reach a device."""

from pathlib import Path

import numpy as np

from edgebench.models.tflite.file import read_contents
from edgebench.models.tflite.quantize import relative_difference, run_content
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
