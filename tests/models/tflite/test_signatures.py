"""Files with several signatures: each graph by its own name, parameters and MACs."""

from pathlib import Path

import numpy as np
import pytest

from edgebench.core.model import InputSource
from edgebench.errors import InputError
from edgebench.models.source import parse_source
from edgebench.models.tflite.file import read_contents
from edgebench.models.tflite.inspect import inspect_tflite, other_names
from edgebench.models.tflite.int8.plain_model import read_plain
from edgebench.models.tflite.signatures import write_signature
from edgebench.store.devices import find_device
from edgebench.targets.litert import LiteRtTarget
from tests.models.tflite.float_graphs import FloatGraph, FloatModel, streaming_model


def two_signatures() -> FloatModel:
    encode = FloatGraph("encode")
    model = encode.model
    decode = FloatGraph("decode", model)
    for graph, name, units in ((encode, "e", 8), (decode, "d", 32)):
        for number in range(units // 8):
            graph.tensor(f"unused{number}", [1])
        x = graph.tensor(f"{name}_in:0", [1, 8], signature=[-1, 8])
        y = graph.dense(x, units)
        graph.ports([x], [y])
        model.signature(graph.table.name.decode(), model.graphs.index(graph), {"x": x}, {"y": y})
    return model


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return two_signatures().write(tmp_path / "two.tflite")


def info(path: Path, signature: str | None) -> tuple[int | None, int | None, str, tuple[str, ...]]:
    found = inspect_tflite(path, parse_source(str(path)), {}, signature)
    return found.parameters, found.macs, found.inputs[0].name, found.notes


def test_parameters_and_macs_are_those_of_the_signature(path: Path) -> None:
    assert info(path, None)[:3] == info(path, "encode")[:3] == (72, 64, "e_in:0")
    assert info(path, "decode")[:3] == (288, 256, "d_in:0")
    assert info(path, None)[3] == (
        "the file has the signatures encode, decode: this is 'encode', --signature NAME chooses another",
    )
    assert "this is 'decode'" in info(path, "decode")[3][0]


def test_an_unknown_signature_lists_those_there_are(path: Path) -> None:
    with pytest.raises(InputError, match="no signature 'decod'") as caught:
        info(path, "decod")
    assert caught.value.remedy == "it has encode, decode"
    with pytest.raises(InputError):
        read_plain(path, "decod")


def test_inputs_have_the_names_of_the_signature(path: Path) -> None:
    assert other_names(path, "decode") == {"d_in:0": ("x", "d_in")}


@pytest.mark.parametrize(("signature", "size"), [("encode", 8), ("decode", 32)])
def test_a_separate_signature_computes_the_same(path: Path, signature: str, size: int, tmp_path: Path) -> None:
    alone = tmp_path / "alone.tflite"
    write_signature(path, signature, alone)
    assert len(read_contents(alone).graphs) == 1
    assert [entry.name for entry in read_contents(alone).signatures] == [signature]
    found = {}
    for file, chosen in ((path, signature), (alone, None), (alone, signature)):
        with LiteRtTarget(find_device("host-litert")).load(file, InputSource(seed=4, signature=chosen)) as model:
            model.run(1)
            (found[file, chosen],) = model.outputs().values()
    assert found[path, signature].shape == (1, size)
    np.testing.assert_array_equal(found[path, signature], found[alone, None])
    np.testing.assert_array_equal(found[path, signature], found[alone, signature])


def test_layers_of_a_signature_are_its_own(path: Path) -> None:
    with LiteRtTarget(find_device("host-litert")).load(path, InputSource(signature="decode")) as model:
        model.run(1)
        assert [layer.operator for layer in model.layers()] == ["FULLY_CONNECTED"]


def test_shapes_and_arrays_are_known_by_the_names_of_the_signature(path: Path, tmp_path: Path) -> None:
    target = LiteRtTarget(find_device("host-litert"))
    with target.load(path, InputSource(signature="decode", shapes={"x": (3, 8)})) as model:
        model.run(1)
        assert [value.shape for value in model.outputs().values()] == [(3, 32)]
    np.savez(tmp_path / "inputs.npz", x=np.ones((2, 8), np.float32))
    with target.load(path, InputSource(signature="decode", file=str(tmp_path / "inputs.npz"))) as model:
        model.run(1)
        (value,) = model.outputs().values()
    np.testing.assert_array_equal(value[0], value[1])


def test_graphs_that_a_graph_runs_go_with_it(tmp_path: Path) -> None:
    model = streaming_model()
    main = model.graphs[0]
    between = FloatGraph("between", model)
    x = between.tensor("x", [1, 4])
    between.ports([x], [between.dense(x, 4)])
    model.graphs[1:] = model.graphs[:0:-1]
    main.table.operators[0].builtinOptions.initSubgraphIndex = 2
    model.signature("run", 0, {"frame": main.table.inputs[0]}, {"y": main.table.outputs[0]})
    alone = tmp_path / "alone.tflite"
    write_signature(model.write(tmp_path / "model.tflite"), "run", alone)
    (operator, *_), *others = (graph.operators for graph in read_contents(alone).graphs)
    assert (operator.kind, operator.graphs) == ("CALL_ONCE", (1,))
    assert [[operator.kind for operator in graph] for graph in others] == [["VAR_HANDLE", "ASSIGN_VARIABLE"]]
