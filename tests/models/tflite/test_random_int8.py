"""Random networks of many operators become int8 whole and stay close; damaged ones are refused with words."""

import multiprocessing
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgebench.errors import EdgebenchError
from edgebench.models.convert import quantise
from edgebench.models.tflite.int8.running import Runner
from edgebench.models.tflite.quantize import relative_difference, run_content
from tests.models.tflite.float_graphs import FloatGraph, streaming_model
from tests.models.tflite.operator_cases import IMAGE, ON_IMAGES, network
from tests.models.tflite.test_int8_operators import NOT_IN_REFERENCE, quantised, types
from tests.models.tflite.test_signatures import two_signatures

# Operators whose output is as large as their input, so that they follow each other in any order. RELU is not among
# them: where it lets almost nothing through there is hardly a signal to compare with.
CHAINED = [
    "ABS", "ADD", "ELU", "GREATER", "HARD_SWISH", "LEAKY_RELU", "LOGISTIC", "MAXIMUM", "MINIMUM", "MUL", "NEG", "PRELU",
    "RELU_N1_TO_1", "REVERSE_V2", "SUB", "TANH", "a clip",
]  # fmt: skip


@st.composite
def chains(draw: st.DrawFn) -> tuple[FloatGraph, list[str]]:
    """Operators one after another, some on what lies further back, with layers between them."""
    graph = FloatGraph()
    x = graph.tensor("x", IMAGE)
    seen = [graph.conv(x, 4)]
    names = draw(st.lists(st.sampled_from(CHAINED), min_size=2, max_size=6))
    for name in names:
        seen.append(ON_IMAGES[name](graph, draw(st.sampled_from(seen[-2:]))))
        if draw(st.booleans()):
            seen.append(graph.conv(seen[-1], 4, kernel=1))
    outputs = [graph.conv(index, 4, kernel=1) for index in draw(st.sampled_from([seen[-1:], seen[-2:]]))]
    return graph.ports([x], outputs), names


@settings(derandomize=True, deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chains())
def test_random_networks_become_int8(tmp_path: Path, drawn: tuple[FloatGraph, list[str]]) -> None:
    graph, names = drawn
    path = graph.model.write(tmp_path / "random.tflite")
    _, int8, _, samples = quantised(path)
    assert types(int8) <= {"int8", "int32", "bool"}
    runner = Runner(int8, reference=not NOT_IN_REFERENCE & set(names))
    found = []
    for sample in samples:
        runner.run(sample)
        found.append(runner.outputs())
    # What is compared flips where two values are almost the same; a broken scale is off by more than the signal.
    assert relative_difference(run_content(path.read_bytes(), samples), found) < 0.35


BASES = [
    *(network(name).model.content() for name in ("BATCH_MATMUL", "GATHER", "SPLIT_V", "UNIDIRECTIONAL_SEQUENCE_LSTM")),
    streaming_model().content(),
    two_signatures().content(),
]


def _tried(path: str) -> str:
    try:
        quantise(Path(path), Path(path).with_suffix(".int8"), None, 0)
    except EdgebenchError:
        return "refused"
    return "done"


@pytest.mark.child
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_damaged_networks_are_refused_with_words(seed: int, tmp_path: Path) -> None:
    """Whatever is raised is an error with words; LiteRT itself may end the process, which is why it has its own."""
    drawn = random.Random(seed)
    ends = {"refused": 0, "done": 0}
    for number in range(40):
        content = bytearray(drawn.choice(BASES))
        for _ in range(drawn.choice((1, 1, 2, 5))):
            content[drawn.randrange(len(content))] = drawn.randrange(256)
        path = tmp_path / f"{number}.tflite"
        path.write_bytes(content)
        with multiprocessing.get_context("fork").Pool(1) as pool:
            try:
                ends[pool.apply_async(_tried, (str(path),)).get(timeout=20)] += 1
            except multiprocessing.TimeoutError:
                continue
    assert ends["refused"] > 5
    assert ends["done"] > 5


@pytest.mark.slow
def test_ten_thousand_operators(tmp_path: Path) -> None:
    graph = FloatGraph()
    x = graph.tensor("x", [1, 8])
    y = x
    for number in range(10_000):
        y = graph.add("ADD", [y, x], [1, 8], "AddOptions") if number % 2 else graph.add("ABS", [y], [1, 8])
    path = graph.ports([x], [y]).model.write(tmp_path / "long.tflite")
    content = quantise(path, tmp_path / "int8.tflite", None, 0).path.read_bytes()
    assert types(content) == {"int8"}


def test_a_thousand_inputs(tmp_path: Path) -> None:
    graph = FloatGraph()
    inputs = [graph.tensor(f"x{number}", [1, 8]) for number in range(1000)]
    y = graph.add("CONCATENATION", inputs, [1, 8000], "ConcatenationOptions", axis=1)
    path = graph.ports(inputs, [y]).model.write(tmp_path / "wide.tflite")
    content = quantise(path, tmp_path / "int8.tflite", None, 0).path.read_bytes()
    sample = {f"x{number}": np.full((1, 8), number / 1000, np.float32) for number in range(1000)}
    assert relative_difference(run_content(path.read_bytes(), [sample]), run_content(content, [sample])) < 0.03
