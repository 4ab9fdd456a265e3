"""Loops are written round by round where constants say how often they go round, and stay loops elsewhere."""

from pathlib import Path

import numpy as np
import pytest

from edgebench.models.convert import quantise
from edgebench.models.tflite.int8.plain_model import fix_shapes, read_plain
from edgebench.models.tflite.int8.unrolling import unroll_loops
from edgebench.models.tflite.quantised_graph import read_quantised_graph
from edgebench.models.tflite.quantize import relative_difference, run_content
from edgebench.targets.mcu.generator import generate
from tests.models.tflite.float_graphs import FloatGraph
from tests.models.tflite.test_int8_operators import kinds, samples_for, types

STEPS, FEATURES, UNITS = 5, 6, 4


def scalar(graph: FloatGraph, value: int) -> int:
    return graph.constant(np.array(value, np.int32))


def condition(main: FloatGraph, limits: int, comparison: str) -> None:
    graph = FloatGraph("condition", main.model)
    ports = variables(graph)
    first = graph.add(
        comparison, [ports[0], scalar(graph, STEPS)], [], f"{comparison.title().replace('_', '')}Options", dtype="bool"
    )
    if limits == 2:
        second = graph.add("LESS", [ports[1], ports[2]], [], "LessOptions", dtype="bool")
        first = graph.add("LOGICAL_AND", [first, second], [], "LogicalAndOptions", dtype="bool")
    graph.ports(ports, [first])


def variables(graph: FloatGraph) -> list[int]:
    """Two counters, a limit, a list of rows, a state, and the sequence."""
    integers = [graph.tensor(name, [], "int32") for name in ("round", "time", "limit")]
    shapes = {"rows": [STEPS, 1, UNITS], "state": [1, UNITS], "x": [STEPS, 1, FEATURES]}
    return [*integers, *(graph.tensor(name, shape) for name, shape in shapes.items())]


def body(main: FloatGraph) -> None:
    """A recurrent layer, with its outputs in a list as TensorFlow writes it."""
    graph = FloatGraph("body", main.model)
    number, time, limit, rows, state, x = ports = variables(graph)
    one = scalar(graph, 1)
    following = graph.add("ADD", [time, one], [], "AddOptions", dtype="int32")
    frame = graph.add("GATHER", [x, time], [1, FEATURES], "GatherOptions", axis=0)
    total = graph.add("ADD", [graph.dense(frame, UNITS), graph.dense(state, UNITS)], [1, UNITS], "AddOptions")
    new = graph.add("TANH", [total], [1, UNITS])

    def place(index: int, rest: int) -> int:
        row = graph.add("RESHAPE", [index, graph.indices([1])], [1], "ReshapeOptions", dtype="int32")
        parts = [row, graph.indices([rest, rest])]
        return graph.add("CONCATENATION", parts, [3], "ConcatenationOptions", dtype="int32", axis=0)

    before = graph.add("SLICE", [rows, graph.indices([0, 0, 0]), place(time, -1)], [1, 1, UNITS], "SliceOptions")
    after = graph.add("SLICE", [rows, place(following, 0), graph.indices([-1] * 3)], [1, 1, UNITS], "SliceOptions")
    for cut in (before, after):
        graph.table.tensors[cut].shapeSignature = [-1, 1, UNITS]
    row = graph.add("EXPAND_DIMS", [new, scalar(graph, 0)], [1, 1, UNITS], "ExpandDimsOptions")
    parts = [before, row, after]
    written = graph.add("CONCATENATION", parts, [STEPS, 1, UNITS], "ConcatenationOptions", axis=0)
    rounds = graph.add("ADD", [number, one], [], "AddOptions", dtype="int32")
    graph.ports(ports, [rounds, following, limit, written, new, x])


def recurrent(path: Path, *, read: str, limits: int = 1, comparison: str = "LESS") -> Path:
    """A network with a loop; what follows reads its last row, all rows, or its state."""
    main = FloatGraph()
    condition(main, limits, comparison)
    body(main)
    x = main.tensor("x", [STEPS, 1, FEATURES])
    rows = main.constant(np.zeros((STEPS, 1, UNITS), np.float32))
    state = main.constant(np.zeros((1, UNITS), np.float32))
    start = [scalar(main, 0), scalar(main, 0), scalar(main, STEPS), rows, state, x]
    shapes = [[], [], [], [STEPS, 1, UNITS], [1, UNITS], [STEPS, 1, FEATURES]]
    ends = [main.tensor(f"end{n}", shape, "int32" if n < 3 else "float32") for n, shape in enumerate(shapes)]
    main.operator("WHILE", start, ends, "WhileOptions", condSubgraphIndex=1, bodySubgraphIndex=2)
    if read == "last":
        cut = [main.indices([-1, 0, 0]), main.indices([0, 1, UNITS]), main.indices([1, 1, 1])]
        fields = {"shrinkAxisMask": 1, "endMask": 7}
        last = main.add("STRIDED_SLICE", [ends[3], *cut], [1, UNITS], "StridedSliceOptions", **fields)
    else:
        last = ends[4]
    if read == "all":
        last = main.add("RESHAPE", [ends[3], main.indices(1, STEPS * UNITS)], [1, STEPS * UNITS], "ReshapeOptions")
    return main.ports([x], [main.dense(last, 3)]).model.write(path)


@pytest.mark.parametrize("read", ["last", "all", "state"])
@pytest.mark.parametrize("limits", [1, 2])
def test_recurrent_layers_are_written_round_by_round(read: str, limits: int, tmp_path: Path) -> None:
    path = recurrent(tmp_path / "loop.tflite", read=read, limits=limits)
    plain = read_plain(path)
    samples = samples_for(plain)
    fix_shapes(plain, samples[0])
    assert relative_difference(run_content(path.read_bytes(), samples), run_content(plain.content, samples)) < 1e-6
    found = kinds(plain.content)
    assert found.count("TANH") == STEPS
    # Rows are put together once, where all are read.
    assert found.count("CONCATENATION") == (1 if read == "all" else 0)
    done = quantise(path, tmp_path / "int8.tflite", None, 0)
    content = done.path.read_bytes()
    assert types(content) == {"int8", "int32"}
    assert relative_difference(run_content(path.read_bytes(), samples), run_content(content, samples)) < 0.1
    made = generate(read_quantised_graph(done.path))
    # All rounds share their two matrices; the first round's state is a constant.
    assert made.files["model.c"].count("#define kernel_") == STEPS - 1 + STEPS - 2
    assert made.files["model.c"].count("int8_t kernel_") == 3


def test_what_ends_at_an_unknown_number_stays_a_loop(tmp_path: Path) -> None:
    path = recurrent(tmp_path / "loop.tflite", read="state", comparison="NOT_EQUAL")
    plain = read_plain(path)
    fix_shapes(plain, samples_for(plain)[0])
    assert "WHILE" in kinds(plain.content)


@pytest.mark.parametrize("limit", ["_MOST_OPERATORS", "_MOST_VALUES"])
def test_a_large_loop_stays_a_loop(limit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"edgebench.models.tflite.int8.unrolling.{limit}", 50)
    plain = read_plain(recurrent(tmp_path / "loop.tflite", read="state"))
    fix_shapes(plain, samples_for(plain)[0])
    assert "WHILE" in kinds(plain.content)


def test_conditions_that_go_in_a_circle_are_no_number(tmp_path: Path) -> None:
    path = recurrent(tmp_path / "loop.tflite", read="state", limits=2)
    plain = read_plain(path)
    condition = plain.editor.model.subgraphs[1]
    joined = condition.operators[-1]
    joined.inputs = [joined.outputs[0], joined.outputs[0]]
    assert not unroll_loops(plain.editor)
