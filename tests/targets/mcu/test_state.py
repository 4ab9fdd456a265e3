"""What a network keeps from run to run, and graphs that are hardly any."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from edgebench.core.model import InputSource
from edgebench.errors import EdgebenchError, UnsupportedModelError
from edgebench.models.tflite.quantised_graph import read_quantised_graph
from edgebench.store.devices import find_device
from edgebench.targets.mcu.generator import GeneratedModel, generate
from edgebench.targets.registry import create_target
from tests.targets.mcu.small_graphs import Graph, Operator, Tensor, write_graph
from tests.targets.mcu.streaming import KEPT_BYTES, write_streaming

needs_emulator = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("ziglang", "unicorn", "elftools", "bakenn")), reason="needs edgebench[mcu]"
)
FOUR = Tensor(shape=(1,), dtype="INT32", scale=None, data=np.array([4], np.int32))
HANDLE = Tensor(shape=(), dtype="RESOURCE", scale=None)


def generated(path: Path) -> GeneratedModel:
    return generate(read_quantised_graph(path))


def exact(path: Path) -> None:
    with create_target(find_device("nucleo-l4r5zi")).load(path, InputSource(seed=1)) as loaded:
        for _ in range(2):
            loaded.run(1)
            assert loaded.faults() == []
        assert loaded.metrics()["instructions"].value > 0
        assert loaded.notes()


@pytest.mark.child
@needs_emulator
def test_variables_are_buffers_beside_the_arena_and_count_as_ram(tmp_path: Path) -> None:
    path = write_streaming(tmp_path / "g.tflite")
    exact(path)
    made = generated(path)
    assert made.state_bytes == KEPT_BYTES
    assert f"#define EDGEBENCH_STATE_SIZE {KEPT_BYTES}" in made.files["model.h"]
    assert "void edgebench_reset(void);" in made.files["model.h"]
    assert any(f"keeps {KEPT_BYTES} bytes" in note for note in made.notes)
    with create_target(find_device("nucleo-l4r5zi")).load(path, InputSource()) as loaded:
        metrics, footprint = loaded.metrics(), loaded.footprint
        assert footprint.ram_bytes is not None
        least = metrics["arena_bytes"].value + metrics["stack_bytes"].value + KEPT_BYTES
        assert least <= footprint.ram_bytes.value < least + 64


def test_what_is_read_stays_in_the_variable_unless_it_changes_meanwhile(tmp_path: Path) -> None:
    made = generated(write_streaming(tmp_path / "g.tflite"))
    reads = [layer.body for layer in made.layers if layer.kind == "READ_VARIABLE"]
    assert ["memcpy" in body for body in reads] == [False, True, True]


@pytest.mark.child
@needs_emulator
def test_tensors_marked_as_variable_begin_at_their_zero_point(tmp_path: Path) -> None:
    tensors = [Tensor(shape=(1, 8)), Tensor(shape=(1, 8), zero_point=9, variable=True), Tensor(shape=(1, 8), scale=0.1)]
    add = Operator(kind="ADD", inputs=(0, 1), outputs=(2,), options_type="AddOptions")
    path = write_graph(tmp_path / "g.tflite", tensors, [add], [0], [2])
    assert generated(path).state_bytes == 8
    exact(path)


def test_a_variable_that_is_set_up_by_a_computation_is_refused(tmp_path: Path) -> None:
    tensors = [Tensor(shape=(1, 4)), HANDLE, Tensor(shape=(1, 4))]
    operators = [
        Operator(
            kind="CALL_ONCE", inputs=(), outputs=(), options_type="CallOnceOptions", options={"initSubgraphIndex": 1}
        ),
        Operator(kind="VAR_HANDLE", inputs=(), outputs=(1,), options_type="VarHandleOptions"),
        Operator(kind="READ_VARIABLE", inputs=(1,), outputs=(2,)),
    ]
    noise = Tensor(shape=(2,), dtype="INT32", scale=None, data=np.array([1, 4], np.int32))
    once = Graph(
        tensors=[HANDLE, noise, Tensor(shape=(1, 4), dtype="FLOAT32")],
        operators=[Operator(kind="RANDOM_UNIFORM", inputs=(1,), outputs=(2,), options_type="RandomOptions")],
    )
    path = write_graph(tmp_path / "g.tflite", tensors, operators, [0], [2], once)
    with pytest.raises(UnsupportedModelError, match="initialised by RANDOM_UNIFORM") as caught:
        generated(path)
    assert "constant" in str(caught.value.remedy)


@pytest.mark.child
@needs_emulator
@pytest.mark.parametrize("outputs", [[0], [1], [0, 1], [1, 1]])
def test_a_graph_may_give_back_its_input_or_a_constant(outputs: list[int], tmp_path: Path) -> None:
    tensors = [Tensor(shape=(1, 4)), Tensor(shape=(1, 3), data=np.array([[1, -2, 3]], np.int8))]
    made = generated(write_graph(tmp_path / "g.tflite", tensors, [], [0], outputs))
    assert len(made.layers) == outputs.count(1)
    exact(tmp_path / "g.tflite")


@pytest.mark.child
@needs_emulator
def test_nothing_is_left_between_edges_of_real_numbers(tmp_path: Path) -> None:
    tensors = [Tensor(shape=(1, 4), dtype="FLOAT32"), Tensor(shape=(1, 4)), Tensor(shape=(1, 4), dtype="FLOAT32")]
    operators = [
        Operator(kind="QUANTIZE", inputs=(0,), outputs=(1,), options_type="QuantizeOptions", version=1),
        Operator(kind="DEQUANTIZE", inputs=(1,), outputs=(2,), options_type="DequantizeOptions"),
    ]
    path = write_graph(tmp_path / "g.tflite", tensors, operators, [0], [2])
    made = generated(path)
    assert made.layers == ()
    assert made.inputs[0].offset == made.outputs[0].offset
    exact(path)


@pytest.mark.child
@needs_emulator
def test_a_reshape_may_be_all_there_is(tmp_path: Path) -> None:
    shape = Tensor(shape=(2,), dtype="INT32", scale=None, data=np.array([2, 6], np.int32))
    tensors = [Tensor(shape=(1, 12)), shape, Tensor(shape=(2, 6))]
    reshape = Operator(kind="RESHAPE", inputs=(0, 1), outputs=(2,), options_type="ReshapeOptions", version=1)
    path = write_graph(tmp_path / "g.tflite", tensors, [reshape], [0], [2])
    assert generated(path).plan.size == 16
    exact(path)


@pytest.mark.child
@needs_emulator
def test_shapes_are_folded_with_all_that_is_computed_from_them(tmp_path: Path) -> None:
    """The batch of the input, and -1, become the shape of a reshape."""
    scalar = Tensor(shape=(), dtype="INT32", scale=None)
    vector = Tensor(shape=(2,), dtype="INT32", scale=None)
    ends = [Tensor(shape=(1,), dtype="INT32", scale=None, data=np.array([value], np.int32)) for value in (0, 1)]
    rest = Tensor(shape=(), dtype="INT32", scale=None, data=np.array(-1, np.int32))
    tensors = [
        *(Tensor(shape=(2, 3, 4)), Tensor(shape=(3,), dtype="INT32", scale=None), scalar, vector, *ends, rest),
        *(Tensor(shape=(2, 12)), Tensor(shape=(2, 12))),
    ]
    operators = [
        Operator(
            kind="SHAPE", inputs=(0,), outputs=(1,), options_type="ShapeOptions", options={"outType": 2}, version=1
        ),
        Operator(
            kind="STRIDED_SLICE",
            inputs=(1, 4, 5, 5),
            outputs=(2,),
            options_type="StridedSliceOptions",
            options={"shrinkAxisMask": 1},
        ),
        Operator(kind="PACK", inputs=(2, 6), outputs=(3,), options_type="PackOptions", options={"valuesCount": 2}),
        Operator(kind="RESHAPE", inputs=(0, 3), outputs=(7,), options_type="ReshapeOptions", version=1),
        Operator(kind="RELU", inputs=(7,), outputs=(8,)),
    ]
    path = write_graph(tmp_path / "g.tflite", tensors, operators, [0], [8])
    assert [layer.kind for layer in generated(path).layers] == ["RESHAPE", "RELU"]
    exact(path)


@pytest.mark.child
@needs_emulator
def test_an_axis_of_scales_that_does_not_exist_is_accepted(tmp_path: Path) -> None:
    """As TensorFlow Lite Micro accepts it; old converters wrote it beside biases."""
    scales = [0.01, 0.02]
    tensors = [
        Tensor(shape=(1, 3, 3, 4)),
        Tensor(shape=(2, 1, 1, 4), scale=scales, data=np.arange(8, dtype=np.int8).reshape(2, 1, 1, 4)),
        Tensor(shape=(2,), dtype="INT32", scale=[0.05 * s for s in scales], axis=3, data=np.array([5, -9], np.int32)),
        Tensor(shape=(1, 3, 3, 2)),
    ]
    options = {"padding": 1, "strideW": 1, "strideH": 1, "dilationWFactor": 1, "dilationHFactor": 1}
    conv = Operator(kind="CONV_2D", inputs=(0, 1, 2), outputs=(3,), options_type="Conv2DOptions", options=options)
    exact(write_graph(tmp_path / "g.tflite", tensors, [conv], [0], [3]))


def test_tensors_without_values_are_what_is_left_out(tmp_path: Path) -> None:
    """No file is damaged for one; an operator that gives one is."""
    nothing, values = Tensor(shape=(0,), scale=None), Tensor(shape=(1, 4))
    relu = Operator(kind="RELU", inputs=(0,), outputs=(1,))
    graph = read_quantised_graph(write_graph(tmp_path / "g.tflite", [values, values, nothing], [relu], [0], [1]))
    assert graph.tensors[2].elements == 0
    with pytest.raises(EdgebenchError, match="has the shape"):
        read_quantised_graph(write_graph(tmp_path / "h.tflite", [values, nothing], [relu], [0], [1]))


@pytest.mark.parametrize(
    ("tensors", "operator", "words"),
    [
        (
            [Tensor(shape=(1, 4)), Tensor(shape=(1, 4), scale=0.2), Tensor(shape=(1, 8))],
            Operator(
                kind="CONCATENATION",
                inputs=(0, 1),
                outputs=(2,),
                options_type="ConcatenationOptions",
                options={"axis": 1},
            ),
            "several scales",
        ),
        (
            [Tensor(shape=(1, 4)), FOUR, Tensor(shape=(1, 1))],
            Operator(kind="GATHER", inputs=(0, 1), outputs=(2,), options_type="GatherOptions", options={"axis": 1}),
            "outside of its axis of 4",
        ),
        (
            [Tensor(shape=(1, 4)), Tensor(shape=(1, 5))],
            Operator(kind="RESHAPE", inputs=(0,), outputs=(1,), options_type="ReshapeOptions"),
            "turns 4 values into 5",
        ),
        (
            [Tensor(shape=(1, 2, 2, 6)), Tensor(shape=(1, 4, 4, 1))],
            Operator(
                kind="DEPTH_TO_SPACE",
                inputs=(0,),
                outputs=(1,),
                options_type="DepthToSpaceOptions",
                options={"blockSize": 2},
            ),
            "of 6 channels",
        ),
        (
            [Tensor(shape=(1, 2, 2, 6)), Tensor(shape=(1, 4, 4, 7))],
            Operator(kind="RESIZE_BILINEAR", inputs=(0,), outputs=(1,), options_type="ResizeBilinearOptions"),
            "makes",
        ),
    ],
)  # fmt: skip
def test_operators_that_cannot_be_moved_name_why(
    tensors: list[Tensor], operator: Operator, words: str, tmp_path: Path
) -> None:
    computed = [index for index in operator.inputs if tensors[index].data is None]
    path = write_graph(tmp_path / "g.tflite", tensors, [operator], computed, [len(tensors) - 1])
    with pytest.raises(EdgebenchError, match=words) as caught:
        generated(path)
    assert operator.kind in str(caught.value)
