"""An exported project carries the licences of the code that it holds."""

import shutil
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from edgebench.core.device import Device
from edgebench.models.tflite.quantised_graph import read_quantised_graph
from edgebench.store.devices import find_device
from edgebench.targets.mcu.generator import generate
from edgebench.targets.mcu.project import project_files
from edgebench.targets.mcu.target import device_toolchain
from tests.targets.mcu.small_graphs import Operator, Tensor, write_graph

pytestmark = pytest.mark.skipif(
    find_spec("bakenn") is None or find_spec("ziglang") is None, reason="needs edgebench[mcu]"
)
LICENCE = Path(__file__).parents[3] / "LICENSE"


def project(folder: Path, device: Device) -> dict[str, bytes]:
    """The files for a model of one operator, which needs no kernel of its own to be exported whole."""
    tensors = [Tensor(shape=(1, 4)), Tensor(shape=(1, 4))]
    relu = Operator(kind="RELU", inputs=(0,), outputs=(1,))
    path = write_graph(folder / "relu.tflite", tensors, [relu], [0], [1])
    toolchain = device_toolchain(device)
    return project_files(generate(read_quantised_graph(path), helium=toolchain.core.helium), toolchain)


def is_code_of_others(name: str) -> bool:
    return name.startswith(("kernels/", "include/", "console/"))


def test_every_file_that_is_not_generated_names_its_licence(tmp_path: Path) -> None:
    files = project(tmp_path, find_device("nucleo-l4r5zi"))
    copied = {name: content for name, content in files.items() if is_code_of_others(name)}
    assert {"kernels/edgebench_kernels.c", "include/arm_nnfunctions.h", "include/freestanding/string.h"} <= set(copied)
    for name, content in copied.items():
        assert b"Apache" in content[:3000], name


def test_licences_are_those_that_came_with_the_sources(tmp_path: Path) -> None:
    files = project(tmp_path, find_device("nucleo-l4r5zi"))
    assert files["licences/edgebench/LICENSE"] == LICENCE.read_bytes()
    spec = find_spec("bakenn")
    assert spec is not None
    assert spec.submodule_search_locations
    vendor = Path(spec.submodule_search_locations[0]) / "backend" / "cmsis_nn" / "vendor"
    for part in ("cmsis_nn", "cmsis_core"):
        assert files[f"licences/{part}/LICENSE.txt"] == (vendor / part / "LICENSE.txt").read_bytes()
    assert b"4.0.0" in files["licences/cmsis_nn/BAKENN_PROVENANCE.md"]
    notice = files["NOTICE"].decode()
    assert "CMSIS-NN" in notice
    assert "Arm Limited" in notice
    named = [name for name in ("model.c", "model.h", "console_model.h", "Makefile", "README.md") if name in notice]
    generated = [name for name in files if not is_code_of_others(name) and not name.startswith("licences/")]
    assert sorted([*named, "NOTICE"]) == sorted(generated)


def test_terms_of_a_checkout_go_along(tmp_path: Path) -> None:
    spec = find_spec("bakenn")
    assert spec is not None
    assert spec.submodule_search_locations
    checkout = tmp_path / "CMSIS-NN"
    vendor = Path(spec.submodule_search_locations[0]) / "backend" / "cmsis_nn" / "vendor" / "cmsis_nn"
    for folder in ("Source", "Include"):
        shutil.copytree(vendor / folder, checkout / folder)
    (checkout / "LICENSE").write_text("terms of a later release")
    (checkout / "NOTICE").write_text("and its notice")
    device = find_device("nucleo-l4r5zi")
    files = project(tmp_path, replace(device, options={**device.options, "cmsis_nn": str(checkout)}))
    assert files["licences/CMSIS-NN/LICENSE"] == b"terms of a later release"
    assert files["licences/CMSIS-NN/NOTICE"] == b"and its notice"
    assert "licences/cmsis_nn/LICENSE.txt" not in files
