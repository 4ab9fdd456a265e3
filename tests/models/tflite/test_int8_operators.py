"""Every operator with an int8 form becomes int8, computes the same, and lies on the NPU where that has it."""

from pathlib import Path

import numpy as np
import pytest

from edgebench.models.tflite.int8.plain_model import PlainModel, fix_shapes, read_plain
from edgebench.models.tflite.int8.running import Runner
from edgebench.models.tflite.quantize import quantise_plain, relative_difference, run_content
from edgebench.models.tflite.tree import GraphEditor, parse_tree
from edgebench.store.devices import find_device
from edgebench.targets.ethos_u.compile import compile_model
from edgebench.targets.ethos_u.options import read_ethos_u_options
from tests.models.tflite.operator_cases import ON_IMAGES, ON_ROWS, network

CASES = [*ON_IMAGES, *ON_ROWS]
# What is divided by small numbers, and what jumps where two values are almost the same, loses more.
WIDER = {
    "a division by what is computed": 0.15, "a mask in attention": 0.06, "ONE_HOT": 0.4, "ARG_MAX": 0.15,
    "BATCH_MATMUL": 0.1, "LOG": 0.06, "POW": 0.06,
}  # fmt: skip
NOT_IN_REFERENCE = {"ELU"}
CPU_ON_U55 = {
    "EQUAL", "GREATER", "LESS", "L2_NORMALIZATION", "LOG_SOFTMAX", "REVERSE_V2", "SQRT", "ARG_MAX", "ONE_HOT", "a mask",
    "a mask in attention", "a comparison of large values",
    "a division by what is computed",
}  # fmt: skip
CPU_ON_U85 = {"L2_NORMALIZATION", "LOG_SOFTMAX", "SQRT", "ONE_HOT"}


def samples_for(plain: PlainModel, count: int = 16) -> list[dict[str, np.ndarray]]:
    random, editor = np.random.default_rng(0), plain.editor
    shapes = {editor.name(index): editor.shape(index) for index in editor.inputs}
    return [
        {name: random.standard_normal(shape, dtype=np.float32) for name, shape in shapes.items()} for _ in range(count)
    ]


def quantised(path: Path) -> tuple[PlainModel, bytes, bytes, list[dict[str, np.ndarray]]]:
    """In plain form, as int8, as what was made int8, and the samples."""
    plain = read_plain(path)
    samples = samples_for(plain)
    fix_shapes(plain, samples[0])
    return (plain, *quantise_plain(plain, samples), samples)


def types(content: bytes) -> set[str]:
    """Of all tensors that hold values."""
    editor = GraphEditor(parse_tree(content, "model"))
    return {editor.dtype(index) for index in range(len(editor.graph.tensors)) if 0 not in editor.shape(index)}


@pytest.mark.parametrize("case", CASES)
def test_an_operator_becomes_int8(case: str, tmp_path: Path) -> None:
    path = network(case).model.write(tmp_path / "float.tflite")
    _, int8, real, samples = quantised(path)
    assert "float32" not in types(int8)
    expected = run_content(path.read_bytes(), samples)
    if case != "FAKE_QUANT":
        assert relative_difference(expected, run_content(real, samples)) < 1e-6
    runner = Runner(int8, reference=case not in NOT_IN_REFERENCE)
    found = []
    for sample in samples:
        runner.run(sample)
        found.append(runner.outputs())
    assert relative_difference(expected, found) < WIDER.get(case, 0.035)


@pytest.mark.parametrize("case", CASES)
def test_an_operator_runs_on_the_npu(case: str, tmp_path: Path) -> None:
    path = network(case).model.write(tmp_path / "float.tflite")
    _, int8, _, _ = quantised(path)
    path.write_bytes(int8)
    for device, without in (("ethos-u55-128", CPU_ON_U55), ("ethos-u85-256", CPU_ON_U85)):
        on_cpu = compile_model(path, read_ethos_u_options(find_device(device))).on_cpu
        assert bool(on_cpu) == (case in without), (device, on_cpu)


def kinds(content: bytes) -> list[str]:
    editor = GraphEditor(parse_tree(content, "model"))
    return [editor.kind(operator) for operator in editor.operators]


@pytest.mark.parametrize("case", ["RELU", "RELU6", "RELU_0_TO_1", "RELU_N1_TO_1", "a clip"])
def test_values_are_cut_off_by_the_layer_before(case: str, tmp_path: Path) -> None:
    _, int8, _, _ = quantised(network(case).model.write(tmp_path / "float.tflite"))
    assert kinds(int8) == ["CONV_2D"]


def test_scales_differ_before_a_concatenation_where_one_would_lose_too_much(tmp_path: Path) -> None:
    _, int8, _, _ = quantised(network("CONCATENATION").model.write(tmp_path / "float.tflite"))
    assert kinds(int8).count("QUANTIZE") == 2


def test_a_range_that_is_given_wins_over_what_samples_show(tmp_path: Path) -> None:
    from edgebench.models.tflite.int8.scale import Range

    path = network("TRANSPOSE").model.write(tmp_path / "float.tflite")
    plain = read_plain(path)
    samples = samples_for(plain)
    fix_shapes(plain, samples[0])
    name = plain.editor.name(plain.editor.outputs[0])
    int8, _ = quantise_plain(plain, samples, {name: Range(low=-10.2, high=15.3), "x": Range(low=-4.0, high=4.0)})
    editor = GraphEditor(parse_tree(int8, "model"))
    for index, (step, zero_point) in ((editor.outputs[0], (0.1, -26)), (editor.inputs[0], (8 / 255, 0))):
        scales = editor.scales(index)
        assert scales is not None
        assert scales[0][0] == pytest.approx(step)
        assert abs(scales[1][0] - zero_point) <= 1
