import zipfile
from pathlib import Path
from typing import Any

import pytest

from edgebench.core.model import ModelFormat, ModelInfo
from edgebench.errors import InputError
from edgebench.models.inspect import inspect
from edgebench.models.pytorch.costs import count_macs
from edgebench.models.pytorch.inspect import inspect_torch
from edgebench.models.pytorch.sizes import evaluate, symbol_of
from edgebench.models.source import parse_source
from tests.models.small_model_files import exported, exported_tables, torchscript


def described(path: Path, content: bytes, **shapes: tuple[int, ...]) -> ModelInfo:
    path.write_bytes(content)
    return inspect_torch(path, parse_source(str(path)), ModelFormat.TORCH_EXPORT, shapes)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.pt2"


def test_an_exported_program(path: Path) -> None:
    info = described(path, exported(), image=(5, 3, 16, 16))
    # Running statistics are not parameters, and a tied weight is one.
    assert info.parameters == 8 * 27 + 10 * 8
    # The linear layer has (5 - 1) // 2 rows.
    assert info.macs == 5 * 8 * 14 * 14 * 27 + 2 * 10 * 8
    assert [(s.name, s.dtype, s.shape, s.dimensions) for s in info.inputs] == [
        ("image", "float32", (None, 3, 16, 16), ("s40", "", "", ""))
    ]
    assert [(spec.name, spec.shape) for spec in info.outputs] == [("linear", (None, 10))]
    assert info.operators == {"conv2d": 1, "linear": 1, "my_pool": 1}


def test_without_a_shape_macs_are_not_known(path: Path) -> None:
    model, weights = exported_tables()
    graph = model["graph_module"]["graph"]
    # The same file with an open height instead of an open batch.
    for name, axis in (("image", 2), ("conv2d", 2), ("pooled", 0), ("linear", 0)):
        sizes = graph["tensor_values"][name]["sizes"]
        symbol = graph["tensor_values"]["image"]["sizes"][0] if name == "image" else sizes[0]
        sizes[0], sizes[axis] = {"as_int": 1}, symbol
    info = described(path, exported(model, weights))
    assert info.macs is None
    assert info.notes == ("MACs are unknown: the shapes of 1 x conv2d, 1 x linear cannot be read from the file",)


def call(target: str, output: tuple[int, ...], **arguments: tuple[int, ...] | bool) -> int | None:
    inputs: list[dict[str, Any]] = []
    shapes: dict[str, tuple[int | None, ...]] = {"out": output}
    for name, given in arguments.items():
        if isinstance(given, bool):
            inputs.append({"name": name, "arg": {"as_bool": given}})
        else:
            inputs.append({"name": name, "arg": {"as_tensor": {"name": name}}})
            shapes[name] = given
    node = {"target": f"torch.ops.aten.{target}", "inputs": inputs, "outputs": [{"as_tensor": {"name": "out"}}]}
    return count_macs([node], shapes)[0]


def test_multiply_accumulates() -> None:
    transposed = {"input": (1, 4, 5, 5), "weight": (4, 6, 2, 2)}
    assert call("conv_transpose2d.input", (1, 6, 10, 10), **transposed) == 100 * 24
    assert call("convolution.default", (1, 6, 10, 10), **transposed, transposed=True) == 100 * 24
    assert call("convolution.default", (1, 8, 4, 4), input=(1, 4, 6, 6), weight=(8, 4, 3, 3), transposed=False) == 4608
    assert call("addmm.default", (3, 5), self=(5,), mat1=(3, 8), mat2=(8, 5)) == 120
    assert call("bmm.default", (2, 3, 5), self=(2, 3, 8), mat2=(2, 8, 5)) == 240
    attention = {"query": (1, 2, 7, 8), "key": (1, 2, 9, 8), "value": (1, 2, 9, 4)}
    assert call("scaled_dot_product_attention.default", (1, 2, 7, 4), **attention) == 2 * 7 * 9 * (8 + 4)
    assert call("relu.default", (3, 5), self=(3, 5)) == 0


def test_operators_that_are_not_counted_are_listed() -> None:
    node = {"target": "torch.ops.aten.stft.default", "inputs": [], "outputs": []}
    assert count_macs([node, node], {}) == (0, ["MACs do not include 2 x stft"])


def test_recurrent_layers_and_sums_of_products() -> None:
    def given(target: str, listed: str, shapes: dict[str, tuple[int, ...]], **texts: str) -> int | None:
        inputs: list[dict[str, Any]] = [{"name": key, "arg": {"as_string": text}} for key, text in texts.items()]
        tensors = [{"name": name} for name in shapes if name != "input"]
        inputs.append({"name": listed, "arg": {"as_tensors": tensors}})
        inputs.append({"name": "input", "arg": {"as_tensor": {"name": "input"}}})
        node = {"target": f"torch.ops.aten.{target}", "inputs": inputs, "outputs": [{"as_tensor": {"name": "out"}}]}
        return count_macs([node], {**shapes, "out": (1,)})[0]

    # Two layers of 16 from 8 features, over 10 steps of 3 sequences; biases are not multiplied.
    lstm = {"a": (64, 8), "b": (64, 16), "c": (64,), "d": (64,), "e": (64, 16), "f": (64, 16), "input": (3, 10, 8)}
    assert given("lstm.input", "params", lstm) == 30 * 64 * (8 + 16 + 16 + 16)
    assert (
        given("einsum.default", "tensors", {"a": (2, 5, 7), "b": (2, 6, 7)}, equation="bti,bsi->bts") == 2 * 5 * 6 * 7
    )
    assert given("einsum.default", "tensors", {"a": (2, 5)}, equation="ij->ji") == 0


S = "Symbol('s0', positive=True, integer=True)"


@pytest.mark.parametrize(
    ("formula", "value"),
    [
        (S, 7),
        ("s0", 7),
        (f"Add(FloorDiv(Add({S}, Integer(-1)), Integer(2)), Integer(1))", 4),
        (f"Mul(Integer(3), {S}, {S})", 147),
        (f"Max(Integer(1), Mod({S}, 4))", 3),
        (f"FloorDiv({S}, Integer(0))", None),
        (f"Pow({S}, {S})", None),
        (f"Mul({', '.join([S] * 100)})", None),
        ("Symbol('s1')", None),
        ("Add(Integer(-9), Integer(1))", None),
        ("__import__('os').system('exit')", None),
        ("Integer('7')", None),
        ("True", None),
        ("(" * 5000, None),
        ("1" * 5000, None),
        ("not a formula", None),
    ],
)
def test_sizes_are_evaluated_and_nothing_else_is(formula: str, value: int | None) -> None:
    assert evaluate(formula, {"s0": 7}) == value


def test_only_a_plain_symbol_is_a_name() -> None:
    assert symbol_of(S) == "s0"
    assert symbol_of(f"Mul(Integer(2), {S})") == ""


def test_torchscript_is_described_in_part(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(torchscript())
    info = inspect(path, parse_source(str(path)), {})
    assert info.format is ModelFormat.TORCHSCRIPT
    assert (info.parameters, info.macs, info.inputs) == (None, None, ())
    assert "torch.export.save" in info.notes[0]


def test_unexpected_tables_are_input_errors(path: Path) -> None:
    model, weights = exported_tables()
    damaged: list[bytes] = [exported(compression=zipfile.ZIP_DEFLATED), exported(weights={"config": {"w": 1}})]
    changes: list[tuple[str, Any]] = [("nodes", None), ("tensor_values", {}), ("nodes", [{"target": 1}])]
    for key, value in changes:
        graph = {**model["graph_module"]["graph"], key: value}
        damaged.append(exported({"graph_module": {**model["graph_module"], "graph": graph}}))
    for size in (-1, 2**70, 1.5, None, "x"):
        weights["config"]["c.weight"]["tensor_meta"]["sizes"][0] = {"as_int": size}
        damaged.append(exported(weights=weights))
    damaged.append(exported({"graph_module": [[]]}))
    for content in damaged:
        with pytest.raises(InputError, match=r"damaged torch\.export file"):
            described(path, content)


def test_deep_tables_are_input_errors(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("json.dumps", lambda table: "[" * 100_000)
    with pytest.raises(InputError, match=r"damaged torch\.export file"):
        described(path, exported())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_torch_writes_is_read(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")

    class Net(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.table = torch.nn.Embedding(50, 16)
            self.conv = torch.nn.Conv1d(16, 8, 3, stride=2)
            self.norm = torch.nn.BatchNorm1d(8)
            self.head = torch.nn.Linear(16, 50, bias=False)
            self.head.weight = self.table.weight

        def forward(self, tokens: Any) -> Any:
            embedded = self.table(tokens)
            return self.head(embedded), self.norm(self.conv(embedded.transpose(1, 2)))

    net = Net().eval()
    free = torch.export.Dim.AUTO
    program = torch.export.export(net, (torch.zeros(2, 9, dtype=torch.long),), dynamic_shapes=[{0: free, 1: free}])
    path = tmp_path / "net.pt2"
    torch.export.save(program, path)
    info = inspect(path, parse_source(str(path)), {"tokens": (2, 21)})
    assert info.format is ModelFormat.TORCH_EXPORT
    assert info.parameters == sum(parameter.numel() for parameter in net.parameters())
    assert info.macs == 2 * 21 * 16 * 50 + 2 * 8 * 10 * 16 * 3
    assert (info.inputs[0].name, info.inputs[0].dtype, info.inputs[0].upper) == ("tokens", "int64", 50)
    script = tmp_path / "net.pt"
    torch.jit.save(torch.jit.script(net.norm), script)
    assert inspect(script, parse_source(str(script)), {}).format is ModelFormat.TORCHSCRIPT
    for pickled in (net.norm, net.state_dict()):
        torch.save(pickled, script)
        with pytest.raises(InputError, match="pickled"):
            inspect(script, parse_source(str(script)), {})
