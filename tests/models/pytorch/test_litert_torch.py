"""``--converter litert-torch``: what is asked of the other interpreter, and what becomes of its answers.

The interpreter is a script that answers as the converter would; the converter itself runs where it is set up.
"""

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from edgebench.core.model import Converter, ModelFormat
from edgebench.errors import InputError, UnavailableError, UnsupportedModelError
from edgebench.machine.environments import RECIPES, State, state
from edgebench.models.prepare import Prepared, PrepareRequest, prepare
from edgebench.models.pytorch import litert_torch
from tests.models.pytorch.test_to_devices import differences, exported, given, made
from tests.models_on_disk import write_onnx

OTHER = """#!{python}
import json, os, shutil, sys
assert sys.argv[1] == "-I" and sys.argv[2].endswith("litert_torch_child.py")
source, target, account = sys.argv[3:]
assert open(source, "rb").read(2) == b"PK"
{does}
"""
CONVERTS = """
shutil.copy({converted!r}, target)
json.dump({{"versions": {{"litert-torch": "0.0.1", "torch": "2"}}}}, open(account, "w"))
"""


def prepared(folder: Path, source: Path, **options: Any) -> Prepared:
    target = folder / "prepared"
    target.mkdir(exist_ok=True)
    request = PrepareRequest(
        source=str(source),
        formats=(ModelFormat.TFLITE,),
        folder=str(target),
        converter=Converter.LITERT_TORCH,
        **options,
    )
    return prepare(request)


@pytest.fixture
def model(torch: ModuleType, tmp_path: Path) -> Path:
    module, inputs = made(torch, "auto_encoder")
    return exported(torch, module, inputs, tmp_path / "model.pt2")


def answers(monkeypatch: pytest.MonkeyPatch, folder: Path, does: str) -> None:
    interpreter = folder / "python"
    interpreter.write_text(OTHER.format(python=sys.executable, does=does))
    interpreter.chmod(0o755)
    monkeypatch.setattr(litert_torch, "require_interpreter", lambda _: interpreter)


def converted_by_us(torch: ModuleType, folder: Path, seed: int = 0) -> Path:
    module, inputs = made(torch, "auto_encoder", seed=seed)
    source = exported(torch, module, inputs, folder / f"ours{seed}.pt2")
    (folder / "ours").mkdir(exist_ok=True)
    request = PrepareRequest(source=str(source), formats=(ModelFormat.TFLITE,), folder=str(folder / "ours"))
    return Path(prepare(request).path)


@pytest.mark.child
def test_the_answer_is_compared_and_known_by_the_names_of_the_model(
    model: Path, torch: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers(monkeypatch, tmp_path, CONVERTS.format(converted=str(converted_by_us(torch, tmp_path))))
    found = prepared(tmp_path, model)
    assert any("converted from PyTorch to TFLite by litert-torch 0.0.1" in note for note in found.notes)
    (difference,) = differences(found.notes)
    assert difference < 1e-5
    samples = tmp_path / "samples.npz"
    np.savez(samples, input=np.random.default_rng(0).standard_normal((5, 40)).astype(np.float32))
    int8 = prepared(tmp_path, model, dtype="int8", calibration=str(samples))
    assert int8.deployed is not None
    assert int8.deployed.inputs[0].dtype == "int8"


@pytest.mark.child
def test_an_answer_that_computes_something_else_is_refused(
    model: Path, torch: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers(monkeypatch, tmp_path, CONVERTS.format(converted=str(converted_by_us(torch, tmp_path, seed=1))))
    with pytest.raises(UnsupportedModelError, match="not faithful"):
        prepared(tmp_path, model)


@pytest.mark.child
@pytest.mark.parametrize(
    ("does", "words"),
    [
        ('json.dump({"error": "Lowering not found: aten._unique2.default", "kind": "E"}, open(account, "w"))',
         "cannot convert the operator _unique2"),
        ('json.dump({"error": "no luck", "kind": "ValueError"}, open(account, "w"))', "ValueError: no luck"),
        ("os.kill(os.getpid(), 11)", "crashed: SIGSEGV"),
        ('sys.exit("it is gone")', "crashed: code 1 it is gone"),
        ('open(account, "w").write("[1")', "crashed: code 0"),
    ],
)  # fmt: skip
def test_refusals_and_crashes(
    does: str, words: str, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers(monkeypatch, tmp_path, does)
    with pytest.raises(UnsupportedModelError, match=words) as caught:
        prepared(tmp_path, model)
    assert "leave out --converter" in str(caught.value.remedy)
    if "_unique2" in does:
        assert caught.value.operators == ("_unique2",)


@pytest.mark.child
def test_memory_that_runs_out_there_has_run_out(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    account = json.dumps({"error": "out of memory", "kind": "MemoryError"})
    answers(monkeypatch, tmp_path, f"open(account, 'w').write({account!r})")
    with pytest.raises(MemoryError):
        prepared(tmp_path, model)


def test_it_must_be_set_up_first(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(UnavailableError, match="missing") as caught:
        prepared(tmp_path, model)
    assert "edgebench setup litert-torch (2.2 GB" in str(caught.value.remedy)


def test_other_models_are_not_for_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="converts PyTorch models, this is onnx") as caught:
        prepared(tmp_path, write_onnx(tmp_path / "model.onnx"))
    assert "leave out --converter" in str(caught.value.remedy)


@pytest.mark.slow
@pytest.mark.child
@pytest.mark.skipif(state(RECIPES["litert-torch"]) is not State.READY, reason="needs edgebench setup litert-torch")
@pytest.mark.parametrize(
    ("family", "way"),
    [
        *((family, "pt2") for family in ("resnet", "mobilenet", "gru", "bert_block", "auto_encoder")),
        # An encoder layer of PyTorch has sizes that are tensors once it was traced, which litert-torch does not take.
        *((family, "torchscript") for family in ("resnet", "mobilenet", "gru", "auto_encoder")),
    ],
)
def test_the_converter_itself(family: str, way: str, torch: ModuleType, tmp_path: Path) -> None:
    source, options, _ = given(torch, family, way, tmp_path)
    found = prepared(tmp_path, Path(source), dtype="int8", **options)
    assert max(differences(found.notes)) < 1e-5
    assert found.deployed is not None
    assert {spec.dtype for spec in found.deployed.outputs} == {"int8"}
