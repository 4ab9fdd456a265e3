"""Every operator's kernel against LiteRT's reference kernel, to the bit."""

import shutil
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from edgebench.core.model import InputSource
from edgebench.errors import EdgebenchError, TargetUnavailableError, UnsupportedModelError
from edgebench.models.tflite.quantised_graph import read_quantised_graph
from edgebench.store.devices import find_device
from edgebench.targets.mcu.fixed_point import activation_range
from edgebench.targets.mcu.generator import GeneratedModel, generate
from edgebench.targets.mcu.qemu_emulator import QEMU
from edgebench.targets.registry import create_target
from tests.targets.mcu.small_graphs import Operator, Tensor, write_graph

needs_emulator = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("ziglang", "unicorn", "elftools", "bakenn")), reason="needs edgebench[mcu]"
)
RANDOM = np.random.default_rng(0)


def exact(path: Path) -> None:
    """On a core without vectors, and on one with them where its emulator is installed."""
    for device in ("nucleo-l4r5zi", "generic-m55"):
        if device == "generic-m55" and shutil.which(QEMU) is None:
            continue
        with create_target(find_device(device)).load(path, InputSource(seed=1)) as loaded:
            loaded.run(1)
            assert loaded.faults() == []


def generated(path: Path) -> GeneratedModel:
    return generate(read_quantised_graph(path))


def i32(*values: object) -> Tensor:
    data = np.array(values, np.int32)
    return Tensor(shape=data.shape, dtype="INT32", scale=None, data=data)


@pytest.mark.child
@needs_emulator
@pytest.mark.parametrize("kind", ["ADD", "SUB", "MUL"])
def test_sums_differences_and_products_of_any_shapes(kind: str, tmp_path: Path) -> None:
    """Equal, per channel, scalar, repeated in the middle; computed and constant; chained in one graph."""
    options = {"ADD": "AddOptions", "SUB": "SubOptions", "MUL": "MulOptions"}[kind]
    full = (1, 3, 4, 5)
    constants = [(5,), (1, 1, 1, 1), (1, 3, 1, 5), full]
    tensors = [Tensor(shape=full, scale=0.031, zero_point=-7), Tensor(shape=full, scale=0.047, zero_point=11)]
    operators = []
    for number, shape in enumerate(constants):
        data = RANDOM.integers(-128, 128, shape).astype(np.int8)
        tensors += [
            Tensor(shape=shape, scale=0.02 + 0.01 * number, zero_point=3 * number - 4, data=data),
            Tensor(shape=full, scale=0.09, zero_point=number),
        ]
        source = 0 if number == 0 else len(tensors) - 3
        pair = (source, len(tensors) - 2) if number % 2 == 0 else (len(tensors) - 2, source)
        operators.append(Operator(kind=kind, inputs=pair, outputs=(len(tensors) - 1,), options_type=options))
    tensors.append(Tensor(shape=full, scale=0.12, zero_point=-20))
    fused = {"fusedActivationFunction": 3}
    last = Operator(
        kind=kind, inputs=(1, len(tensors) - 2), outputs=(len(tensors) - 1,), options_type=options, options=fused
    )
    exact(write_graph(tmp_path / "g.tflite", tensors, [*operators, last], [0, 1], [len(tensors) - 1]))


@pytest.mark.child
@needs_emulator
def test_functions_of_one_value(tmp_path: Path) -> None:
    shape = (1, 2, 3, 8)
    kinds = ["RELU_N1_TO_1", "LEAKY_RELU", "RELU", "RELU_0_TO_1"]
    scales = [0.05, 0.04, 0.06, 0.05]
    tensors = [Tensor(shape=shape, scale=0.05, zero_point=4)]
    tensors += [Tensor(shape=shape, scale=scale, zero_point=0) for scale in scales]
    tensors[1] = Tensor(shape=shape, scale=0.05, zero_point=4)
    operators = [
        Operator(
            kind=kind,
            inputs=(number,),
            outputs=(number + 1,),
            options_type="LeakyReluOptions" if kind == "LEAKY_RELU" else "",
            options={"alpha": 0.3} if kind == "LEAKY_RELU" else {},
            version=1 if "_TO_1" in kind else 2,
        )
        for number, kind in enumerate(kinds)
    ]
    for count in range(1, len(kinds) + 1):
        path = write_graph(tmp_path / f"g{count}.tflite", tensors[: count + 1], operators[:count], [0], [count])
        assert generated(path).plan.size == 48  # one buffer: each works in place
    exact(path)


@pytest.mark.child
@needs_emulator
def test_smaller_and_larger_of_two(tmp_path: Path) -> None:
    shape = (1, 2, 3, 8)
    six = Tensor(shape=(), data=np.array(40, np.int8))
    tensors = [*[Tensor(shape=shape)] * 3, six, Tensor(shape=shape)]
    operators = [
        Operator(kind="MAXIMUM", inputs=(0, 1), outputs=(2,), options_type="MaximumMinimumOptions"),
        Operator(kind="MINIMUM", inputs=(2, 3), outputs=(4,), options_type="MaximumMinimumOptions"),
    ]
    exact(write_graph(tmp_path / "g.tflite", tensors, operators, [0, 1], [4]))


@pytest.mark.child
@needs_emulator
def test_values_are_moved(tmp_path: Path) -> None:
    """Transpose, slices with and without strides, split, pad with a value, squeeze and the like."""
    tensors = [
        Tensor(shape=(1, 4, 6, 5)),
        i32(0, 3, 1, 2), Tensor(shape=(1, 5, 4, 6)),  # transpose
        i32(0, 1, 0, 2), i32(1, 4, 3, 4), Tensor(shape=(1, 4, 3, 4)),  # slice
        i32(0, 3, 0, 1), i32(1, 0, 3, 4), i32(1, -1, 2, 1), Tensor(shape=(1, 3, 2, 3)),  # strided slice, backwards
        i32([0, 0], [1, 0], [2, 1], [0, 0]), Tensor(shape=(), data=np.array(17, np.int8)), Tensor(shape=(1, 4, 5, 3)),
        Tensor(shape=(4, 5, 3)), i32(0), Tensor(shape=(1, 4, 5, 3)),  # squeeze, expand
        Tensor(shape=(), dtype="INT32", scale=None, data=np.array(1, np.int32)),
        Tensor(shape=(1, 2, 5, 3)), Tensor(shape=(1, 2, 5, 3)),  # split
    ]  # fmt: skip
    operators = [
        Operator(kind="TRANSPOSE", inputs=(0, 1), outputs=(2,), options_type="TransposeOptions"),
        Operator(kind="SLICE", inputs=(2, 3, 4), outputs=(5,), options_type="SliceOptions"),
        Operator(
            kind="STRIDED_SLICE",
            inputs=(5, 6, 7, 8),
            outputs=(9,),
            options_type="StridedSliceOptions",
            options={"beginMask": 1, "endMask": 1},
        ),
        Operator(kind="PADV2", inputs=(9, 10, 11), outputs=(12,), options_type="PadV2Options"),
        Operator(
            kind="SQUEEZE",
            inputs=(12,),
            outputs=(13,),
            options_type="SqueezeOptions",
            options={"squeezeDims": [0]},
            version=1,
        ),
        Operator(kind="EXPAND_DIMS", inputs=(13, 14), outputs=(15,), options_type="ExpandDimsOptions", version=1),
        Operator(
            kind="SPLIT", inputs=(16, 15), outputs=(17, 18), options_type="SplitOptions", options={"numSplits": 2}
        ),
    ]
    exact(write_graph(tmp_path / "g.tflite", tensors, operators, [0], [17, 18]))


@pytest.mark.child
@needs_emulator
@pytest.mark.parametrize(("axes", "shape"), [((1,), (1, 1, 5)), ((2,), (1, 7, 5)), ((1, 2), (1, 5)), ((3,), (1, 7, 6))])
def test_means_over_neighbouring_axes(axes: tuple[int, ...], shape: tuple[int, ...], tmp_path: Path) -> None:
    source = (1, 7, 1, 5) if axes == (1,) else (1, 7, 6, 5)
    tensors = [
        Tensor(shape=source, scale=0.05, zero_point=3),
        i32(*axes),
        Tensor(shape=shape, scale=0.03, zero_point=-9),
    ]
    operator = Operator(
        kind="MEAN", inputs=(0, 1), outputs=(2,), options_type="ReducerOptions", options={"keepDims": False}
    )
    exact(write_graph(tmp_path / "g.tflite", tensors, [operator], [0], [2]))


@pytest.mark.child
@needs_emulator
def test_real_numbers_at_the_edges_are_left_to_the_application(tmp_path: Path) -> None:
    shape = (1, 3, 4)
    tensors = [
        Tensor(shape=shape, dtype="FLOAT32"),
        Tensor(shape=shape, scale=0.05, zero_point=3),
        Tensor(shape=shape, scale=0.04, zero_point=-2),
        Tensor(shape=shape, dtype="FLOAT32"),
    ]
    operators = [
        Operator(kind="QUANTIZE", inputs=(0,), outputs=(1,)),
        Operator(kind="ADD", inputs=(1, 1), outputs=(2,), options_type="AddOptions"),
        Operator(kind="DEQUANTIZE", inputs=(2,), outputs=(3,)),
    ]
    path = write_graph(tmp_path / "g.tflite", tensors, operators, [0], [3])
    made = generated(path)
    assert "int8" in made.notes[0]
    assert len(made.layers) == 1
    assert "EDGEBENCH_INPUT_SCALE 0.05" in made.files["model.h"]
    exact(path)


def test_several_inputs_and_outputs_have_numbered_functions(tmp_path: Path) -> None:
    tensors = [Tensor(shape=(1, 4))] * 4
    operators = [
        Operator(kind="ADD", inputs=(0, 1), outputs=(2,), options_type="AddOptions"),
        Operator(kind="SUB", inputs=(0, 1), outputs=(3,), options_type="SubOptions"),
    ]
    made = generated(write_graph(tmp_path / "g.tflite", tensors, operators, [0, 1], [2, 3]))
    for name in ("edgebench_input_0", "edgebench_input_1", "edgebench_output_1", "EDGEBENCH_OUTPUT_0_ZERO_POINT"):
        assert name in made.files["model.h"]
    offsets = [port.offset for port in (*made.inputs, *made.outputs)]
    assert made.plan.size == 48  # the second output lies where an input died
    assert len(set(offsets)) == 3


@pytest.mark.parametrize(
    ("tensor", "operator", "message", "remedy"),
    [
        (Tensor(shape=(1, 4), dtype="INT16"), "HARD_SWISH", "int16", "int8"),
        (Tensor(shape=(1, 4), dtype="INT4"), "RELU", "int4", "int8"),
        (Tensor(shape=(1, 4), open_width=True), "RELU", "open sizes", "fixed sizes"),
        (
            Tensor(shape=(1, 4)),
            "COS",
            "no kernel for COS \\(layer 't1'\\)",
            "no int8 form in LiteRT",
        ),
    ],
)
def test_what_has_no_kernel_is_named(tensor: Tensor, operator: str, message: str, remedy: str, tmp_path: Path) -> None:
    path = write_graph(
        tmp_path / "g.tflite", [tensor, tensor], [Operator(kind=operator, inputs=(0,), outputs=(1,))], [0], [1]
    )
    with pytest.raises(UnsupportedModelError, match=message) as caught:
        generated(path)
    assert remedy in str(caught.value)


def window(**changes: int) -> dict[str, int]:
    return {"padding": 1, "strideW": 2, "strideH": 2, "filterWidth": 2, "filterHeight": 2, **changes}


@pytest.mark.child
@needs_emulator
@pytest.mark.parametrize("kind", ["MAX_POOL_2D", "AVERAGE_POOL_2D"])
def test_pools_take_one_image_after_the_other(kind: str, tmp_path: Path) -> None:
    tensors = [Tensor(shape=(3, 4, 4, 8)), Tensor(shape=(3, 2, 2, 8))]
    pool = Operator(kind=kind, inputs=(0,), outputs=(1,), options_type="Pool2DOptions", options=window())
    exact(write_graph(tmp_path / "pool.tflite", tensors, [pool], [0], [1]))


@pytest.mark.child
@needs_emulator
def test_padding_takes_one_image_after_the_other(tmp_path: Path) -> None:
    tensors = [Tensor(shape=(2, 3, 4, 3)), i32([0, 0], [1, 2], [2, 1], [0, 0]), Tensor(shape=(2, 6, 7, 3))]
    pad = Operator(kind="PAD", inputs=(0, 1), outputs=(2,), options_type="PadOptions")
    exact(write_graph(tmp_path / "pad.tflite", tensors, [pad], [0], [2]))


@pytest.mark.parametrize("steps", [0.5, 1.5, 126.5, 127.5])
def test_bounds_of_activations_round_as_single_precision_does(steps: float) -> None:
    scale = float(np.float32(6.0) / np.float32(steps))
    expected = int(np.floor(np.float32(6.0) / np.float32(scale) + np.float32(0.5)))
    assert activation_range("RELU6", scale, -1)[1] == min(127, expected - 1)


@pytest.mark.parametrize(
    ("tensors", "operator", "words"),
    [
        (
            [Tensor(shape=(1, 4, 4, 8)), Tensor(shape=(1, 2, 2, 8))],
            Operator(kind="MAX_POOL_2D", inputs=(0,), outputs=(1,)),
            "does not fit together",
        ),
        (
            [Tensor(shape=(1, 4, 4, 8)), Tensor(shape=(1, 2, 2, 8))],
            Operator(
                kind="MAX_POOL_2D", inputs=(0,), outputs=(1,), options_type="Pool2DOptions", options=window(strideW=0)
            ),
            "less than 1",
        ),
        (
            [Tensor(shape=(1, 15)), Tensor(shape=(8, 16), data=np.ones((8, 16), np.int8)), Tensor(shape=(1, 8))],
            Operator(kind="FULLY_CONNECTED", inputs=(0, 1), outputs=(2,), options_type="FullyConnectedOptions"),
            "does not fit its weights",
        ),
        (
            [Tensor(shape=(1, 4)), Tensor(shape=(1, 4), data=np.ones((1, 4), np.int8)), Tensor(shape=(1, 4))],
            Operator(kind="RELU", inputs=(1,), outputs=(2,)),
            "constant 't1'",
        ),
    ],
)
def test_what_does_not_fit_together_is_named(
    tensors: list[Tensor], operator: Operator, words: str, tmp_path: Path
) -> None:
    path = write_graph(tmp_path / "odd.tflite", tensors, [operator], [0], [len(tensors) - 1])
    with pytest.raises(EdgebenchError, match=words):
        generated(path)


@pytest.mark.child
@needs_emulator
@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("not a program", "cannot be run"),
        ("#!/bin/sh\nexit 1", "does not report its version"),
        ("#!/bin/sh\n[ $1 = -dumpversion ] && echo 1.0\nexit 0", "the compiler failed: exit code 0, no message"),
        ("#!/bin/sh\n[ $1 = -dumpversion ] && echo 1.0 && exit\nprintf '\\344' >&2; exit 1", "the compiler failed"),
    ],
)
def test_a_compiler_that_misbehaves_is_a_missing_target(
    script: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    compiler = tmp_path / "odd-gcc"
    compiler.write_text(script)
    compiler.chmod(0o755)
    tensors = [Tensor(shape=(1, 4)), Tensor(shape=(1, 4))]
    relu = Operator(kind="RELU", inputs=(0,), outputs=(1,))
    model = write_graph(tmp_path / "relu.tflite", tensors, [relu], [0], [1])
    device = find_device("nucleo-l4r5zi")
    device = replace(device, options={**device.options, "compiler": str(compiler)})
    with (
        pytest.raises(TargetUnavailableError, match=words),
        create_target(device).load(model, InputSource(seed=0)),
    ):
        pass


@pytest.mark.child
@needs_emulator
@pytest.mark.slow
def test_the_cache_may_be_in_a_folder_with_an_odd_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / 'it\'s a "cache"'))
    tensors = [Tensor(shape=(1, 4)), Tensor(shape=(1, 4))]
    relu = Operator(kind="RELU", inputs=(0,), outputs=(1,))
    model = write_graph(tmp_path / "relu.tflite", tensors, [relu], [0], [1])
    with create_target(find_device("nucleo-l4r5zi")).load(model, InputSource(seed=0)) as loaded:
        loaded.run(1)
        assert loaded.faults() == []
