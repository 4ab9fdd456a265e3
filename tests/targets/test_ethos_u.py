"""Estimates for Ethos-U are those of Vela's own command line, and fallbacks never look fast."""

import csv
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgebench.core.model import InputSource, ModelFormat
from edgebench.core.plan import MeasurementPlan
from edgebench.core.profile import Outcome, Profile
from edgebench.core.summary import summarise
from edgebench.errors import InputError, UnsupportedModelError
from edgebench.flows.profile.profile import ProfileRequest, profile
from edgebench.models.convert import quantise
from edgebench.models.network import NetworkBuilder
from edgebench.models.network.weights import random_weights
from edgebench.models.zoo import export
from edgebench.store.devices import device_names, find_device
from edgebench.targets.ethos_u.compile import compile_model
from edgebench.targets.ethos_u.options import EthosUOptions, accelerators, read_ethos_u_options
from edgebench.targets.ethos_u.target import EthosUTarget
from tests.models.small_model_files import TfliteFile, schema

DEVICES = [name for name in device_names() if name.startswith("ethos-")]
EVERYWHERE = MeasurementPlan(repetitions=2, goal=10.0, layers=True)


@pytest.fixture(scope="module")
def int8_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("int8")
    models = {}
    for name in ("tiny", "ds-cnn", "resnet8"):
        export(name, ModelFormat.TFLITE, folder / f"{name}.float.tflite")
        models[name] = quantise(folder / f"{name}.float.tflite", folder / f"{name}.tflite", None, seed=0).path
    return models


def vela_command_line(model: Path, options: EthosUOptions, folder: Path) -> dict[str, str]:
    command = [
        sys.executable, "-m", "ethosu.vela", str(model), "--output-dir", str(folder),
        "--accelerator-config", options.accelerator, "--config", "Arm/vela.ini",
        "--system-config", options.system_config, "--memory-mode", options.memory_mode,
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    (summary,) = folder.glob("*_summary_*.csv")
    with summary.open() as file:
        return next(csv.DictReader(file))


def check_against_command_line(device: str, model: Path, folder: Path) -> None:
    options = read_ethos_u_options(find_device(device))
    ours = compile_model(model, options)
    theirs = vela_command_line(model, options, folder)
    assert ours.cycles == int(float(theirs["cycles_total"]))
    assert ours.cycles / ours.clock_hz == pytest.approx(float(theirs["inference_time"]))
    assert ours.macs == int(float(theirs["nn_macs"]))
    assert sum(operation.cycles for operation in ours.operations) == ours.cycles
    for name, memory in ours.memories.items():
        key = {"Sram": "sram_memory_used", "Dram": "dram_memory_used", "OffChipFlash": "off_chip_flash_memory_used"}[
            name
        ]
        assert memory.peak_bytes / 1024 == pytest.approx(float(theirs[key]))


@pytest.mark.child
@pytest.mark.parametrize("device", ["ethos-u55-128", "ethos-u65-256", "ethos-u85-512"])
def test_figures_equal_those_of_the_command(device: str, int8_models: dict[str, Path], tmp_path: Path) -> None:
    check_against_command_line(device, int8_models["ds-cnn"], tmp_path)


@pytest.mark.child
@pytest.mark.slow
@pytest.mark.parametrize("name", ["tiny", "resnet8", "ds-cnn"])
@pytest.mark.parametrize("device", DEVICES)
def test_figures_equal_those_of_the_command_everywhere(
    device: str, name: str, int8_models: dict[str, Path], tmp_path: Path
) -> None:
    check_against_command_line(device, int8_models[name], tmp_path)


def test_there_is_a_device_for_every_accelerator() -> None:
    found = {read_ethos_u_options(find_device(device)).accelerator for device in DEVICES}
    assert found == set(accelerators())


@pytest.mark.parametrize("key", ["system_config", "memory_mode"])
def test_an_unknown_configuration_lists_the_known_ones(key: str) -> None:
    device = find_device("ethos-u55-128")
    with pytest.raises(InputError) as caught:
        read_ethos_u_options(replace(device, options={**device.options, key: "Ethos_U55_High_End_Embeded"}))
    assert "Ethos_U55_High_End_Embedded" in str(caught.value.remedy) or "Shared_Sram" in str(caught.value.remedy)


def run(model: Path | str, *devices: str) -> list[Profile]:
    request = ProfileRequest(
        models=[str(model)], devices=[find_device(d) for d in devices], plan=EVERYWHERE, inputs=InputSource()
    )
    return list(profile(request, on_update=lambda _: None))


@pytest.mark.child
def test_one_table_for_a_cpu_and_an_npu_from_one_onnx_file(tmp_path: Path) -> None:
    export("tiny", ModelFormat.ONNX, tmp_path / "tiny.onnx")
    profiles = run(tmp_path / "tiny.onnx", "host", "host-litert", "ethos-u55-128")
    assert {found.outcome for found in profiles} == {Outcome.OK}
    provenances = [summarise(found)["latency_s"].provenance for found in profiles]
    assert provenances == ["measured", "measured", "estimated"]
    npu = profiles[2]
    assert npu.deployed is not None
    assert any("latency only" in caveat for caveat in npu.deployed.caveats)
    assert any("differ" in note for note in npu.notes)
    assert {layer.placement for layer in npu.layers} == {"NPU"}
    assert sum(layer.share or 0 for layer in npu.layers) == pytest.approx(1.0)


def test_calibration_data_sets_the_ranges(tmp_path: Path) -> None:

    export("tiny", ModelFormat.TFLITE, tmp_path / "tiny.tflite")
    np.savez(tmp_path / "data.npz", input=np.random.default_rng(0).standard_normal((20, 8, 8, 3)))
    done = quantise(tmp_path / "tiny.tflite", tmp_path / "int8.tflite", tmp_path / "data.npz", seed=0)
    assert done.caveats == ()
    np.savez(tmp_path / "wrong.npz", input=np.zeros((20, 9, 8, 3)))
    with pytest.raises(InputError, match="shape"):
        quantise(tmp_path / "tiny.tflite", tmp_path / "int8.tflite", tmp_path / "wrong.npz", seed=0)


@pytest.mark.child
def test_a_network_with_fallbacks_has_no_latency(tmp_path: Path) -> None:
    """Vela leaves this depthwise convolution, whose stride the NPU lacks, to the CPU and counts it as nothing."""
    from edgebench.models.tflite.writer import to_tflite

    builder = NetworkBuilder("strided", (32, 32, 4))
    builder.conv(8, 3)
    builder.depthwise(3, 5)
    builder.conv(8)
    network = builder.build()
    to_tflite(network, random_weights(network, 0), tmp_path / "strided.tflite")
    (found,) = run(tmp_path / "strided.tflite", "ethos-u55-128")
    on_cpu = [layer for layer in found.layers if layer.placement == "CPU"]
    assert on_cpu
    assert all(layer.reason for layer in on_cpu)
    assert "cycles" not in on_cpu[0].metrics
    assert "latency_s" not in summarise(found)
    assert any("fall back to the CPU" in note for note in found.notes)


@pytest.mark.child
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9])
def test_a_truncated_file_does_not_bring_the_others_down(
    kept: float, int8_models: dict[str, Path], tmp_path: Path
) -> None:
    content = int8_models["ds-cnn"].read_bytes()
    (tmp_path / "cut.tflite").write_bytes(content[: int(len(content) * kept)])
    cut, fake = run(tmp_path / "cut.tflite", "ethos-u55-128", "fake")
    assert cut.outcome is not Outcome.OK
    assert cut.failure is not None
    assert fake.outcome in {Outcome.OK, Outcome.BAD_INPUT}


@pytest.mark.child
def test_a_network_that_is_int8_inside_has_a_latency(tmp_path: Path) -> None:
    from tests.models.test_quantise import int8_inside

    profiles = [
        run(int8_inside(edge).model.write(tmp_path / f"{edge}.tflite"), "ethos-u55-128")[0]
        for edge in ("float32", "uint8")
    ]
    assert {found.outcome for found in profiles} == {Outcome.OK}
    first, second = (summarise(found)["latency_s"].value for found in profiles)
    assert first == second
    for found in profiles:
        assert sum("left to the application" in note for note in found.notes) == 2
        assert {layer.placement for layer in found.layers} == {"NPU"}


@pytest.mark.child
@pytest.mark.parametrize(("device", "handed_over"), [("ethos-u55-128", True), ("ethos-u85-256", False)])
def test_variables_are_handed_over_where_the_npu_has_none(device: str, handed_over: bool, tmp_path: Path) -> None:
    from tests.models.tflite.float_graphs import streaming_model

    (found,) = run(streaming_model().write(tmp_path / "streaming.tflite"), device)
    assert found.outcome is Outcome.OK
    assert "latency_s" in summarise(found)
    assert any("passes them from one" in note for note in found.notes) == handed_over


def strided(tmp_path: Path) -> Path:
    """A transposed convolution with a stride that Ethos-U55 lacks."""
    from tests.models.tflite.float_graphs import FloatGraph

    graph = FloatGraph()
    x = graph.tensor("x", [1, 4, 4, 3])
    inputs = [graph.indices(1, 12, 12, 8), graph.weights(8, 5, 5, 3), x, graph.weights(8)]
    fields = {"strideH": 3, "strideW": 3}
    y = graph.add("TRANSPOSE_CONV", inputs, [1, 12, 12, 8], "TransposeConvOptions", version=3, **fields)
    return graph.ports([x], [y]).model.write(tmp_path / "strided.tflite")


@pytest.mark.child
def test_where_the_npu_takes_nothing_it_says_what_does(tmp_path: Path) -> None:
    """The advice is followed."""
    path = strided(tmp_path)
    (refused,) = run(path, "ethos-u55-128")
    assert refused.outcome is Outcome.UNSUPPORTED
    assert refused.failure is not None
    assert "stride" in refused.failure.message
    assert refused.failure.remedy == "an Ethos-U85 takes all of it: -d ethos-u85-256"
    (taken,) = run(path, "ethos-u85-256")
    assert taken.outcome is Outcome.OK


@pytest.mark.child
@pytest.mark.parametrize(("device", "on_cpu"), [("ethos-u55-128", ["SELECT_V2"]), ("ethos-u85-256", [])])
def test_masks_may_be_inputs(device: str, on_cpu: list[str], tmp_path: Path) -> None:
    from tests.models.tflite.float_graphs import FloatGraph

    graph = FloatGraph()
    x, mask = graph.tensor("x", [1, 4, 16]), graph.tensor("mask", [1, 4, 16], "bool")
    low = graph.constant(np.float32(-5))
    y = graph.add("SELECT_V2", [mask, graph.dense(x, 16), low], [1, 4, 16], "SelectV2Options")
    path = graph.ports([x, mask], [graph.dense(y, 4)]).model.write(tmp_path / "masked.tflite")
    (found,) = run(path, device)
    assert found.outcome is Outcome.OK, found.failure
    assert [layer.operator for layer in found.layers if layer.placement == "CPU"] == on_cpu


@pytest.mark.child
def test_estimates_have_a_band_with_its_source_and_tiny_networks_none() -> None:
    request = ProfileRequest(
        models=["zoo:ds-cnn", "zoo:tiny"],
        devices=[find_device("ethos-u55-128")],
        plan=MeasurementPlan(),
        inputs=InputSource(),
    )
    ordinary, tiny = (item for item in profile(request, on_update=lambda _: None))
    latency = summarise(ordinary)["latency_s"]
    # All that was published of ordinary networks is inside: the hardware took 0.83 to 1.23 times the estimate.
    assert latency.least < latency.value / 1.25
    assert latency.most > latency.value * 1.25
    assert "hardware counters" in str(latency.source)
    # The tiny recurrent network, three times as slow as estimated, is not.
    assert latency.most < latency.value / (1 - 0.66)
    assert summarise(tiny)["latency_s"].low is None
    assert any("no error band" in note for note in tiny.notes)


def test_what_litert_refuses_has_no_figures(tmp_path: Path) -> None:
    """A bias of 15 values for 16 channels: the compiler takes it, and no device could run it."""
    file = TfliteFile()
    image = file.tensor("image", [1, 8, 8, 8], "int8", scale=0.1)
    kernel = file.tensor("kernel", [16, 3, 3, 8], "int8", constant=True, scale=0.1)
    result = file.tensor("result", [1, 8, 8, 16], "int8", scale=0.1)
    options = schema.Conv2DOptionsT()
    options.strideH = options.strideW = options.dilationHFactor = options.dilationWFactor = 1
    for values in (15, 16):
        bias = file.tensor("bias", [values], "int32", constant=True, scale=0.01)
        file.graph.operators.clear()
        file.operator("CONV_2D", [image, kernel, bias], [result], options)
        (tmp_path / f"{values}.tflite").write_bytes(file.content([image], [result]))
    target = EthosUTarget(find_device("ethos-u55-128"))
    with target.load(tmp_path / "16.tflite", InputSource()) as model:
        assert model.metrics()
    with pytest.raises(UnsupportedModelError, match="LiteRT, which runs such files, refuses it"):
        target.try_model(tmp_path / "15.tflite")
