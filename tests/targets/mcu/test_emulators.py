"""The emulators: cores, counts, limits, and the cache of compiled kernels."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgebench.core.model import InputSource, ModelFormat
from edgebench.core.plan import MeasurementPlan
from edgebench.core.profile import Outcome
from edgebench.errors import TargetUnavailableError, UnsupportedModelError
from edgebench.flows.profile.profile import ProfileRequest, profile
from edgebench.models.convert import quantise
from edgebench.models.network import NetworkBuilder
from edgebench.models.network.weights import random_weights
from edgebench.models.tflite.quantised_graph import read_quantised_graph
from edgebench.models.tflite.writer import to_tflite
from edgebench.models.zoo import export
from edgebench.store.devices import find_device
from edgebench.targets.mcu.block_counter import BlockCounter
from edgebench.targets.mcu.cores import CORES
from edgebench.targets.mcu.emulator import create_emulator
from edgebench.targets.mcu.generator import GeneratedModel, generate
from edgebench.targets.mcu.program import Program, read_program
from edgebench.targets.mcu.qemu_emulator import QEMU
from edgebench.targets.mcu.toolchain import Toolchain
from edgebench.targets.registry import create_target
from tests.extras import needs_mcu

pytestmark = [
    pytest.mark.child,
    needs_mcu,
]
needs_qemu = pytest.mark.skipif(shutil.which(QEMU) is None, reason=f"needs {QEMU}")
EVERY_CORE = [pytest.param(name, marks=needs_qemu if core.machine else ()) for name, core in CORES.items()]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("int8")
    export("tiny", ModelFormat.TFLITE, folder / "float.tflite")
    return quantise(folder / "float.tflite", folder / "int8.tflite", None, seed=0).path


def compiled(model: Path, core: str, folder: Path) -> tuple[GeneratedModel, Program]:
    toolchain = Toolchain(CORES[core], compiler="zig", optimization="O2")
    generated = generate(read_quantised_graph(model), helium=toolchain.core.helium)
    return generated, read_program(toolchain.build(generated, folder))


def ran(model: Path, core: str, folder: Path, timeout_s: float = 60) -> Any:
    generated, program = compiled(model, core, folder)
    inputs = [(port.offset, bytes(port.size)) for port in generated.inputs]
    outputs = [(port.offset, port.size) for port in generated.outputs]
    return create_emulator(CORES[core], program, len(generated.layers)).run(inputs, outputs, timeout_s)


@needs_qemu
def test_vector_kernels_are_exact_and_take_fewer_instructions(tmp_path: Path) -> None:
    """Channels that are not multiples of vectors; more than a block of them; padding; both kinds of dense layers."""
    network = NetworkBuilder("helium", (11, 13, 5))
    network.conv(23, kernel=3, activation="relu")
    network.depthwise(kernel=3, activation="relu6")
    network.conv(130, kernel=1, activation="relu")
    network.depthwise(kernel=5, stride=2, activation="relu")
    network.conv(17, kernel=3, stride=2)
    network.global_average_pool()
    network.flatten()
    network.dense(19, activation="relu")
    network.dense(3)
    built = network.build()
    to_tflite(built, random_weights(built, 0), tmp_path / "float.tflite")
    model = quantise(tmp_path / "float.tflite", tmp_path / "int8.tflite", None, seed=0).path
    counts = {}
    for name in ("generic-m55", "nucleo-l4r5zi"):
        with create_target(find_device(name)).load(model, InputSource(seed=3)) as loaded:
            loaded.run(1)
            assert loaded.faults() == []
            counts[name] = loaded.metrics()["instructions"].value
            assert sum(layer.share or 0 for layer in loaded.layers()) == pytest.approx(1, abs=0.02)
    assert counts["generic-m55"] < 0.5 * counts["nucleo-l4r5zi"]


@needs_qemu
def test_both_emulators_count_alike(tiny: Path, tmp_path: Path) -> None:
    """The same program on either: the core of QEMU's board has all of the M4's instructions."""
    m4_in_qemu = replace(CORES["cortex-m4"], machine="mps3-an547")
    toolchain = Toolchain(m4_in_qemu, compiler="zig", optimization="O2")
    generated = generate(read_quantised_graph(tiny))
    program = read_program(toolchain.build(generated, tmp_path))
    inputs = [(port.offset, bytes(port.size)) for port in generated.inputs]
    outputs = [(port.offset, port.size) for port in generated.outputs]
    in_qemu = create_emulator(m4_in_qemu, program, len(generated.layers)).run(inputs, outputs, 60)
    in_unicorn = ran(tiny, "cortex-m4", tmp_path)
    assert np.array_equal(in_qemu.output, in_unicorn.output)
    assert sum(in_qemu.instructions) + in_qemu.other_instructions == (
        sum(in_unicorn.instructions) + in_unicorn.other_instructions
    )
    # Unicorn's hook counts the few instructions between two layers to the first.
    between = np.array(in_unicorn.instructions) - np.array(in_qemu.instructions)
    assert between.min() >= 0
    assert between.max() < 10
    assert in_qemu.stack_bytes == pytest.approx(in_unicorn.stack_bytes, abs=64)


def test_counting_in_python_counts_the_same(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for core in ("cortex-m4", "rv32imc"):
        fast = ran(tiny, core, tmp_path)
        monkeypatch.setattr(BlockCounter, "counting", BlockCounter.counting_in_python)
        slow = ran(tiny, core, tmp_path)
        monkeypatch.undo()
        assert slow.instructions == fast.instructions
        assert slow.other_instructions == fast.other_instructions


@pytest.mark.parametrize("core", EVERY_CORE)
def test_a_run_without_end_is_stopped(core: str, tiny: Path, tmp_path: Path) -> None:
    generated, _ = compiled(tiny, core, tmp_path)
    endless = generated.files["model.c"].replace(
        "int edgebench_invoke(void) {", "int edgebench_invoke(void) {for (;;);"
    )
    generated = replace(generated, files={**generated.files, "model.c": endless})
    toolchain = Toolchain(CORES[core], compiler="zig", optimization="O2")
    program = read_program(toolchain.build(generated, tmp_path))
    emulator = create_emulator(CORES[core], program, len(generated.layers))
    with pytest.raises(UnsupportedModelError, match="did not finish within 1 s"):
        emulator.run([(port.offset, bytes(port.size)) for port in generated.inputs], [(0, 1)], 1.0)


@pytest.mark.parametrize("core", EVERY_CORE)
def test_a_program_that_faults_is_an_error(core: str, tiny: Path, tmp_path: Path) -> None:
    generated, _ = compiled(tiny, core, tmp_path)
    wild = "int edgebench_invoke(void) { *(volatile int *)0x12345678 = 1;"
    broken = generated.files["model.c"].replace("int edgebench_invoke(void) {", wild)
    generated = replace(generated, files={**generated.files, "model.c": broken})
    toolchain = Toolchain(CORES[core], compiler="zig", optimization="O2")
    program = read_program(toolchain.build(generated, tmp_path))
    emulator = create_emulator(CORES[core], program, len(generated.layers))
    with pytest.raises(UnsupportedModelError, match="faults"):
        emulator.run([(port.offset, bytes(port.size)) for port in generated.inputs], [(0, 1)], 10.0)


def test_a_compiler_that_fails_gives_its_message_and_its_command(tiny: Path, tmp_path: Path) -> None:
    generated = generate(read_quantised_graph(tiny))
    generated = replace(generated, files={**generated.files, "model.c": "this is not C"})
    toolchain = Toolchain(CORES["cortex-m4"], compiler="zig", optimization="O2")
    with pytest.raises(TargetUnavailableError) as caught:
        toolchain.build(generated, tmp_path)
    assert "unknown type name" in caught.value.what
    assert "ziglang cc" in caught.value.what
    assert "model.elf" in caught.value.what


def test_code_without_room_for_vector_kernels_does_not_compile_for_them(tiny: Path, tmp_path: Path) -> None:
    toolchain = Toolchain(CORES["cortex-m55"], compiler="zig", optimization="O2")
    with pytest.raises(TargetUnavailableError, match="export the model for a device"):
        toolchain.build(generate(read_quantised_graph(tiny)), tmp_path)


_PROFILE = """
import sys
from pathlib import Path
from edgebench.models.tflite.quantised_graph import read_quantised_graph
from edgebench.targets.mcu.cores import CORES
from edgebench.targets.mcu.generator import generate
from edgebench.targets.mcu.program import read_program
from edgebench.targets.mcu.toolchain import Toolchain
toolchain = Toolchain(CORES["cortex-m0+"], compiler="zig", optimization="O2")
folder = Path(sys.argv[2]); folder.mkdir()
program = read_program(toolchain.build(generate(read_quantised_graph(Path(sys.argv[1]))), folder))
print(program.code_bytes)
"""


@pytest.mark.slow
def test_processes_that_compile_at_once_share_one_set_of_kernels(tiny: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    leftover = tmp_path / "cache" / "edgebench" / "mcu"
    leftover.mkdir(parents=True)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _PROFILE, str(tiny), str(tmp_path / str(number))],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(3)
    ]
    answers = [process.communicate(timeout=120)[0] for process in processes]
    assert len(set(answers)) == 1
    assert json.loads(answers[0]) > 1000
    folders = [path for path in leftover.iterdir() if path.is_dir()]
    assert len(folders) == 1, folders


@pytest.mark.slow
def test_kernels_half_built_by_a_killed_process_are_built_again(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    compiled(tiny, "cortex-m3", tmp_path)
    (folder,) = (path for path in (tmp_path / "cache" / "edgebench" / "mcu").iterdir() if path.is_dir())
    folder.rename(folder.with_name(f"{folder.name}.building"))
    (folder.with_name(f"{folder.name}.building") / "arm_convolve_s8.o").write_bytes(b"half")
    compiled(tiny, "cortex-m3", tmp_path)
    assert [path.name for path in folder.parent.iterdir() if path.is_dir()] == [folder.name]


def test_a_cache_that_cannot_be_written_is_named(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").write_text("a file, not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(TargetUnavailableError) as caught:
        compiled(tiny, "cortex-m3", tmp_path)
    assert "XDG_CACHE_HOME" in str(caught.value.remedy)


@pytest.mark.slow
def test_a_cold_cache_costs_nothing_of_a_small_time_limit(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    plan, told = MeasurementPlan(time_limit_s=4), []
    request = ProfileRequest(
        models=[str(tiny)], devices=[find_device("nucleo-l4r5zi")], plan=plan, inputs=InputSource()
    )
    for first in (True, False):
        told.clear()
        (found,) = profile(request, on_update=lambda _: None, on_progress=lambda step: told.append(step.text))
        assert found.outcome is Outcome.OK, found.failure
        assert any("compiling kernels for cortex-m4" in text for text in told) is first
