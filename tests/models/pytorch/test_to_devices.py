"""PyTorch models reach devices that take ONNX and TFLite, by every way that users have of giving one."""

import re
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from edgebench.core.model import ModelFormat
from edgebench.errors import InputError, MissingPackageError, UnsupportedModelError
from edgebench.models.prepare import Prepared, PrepareRequest, prepare

FAMILIES = (
    "resnet", "mobilenet", "ds_cnn", "unet", "gru", "lstm", "vit_block", "bert_block", "auto_encoder", "tcn", "crnn",
)  # fmt: skip
WAYS = ("pt2", "torchscript", "function")
IN_EACH_RUN = {("auto_encoder", "pt2"), ("resnet", "torchscript"), ("gru", "torchscript"), ("auto_encoder", "function")}
"""One of each way; the others are slow."""
TFLITE = (ModelFormat.TFLITE,)
ONNX = (ModelFormat.ONNX,)


def prepared(folder: Path, source: Path | str, formats: tuple[ModelFormat, ...] = TFLITE, **options: Any) -> Prepared:
    target = folder / "prepared"
    target.mkdir(exist_ok=True)
    return prepare(PrepareRequest(source=str(source), formats=formats, folder=str(target), **options))


def made(torch: ModuleType, family: str, seed: int = 0) -> tuple[Any, tuple[Any, ...]]:
    from tests.models.pytorch import families

    torch.manual_seed(seed)
    module, inputs = families.FAMILIES[family]()
    return module, inputs


def exported(torch: ModuleType, module: Any, inputs: tuple[Any, ...], path: Path, **options: Any) -> Path:
    torch.export.save(torch.export.export(module, inputs, **options), str(path))
    return path


def scripted(torch: ModuleType, module: Any, inputs: tuple[Any, ...], path: Path) -> Path:
    torch.jit.trace(module, inputs, check_trace=False).save(str(path))
    return path


def given(torch: ModuleType, family: str, way: str, folder: Path) -> tuple[Path | str, dict[str, Any], Any]:
    """A model in one of the ways, what to say with it, and the module itself."""
    module, inputs = made(torch, family)
    if way == "pt2":
        return exported(torch, module, inputs, folder / f"{family}.pt2"), {}, module
    if way == "torchscript":
        (name,) = parameters(module)
        shapes = {name: tuple(inputs[0].shape)}
        return scripted(torch, module, inputs, folder / f"{family}.pt"), {"shapes": shapes}, module
    return f"tests.models.pytorch.families:{family}", {}, module


def parameters(module: Any) -> list[str]:
    import inspect

    return list(inspect.signature(module.forward).parameters)


def run_tflite(path: str, value: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Output for an input in the layout of PyTorch, in that layout where it has two dimensions of space."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=path)
    interpreter.allocate_tensors()
    (detail,) = interpreter.get_input_details()
    if list(detail["shape"]) != list(value.shape):
        value = np.moveaxis(value, 1, -1)
    interpreter.set_tensor(detail["index"], np.ascontiguousarray(value).astype(detail["dtype"]))
    interpreter.invoke()
    found: np.ndarray[Any, Any] = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    return found


def differences(notes: tuple[str, ...]) -> list[float]:
    return [float(found) for note in notes for found in re.findall(r"differ by (\S+) of their size", note)]


@pytest.mark.parametrize(
    ("family", "way"),
    [
        pytest.param(family, way, marks=[] if (family, way) in IN_EACH_RUN else [pytest.mark.slow])
        for family in FAMILIES
        for way in WAYS
    ],
)
def test_families_reach_tflite_by_every_way(family: str, way: str, torch: ModuleType, tmp_path: Path) -> None:
    source, options, module = given(torch, family, way, tmp_path)
    real = prepared(tmp_path, source, **options)
    assert real.deployed is not None
    assert real.deployed.format is ModelFormat.TFLITE
    assert any("exported from PyTorch to ONNX by torch.onnx.export, opset 20" in note for note in real.notes)
    assert len(differences(real.notes)) == 2
    assert max(differences(real.notes)) < 1e-5
    if way != "function":
        # The one that the function makes has weights of its own.
        _, (value,) = made(torch, family, seed=7)
        with torch.no_grad():
            wanted = module(value).numpy()
        found = run_tflite(real.path, value.numpy())
        if found.shape != wanted.shape:
            found = np.moveaxis(found, -1, 1)
        assert np.abs(found - wanted).max() < 1e-4 * np.abs(wanted).max()
    int8 = prepared(tmp_path, source, dtype="int8", **options)
    assert int8.deployed is not None
    assert {spec.dtype for spec in int8.deployed.outputs} == {"int8"}
    (error,) = re.findall(r"quantised to int8: outputs differ from the float model's by (\S+)%", " ".join(int8.notes))
    assert float(error) < 15


def test_devices_that_take_onnx_get_it_with_the_names_of_modules(torch: ModuleType, tmp_path: Path) -> None:
    import onnx

    for way in ("pt2", "torchscript"):
        source, options, _ = given(torch, "resnet", way, tmp_path)
        found = prepared(tmp_path, source, ONNX, **options)
        assert found.deployed is not None
        assert found.deployed.format is ModelFormat.ONNX
        assert [spec.name for spec in found.deployed.inputs] == ["image"]
        graph = onnx.load(found.path).graph
        names = {node.name for node in graph.node}
        assert {"stem.0", "blocks.0.first.0", "blocks.1.shortcut.0", "head"} <= names
        # What it computes is called like it, so that it shows in profiles and in converted files.
        assert {"stem.0", "blocks.0.first.0"} <= {name for node in graph.node for name in node.output}


def test_layers_of_the_converted_file_have_the_names_of_modules(torch: ModuleType, tmp_path: Path) -> None:
    from ai_edge_litert.interpreter import Interpreter

    source, options, _ = given(torch, "vit_block", "pt2", tmp_path)
    found = prepared(tmp_path, source, **options)
    names = {detail["name"] for detail in Interpreter(model_path=found.path).get_tensor_details()}
    assert {"patches", "before", "qkv", "mlp.0", "mlp.2", "head"} <= {name.partition("/")[0] for name in names}


def test_calibration_takes_the_names_and_layout_of_the_model(torch: ModuleType, tmp_path: Path) -> None:
    source, options, _ = given(torch, "resnet", "torchscript", tmp_path)
    samples = np.random.default_rng(0).standard_normal((6, 3, 48, 48)).astype(np.float32)
    path = tmp_path / "samples.npz"
    np.savez(path, image=samples)
    found = prepared(tmp_path, source, dtype="int8", calibration=str(path), **options)
    assert not any("latency only" in note for note in found.notes)
    np.savez(path, picture=samples)
    with pytest.raises(InputError, match="picture"):
        prepared(tmp_path, source, dtype="int8", calibration=str(path), **options)


@pytest.mark.parametrize("way", ["pt2", "torchscript"])
def test_one_file_serves_inputs_and_calibration(way: str, torch: ModuleType, tmp_path: Path) -> None:
    """Its first axis is that of the samples, not a batch."""
    source, _, _ = given(torch, "auto_encoder", way, tmp_path)
    path = str(tmp_path / "samples.npz")
    np.savez(path, input=np.random.default_rng(0).standard_normal((9, 40)).astype(np.float32))
    found = prepared(tmp_path, source, dtype="int8", inputs=path, calibration=path)
    assert found.deployed is not None
    assert found.deployed.inputs[0].shape == (1, 40)
    assert not any("latency only" in note for note in found.notes)


def test_open_dimensions_are_set_by_shapes_and_a_batch_is_one(torch: ModuleType, tmp_path: Path) -> None:
    module, inputs = made(torch, "auto_encoder")
    batch = torch.export.Dim("batch", min=1, max=64)
    examples = (torch.cat([inputs[0]] * 3),)
    source = exported(torch, module, examples, tmp_path / "open.pt2", dynamic_shapes=({0: batch},))
    for shapes, wanted in (({}, (1, 40)), ({"input": (5, 40)}, (5, 40))):
        found = prepared(tmp_path, source, shapes=shapes)
        assert found.deployed is not None
        assert found.deployed.inputs[0].shape == wanted
    assert prepared(tmp_path, source, ONNX, shapes={"input": (5, 40)}).deployed is not None
    length = torch.export.Dim("length", min=2, max=64)
    examples = (torch.ones(1, 7, 40),)
    source = exported(torch, torch.nn.Linear(40, 2), examples, tmp_path / "long.pt2", dynamic_shapes=({1: length},))
    with pytest.raises(InputError, match="open dimensions"):
        prepared(tmp_path, source)


@pytest.mark.parametrize("family", ["resnet", "lstm", "bert_block", "auto_encoder", "tcn", "ds_cnn"])
def test_shapes_that_torchscript_lacks_are_proposed_as_its_graph_reads_them(
    family: str, torch: ModuleType, tmp_path: Path
) -> None:
    module, inputs = made(torch, family)
    source = scripted(torch, module, inputs, tmp_path / "model.pt")
    with pytest.raises(InputError, match="does not store the shapes") as caught:
        prepared(tmp_path, source, ONNX)
    (name,) = parameters(module)
    proposed = re.findall(rf"--shape {name}=([\d,]+)$", str(caught.value.remedy))
    (shape,) = (tuple(map(int, text.split(","))) for text in proposed)
    assert len(shape) == inputs[0].dim()
    if family == "lstm":
        assert shape[2] == inputs[0].shape[2]
    elif family != "bert_block":
        assert shape[1] == inputs[0].shape[1]


def test_named_and_constant_inputs(torch: ModuleType, tmp_path: Path) -> None:
    class Scaled(torch.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, x: Any, times: int, *, shift: Any) -> Any:
            return x * times + shift

    program = torch.export.export(Scaled(), (torch.ones(1, 4), 3), {"shift": torch.ones(1, 4)})
    torch.export.save(program, str(tmp_path / "scaled.pt2"))
    found = prepared(tmp_path, tmp_path / "scaled.pt2")
    assert [spec.name for spec in found.info.inputs] == ["x", "shift"]
    assert max(differences(found.notes)) < 1e-6


def test_an_operator_without_a_form_is_named_and_the_remedy_is_true(torch: ModuleType, tmp_path: Path) -> None:
    class Odd(torch.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, x: Any) -> Any:
            return torch.special.i1e(x)

    for source in (
        exported(torch, Odd(), (torch.ones(1, 4),), tmp_path / "odd.pt2"),
        scripted(torch, Odd(), (torch.ones(1, 4),), tmp_path / "odd.pt"),
    ):
        shapes = {"x": (1, 4)}
        with pytest.raises(UnsupportedModelError, match="i1e") as caught:
            prepared(tmp_path, source, shapes=shapes)
        assert "i1e" in caught.value.operators[0]
        assert "-d host-torch" in str(caught.value.remedy)
        by_torch = (ModelFormat.TORCH_EXPORT, ModelFormat.TORCHSCRIPT)
        assert prepared(tmp_path, source, by_torch, shapes=shapes).path == str(source)


def test_a_model_that_is_random_or_keeps_a_state(torch: ModuleType, tmp_path: Path) -> None:
    class Running(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("sum", torch.zeros(1, 4))

        def forward(self, x: Any) -> Any:
            self.sum.mul_(0.5).add_(x)
            return self.sum * 2

    random = torch.nn.Sequential(torch.nn.Linear(4, 64), torch.nn.Dropout(0.5)).train()
    for number, module in enumerate((random, Running())):
        source = exported(torch, module, (torch.ones(1, 4),), tmp_path / f"{number}.pt2")
        with pytest.raises(UnsupportedModelError, match="random, or keeps a state") as caught:
            prepared(tmp_path, source, ONNX)
        assert "eval()" in str(caught.value.remedy)


def test_types_that_torchscript_lacks(torch: ModuleType, tmp_path: Path) -> None:
    """They are those of its parameters, or of the arrays that a user gives."""

    class Masked(torch.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, x: Any, mask: Any) -> Any:
            return x.masked_fill(mask, 0.0)

    half = torch.nn.Conv2d(3, 4, 3).half()
    source = scripted(torch, half, (torch.ones(1, 3, 8, 8).half(),), tmp_path / "half.pt")
    found = prepared(tmp_path, source, shapes={"input": (1, 3, 8, 8)})
    assert max(differences(found.notes)) < 1e-2
    mask = torch.zeros(1, 4, dtype=torch.bool)
    source = scripted(torch, Masked(), (torch.ones(1, 4), mask), tmp_path / "masked.pt")
    with pytest.raises(UnsupportedModelError, match="boolean") as caught:
        prepared(tmp_path, source, ONNX, shapes={"x": (1, 4), "mask": (1, 4)})
    assert "--inputs" in str(caught.value.remedy)
    path = str(tmp_path / "inputs.npz")
    np.savez(path, x=np.ones((1, 4), np.float32), mask=np.array([[True, False, True, False]]))
    assert prepared(tmp_path, source, ONNX, inputs=path).deployed is not None


def test_outputs_of_any_structure(torch: ModuleType, tmp_path: Path) -> None:
    class Many(torch.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, x: Any, unused: Any) -> Any:
            return {"same": x, "list": [x + 1, (x * 2).sum(-1)], "constant": torch.ones(2)}

    inputs = (torch.ones(1, 4), torch.ones(1, 3))
    found = prepared(tmp_path, exported(torch, Many(), inputs, tmp_path / "many.pt2"))
    assert found.deployed is not None
    assert len(found.deployed.outputs) == 4
    assert [spec.name for spec in found.info.inputs] == ["x", "unused"]


def test_an_input_that_nothing_reads_stays(torch: ModuleType, tmp_path: Path) -> None:
    class First(torch.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, x: Any, unused: Any) -> Any:
            return x * 2

    source = scripted(torch, First(), (torch.ones(1, 4), torch.ones(1, 3)), tmp_path / "first.pt")
    found = prepared(tmp_path, source, ONNX, shapes={"x": (1, 4), "unused": (1, 3)})
    assert found.deployed is not None
    assert [spec.name for spec in found.deployed.inputs] == ["x", "unused"]


def test_exporters_keep_their_progress_to_themselves(
    torch: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for way in WAYS:
        source, options, _ = given(torch, "auto_encoder", way, tmp_path)
        capfd.readouterr()
        prepared(tmp_path, source, ONNX, **options)
        assert capfd.readouterr() == ("", "")


def test_a_missing_exporter_is_named(torch: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, _, _ = given(torch, "auto_encoder", "pt2", tmp_path)

    def fails(*_: Any, **__: Any) -> None:
        raise torch.onnx.OnnxExporterError("failed") from ModuleNotFoundError("no onnxscript", name="onnxscript")

    monkeypatch.setattr(torch.onnx, "export", fails)
    with pytest.raises(MissingPackageError, match="onnxscript") as caught:
        prepared(tmp_path, source, ONNX)
    assert "edgebench[train]" in str(caught.value.remedy)


@pytest.mark.parametrize("way", ["pt2", "torchscript"])
def test_damaged_files(way: str, torch: ModuleType, tmp_path: Path) -> None:
    source, options, _ = given(torch, "auto_encoder", way, tmp_path)
    content = Path(source).read_bytes()
    damaged = tmp_path / f"damaged{Path(source).suffix}"
    random = np.random.default_rng(0)
    for _ in range(12):
        changed = bytearray(content)
        for place in random.integers(0, len(content), 40):
            changed[place] = random.integers(0, 256)
        damaged.write_bytes(bytes(changed))
        try:
            prepared(tmp_path, damaged, ONNX, **options)
        except (InputError, UnsupportedModelError) as error:
            assert error.what
