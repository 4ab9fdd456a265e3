"""ONNX files become TFLite files that compute the same, whatever their wiring, rank and layout."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from onnx import TensorProto, helper

from edgebench.errors import InputError, UnsupportedModelError
from edgebench.models.network import Network
from edgebench.models.network.weights import random_weights
from edgebench.models.onnx.writer import to_onnx
from edgebench.models.zoo import zoo_entries, zoo_entry
from tests.models.network.test_lowering import PROPERTY
from tests.models.network_strategies import networks
from tests.models.onnx.onnx_files import convert, ints, kinds, node, values, write

IMAGE = {"x": [1, 6, 9, 11]}
CLOSE = 1e-4


def check(path: Path, **shapes: tuple[int, ...]) -> list[str]:
    assert convert(path, shapes).difference <= CLOSE
    return kinds(path)


@pytest.mark.parametrize("name", [entry.name for entry in zoo_entries() if "224" not in entry.name])
def test_zoo_networks(name: str, tmp_path: Path) -> None:
    network = zoo_entry(name).build()
    to_onnx(network, random_weights(network, 0), tmp_path / "model.onnx")
    found = check(tmp_path / "model.onnx")
    assert "TRANSPOSE" not in found


@settings(PROPERTY, max_examples=60)
@given(networks())
def test_random_networks(tmp_path: Path, network: Network) -> None:
    to_onnx(network, random_weights(network, 0), tmp_path / "model.onnx")
    check(tmp_path / "model.onnx")


WINDOWS: list[dict[str, Any]] = [
    {},
    {"strides": [2, 2]},
    {"pads": [1, 1, 1, 1]},
    {"pads": [0, 1, 2, 0], "strides": [2, 3]},
    {"dilations": [2, 2], "pads": [2, 2, 2, 2]},
    {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
    {"auto_pad": "SAME_LOWER", "strides": [2, 2]},
    {"auto_pad": "VALID"},
]


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize(("outputs", "groups"), [(8, 1), (6, 6), (12, 6), (6, 3)])
def test_convolutions(window: dict[str, Any], outputs: int, groups: int, tmp_path: Path) -> None:
    constants = {"w": values(outputs, 6 // groups, 3, 3), "b": values(outputs)}
    conv = node("Conv", ["x", "w", "b"], ["y"], kernel_shape=[3, 3], group=groups, **window)
    found = check(write(tmp_path / "m.onnx", [conv], IMAGE, constants))
    assert "TRANSPOSE" not in found
    assert found.count("CONV_2D") == (0 if groups == 6 else groups)


@pytest.mark.parametrize(
    "window",
    [
        {},
        {"strides": [2, 2]},
        {"strides": [2, 2], "pads": [1, 1, 1, 1]},
        {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]},
        {"strides": [3, 2], "pads": [0, 1, 1, 0]},
        {"strides": [2, 2], "auto_pad": "SAME_UPPER"},
    ],
)
@pytest.mark.parametrize("groups", [1, 2])
def test_transposed_convolutions(window: dict[str, Any], groups: int, tmp_path: Path) -> None:
    constants = {"w": values(6, 4, 3, 3), "b": values(4 * groups)}
    if "output_padding" in window:
        # What lies beyond the input holds the bias only, which TFLite cannot pad with; here it does not reach beyond.
        window = {**window, "pads": [1, 1, 1, 1]}
    conv = node("ConvTranspose", ["x", "w", "b"], ["y"], kernel_shape=[3, 3], group=groups, **window)
    check(write(tmp_path / "m.onnx", [conv], IMAGE, constants))


@pytest.mark.parametrize("shape", [[1, 4, 20], [2, 4, 20]])
def test_one_axis(shape: list[int], tmp_path: Path) -> None:
    nodes = [
        node("Conv", ["x", "w"], ["c"], kernel_shape=[5], strides=[2], pads=[3, 1]),
        node("Relu", ["c"], ["r"]),
        node("MaxPool", ["r"], ["p"], kernel_shape=[2], strides=[2]),
        node("ConvTranspose", ["p", "t"], ["u"], kernel_shape=[4], strides=[2], pads=[1, 1]),
        node("AveragePool", ["u"], ["y"], kernel_shape=[3], pads=[1, 1]),
    ]
    check(write(tmp_path / "m.onnx", nodes, {"x": shape}, {"w": values(8, 4, 5), "t": values(8, 3, 4)}))


@pytest.mark.parametrize(
    "window", [{}, {"pads": [1, 1, 1, 1, 1, 1]}, {"strides": [2, 1, 2], "pads": [0, 1, 0, 1, 1, 0]}]
)
@pytest.mark.parametrize("batch", [1, 2])
def test_three_axes(window: dict[str, Any], batch: int, tmp_path: Path) -> None:
    conv = node("Conv", ["x", "w", "b"], ["y"], kernel_shape=[3, 3, 3], **window)
    constants = {"w": values(4, 3, 3, 3, 3), "b": values(4)}
    check(write(tmp_path / "m.onnx", [conv], {"x": [batch, 3, 5, 7, 6]}, constants))


@pytest.mark.parametrize("counted", [0, 1])
@pytest.mark.parametrize("window", [{}, {"strides": [2, 1, 2], "pads": [1, 1, 0, 1, 0, 1]}, {"pads": [1] * 6}])
def test_pools_over_three_axes(window: dict[str, Any], counted: int, tmp_path: Path) -> None:
    source = {"x": [2, 3, 5, 7, 6]}
    for kind, more in (("MaxPool", {}), ("AveragePool", {"count_include_pad": counted})):
        check(write(tmp_path / "m.onnx", [node(kind, ["x"], ["y"], kernel_shape=[3, 3, 2], **window, **more)], source))


@pytest.mark.parametrize("kind", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize("rectified", [False, True])
@pytest.mark.parametrize(
    "window",
    [
        {"strides": [2, 2]},
        {"strides": [2, 2], "pads": [1, 1, 1, 1]},
        {"strides": [2, 2], "ceil_mode": 1},
        {"strides": [2, 2], "pads": [1, 1, 1, 1], "ceil_mode": 1},
        {"pads": [1, 0, 1, 1]},
        {"auto_pad": "SAME_UPPER"},
    ],
)
def test_pools(kind: str, rectified: bool, window: dict[str, Any], tmp_path: Path) -> None:
    for counted in (0, 1) if kind == "AveragePool" else (None,):
        more = {} if counted is None else {"count_include_pad": counted}
        first = node("Relu" if rectified else "Neg", ["x"], ["a"])
        pool = node(kind, ["a"], ["y"], kernel_shape=[3, 3], **window, **more)
        check(write(tmp_path / "m.onnx", [first, pool], IMAGE))


UNARY = [
    ("Relu", {}), ("LeakyRelu", {"alpha": 0.2}), ("Sigmoid", {}), ("Tanh", {}), ("HardSigmoid", {}),
    ("HardSigmoid", {"alpha": 1 / 6}), ("HardSwish", {}), ("Elu", {}), ("Elu", {"alpha": 0.5}), ("Selu", {}),
    ("Softplus", {}), ("Abs", {}), ("Neg", {}), ("Exp", {}), ("Floor", {}), ("Ceil", {}), ("Identity", {}), ("Sin", {}),
    ("Softmax", {"axis": 1}), ("Softmax", {"axis": 2}), ("Softmax", {}), ("LogSoftmax", {"axis": 1}),
    ("GlobalAveragePool", {}), ("GlobalMaxPool", {}), ("LpNormalization", {"axis": 1}),
    ("DepthToSpace", {"blocksize": 2}), ("Flatten", {}), ("Flatten", {"axis": 2}),
    ("Transpose", {"perm": [3, 0, 2, 1]}),
    ("ReduceMean", {"axes": [1]}), ("ReduceMean", {"axes": [2, 3], "keepdims": 0}), ("ReduceMax", {"axes": [1, 3]}),
    ("ReduceMin", {"axes": [-1], "keepdims": 0}), ("ReduceL2", {"axes": [1]}), ("ReduceL1", {"axes": [2]}),
    ("ReduceSumSquare", {"axes": [3]}), ("ReduceMean", {}), ("ArgMax", {"axis": 1}),
    ("ArgMin", {"axis": 3, "keepdims": 0}),
    ("MeanVarianceNormalization", {}),
]  # fmt: skip


@pytest.mark.parametrize("led", [False, True], ids=["plain", "behind a convolution"])
@pytest.mark.parametrize(("kind", "attributes"), UNARY, ids=[f"{kind} {options}" for kind, options in UNARY])
def test_operators_of_one_value(kind: str, attributes: dict[str, Any], led: bool, tmp_path: Path) -> None:
    """In the layout of the file, and in that of a convolution before it."""
    shape = {"x": [1, 8, 4, 6]}
    nodes = [node("Conv", ["x", "w"], ["c"], kernel_shape=[1, 1])] if led else []
    nodes.append(node(kind, ["c" if led else "x"], ["y"], **attributes))
    check(write(tmp_path / "m.onnx", nodes, shape, {"w": values(8, 8, 1, 1)} if led else {}))


@pytest.mark.parametrize("kind", ["Add", "Sub", "Mul", "Div", "Max", "Min"])
@pytest.mark.parametrize("shape", [(), (1,), (6, 1, 1), (11,), (9, 11), (1, 6, 9, 11), (1, 1, 9, 1)])
def test_arithmetic_with_constants(kind: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    nodes = [node("Conv", ["x", "w"], ["c"], kernel_shape=[1, 1]), node(kind, ["c", "k"], ["y"])]
    constants = {"w": values(6, 6, 1, 1), "k": np.abs(values(*shape)) + np.float32(0.5)}
    assert "TRANSPOSE" not in check(write(tmp_path / "m.onnx", nodes, IMAGE, constants))


def test_values_of_two_layouts_and_ranks_meet(tmp_path: Path) -> None:
    nodes = [
        node("Conv", ["x", "w"], ["c"], kernel_shape=[1, 1]),
        node("Add", ["c", "z"], ["a"]),
        node("Mul", ["a", "v"], ["m"]),
        node("Where", ["q", "m", "a"], ["y"]),
    ]
    constants = {"w": values(6, 6, 1, 1), "q": values(6, 9, 11) > 0}
    path = write(tmp_path / "m.onnx", nodes, {"x": [1, 6, 9, 11], "z": [6, 9, 11], "v": [9, 1]}, constants)
    check(path)


MOVES: list[tuple[list[Any], dict[str, np.ndarray]]] = [
    ([node("Concat", ["c", "c", "k"], ["y"], axis=2)], {"k": values(1, 6, 2, 11)}),
    ([node("Split", ["c", "k"], ["a", "b"], axis=1), node("Add", ["a", "b"], ["y"])], {"k": ints(3, 3)}),
    ([node("Slice", ["c", "s", "e", "a", "t"], ["y"])],
     {"s": ints(1, -1), "e": ints(5, -9), "a": ints(1, 3), "t": ints(1, -2)}),
    ([node("Slice", ["c", "s", "e"], ["y"])], {"s": ints(0, 2), "e": ints(1, 99)}),
    ([node("Gather", ["c", "i"], ["y"], axis=1)], {"i": np.array(2)}),
    ([node("Gather", ["c", "i"], ["y"], axis=3)], {"i": ints(4, 1, 1, -1)}),
    ([node("Gather", ["c", "i"], ["y"], axis=2)], {"i": np.array([[0, 1], [3, 2]])}),
    ([node("Pad", ["c", "p"], ["y"])], {"p": ints(0, 0, 1, 2, 0, 0, 3, 0)}),
    ([node("Pad", ["c", "p", "v"], ["y"])], {"p": ints(0, 1, 1, 2, 0, 0, 3, 0), "v": np.float32(1.5)}),
    ([node("Pad", ["c", "p"], ["y"], mode="reflect")], {"p": ints(0, 0, 1, 2, 0, 0, 3, 0)}),
    ([node("Pad", ["c", "p"], ["y"], mode="edge")], {"p": ints(0, 0, 1, 2, 0, 0, 3, 0)}),
    ([node("Reshape", ["c", "s"], ["y"])], {"s": ints(1, 2, 3, 99)}),
    ([node("Squeeze", ["c", "a"], ["s"]), node("Unsqueeze", ["s", "b"], ["y"])], {"a": ints(0), "b": ints(0, 4)}),
    ([node("Tile", ["c", "r"], ["y"])], {"r": ints(1, 2, 1, 3)}),
    ([node("Expand", ["k", "s"], ["e"]), node("Add", ["c", "e"], ["y"])],
     {"k": values(6, 1, 1), "s": ints(1, 6, 9, 11)}),
    ([node("BatchNormalization", ["c", "s", "b", "m", "v"], ["y"])],
     {"s": values(6), "b": values(6), "m": values(6), "v": np.abs(values(6)) + 1}),
    ([node("InstanceNormalization", ["c", "s", "b"], ["y"])], {"s": values(6), "b": values(6)}),
    ([node("LayerNormalization", ["c", "s", "b"], ["y"])], {"s": values(11), "b": values(11)}),
    ([node("PRelu", ["c", "s"], ["y"])], {"s": values(6, 1, 1)}),
    ([node("PRelu", ["c", "s"], ["y"])], {"s": values(1)}),
    ([node("Clip", ["c", "a", "b"], ["y"])], {"a": np.float32(-0.5), "b": np.float32(0.7)}),
    ([node("Clip", ["c", "", "b"], ["y"])], {"b": np.float32(0.7)}),
    ([node("Clip", ["c"], ["y"])], {}),
    ([node("Pow", ["c", "e"], ["y"])], {"e": np.float32(2)}),
    ([node("Resize", ["c", "", "s"], ["y"], mode="nearest", coordinate_transformation_mode="asymmetric",
           nearest_mode="floor")], {"s": np.array([1, 1, 2, 2], np.float32)}),
    ([node("Resize", ["c", "", "s"], ["y"], mode="nearest")], {"s": np.array([1, 1, 3, 2], np.float32)}),
    ([node("Resize", ["c", "", "s"], ["y"], mode="linear")], {"s": np.array([1, 1, 2, 2], np.float32)}),
    ([node("Resize", ["c", "", "", "z"], ["y"], mode="linear", coordinate_transformation_mode="align_corners")],
     {"z": ints(1, 6, 17, 5)}),
    ([node("MatMul", ["c", "w2"], ["y"])], {"w2": values(11, 4)}),
    ([node("Transpose", ["c"], ["t"], perm=[0, 1, 3, 2]), node("MatMul", ["c", "t"], ["y"])], {}),
    ([node("Einsum", ["c", "k"], ["y"], equation="nchw,cd->ndhw")], {"k": values(6, 5)}),
]  # fmt: skip


@pytest.mark.parametrize("led", [False, True], ids=["plain", "behind a convolution"])
@pytest.mark.parametrize(
    ("nodes", "constants"), MOVES, ids=[f"{i} {move[0][-1].op_type}" for i, move in enumerate(MOVES)]
)
def test_moves_and_products(nodes: list[Any], constants: dict[str, np.ndarray], led: bool, tmp_path: Path) -> None:
    first = node("Conv", ["x", "w"], ["c"], kernel_shape=[1, 1]) if led else node("Neg", ["x"], ["c"])
    check(
        write(tmp_path / "m.onnx", [first, *nodes], IMAGE, {**constants, **({"w": values(6, 6, 1, 1)} if led else {})})
    )


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize(("kind", "gates"), [("LSTM", 4), ("GRU", 3), ("RNN", 1)])
@pytest.mark.parametrize("reset", [0, 1])
def test_recurrent_layers(kind: str, gates: int, direction: str, reset: int, tmp_path: Path) -> None:
    both = 2 if direction == "bidirectional" else 1
    constants = {
        "w": values(both, gates * 5, 3), "r": values(both, gates * 5, 5, scale=0.4), "b": values(both, 2 * gates * 5),
    }  # fmt: skip
    more = {"linear_before_reset": reset} if kind == "GRU" else {}
    outputs = ["y", "h", "c"] if kind == "LSTM" else ["y", "h"]
    layer = node(kind, ["x", "w", "r", "b", "", "s"], outputs, hidden_size=5, direction=direction, **more)
    path = write(tmp_path / "m.onnx", [layer], {"x": [6, 2, 3], "s": [both, 2, 5]}, constants, outputs)
    check(path)


def test_shape_arithmetic_vanishes(tmp_path: Path) -> None:
    nodes = [
        node("Conv", ["x", "w"], ["c"], kernel_shape=[1, 1]),
        node("Shape", ["c"], ["s"]),
        node("Gather", ["s", "zero"], ["n"]),
        node("Unsqueeze", ["n", "axis"], ["u"]),
        node("Concat", ["u", "rest"], ["t"], axis=0),
        node("Reshape", ["c", "t"], ["f"]),
        node("Gemm", ["f", "v", "d"], ["y"], transB=1),
    ]
    constants = {
        "w": values(6, 6, 1, 1), "zero": np.array(0), "axis": ints(0), "rest": ints(-1),
        "v": values(4, 594), "d": values(4),
    }  # fmt: skip
    path = write(tmp_path / "m.onnx", nodes, {"x": ["batch", 6, "rows", "columns"]}, constants)
    assert check(path, x=(1, 6, 9, 11)) == ["CONV_2D", "RESHAPE", "FULLY_CONNECTED"], "the move goes into the weights"


def test_channels_last_files_are_left_as_they_are(tmp_path: Path) -> None:
    nodes = [
        node("Transpose", ["x"], ["t"], perm=[0, 3, 1, 2]),
        node("Conv", ["t", "w"], ["c"], kernel_shape=[3, 3]),
        node("Relu", ["c"], ["r"]),
        node("Transpose", ["r"], ["y"], perm=[0, 2, 3, 1]),
    ]
    found = convert(write(tmp_path / "m.onnx", nodes, {"x": [1, 9, 11, 6]}, {"w": values(4, 6, 3, 3)}))
    assert kinds(tmp_path / "m.onnx") == ["CONV_2D"]
    assert found.inputs[0].layout == (0, 1, 2, 3)


def test_an_activation_read_twice_is_not_fused(tmp_path: Path) -> None:
    nodes = [
        node("Conv", ["x", "w"], ["c"], kernel_shape=[1, 1]),
        node("Relu", ["c"], ["r"]),
        node("Add", ["c", "r"], ["y"]),
    ]
    assert check(write(tmp_path / "m.onnx", nodes, IMAGE, {"w": values(4, 6, 1, 1)})) == ["CONV_2D", "RELU", "ADD"]


@pytest.mark.parametrize("order", [0, 1, 2])
def test_gelu_and_hard_swish_written_out_are_known(order: int, tmp_path: Path) -> None:
    root, half, one = np.float32(np.sqrt(2)), np.float32(0.5), np.float32(1)
    ends = [
        [node("Mul", ["x", "a"], ["m"]), node("Mul", ["m", "half"], ["y"])],
        [node("Mul", ["a", "half"], ["m"]), node("Mul", ["x", "m"], ["y"])],
        [node("Mul", ["x", "half"], ["m"]), node("Mul", ["m", "a"], ["y"])],
    ]
    nodes = [
        node("Div", ["x", "root"], ["d"]),
        node("Erf", ["d"], ["e"]),
        node("Add", ["e", "one"], ["a"]),
        *ends[order],
    ]
    constants = {"root": root, "half": half, "one": one}
    assert check(write(tmp_path / "gelu.onnx", nodes, {"x": [1, 7]}, constants)) == ["GELU"]
    swish = [
        node("Add", ["x", "three"], ["p"]),
        node("Clip", ["p", "zero", "six"], ["a"]),
        *[[node("Mul", ["x", "a"], ["m"]), node("Div", ["m", "six"], ["y"])],
          [node("Div", ["a", "six"], ["m"]), node("Mul", ["x", "m"], ["y"])],
          [node("Div", ["x", "six"], ["m"]), node("Mul", ["m", "a"], ["y"])]][order],
    ]  # fmt: skip
    numbers = {"three": np.float32(3), "zero": np.float32(0), "six": np.float32(6)}
    assert check(write(tmp_path / "swish.onnx", swish, {"x": [1, 7]}, numbers)) == ["HARD_SWISH"]


def test_float16_models_become_float32(tmp_path: Path) -> None:
    conv = node("Conv", ["x", "w"], ["y"], kernel_shape=[3, 3])
    path = write(tmp_path / "m.onnx", [conv], IMAGE, {"w": values(4, 6, 3, 3).astype(np.float16)}, dtype="float16")
    assert check(path) == ["CONV_2D"]


def test_quantised_models_keep_their_ranges_and_the_relu_that_was_taken_away(tmp_path: Path) -> None:
    nodes = [
        node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        node("DequantizeLinear", ["w", "ws", "wz"], ["wd"]),
        node("Conv", ["d", "wd"], ["c"], kernel_shape=[1, 1]),
        node("QuantizeLinear", ["c", "t", "low"], ["cq"]),
        node("DequantizeLinear", ["cq", "t", "low"], ["y"]),
    ]
    constants = {
        "s": np.float32(0.05), "z": np.int8(3), "t": np.float32(0.1), "low": np.int8(-128),
        "w": np.random.default_rng(0).integers(-127, 127, (4, 6, 1, 1)).astype(np.int8), "ws": np.float32(0.01),
        "wz": np.int8(0),
    }  # fmt: skip
    found = convert(write(tmp_path / "m.onnx", nodes, IMAGE, constants))
    assert kinds(tmp_path / "m.onnx") == ["CONV_2D"]
    assert found.ranges["y"] == pytest.approx((0.0, 25.5))
    assert found.ranges["x"] == pytest.approx(((-128 - 3) * 0.05, (127 - 3) * 0.05))


@pytest.mark.parametrize("form", ["QOperator", "QDQ", "dynamic"])
def test_files_of_onnx_runtimes_quantiser(form: str, tmp_path: Path) -> None:
    quantization = pytest.importorskip("onnxruntime.quantization")
    nodes = [
        node("Conv", ["x", "w", "b"], ["c"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        node("Relu", ["c"], ["r"]),
        node("MaxPool", ["r"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", ["p", "v", "b"], ["d"], kernel_shape=[1, 1]),
        node("Add", ["d", "p"], ["a"]),
        node("GlobalAveragePool", ["a"], ["g"]),
        node("Flatten", ["g"], ["f"]),
        node("MatMul", ["f", "m"], ["l"]),
        node("Add", ["l", "n"], ["y"]),
    ]
    constants = {
        "w": values(8, 6, 3, 3), "b": values(8), "v": values(8, 8, 1, 1), "m": values(8, 5), "n": values(5)
    }  # fmt: skip
    source, target = write(tmp_path / "float.onnx", nodes, IMAGE, constants), tmp_path / "m.onnx"
    if form == "dynamic":
        quantization.quantize_dynamic(str(source), str(target))
    else:
        samples = iter([{"x": values(1, 6, 9, 11, seed=seed)} for seed in range(4)])

        class Reader(quantization.CalibrationDataReader):  # type: ignore[misc, name-defined]
            def get_next(self) -> Any:
                return next(samples, None)

        formats = quantization.QuantFormat
        quantization.quantize_static(
            str(source), str(target), Reader(), quant_format=formats[form], per_channel=form == "QDQ"
        )
    found = convert(target)
    assert found.difference <= CLOSE
    assert "CONV_2D" in kinds(target)
    assert "SUB" not in kinds(target)
    if form != "dynamic":
        assert found.ranges
    given = values(1, 6, 9, 11, seed=9)
    import onnxruntime
    from ai_edge_litert.interpreter import Interpreter

    session = onnxruntime.InferenceSession(str(target), providers=["CPUExecutionProvider"])
    wanted = session.run(None, {"x": given})[0]
    runner = Interpreter(model_path=str(target.with_suffix(".tflite"))).get_signature_runner()
    have = next(iter(runner(x=given.transpose(0, 2, 3, 1)).values()))
    assert np.abs(wanted - have).max() <= 0.1 * np.abs(wanted).max()


def test_old_opsets_are_brought_up_to_date(tmp_path: Path) -> None:
    nodes = [
        node("Conv", ["x", "w"], ["c"], kernel_shape=[3, 3], pads=[1] * 4),
        node("BatchNormalization", ["c", "s", "b", "m", "v"], ["n"], is_test=1),
        node("Dropout", ["n"], ["d"], is_test=1),
        node("Relu", ["d"], ["y"]),
    ]
    constants = {
        "w": values(8, 6, 3, 3), "s": values(8), "b": values(8), "m": values(8), "v": np.abs(values(8)) + 1
    }  # fmt: skip
    path = write(tmp_path / "m.onnx", nodes, IMAGE, constants, opset=6)
    model = onnx.load(str(path))
    model.ir_version = 3
    for tensor in model.graph.initializer:
        model.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    path.write_bytes(model.SerializeToString())
    assert "CONV_2D" in check(path)


def test_branches_that_are_known_are_taken(tmp_path: Path) -> None:
    def branch(name: str, nodes: list[Any], output: str) -> Any:
        return helper.make_graph(nodes, name, [], [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)])

    inner = node(
        "If", ["wide"], ["i"],
        then_branch=branch("a", [node("Relu", ["x"], ["t"]), node("Neg", ["t"], ["u"])], "u"),
        else_branch=branch("b", [node("Neg", ["x"], ["t"])], "t"),
    )  # fmt: skip
    nodes = [
        node("Shape", ["x"], ["s"]),
        node("Gather", ["s", "last"], ["size"], axis=0),
        node("Equal", ["size", "eleven"], ["wide"]),
        node("Equal", ["sr", "fast"], ["c"]),
        node(
            "If", ["c"], ["y"],
            then_branch=branch("c", [inner, node("Mul", ["i", "two"], ["t"])], "t"),
            else_branch=branch("d", [node("Hardmax", ["x"], ["t"])], "t"),
        ),
    ]  # fmt: skip
    constants = {"last": np.array(3), "eleven": np.array(11), "fast": np.array(16000), "two": np.float32(2)}
    path = write(tmp_path / "m.onnx", nodes, IMAGE, constants)
    model = onnx.load(str(path))
    model.graph.input.append(helper.make_tensor_value_info("sr", TensorProto.INT64, []))
    path.write_bytes(model.SerializeToString())
    found = convert(path)
    assert found.difference <= CLOSE
    assert [port.name for port in found.inputs] == ["x"]
    assert any("'sr'" in note and "16000" in note for note in found.notes)


def test_several_inputs_and_outputs_keep_their_names_and_order(tmp_path: Path) -> None:
    nodes = [node("Add", ["a", "b"], ["y"]), node("Mul", ["a", "b"], ["z"])]
    path = write(tmp_path / "m.onnx", nodes, {"b": [1, 3], "a": [1, 3]}, {}, ["z", "y"])
    assert [port.name for port in convert(path).inputs] == ["b", "a"]
    from ai_edge_litert.interpreter import Interpreter

    signature = Interpreter(model_path=str(path.with_suffix(".tflite"))).get_signature_list()["serving_default"]
    assert (set(signature["inputs"]), set(signature["outputs"])) == ({"a", "b"}, {"z", "y"})


@pytest.mark.parametrize(
    ("nodes", "operators", "words"),
    [
        ([node("Erf", ["x"], ["y"], name="curve")], ("Erf",), "curve"),
        ([node("NonZero", ["x"], ["y"], name="where")], ("NonZero",), "where"),
        ([node("Det", ["x"], ["d"]), node("Hardmax", ["x"], ["y"])], ("Det", "Hardmax"), "layer"),
        ([node("MaxPool", ["x"], ["y", "i"], kernel_shape=[2, 2], name="pool")], ("MaxPool",), "positions"),
        ([node("Pow", ["x", "e"], ["y"])], ("Pow",), "the power 2.6"),
    ],
)
def test_what_cannot_be_converted_is_named_with_its_layer(
    nodes: list[Any], operators: tuple[str, ...], words: str, tmp_path: Path
) -> None:
    outputs = list(nodes[-1].output)
    path = write(tmp_path / "m.onnx", nodes, {"x": [1, 2, 8, 8]}, {"e": np.float32(2.6)}, outputs)
    with pytest.raises(UnsupportedModelError, match=words) as caught:
        convert(path)
    assert caught.value.operators == operators
    assert caught.value.remedy


def test_bad_graphs_are_refused_with_words(tmp_path: Path) -> None:
    cyclic = [node("Add", ["x", "b"], ["a"]), node("Relu", ["a"], ["b"]), node("Neg", ["b"], ["y"])]
    missing = [node("Conv", ["x", "nowhere"], ["y"], kernel_shape=[1, 1])]
    wrong_rank = [node("Conv", ["x", "w"], ["y"], kernel_shape=[3])]
    for number, nodes in enumerate((cyclic, missing, wrong_rank)):
        path = write(tmp_path / f"m{number}.onnx", nodes, IMAGE, {"w": values(4, 6, 3)})
        with pytest.raises((UnsupportedModelError, InputError)) as caught:
            convert(path)
        assert caught.value.what


def test_positions(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    rows = random.integers(-6, 6, (1, 4, 9, 11))
    points = np.stack([random.integers(0, size, 20) for size in (1, 6, 9)], axis=-1)
    channels = np.stack([np.zeros(3, np.int64), np.array([4, 0, 2])], axis=-1)
    unique = np.stack([np.zeros(5, np.int64), np.arange(5), np.array([8, 3, 3, 0, 1])], axis=-1)
    columns = np.tile(random.permutation(11)[:5], (1, 6, 9, 1))
    for made, constants in (
        (node("GatherElements", ["x", "i"], ["y"], axis=1), {"i": rows}),
        (node("GatherND", ["x", "i"], ["y"]), {"i": points}),
        (node("GatherND", ["x", "i"], ["y"]), {"i": channels}),
        (node("ScatterND", ["x", "i", "u"], ["y"]), {"i": unique, "u": values(5, 11)}),
        (node("ScatterElements", ["x", "i", "u"], ["y"], axis=3), {"i": columns, "u": values(1, 6, 9, 5)}),
    ):
        check(write(tmp_path / "m.onnx", [made], IMAGE, constants))


@pytest.mark.parametrize("beta", [0.75, 0.5, 1.0, 2.0, 0.6])
@pytest.mark.parametrize("size", [3, 5])
def test_local_response_normalisation(size: int, beta: float, tmp_path: Path) -> None:
    check(write(tmp_path / "m.onnx", [node("LRN", ["x"], ["y"], size=size, alpha=0.3, beta=beta, bias=1.5)], IMAGE))


@pytest.mark.parametrize("power", [0.25, 0.75, 1.25, 1.5, 3.0, -0.25, -0.75, -1.0, -2.0, 0.37, 0.0])
def test_powers(power: float, tmp_path: Path) -> None:
    nodes = [
        node("Sigmoid", ["x"], ["s"]),
        node("Add", ["s", "half"], ["p"]),
        node("Relu", ["p"], ["r"]),
        node("Pow", ["r", "by"], ["y"]),
    ]
    check(write(tmp_path / "m.onnx", nodes, IMAGE, {"by": np.float32(power), "half": np.float32(0.5)}))


@pytest.mark.parametrize("onesided", [0, 1])
def test_fourier_transforms(onesided: int, tmp_path: Path) -> None:
    step, window, length, axis = np.array(40), np.hanning(100).astype(np.float32), np.array(100), np.array(1)
    stft = node("STFT", ["x", "step", "window", "length"], ["y"], onesided=onesided)
    constants = {"step": step, "window": window, "length": length}
    check(write(tmp_path / "m.onnx", [stft], {"x": [2, 400]}, constants))
    check(write(tmp_path / "m.onnx", [stft], {"x": [1, 300, 1]}, constants))
    dft = node("DFT", ["x"], ["y"], onesided=onesided, axis=2)
    check(write(tmp_path / "m.onnx", [dft], {"x": [1, 3, 24, 1]}))
    check(write(tmp_path / "m.onnx", [node("DFT", ["x"], ["y"], axis=1)], {"x": [2, 16, 5, 2]}))
    check(write(tmp_path / "m.onnx", [node("DFT", ["x"], ["y"], axis=1, inverse=1)], {"x": [2, 16, 5, 2]}))
    longer = node("DFT", ["x", "length", "axis"], ["y"], onesided=onesided)
    check(write(tmp_path / "m.onnx", [longer], {"x": [1, 80, 1]}, {"length": length, "axis": axis}, opset=20))


@pytest.mark.parametrize("options", [{}, {"reverse": 1}, {"exclusive": 1}, {"reverse": 1, "exclusive": 1}])
def test_running_sums(options: dict[str, int], tmp_path: Path) -> None:
    for axis in (1, 3):
        check(write(tmp_path / "m.onnx", [node("CumSum", ["x", "a"], ["y"], **options)], IMAGE, {"a": np.array(axis)}))


def test_functions_of_the_standard_are_written_out(tmp_path: Path) -> None:
    for made in (
        node("Shrink", ["x"], ["y"], lambd=0.3, bias=0.1),
        node("ThresholdedRelu", ["x"], ["y"], alpha=0.4),
        node("Celu", ["x"], ["y"], alpha=1.3),
        node("Softsign", ["x"], ["y"]),
        node("ReduceLogSumExp", ["x"], ["y"], axes=[1]),
    ):
        check(write(tmp_path / "m.onnx", [made], IMAGE))


@pytest.mark.slow
def test_ten_thousand_nodes_and_a_thousand_inputs(tmp_path: Path) -> None:
    last = 9_999
    chain = [
        node("Neg" if i % 2 else "Abs", [f"t{i}" if i else "x"], [f"t{i + 1}" if i < last else "y"])
        for i in range(last + 1)
    ]
    assert len(check(write(tmp_path / "chain.onnx", chain, {"x": [1, 8]}))) == last + 1
    names = [f"i{number}" for number in range(1000)]
    path = write(tmp_path / "inputs.onnx", [node("Sum", names, ["y"])], {key: [1, 4] for key in names})
    assert len(convert(path).inputs) == 1000


def test_empty_inputs_and_weights_that_are_not_numbers(tmp_path: Path) -> None:
    path = write(tmp_path / "empty.onnx", [node("Relu", ["x"], ["y"])], {"x": [1, 0, 4]})
    with pytest.raises(UnsupportedModelError, match=r"empty.*x\[1,0,4\]"):
        convert(path)
    constants = {"w": np.full((2, 6, 1, 1), np.nan, np.float32)}
    assert check(write(tmp_path / "nan.onnx", [node("Conv", ["x", "w"], ["y"], kernel_shape=[1, 1])], IMAGE, constants))


def test_clip_between_limits_that_are_computed(tmp_path: Path) -> None:
    nodes = [
        node("ReduceMin", ["x"], ["lowest"], keepdims=0),
        node("Mul", ["lowest", "half"], ["low"]),
        node("Conv", ["x", "w"], ["c"], kernel_shape=[1, 1]),
        node("Clip", ["c", "low", "high"], ["y"]),
    ]
    constants = {"half": np.float32(0.5), "high": np.float32(0.7), "w": values(4, 6, 1, 1)}
    found = check(write(tmp_path / "m.onnx", nodes, IMAGE, constants))
    assert {"MAXIMUM", "MINIMUM"} <= set(found)
