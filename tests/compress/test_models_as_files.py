"""Models that networks of ours cannot express: what can be done to their files, and what cannot is said."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from edgebench.compress.base import FilePass, NotApplicableError
from edgebench.compress.pipeline import PASSES, parse_pipeline
from edgebench.errors import InputError, StorageError, UnsupportedModelError
from edgebench.models.file_artefact import FileArtefact
from edgebench.models.file_deployment import deploy_file
from edgebench.models.onnx import weight_forms as onnx_forms
from edgebench.models.tflite import to_network, weight_forms
from edgebench.models.tflite.quantize import relative_difference, run_tflite
from edgebench.models.tflite.to_network import network_from_tflite
from edgebench.models.tflite.writer import to_tflite
from edgebench.store.artefacts import is_complete, load_file_artefact, save_file_artefact
from edgebench.workers.training.compress_files import applied_to_file, kept, samples_of
from edgebench.workers.training.compress_jobs import ApplyPass, KeepFiles
from tests.compress.files import as_tflite, squeezing_onnx
from tests.compress.networks import artefact_of, coupled
from tests.tasks.synthetic import bars_task

ON_FILES = {name for name, kind in PASSES.items() if issubclass(kind, FilePass)}


@pytest.fixture(scope="module")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> FileArtefact:
    folder = tmp_path_factory.mktemp("files")
    onnx = squeezing_onnx(folder / "a.onnx")
    job = KeepFiles(
        files={".onnx": str(onnx), ".tflite": str(as_tflite(onnx, folder))},
        refusals={},
        unread="it reads a constant (MUL layer 'm')",
        folder=str(folder / "kept"),
        task=None,
    )
    kept(job, None)
    return load_file_artefact(folder / "kept")


def after(artefact: FileArtefact, text: str) -> FileArtefact:
    for item in parse_pipeline(text):
        assert isinstance(item, FilePass)
        artefact = item.apply_to_file(artefact)
    return artefact


def outputs(path: str | None) -> list[np.ndarray]:
    """Of the same images in either format."""
    assert path is not None
    images = np.random.default_rng(3).random((6, 8, 8, 1)).astype(np.float32)
    if path.endswith(".tflite"):
        return run_tflite(Path(path), [{"x": image[None]} for image in images])
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return [session.run(None, {"x": image[None].transpose(0, 3, 1, 2)})[0].ravel() for image in images]


def test_what_our_networks_lack_is_named(artefact: FileArtefact, tmp_path: Path) -> None:
    (tmp_path / "a.tflite").write_bytes(artefact.files[".tflite"])
    with pytest.raises(UnsupportedModelError, match=r"MUL|constant"):
        network_from_tflite(tmp_path / "a.tflite", "a")
    assert artefact.parameters == 16 * 9 + 16 + 64 + 64 + 16 * 4 * 9 + 48 + 3
    assert artefact.macs > 0


def test_a_network_that_would_compute_something_else_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = artefact_of(coupled())
    to_tflite(built.network, built.weights, tmp_path / "a.tflite")
    monkeypatch.setattr(to_network, "_FUSED", {0: "none", 1: "none", 3: "none"})
    with pytest.raises(UnsupportedModelError, match="outputs differ"):
        network_from_tflite(tmp_path / "a.tflite", "a")


def test_passes_that_need_no_layers_work_on_files() -> None:
    assert {"int8", "int8_weights", "float16", "share", "fuse", "sparse"} == ON_FILES


@pytest.mark.parametrize(
    ("text", "suffixes", "error"),
    [
        ("", {".onnx", ".tflite"}, 1e-5),
        ("fuse", {".onnx", ".tflite"}, 1e-5),
        ("float16", {".tflite"}, 2e-3),
        ("int8_weights", {".onnx", ".tflite"}, 0.1),
        ("int8", {".onnx", ".tflite"}, 0.2),
        ("int8 + share(64)", {".tflite"}, 0.3),
    ],
)
def test_every_form_of_a_file_computes_nearly_the_same(
    artefact: FileArtefact, tmp_path: Path, text: str, suffixes: set[str], error: float
) -> None:
    made = after(artefact, text)
    plain = deploy_file(artefact, samples_of(None), tmp_path, "plain")
    found = deploy_file(made, samples_of(bars_task(90)), tmp_path, "made")
    paths = {".onnx": found.onnx, ".tflite": found.tflite}
    assert {suffix for suffix, path in paths.items() if path} == suffixes
    assert set(found.refusals) == set(paths) - suffixes
    for suffix in suffixes:
        assert relative_difference(outputs(plain.onnx), outputs(paths[suffix])) < error
    digests = {made.digest, artefact.digest}
    assert len(digests) == (2 if text else 1)


def test_ranges_from_random_inputs_are_said(artefact: FileArtefact, tmp_path: Path) -> None:
    found = deploy_file(after(artefact, "int8"), samples_of(None), tmp_path, "made")
    assert all("random inputs" in note for note in found.notes.values())


@pytest.mark.parametrize("text", ["sparse(0.6)", "sparse(pattern=2:4)"])
def test_the_same_weights_become_zero_in_every_format(artefact: FileArtefact, tmp_path: Path, text: str) -> None:
    made = after(artefact, text)
    files = deploy_file(made, samples_of(None), tmp_path, "made")
    zeros: dict[str, list[float]] = {}

    def seen(suffix: str) -> Callable[[np.ndarray], np.ndarray | None]:
        def change(kernel: np.ndarray) -> np.ndarray | None:
            zeros.setdefault(suffix, []).append(float((kernel == 0).mean()))
            return None

        return change

    onnx_forms.with_weights(made.files[".onnx"], seen(".onnx"))
    weight_forms.with_weights(made.files[".tflite"], "a", seen(".tflite"))
    wanted = 0.6 if text.startswith("sparse(0.6") else 0.5
    assert sum(abs(share - wanted) < 0.05 for share in zeros[".onnx"]) >= 3
    assert sum(abs(share - wanted) < 0.05 for share in zeros[".tflite"]) >= 3
    assert files.onnx
    assert "grouped.w" in " ".join(made.steps[-1].skipped)


@pytest.mark.parametrize("text", ["int8 + int8", "int8 + float16", "float16 + int8_weights", "share(8)"])
def test_orders_that_make_no_sense_do_not_apply(artefact: FileArtefact, text: str) -> None:
    with pytest.raises(NotApplicableError):
        after(artefact, text)


@pytest.mark.parametrize(("text", "why"), [("prune(0.5)", "changes the layers"), ("qat", "needs training")])
def test_what_needs_layers_or_training_does_not_apply_and_says_why(
    artefact: FileArtefact, tmp_path: Path, text: str, why: str
) -> None:
    job = ApplyPass(
        text=text, parent="", original="", folder=str(tmp_path / "made"), task=None, epochs=1, seed=0, costs={}
    )
    facts = applied_to_file(job, artefact)
    assert why in facts.not_applicable
    assert "MUL layer 'm'" in facts.not_applicable
    assert all(name in facts.remedy for name in ON_FILES)
    assert not is_complete(tmp_path / "made")


def test_a_file_in_its_folder_is_the_same_again(artefact: FileArtefact, tmp_path: Path) -> None:
    made = after(artefact, "int8 + share(16)")
    save_file_artefact(made, tmp_path)
    again = load_file_artefact(tmp_path)
    assert (again.digest, again.steps, again.unread) == (made.digest, made.steps, made.unread)
    assert is_complete(tmp_path)
    (tmp_path / "model.onnx").unlink()
    assert not is_complete(tmp_path)
    with pytest.raises(StorageError, match="cannot be read"):
        load_file_artefact(tmp_path)


def test_an_open_batch_is_fixed_and_accuracy_is_found(tmp_path: Path) -> None:
    onnx = squeezing_onnx(tmp_path / "a.onnx", batch="n")
    job = KeepFiles(
        files={".onnx": str(onnx)}, refusals={".tflite": "no"}, unread="x", folder=str(tmp_path / "kept"), task=None
    )
    task = bars_task(90)
    facts = kept(replace(job, shapes={"x": (1, 1, 8, 8)}), task)
    assert facts.steps[0].accuracy is not None
    assert not deploy_file(load_file_artefact(tmp_path / "kept"), samples_of(task), tmp_path, "m").tflite


@pytest.mark.parametrize(("classes", "size"), [(5, 8), (2, 8)])
def test_classes_that_do_not_match_are_refused(tmp_path: Path, classes: int, size: int) -> None:
    onnx = squeezing_onnx(tmp_path / "a.onnx", classes=classes, size=size)
    job = KeepFiles(files={".onnx": str(onnx)}, refusals={}, unread="x", folder=str(tmp_path / "kept"), task=None)
    with pytest.raises(InputError, match="3 classes"):
        kept(job, bars_task(90))


def test_an_int8_file_is_int8_already(artefact: FileArtefact, tmp_path: Path) -> None:
    int8 = deploy_file(after(artefact, "int8"), samples_of(None), tmp_path, "m").tflite
    job = KeepFiles(
        files={".tflite": str(int8)},
        refusals={},
        unread="it is quantised already",
        folder=str(tmp_path / "k"),
        task=None,
    )
    kept(job, None)
    again = load_file_artefact(tmp_path / "k")
    assert again.form.dtype == "int8"
    with pytest.raises(NotApplicableError, match="already"):
        after(again, "int8")
    assert deploy_file(again, samples_of(None), tmp_path, "again").tflite
