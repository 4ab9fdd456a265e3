"""Rounding at its edges, values of other types, what has no reference, and refusals whose remedies help."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgebench.core.model import InputSource
from edgebench.errors import EdgebenchError, UnsupportedModelError
from edgebench.models.tflite.quantised_graph import read_quantised_graph
from edgebench.store.devices import find_device
from edgebench.targets.mcu.fixed_point import exponential, power_of_two, quantise_multiplier, rescale
from edgebench.targets.mcu.generator import GeneratedModel, generate
from edgebench.targets.mcu.operators.curves import sigmoid_curve
from edgebench.targets.registry import create_target
from tests.targets.mcu.small_graphs import Operator, Tensor, write_graph

needs_emulator = [
    pytest.mark.child,
    pytest.mark.skipif(
        any(find_spec(name) is None for name in ("ziglang", "unicorn", "elftools", "bakenn")),
        reason="needs edgebench[mcu]",
    ),
]


def one(path: Path, tensors: Sequence[Tensor], operator: Operator, inputs: Sequence[int] = (0,)) -> Path:
    return write_graph(path, tensors, [operator], inputs, operator.outputs)


def generated(path: Path) -> GeneratedModel:
    return generate(read_quantised_graph(path))


def exact(path: Path, device: str = "nucleo-l4r5zi") -> None:
    with create_target(find_device(device)).load(path, InputSource(seed=1)) as loaded:
        loaded.run(1)
        assert not any("not compared" in note for note in loaded.notes())
        assert loaded.faults() == []


class TestRounding:
    pytestmark = needs_emulator

    @pytest.mark.parametrize("device", ["nucleo-l4r5zi", "generic-rv32"])
    @pytest.mark.parametrize("dtype", ["INT8", "INT16"])
    @pytest.mark.parametrize("scales", [0.5, (0.5, 0.25, 0.75)])
    def test_halves_of_dense_layers_are_rounded_away_from_zero(
        self, scales: float | tuple[float, ...], dtype: str, device: str, tmp_path: Path
    ) -> None:
        """LiteRT scales these layers in double precision; an integer kernel rounds halves up."""
        units = 1 if isinstance(scales, float) else len(scales)
        tensors = [
            Tensor(shape=(90, 1), scale=0.5, dtype=dtype),
            Tensor(shape=(units, 1), scale=scales, data=np.ones((units, 1), np.int8)),
            Tensor(shape=(90, units), scale=0.5, dtype=dtype),
        ]
        dense = Operator(
            kind="FULLY_CONNECTED", inputs=(0, 1), outputs=(2,), options_type="FullyConnectedOptions", version=9
        )
        exact(one(tmp_path / "g.tflite", tensors, dense), device)

    @pytest.mark.parametrize("dtype", ["INT8", "INT16"])
    def test_sums_next_to_halves_are_scaled_in_double_precision(self, dtype: str, tmp_path: Path) -> None:
        """Sums, given as biases, that the product of the scales in single precision would round the other way."""
        scales = [float(np.float32(value)) for value in (0.0513, 0.0317, 0.77 if dtype == "INT8" else 0.0011)]
        factor, most = scales[0] * scales[1] / scales[2], 120 if dtype == "INT8" else 32000
        sums = np.rint((np.random.default_rng(3).integers(-most, most, 40_000) + 0.5) / factor).astype(np.int64)
        sums = np.unique(np.concatenate([sums - 1, sums, sums + 1]))
        sums = sums[np.argsort(np.abs(sums * factor % 1 - 0.5))[:600]]
        kind = "INT32" if dtype == "INT8" else "INT64"
        tensors = [
            Tensor(shape=(1, 1), scale=scales[0], dtype=dtype),
            Tensor(shape=(len(sums), 1), scale=scales[1], data=np.zeros((len(sums), 1), np.int8)),
            Tensor(
                shape=(len(sums),),
                dtype=kind,
                scale=float(np.float32(scales[0] * scales[1])),
                data=sums.astype(kind.lower()),
            ),
            Tensor(shape=(1, len(sums)), scale=scales[2], dtype=dtype),
        ]
        dense = Operator(
            kind="FULLY_CONNECTED", inputs=(0, 1, 2), outputs=(3,), options_type="FullyConnectedOptions", version=9
        )
        exact(one(tmp_path / "g.tflite", tensors, dense))

    @pytest.mark.parametrize("kind", ["ADD", "SUB", "MUL", "DIV", "PRELU", "SQUARED_DIFFERENCE"])
    @pytest.mark.parametrize("scales", [(0.25, 0.5, 0.125), (0.0371, 0.0519, 0.0613)])
    def test_all_pairs_of_values(self, kind: str, scales: tuple[float, float, float], tmp_path: Path) -> None:
        """Every value with every other: 255 that are constant, repeated over rows of random ones."""
        points = (3, -7, 12)
        second = np.array([value for value in range(-128, 128) if value != points[1]], np.int8)
        tensors = [
            Tensor(shape=(200, 1), scale=scales[0], zero_point=points[0]),
            Tensor(shape=second.shape, scale=scales[1], zero_point=points[1], data=second),
            Tensor(shape=(200, len(second)), scale=scales[2], zero_point=points[2]),
        ]
        if kind == "PRELU":  # its output has the shape of its first input
            tensors[0] = Tensor(shape=(200, len(second)), scale=scales[0], zero_point=points[0])
        name = f"{kind.title()}Options" if kind in {"ADD", "SUB", "MUL", "DIV"} else ""
        version = 1 if kind == "PRELU" else 2
        operator = Operator(kind=kind, inputs=(0, 1), outputs=(2,), options_type=name, version=version)
        exact(one(tmp_path / "g.tflite", tensors, operator))


def test_scales_near_a_power_of_two_are_taken_for_one() -> None:
    assert [power_of_two(scale) for scale in (0.25, 2.0**-12, 2.0**-12 * 1.0003, 0.3)] == [-2, -12, -12, None]


def test_exponentials_in_steps() -> None:
    for value in (0.0, 0.1, 1.0, 5.5, 20.0):
        assert exponential(-round(value * 2**26)) / 2**31 == pytest.approx(np.exp(-value), abs=2e-7)


def test_the_logistic_curve_is_that_of_litert() -> None:
    curve = sigmoid_curve()
    places = np.arange(256) / 24
    assert np.abs(curve - 65536 / (1 + np.exp(-places))).max() < 1.2
    assert (np.diff(curve.astype(np.int64)) >= 0).all()


class TestTypes:
    def test_values_of_16_bits_are_16_bits_in_c(self, tmp_path: Path) -> None:
        tensor = Tensor(shape=(1, 4), dtype="INT16", scale=0.01)
        made = generated(one(tmp_path / "g.tflite", [tensor, tensor], Operator(kind="RELU", inputs=(0,), outputs=(1,))))
        assert "int16_t *edgebench_input(void);" in made.files["model.h"]
        assert (made.input_bytes, made.output_bytes, made.plan.size) == (8, 8, 16)

    def test_what_no_board_was_calibrated_with_is_reported(self, tmp_path: Path) -> None:
        tensor = Tensor(shape=(1, 4, 4, 2), dtype="INT16", scale=0.01)
        options = {"padding": 0, "strideW": 1, "strideH": 1, "filterWidth": 1, "filterHeight": 1}
        pool = Operator(kind="MAX_POOL_2D", inputs=(0,), outputs=(1,), options_type="Pool2DOptions", options=options)
        weights = Tensor(shape=(3, 2), scale=0.01, data=np.ones((3, 2), np.int8))
        dense = Operator(kind="FULLY_CONNECTED", inputs=(1, 2), outputs=(3,), options_type="FullyConnectedOptions")
        made = generated(
            write_graph(
                tmp_path / "g.tflite",
                [tensor, tensor, weights, Tensor(shape=(16, 3), dtype="INT16", scale=0.01)],
                [pool, dense],
                [0],
                [3],
            )
        )
        assert any("no board was calibrated" in note for note in made.notes)


def filtered(values: NDArray[Any], p: dict[str, Any]) -> NDArray[Any]:
    """One step of SVDF with a state of 8 bits as TensorFlow Lite Micro takes it."""
    scales = {name: np.float32(scale) for name, scale in p["scales"].items()}
    first = quantise_multiplier(float(scales["input"] * scales["weights"] / scales["state"]))
    second = quantise_multiplier(float(scales["state"] * scales["times"] / scales["output"]))
    sums = p["weights"].astype(np.int64) @ (values.astype(np.int64) - p["input_zero"])
    fresh = np.array([np.clip(rescale(int(total), *first), -128, 127) + p["state_zero"] for total in sums])
    state = np.full(p["times"].shape, p["state_zero"], np.int8)
    state[:, -1] = fresh.astype(np.int8)
    parts = (p["times"].astype(np.int64) * (state.astype(np.int64) - p["state_zero"])).sum(1)
    totals = parts.reshape(-1, p["rank"]).sum(1) + p["bias"]
    return np.array([np.clip(rescale(int(total), *second) + p["output_zero"], -128, 127) for total in totals])


class TestWithoutReference:
    pytestmark = needs_emulator

    @pytest.mark.parametrize("seed", range(3))
    def test_a_state_of_8_bits_is_that_of_tensorflow_lite_micro(self, seed: int, tmp_path: Path) -> None:
        random = np.random.default_rng(seed)
        rank, units, inputs, memory = 2, 5, 12, 4
        p: dict[str, Any] = {
            "weights": random.integers(-127, 128, (rank * units, inputs)).astype(np.int8),
            "times": random.integers(-127, 128, (rank * units, memory)).astype(np.int8),
            "bias": random.integers(-9000, 9000, units),
            "scales": {"input": 0.03, "weights": 0.01, "state": 0.05, "times": 0.02, "output": 0.4},
            "rank": rank,
            "input_zero": 9,
            "state_zero": -20,
            "output_zero": -100,
        }
        tensors = [
            Tensor(shape=(1, inputs), scale=0.03, zero_point=9),
            Tensor(shape=p["weights"].shape, scale=0.01, data=p["weights"]),
            Tensor(shape=p["times"].shape, scale=0.02, data=p["times"]),
            Tensor(shape=(units,), dtype="INT32", scale=0.001, data=p["bias"].astype(np.int32)),
            Tensor(shape=(1, rank * units * memory), scale=0.05, zero_point=-20, variable=True),
            Tensor(shape=(1, units), scale=0.4, zero_point=-100),
        ]
        svdf = Operator(
            kind="SVDF",
            inputs=(0, 1, 2, 3, 4),
            outputs=(5,),
            options_type="SVDFOptions",
            options={"rank": rank, "fusedActivationFunction": 1},
        )
        path = one(tmp_path / "g.tflite", tensors, svdf)
        values = generated(path).inputs[0].random_values(np.random.default_rng(seed))
        with create_target(find_device("nucleo-l4r5zi")).load(path, InputSource(seed=seed)) as loaded:
            loaded.run(1)
            assert np.array_equal(loaded.outputs()["output"], filtered(values, p))
            assert any("8-bit state" in note for note in loaded.notes())
            assert loaded.faults() == []

    def test_values_that_litert_refuses_are_reported_and_are_no_fault(self, tmp_path: Path) -> None:
        tensors = [Tensor(shape=(1, 50)), Tensor(shape=(1, 50))]
        root = Operator(kind="SQRT", inputs=(0,), outputs=(1,), version=1)
        path = one(tmp_path / "g.tflite", tensors, root)
        with create_target(find_device("nucleo-l4r5zi")).load(path, InputSource(seed=1)) as loaded:
            loaded.run(1)
            assert any("not compared" in note and "non-negative" in note for note in loaded.notes())
            assert loaded.faults() == []
            assert loaded.outputs()["output"].min() == 0

    def test_a_softmax_at_which_litert_ends_the_process_does_not_end_ours(self, tmp_path: Path) -> None:
        tensors = [Tensor(shape=(1, 1000), scale=0.001), Tensor(shape=(1, 1000), scale=1 / 256, zero_point=-128)]
        softmax = Operator(
            kind="SOFTMAX", inputs=(0,), outputs=(1,), options_type="SoftmaxOptions", options={"beta": 1.0}
        )
        path = one(tmp_path / "g.tflite", tensors, softmax)
        with create_target(find_device("nucleo-l4r5zi")).load(path, InputSource(seed=1)) as loaded:
            loaded.run(1)
            assert any("512 or more" in note for note in loaded.notes())
            assert loaded.faults() == []


def test_quotients_near_zero_are_reported(tmp_path: Path) -> None:
    constant = Tensor(shape=(1, 4), data=np.arange(1, 5, dtype=np.int8).reshape(1, 4))
    tensors = [Tensor(shape=(1, 4)), constant, Tensor(shape=(1, 4))]
    division = Operator(kind="DIV", inputs=(0, 1), outputs=(2,), options_type="DivOptions")
    assert any("quarter of a step" in note for note in generated(one(tmp_path / "g.tflite", tensors, division)).notes)


class TestRefusals:
    @pytest.mark.parametrize(
        ("kind", "remedy"),
        [
            ("POW", "MUL"),
            ("WHILE", "unrolled"),
            ("BIDIRECTIONAL_SEQUENCE_LSTM", "UNIDIRECTIONAL_SEQUENCE_LSTM"),
            ("NON_MAX_SUPPRESSION_V4", "end the model"),
            ("RFFT2D", "begin the model"),
            ("LOCAL_RESPONSE_NORMALIZATION", "end the model before it"),
        ],
    )
    def test_operator_layer_and_remedy_are_named(self, kind: str, remedy: str, tmp_path: Path) -> None:
        tensor = Tensor(shape=(1, 4))
        path = one(tmp_path / "g.tflite", [tensor, tensor], Operator(kind=kind, inputs=(0,), outputs=(1,)))
        with pytest.raises(UnsupportedModelError, match=f"no kernel for {kind} \\(layer 't1'\\)") as caught:
            generated(path)
        assert remedy in str(caught.value.remedy)
        assert caught.value.operators == (kind,)

    @pytest.mark.parametrize(("dtype", "remedy"), [("INT64", "whole numbers"), ("UINT8", "--to int8-tflite")])
    def test_types_without_a_kernel_are_reported_with_what_helps(self, dtype: str, remedy: str, tmp_path: Path) -> None:
        tensors = [Tensor(shape=(1, 4), dtype=dtype), Tensor(shape=(1, 4), dtype=dtype)]
        operator = Operator(kind="DIV", inputs=(0, 0), outputs=(1,), options_type="DivOptions")
        with pytest.raises(
            UnsupportedModelError, match=f"DIV computes on {dtype.lower()} ..t0., layer .t1.."
        ) as caught:
            generated(one(tmp_path / "g.tflite", tensors, operator))
        assert remedy in str(caught.value.remedy)

    def test_what_is_left_in_real_numbers_is_named_and_not_the_way_there(self, tmp_path: Path) -> None:
        real = Tensor(shape=(1, 4), dtype="FLOAT32")
        operators = [
            Operator(kind="RELU", inputs=(0,), outputs=(1,)),
            Operator(kind="DEQUANTIZE", inputs=(1,), outputs=(2,)),
            Operator(kind="ELU", inputs=(2,), outputs=(3,)),
            Operator(kind="QUANTIZE", inputs=(3,), outputs=(4,)),
        ]
        tensors = [Tensor(shape=(1, 4)), Tensor(shape=(1, 4)), real, real, Tensor(shape=(1, 4))]
        path = write_graph(tmp_path / "g.tflite", tensors, operators, [0], [4])
        with pytest.raises(UnsupportedModelError, match=r"ELU \(layer 't3'\) is still in real numbers") as caught:
            generated(path)
        assert caught.value.operators == ("ELU",)
        assert "int8-tflite" in str(caught.value.remedy)

    def test_an_operator_without_a_kernel_is_named_and_not_the_types_around_it(self, tmp_path: Path) -> None:
        """Networks of unsigned bytes stay what they are beside a custom operator."""
        tensors = [Tensor(shape=(1, 4), dtype="UINT8") for _ in range(3)]
        operators = [
            Operator(kind="LOGISTIC", inputs=(0,), outputs=(1,)),
            Operator(kind="CUSTOM", inputs=(1,), outputs=(2,), custom="Decode"),
        ]
        path = write_graph(tmp_path / "g.tflite", tensors, operators, [0], [2])
        with pytest.raises(UnsupportedModelError, match=r"no kernel for Decode \(layer 't2'\)") as caught:
            generated(path)
        assert caught.value.operators == ("Decode",)
        assert "end the model" in str(caught.value.remedy)

    def test_whole_numbers_that_become_real_ones_are_not_to_be_quantised(self, tmp_path: Path) -> None:
        tensors = [Tensor(shape=(1, 4), dtype="INT32"), Tensor(shape=(1, 4), dtype="FLOAT32")]
        cast = Operator(kind="CAST", inputs=(0,), outputs=(1,), options_type="CastOptions")
        with pytest.raises(UnsupportedModelError, match="CAST computes on float32") as caught:
            generated(one(tmp_path / "g.tflite", tensors, cast))
        assert "end the model before" in str(caught.value.remedy)

    def test_a_refusal_inside_a_layer_names_it(self, tmp_path: Path) -> None:
        tensors = [Tensor(shape=(1, 4), scale=0.05), Tensor(shape=(1, 4), scale=0.06)]
        largest = Operator(kind="MAXIMUM", inputs=(0, 0), outputs=(1,), options_type="MaximumMinimumOptions")
        with pytest.raises(UnsupportedModelError, match="one scale") as caught:
            generated(one(tmp_path / "g.tflite", tensors, largest))
        assert str(caught.value.where) == "MAXIMUM 't1'"
        assert "one scale" in str(caught.value.remedy)

    def test_scales_that_litert_refuses_are_refused(self, tmp_path: Path) -> None:
        tensors = [Tensor(shape=(1, 4)), Tensor(shape=(1, 4), scale=0.1)]
        logistic = Operator(kind="LOGISTIC", inputs=(0,), outputs=(1,))
        with pytest.raises(UnsupportedModelError, match="LiteRT refuses LOGISTIC") as caught:
            generated(one(tmp_path / "g.tflite", tensors, logistic))
        assert str(caught.value.where) == "LOGISTIC 't1'"

    def test_the_remedy_for_sums_of_powers_of_two_helps(self, tmp_path: Path) -> None:
        shapes, scales = ((1, 4), (1, 1), (1, 4)), (2.0**-12, 2.0**-11, 2.0**-11)
        tensors = [Tensor(shape=s, dtype="INT16", scale=a) for s, a in zip(shapes, scales, strict=True)]

        def added(**options: bool) -> Path:
            add = Operator(kind="ADD", inputs=(0, 1), outputs=(2,), options_type="AddOptions", options=options)
            return one(tmp_path / "g.tflite", tensors, add, (0, 1))

        with pytest.raises(UnsupportedModelError, match="powers of two") as caught:
            generated(added())
        assert "potScaleInt16 set to false" in str(caught.value.remedy)
        generated(added(potScaleInt16=False))

    @pytest.mark.parametrize(
        ("tensors", "operator", "words"),
        [
            (
                [Tensor(shape=(1, 4)), Tensor(shape=(3, 5)), Tensor(shape=(1, 3))],
                Operator(
                    kind="BATCH_MATMUL", inputs=(0, 1), outputs=(2,), options_type="BatchMatMulOptions", options={}
                ),
                "does not fit together",
            ),
            (
                [Tensor(shape=(1, 4)), Tensor(shape=(1, 4)), Tensor(shape=(1, 5))],
                Operator(kind="ADD", inputs=(0, 1), outputs=(2,), options_type="AddOptions"),
                "does not fit together",
            ),
            (
                [Tensor(shape=(1, 4)), Tensor(shape=(1, 4), dtype="INT16"), Tensor(shape=(1, 4))],
                Operator(kind="ADD", inputs=(0, 1), outputs=(2,), options_type="AddOptions"),
                "one type",
            ),
            (
                [Tensor(shape=(1, 4)), Tensor(shape=(1, 4), dtype="INT16")],
                Operator(kind="RELU", inputs=(0,), outputs=(1,)),
                "LiteRT refuses RELU",
            ),
            (
                [Tensor(shape=(1, 3, 4)), Tensor(shape=(1, 4))],
                Operator(kind="UNIDIRECTIONAL_SEQUENCE_LSTM", inputs=(0,) * 20, outputs=(1,)),
                "does not fit together",
            ),
        ],
    )
    def test_what_does_not_fit_together_is_named(
        self, tensors: list[Tensor], operator: Operator, words: str, tmp_path: Path
    ) -> None:
        inputs = sorted(set(operator.inputs))
        with pytest.raises(EdgebenchError, match=words):
            generated(one(tmp_path / "g.tflite", tensors, operator, inputs))
