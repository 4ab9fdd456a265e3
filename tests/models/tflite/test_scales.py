"""Ways to choose scales: equalised channels change nothing on real numbers, and each way helps where it is meant to."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgebench.models.convert import quantise
from edgebench.models.tflite.int8.equalising import equalise
from edgebench.models.tflite.int8.narrowing import narrowed
from edgebench.models.tflite.int8.observed import Observed, observe
from edgebench.models.tflite.int8.plain_model import PlainModel, fix_shapes, read_plain
from edgebench.models.tflite.int8.running import Sample
from edgebench.models.tflite.int8.scale import Range, Scale
from edgebench.models.tflite.quantize import as_int8, relative_difference, run_content
from edgebench.models.tflite.tree import GraphEditor, pack_model, parse_tree
from tests.models.tflite.float_graphs import FloatGraph
from tests.models.tflite.test_int8_operators import samples_for

Build = Callable[[FloatGraph, int], int]
SIZE = (1, 8, 8, 12)


def uneven_conv(graph: FloatGraph, x: int, activation: int = 0) -> int:
    """A layer whose channels are up to a hundred times as large as others."""
    sizes = np.geomspace(1, 100, 12).astype(np.float32)
    depth = graph.table.tensors[x].shape[3]
    weights = graph.random.standard_normal((12, 3, 3, depth)).astype(np.float32) * sizes[:, None, None, None] / 30
    inputs = [x, graph.constant(weights), graph.constant(sizes / 10)]
    fields = {"strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}
    return graph.add("CONV_2D", inputs, SIZE, "Conv2DOptions", fusedActivationFunction=activation, **fields)


def last(graph: FloatGraph, x: int) -> int:
    """A layer after it for which all channels count the same."""
    sizes = np.geomspace(100, 1, 12).astype(np.float32)
    weights = graph.constant(graph.random.standard_normal((4, 1, 1, 12)).astype(np.float32) * sizes / 100)
    shape = [*graph.table.tensors[x].shape[:3], 4]
    fields = {"strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}
    return graph.add("CONV_2D", [x, weights, graph.weights(4)], shape, "Conv2DOptions", **fields)


def depthwise(graph: FloatGraph, x: int) -> int:
    fields = {"strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1, "depthMultiplier": 1}
    inputs = [x, graph.weights(1, 3, 3, 12, size=0.4), graph.weights(12, size=0.1)]
    return graph.add("DEPTHWISE_CONV_2D", inputs, SIZE, "DepthwiseConv2DOptions", fusedActivationFunction=1, **fields)


def padded(graph: FloatGraph, x: int) -> int:
    pads = [[0, 0], [0, 0], [0, 0], [2, 3]]
    wide = graph.add("PAD", [x, graph.indices(pads)], (1, 8, 8, 17), "PadOptions")
    return graph.conv(wide, 12)


def joined(graph: FloatGraph, x: int) -> int:
    both = graph.add("CONCATENATION", [x, depthwise(graph, x)], (1, 8, 8, 24), "ConcatenationOptions", axis=3)
    return graph.conv(both, 12)


def added(graph: FloatGraph, x: int) -> int:
    return graph.add("ADD", [x, depthwise(graph, x)], SIZE, "AddOptions", fusedActivationFunction=1)


def flattened(graph: FloatGraph, x: int) -> int:
    flat = graph.add("RESHAPE", [x, graph.indices(1, 768)], (1, 768), "ReshapeOptions", newShape=[1, 768])
    row = graph.dense(flat, 768)
    return graph.add("RESHAPE", [row, graph.indices(*SIZE)], SIZE, "ReshapeOptions", newShape=list(SIZE))


def normalised(graph: FloatGraph, x: int) -> int:
    scaled = graph.add("MUL", [x, graph.weights(12, size=1.0)], SIZE, "MulOptions")
    return graph.add("ADD", [scaled, graph.weights(12, size=1.0)], SIZE, "AddOptions")


BETWEEN: dict[str, Build] = {
    "nothing": lambda graph, x: x,
    "a depthwise layer": depthwise,
    "a sum": added,
    "slopes": lambda graph, x: graph.add("PRELU", [x, graph.weights(1, 1, 12, size=0.3)], SIZE),
    "a pool": lambda graph, x: graph.add(
        "MAX_POOL_2D", [x], SIZE, "Pool2DOptions", filterHeight=2, filterWidth=2, strideH=1, strideW=1
    ),
    "channels of zeros": padded,
    "a concatenation": joined,
    "a row": flattened,
    "a normalisation": normalised,
    "a sigmoid": lambda graph, x: graph.add("LOGISTIC", [x], SIZE),
    "a transposition": lambda graph, x: graph.add(
        "TRANSPOSE", [x, graph.indices(0, 2, 1, 3)], SIZE, "TransposeOptions"
    ),
}


def uneven(between: str, path: Path, activation: int = 0) -> Path:
    graph = FloatGraph()
    x = graph.tensor("x", (1, 8, 8, 3))
    y = last(graph, BETWEEN[between](graph, uneven_conv(graph, x, activation)))
    return graph.ports([x], [y]).model.write(path)


def loss(plain: PlainModel, samples: list[Sample], *, even: bool) -> float:
    """Difference of the outputs of a model made int8, with or without equalised channels."""
    editor = GraphEditor(plain.copy())
    if even:
        equalise(editor, observe(editor, plain.content, samples, closely=True).largest)
    real = pack_model(editor.model, 1024)
    int8 = as_int8(editor, observe(editor, real, samples), {}, plain.where)
    return relative_difference(run_content(plain.content, samples), run_content(int8, samples))


@pytest.mark.parametrize("activation", [0, 1, 3])
@pytest.mark.parametrize("between", BETWEEN)
def test_equalised_channels_change_nothing_on_real_numbers(between: str, activation: int, tmp_path: Path) -> None:
    path = uneven(between, tmp_path / "uneven.tflite", activation)
    plain = read_plain(path)
    samples = samples_for(plain)
    editor = GraphEditor(plain.copy())
    equalise(editor, observe(editor, plain.content, samples, closely=True).largest)
    changed = pack_model(editor.model, 1024)
    assert relative_difference(run_content(plain.content, samples), run_content(changed, samples)) < 1e-5


@pytest.mark.parametrize("between", ["nothing", "a depthwise layer", "slopes", "a pool", "channels of zeros"])
def test_equalised_channels_lose_less(between: str, tmp_path: Path) -> None:
    plain = read_plain(uneven(between, tmp_path / "uneven.tflite"))
    samples = samples_for(plain)
    fix_shapes(plain, samples[0])
    first, second = (loss(plain, samples, even=even) for even in (False, True))
    assert second < 0.8 * first


def test_rare_values_are_cut_off_where_that_loses_less() -> None:
    """Of few values none is cut off, of many normal ones those beyond four deviations, and of cubes more."""
    random = np.random.default_rng(0)
    normal = random.standard_normal(1 << 20)
    graph = FloatGraph()
    x = graph.tensor("x", (1, 4))
    editor = GraphEditor(parse_tree(graph.ports([x], [graph.dense(x, 4)]).model.content(), "model"))
    for values, low, high in ((normal[:50], 1.0, 1.0), (normal, 0.6, 0.95), (normal**3, 0.3, 0.7)):
        whole = Range(low=float(values.min()), high=float(values.max()))
        seen = Observed(ranges={7: whole}, values={7: (values, np.ones(values.size))})
        part = narrowed(editor, seen).ranges[7].high / whole.high
        assert low <= part <= high


def test_the_best_way_is_taken_and_named(tmp_path: Path) -> None:
    path = uneven("a depthwise layer", tmp_path / "model.tflite")
    random = np.random.default_rng(0)
    np.savez(tmp_path / "samples.npz", x=random.standard_normal((20, 8, 8, 3)))
    done = quantise(path, tmp_path / "int8.tflite", tmp_path / "samples.npz", 0)
    assert any("the best of several ways: channels equalised" in note for note in done.notes)
    without = quantise(path, tmp_path / "int8.tflite", None, 0)
    assert not any("the best of several ways" in note for note in without.notes)
    kept = {"ranges": {"x": (-4.0, 4.0)}}
    given = quantise(path, tmp_path / "int8.tflite", tmp_path / "samples.npz", 0, **kept)  # type: ignore[arg-type]
    assert not any("the best of several ways" in note for note in given.notes)


@pytest.mark.parametrize(
    ("low", "high", "step", "zero_point"),
    [(-1, 1, 2 / 255, 0), (0, 5.1, 0.02, -128), (1, 5.1, 0.02, -128), (-5.1, 0, 0.02, 127), (-2.55, 22.95, 0.1, -102)],
)
def test_a_scale_covers_a_range_and_zero(low: float, high: float, step: float, zero_point: int) -> None:
    scale = Scale.covering(Range(low=low, high=high))
    assert scale.step == pytest.approx(step)
    assert abs(scale.zero_point - zero_point) <= 1
    ends = scale.quantised(np.array([low, 0.0, high])).astype(int)
    assert ends[1] == scale.zero_point
    assert np.abs((ends - scale.zero_point) * scale.step - [low, 0, high]).max() <= scale.step * 0.51


def test_nothing_has_a_scale_too() -> None:
    scale = Scale.covering(Range(low=0.0, high=0.0))
    assert 0 < scale.step < 1
    assert scale.quantised(np.zeros(2)).tolist() == [scale.zero_point] * 2
