"""Kernels from a checkout of CMSIS-NN, of whatever release."""

import os
import shutil
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from edgebench.core.device import Device
from edgebench.core.model import InputSource
from edgebench.store.devices import find_device
from edgebench.targets.mcu.newer_kernels import NewerKernels, newer_kernels
from edgebench.targets.mcu.project import write_project
from edgebench.targets.mcu.qemu_emulator import QEMU
from edgebench.targets.registry import create_target
from tests.extras import needs_mcu
from tests.targets.mcu.random_graphs import RandomGraph
from tests.targets.mcu.small_graphs import Operator, Tensor, write_graph

CHECKOUT = "CMSIS_NN_CHECKOUT"
"""Environment variable that names a real checkout."""


def with_kernels(device: str, checkout: Path) -> Device:
    found = find_device(device)
    return replace(found, options={**found.options, "cmsis_nn": str(checkout)})


def like_a_checkout(folder: Path) -> Path:
    """The sources of the package bakenn, and beside them what later releases have."""
    spec = find_spec("bakenn")
    assert spec is not None
    assert spec.submodule_search_locations
    vendor = Path(spec.submodule_search_locations[0]) / "backend" / "cmsis_nn" / "vendor" / "cmsis_nn"
    for part in ("Source", "Include"):
        shutil.copytree(vendor / part, folder / part)
    for ending in ("f16", "f32"):
        (folder / "Source" / "ConvolutionFunctions" / f"arm_convolve_{ending}.c").write_text("no C at all")
    (folder / "Source" / "NNSupportFunctions" / "arm_nntables_flt.c").write_text("no C at all")
    (folder / "Source" / "TransposeFunctions").mkdir()
    (folder / "Source" / "TransposeFunctions" / "arm_transpose_s8.c").write_text(
        '#include "Internal/arm_transpose_common.h"\nint arm_transpose_s8(void) { return TRANSPOSED; }\n'
    )
    (folder / "Include" / "Internal").mkdir(exist_ok=True)
    (folder / "Include" / "Internal" / "arm_transpose_common.h").write_text("#define TRANSPOSED 1\n")
    return folder


def weighted_model(folder: Path) -> Path:
    """A convolution, a convolution of one channel by itself, and a matrix product, of odd sizes."""
    random = np.random.default_rng(3)
    graph = RandomGraph(random)
    steps = {"strideW": 1, "strideH": 1, "dilationWFactor": 1, "dilationHFactor": 1, "padding": 0, "version": 3}
    image = graph.input((1, 5, 7, 1), scale=0.02, zero_point=-3)
    for kind, shape, made, more in (
        ("DEPTHWISE_CONV_2D", (1, 3, 3, 9), (1, 5, 7, 9), {"depthMultiplier": 9}),
        ("CONV_2D", (5, 3, 3, 9), (1, 5, 7, 5), {}),
        ("FULLY_CONNECTED", (3, 175), (1, 3), {}),
    ):
        channels = made[-1]
        scales = [0.004] if kind == "FULLY_CONNECTED" else random.uniform(0.002, 0.006, channels).tolist()
        axis = 3 if kind.startswith("DEPTHWISE") else 0
        weights = graph.constant(random.integers(-127, 128, shape), "INT8", scale=scales, axis=axis)
        bias = graph.constant(random.integers(-900, 900, channels), scale=[0.02 * scale for scale in scales])
        made_of = graph.output(made, scale=0.02 if kind != "FULLY_CONNECTED" else 0.07, zero_point=5)
        options = steps if kind != "FULLY_CONNECTED" else {"version": 4}
        name = {"CONV_2D": "Conv2DOptions", "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions"}.get(kind)
        graph.operator(
            kind, [image, weights, bias], [made_of], **({"options_type": name} if name else {}), **options, **more
        )
        image = made_of
    return graph.write(folder / "weighted.tflite")


@pytest.mark.child
@pytest.mark.slow
@needs_mcu
def test_sources_on_real_numbers_are_left_out_and_all_others_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    checkout = like_a_checkout(tmp_path / "CMSIS-NN")
    model = weighted_model(tmp_path)
    counts = []
    for device in (find_device("nucleo-l4r5zi"), with_kernels("nucleo-l4r5zi", checkout)):
        with create_target(device).load(model, InputSource()) as loaded:
            loaded.run(1)
            assert loaded.faults() == []
            counts.append(loaded.metrics()["instructions"].value)
    assert counts[0] == counts[1]
    compiled = {path.name for path in (tmp_path / "cache").rglob("*.o")}
    assert "arm_transpose_s8.o" in compiled
    assert not any(name.endswith(("_f16.o", "_f32.o", "_flt.o")) for name in compiled)


@pytest.mark.skipif(find_spec("bakenn") is None or find_spec("ziglang") is None, reason="needs edgebench[mcu]")
@pytest.mark.child
def test_inner_headers_go_into_the_project(tmp_path: Path) -> None:
    checkout = like_a_checkout(tmp_path / "CMSIS-NN")
    tensors = [Tensor(shape=(1, 4)), Tensor(shape=(1, 4))]
    relu = Operator(kind="RELU", inputs=(0,), outputs=(1,))
    model = write_graph(tmp_path / "g.tflite", tensors, [relu], [0], [1])
    files, _ = write_project(model, with_kernels("nucleo-l4r5zi", checkout), InputSource(), tmp_path)
    assert "include/Internal/arm_transpose_common.h" in files
    assert "kernels/arm_transpose_s8.c" in files
    assert not any("_f16.c" in name or "_f32.c" in name for name in files)


@pytest.mark.parametrize(
    ("declared", "product", "whole"),
    [
        ("int arm_fully_connected_s8(const void *ctx);", "acc += *kernel++;", None),
        ("int arm_vector_sum_s8(int32_t *sums, int rows);", "acc += offset * kernel_sum[0]; kernel_sum += 4;", False),
        ("int arm_vector_sum_s8(int32_t *sums, int rows, int offset);", "int32_t acc_0 = *kernel_sum++;", True),
    ],
)
def test_the_files_show_what_a_release_needs(declared: str, product: str, whole: bool | None, tmp_path: Path) -> None:
    assert newer_kernels(tmp_path) is None
    header = tmp_path / "Include" / "arm_nnfunctions.h"
    source = tmp_path / "Source" / "NNSupportFunctions" / "arm_nn_vec_mat_mult_t_s8.c"
    for path, text in ((header, declared), (source, product)):
        path.parent.mkdir(parents=True)
        path.write_text(f"/* sums */\n{text}\n")
    found = newer_kernels(tmp_path)
    assert (found and found.whole_sums) is whole


def test_sums_of_weights_are_those_that_the_kernels_start_from() -> None:
    weights, bias = np.array([[1, -2, 3], [4, 5, -128]], np.int8), np.array([10, -20], np.int32)
    assert NewerKernels(whole_sums=False).sums(weights, 7, bias).tolist() == [2, -119]
    assert NewerKernels(whole_sums=True).sums(weights, 7, bias).tolist() == [24, -853]
    assert NewerKernels(whole_sums=True).sums(weights, 7, None).tolist() == [14, -833]


@pytest.mark.child
@pytest.mark.slow
@needs_mcu
@pytest.mark.parametrize("device", ["nucleo-l4r5zi", "generic-m55", "generic-rv32"])
def test_a_real_checkout_is_exact(device: str, tmp_path: Path) -> None:
    checkout = os.environ.get(CHECKOUT)
    if not checkout:
        pytest.skip(f"needs a checkout of CMSIS-NN, named by {CHECKOUT}")
    if device == "generic-m55" and shutil.which(QEMU) is None:
        pytest.skip(f"needs {QEMU}")
    with create_target(with_kernels(device, Path(checkout))).load(
        weighted_model(tmp_path), InputSource(seed=2)
    ) as loaded:
        loaded.run(1)
        assert loaded.faults() == []
