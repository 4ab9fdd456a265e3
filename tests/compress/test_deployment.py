"""Artefacts as files, and files as networks again."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgebench.compress.base import Setting
from edgebench.compress.pipeline import parse_pipeline
from edgebench.errors import UnsupportedModelError
from edgebench.models.deployment import deploy
from edgebench.models.network.weights import random_weights
from edgebench.models.tflite.quantize import run_tflite
from edgebench.models.tflite.shared_weights import nearest_of_few
from edgebench.models.tflite.to_network import network_from_tflite
from edgebench.models.tflite.tree import GraphEditor, read_tree
from edgebench.models.tflite.writer import to_tflite
from tests.compress.networks import artefact_of, coupled, images_of
from tests.tasks.synthetic import bars_task


def outputs(path: str | None, images: np.ndarray) -> np.ndarray:
    assert path is not None
    return np.stack(run_tflite(Path(path), [{"input": image[None]} for image in images], reference=True))


def test_a_file_read_as_a_network_computes_the_same(tmp_path: Path) -> None:
    network = coupled()
    to_tflite(network, random_weights(network, 3), tmp_path / "a.tflite")
    again, weights = network_from_tflite(tmp_path / "a.tflite", "again")
    to_tflite(again, weights, tmp_path / "b.tflite")
    images = images_of(network)
    assert np.allclose(
        outputs(str(tmp_path / "a.tflite"), images), outputs(str(tmp_path / "b.tflite"), images), atol=1e-5
    )
    assert again.macs == network.macs


def test_an_int8_file_is_not_taken_for_a_float_network(tmp_path: Path) -> None:
    artefact = artefact_of(coupled())
    made = deploy(artefact, replace(artefact.form, dtype="int8"), images_of(artefact.network, 8), tmp_path, "a")
    with pytest.raises(UnsupportedModelError, match="layer"):
        network_from_tflite(Path(made.tflite or ""), "a")


def test_what_training_rounds_is_what_the_file_computes(tmp_path: Path, torch: object) -> None:
    """Ranges that operators of one scale share included; the reference kernels are what devices compute."""
    from edgebench.tasks.fake_quantisation import fake_quantised
    from edgebench.tasks.fitting import image_tensor

    artefact, task = artefact_of(coupled()), bars_task(180)
    setting = Setting(task=task, teacher=(artefact.network, artefact.weights), epochs=1)
    made = parse_pipeline("tune + qat")
    for item in made:
        artefact = item.apply(artefact, setting)
    images = task.test.images
    deployed = deploy(artefact, artefact.form, task.train.sample(32).images, tmp_path, "a")
    module = fake_quantised(artefact.network, artefact.weights)
    for name, (low, high) in artefact.form.ranges.items():
        for observers in (module.quantisers._shared, module.quantisers._linear):
            key = name.removesuffix(".linear")
            if key in observers and (observers is module.quantisers._linear) == name.endswith(".linear"):
                observers[key].low, observers[key].high, observers[key].seen = low, high, True
    expected = module.eval()(image_tensor(images)).detach().numpy()
    found = outputs(deployed.tflite, images)
    error = np.sqrt(np.mean((found - expected) ** 2)) / np.sqrt(np.mean(expected**2))
    assert error < 0.05
    assert (found.argmax(1) == expected.argmax(1)).mean() > 0.9


def test_ranges_of_training_are_in_the_file(tmp_path: Path) -> None:
    artefact = artefact_of(coupled())
    form = replace(artefact.form, dtype="int8", ranges={"conv_1": (0.0, 25.5)})
    made = deploy(artefact, form, images_of(artefact.network, 8), tmp_path, "a")
    editor = GraphEditor(read_tree(Path(made.tflite or "")))
    scales = {editor.name(index): editor.scales(index) for operator in editor.operators for index in operator.outputs}
    found = scales["conv_1"]
    assert found is not None
    assert found[0][0] == pytest.approx(0.1)


def test_weights_of_few_values_stay_zero_where_they_are() -> None:
    weights = np.random.default_rng(0).integers(-127, 128, (8, 3, 3, 4)).astype(np.int8)
    weights[0] = 0
    shared = nearest_of_few(weights, 16)
    assert len(np.unique(shared)) <= 16
    assert not shared[0].any()
    assert np.abs(shared.astype(int) - weights).max() < 32


def test_shared_and_half_files_are_smaller_when_compressed(tmp_path: Path) -> None:
    import lzma

    artefact = artefact_of(coupled(64))
    images = images_of(artefact.network, 8)
    sizes = {}
    for name, form in {
        "float": artefact.form,
        "half": replace(artefact.form, dtype="float16"),
        "int8": replace(artefact.form, dtype="int8"),
        "shared": replace(artefact.form, dtype="int8", shared_values=16),
    }.items():
        made = deploy(artefact, form, images, tmp_path, name)
        assert outputs(made.tflite, images).shape == (len(images), 3)
        sizes[name] = len(lzma.compress(Path(made.tflite or "").read_bytes()))
    assert sizes["shared"] < sizes["int8"] < sizes["half"] < sizes["float"]


def test_layers_that_stay_in_float_are_float_in_the_file(tmp_path: Path) -> None:
    import onnx

    artefact = artefact_of(coupled())
    form = replace(artefact.form, dtype="int8", float_layers=("conv_5",))
    made = deploy(artefact, form, images_of(artefact.network, 8), tmp_path, "a")
    assert made.tflite is None
    model = onnx.load(made.onnx or "")
    weights = {node.name: node.input[1] for node in model.graph.node if node.op_type == "Conv"}
    assert "DequantizeLinear" in weights["conv_1.linear"]
    assert "DequantizeLinear" not in weights["conv_5.linear"]
