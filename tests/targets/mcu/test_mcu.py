"""Networks on emulated cores: the real compiler, the real kernels, the real instruction set."""

import shutil
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgebench.core.device import Device, Memory
from edgebench.core.memory_fit import memory_fits
from edgebench.core.model import InputSource, ModelFormat
from edgebench.core.plan import MeasurementPlan
from edgebench.core.profile import Outcome, Profile
from edgebench.core.summary import summarise
from edgebench.errors import InputError, UnsupportedModelError
from edgebench.flows.profile.profile import ProfileRequest, profile
from edgebench.models.convert import quantise
from edgebench.models.network import Network
from edgebench.models.network.weights import random_weights
from edgebench.models.prepare import PrepareRequest
from edgebench.models.tflite.quantised_graph import read_quantised_graph
from edgebench.models.tflite.writer import to_tflite
from edgebench.models.zoo import export
from edgebench.store.devices import find_device
from edgebench.targets.mcu.cores import CORES
from edgebench.targets.mcu.fixed_point import quantise_multiplier
from edgebench.targets.mcu.generator import generate
from edgebench.targets.registry import create_target
from edgebench.workers.local import LOCAL
from edgebench.workers.measuring.jobs import Prepare
from edgebench.workers.worker import ChildError
from tests.extras import needs_mcu
from tests.models.network_strategies import networks

PLAN = MeasurementPlan(time_limit_s=300, layers=True)


@pytest.fixture(scope="module")
def int8_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("int8")
    models = {}
    for name in ("tiny", "ds-cnn", "resnet8", "fc-autoencoder"):
        export(name, ModelFormat.TFLITE, folder / f"{name}.float.tflite")
        models[name] = quantise(folder / f"{name}.float.tflite", folder / f"{name}.tflite", None, seed=0).path
    return models


def run(model: Path, *devices: Device) -> list[Profile]:
    request = ProfileRequest(models=[str(model)], devices=devices, plan=PLAN, inputs=InputSource())
    return list(profile(request, on_update=lambda _: None))


@pytest.mark.child
@needs_mcu
@pytest.mark.parametrize("name", ["ds-cnn", "resnet8", "fc-autoencoder"])
def test_a_calibrated_board_has_every_figure_and_exact_outputs(name: str, int8_models: dict[str, Path]) -> None:
    (found,) = run(int8_models[name], find_device("nucleo-l4r5zi"))
    assert found.outcome is Outcome.OK, found.failure
    figures = summarise(found)
    assert figures["instructions"].provenance == "simulated"
    assert figures["flash_bytes"].provenance == "exact"
    latency = figures["latency_s"]
    assert latency.provenance == "estimated"
    assert latency.low < latency.value < latency.high
    assert "MLPerf Tiny" in str(latency.source)
    stored = figures["code_bytes"].value + figures["constant_bytes"].value + figures["weight_bytes"].value
    assert figures["flash_bytes"].value == stored
    assert figures["weight_bytes"].value >= (found.deployed or found.model).parameters
    assert sum(layer.share or 0 for layer in found.layers) == pytest.approx(1.0, abs=0.001)
    assert all(fit.left > 0 for fit in memory_fits(found).values())
    assert any("its peak is" in note for note in found.notes)


@pytest.mark.child
@needs_mcu
@pytest.mark.parametrize("core", [pytest.param(core, marks=pytest.mark.slow) for core in CORES])
@pytest.mark.parametrize("name", ["tiny", "ds-cnn"])
def test_every_core_computes_the_same(core: str, name: str, int8_models: dict[str, Path]) -> None:
    device = find_device("generic-rv32")
    (found,) = run(int8_models[name], replace(device, options={**device.options, "core": core}))
    assert found.outcome is Outcome.OK, found.failure
    figures = summarise(found)
    assert "latency_s" not in figures
    assert figures["latency_at_least_s"].value < figures["latency_at_most_s"].value
    assert any("latency is a range" in note for note in found.notes)


@pytest.mark.child
@needs_mcu
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(networks())
@pytest.mark.slow
def test_random_networks_are_exact_or_their_operator_is_named(tmp_path: Path, network: Network) -> None:
    to_tflite(network, random_weights(network, 0), tmp_path / "float.tflite")
    request = PrepareRequest(
        source=str(tmp_path / "float.tflite"), formats=(ModelFormat.TFLITE,), dtype="int8", folder=str(tmp_path)
    )
    # In its own process, as in a profile: LiteRT aborts on some degenerate quantised graphs.
    with LOCAL.measuring() as worker:
        try:
            prepared = worker.ask(Prepare(wanted=request), timeout_s=60)
        except ChildError as error:
            assert error.message
            return
    model = Path(prepared.path)
    try:
        target = create_target(find_device("nucleo-l4r5zi"))
        with target.load(model, InputSource(seed=1)) as loaded:
            loaded.run(1)
            assert loaded.faults() == []
    except UnsupportedModelError as error:
        assert error.what


@pytest.mark.child
@needs_mcu
def test_what_does_not_fit_is_emulated_and_says_by_how_much(int8_models: dict[str, Path]) -> None:
    small = Memory(ram_bytes=16 * 1024, flash_bytes=64 * 1024, source="a test")
    (found,) = run(int8_models["resnet8"], replace(find_device("nucleo-l4r5zi"), memory=small))
    assert found.outcome is Outcome.OK
    fits = memory_fits(found)
    assert [fit.left < 0 for fit in fits.values()] == [True, True]
    assert fits["ram_bytes"].left == 16 * 1024 - summarise(found)["ram_bytes"].value
    assert summarise(found)["instructions"].value > 1e6


@pytest.mark.child
@needs_mcu
@pytest.mark.slow
def test_kernels_may_come_from_a_checkout(int8_models: dict[str, Path], tmp_path: Path) -> None:
    """A copy of the same sources, laid out as CMSIS-NN's repository is, gives the same program."""
    spec = find_spec("bakenn")
    assert spec is not None
    assert spec.submodule_search_locations
    sources = Path(spec.submodule_search_locations[0]) / "backend" / "cmsis_nn" / "vendor" / "cmsis_nn"
    shutil.copytree(sources, tmp_path / "CMSIS-NN")
    device = find_device("nucleo-l4r5zi")
    own = replace(device, options={**device.options, "cmsis_nn": str(tmp_path / "CMSIS-NN")})
    ours, theirs = (run(int8_models["tiny"], item)[0] for item in (device, own))
    assert theirs.outcome is Outcome.OK, theirs.failure
    assert summarise(theirs)["instructions"].value == summarise(ours)["instructions"].value


@pytest.mark.child
@needs_mcu
def test_gcc_and_zig_agree_on_outputs(int8_models: dict[str, Path]) -> None:
    if shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("needs arm-none-eabi-gcc")
    device = find_device("nucleo-l4r5zi")
    (found,) = run(int8_models["ds-cnn"], replace(device, options={**device.options, "compiler": "arm-none-eabi-gcc"}))
    assert found.outcome is Outcome.OK, found.failure
    latency = summarise(found)["latency_s"]
    assert "made with" not in str(latency.source)
    assert not any("its band is wider" in note for note in found.notes)


@pytest.mark.child
@needs_mcu
def test_another_optimisation_level_than_the_calibration_is_said(int8_models: dict[str, Path]) -> None:
    device = find_device("nucleo-l4r5zi")
    (plain,) = run(int8_models["ds-cnn"], device)
    (found,) = run(int8_models["ds-cnn"], replace(device, options={**device.options, "optimization": "Os"}))
    assert any("calibration made with -O2, not -Os" in note for note in found.notes)
    before, after = summarise(plain)["latency_s"], summarise(found)["latency_s"]
    assert after.most / after.value > 1.3 * before.most / before.value


@pytest.mark.child
@needs_mcu
def test_a_missing_compiler_is_a_missing_target(int8_models: dict[str, Path]) -> None:
    device = find_device("nucleo-l4r5zi")
    (found,) = run(int8_models["tiny"], replace(device, options={**device.options, "compiler": "no-such-gcc"}))
    assert found.outcome is Outcome.UNAVAILABLE
    assert found.failure is not None
    assert "no-such-gcc" in found.failure.message


def test_float_models_are_refused_by_the_reader(tmp_path: Path) -> None:
    export("tiny", ModelFormat.TFLITE, tmp_path / "tiny.tflite")
    with pytest.raises(UnsupportedModelError, match="float32") as caught:
        generate(read_quantised_graph(tmp_path / "tiny.tflite"))
    assert "quantise" in str(caught.value.remedy)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(np_seed=st.integers(0, 2**32 - 1))
def test_damaged_files_are_refused(int8_models: dict[str, Path], tmp_path: Path, np_seed: int) -> None:
    random = np.random.default_rng(np_seed)
    content = bytearray(int8_models["tiny"].read_bytes())
    for _ in range(random.integers(1, 5)):
        content[random.integers(0, len(content))] = random.integers(0, 256)
    path = tmp_path / "damaged.tflite"
    path.write_bytes(bytes(content[: random.integers(8, len(content) + 1)]))
    try:
        read_quantised_graph(path)
    except (InputError, UnsupportedModelError) as error:
        assert error.what


def test_multipliers_keep_their_value() -> None:
    for value in (1e-6, 0.0123, 0.5, 0.999999, 1.0, 7.3):
        multiplier, shift = quantise_multiplier(value)
        assert multiplier / 2**31 * 2.0**shift == pytest.approx(value, rel=1e-9)
        assert 2**30 <= multiplier < 2**31
