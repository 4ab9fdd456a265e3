"""Many random operators in one graph, on several cores, against LiteRT's reference kernels to the bit."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgebench.core.device import Device
from edgebench.core.model import InputSource
from edgebench.store.devices import find_device
from edgebench.targets.mcu.qemu_emulator import QEMU
from edgebench.targets.registry import create_target
from tests.extras import needs_mcu
from tests.targets.mcu import (
    random_arithmetic,
    random_convolutions,
    random_logic,
    random_movement,
    random_recurrent,
    random_wide,
)
from tests.targets.mcu.random_graphs import RandomGraph

pytestmark = [
    pytest.mark.child,
    needs_mcu,
]
CORES = ("cortex-m4", "cortex-m0+")
FAMILIES = {
    "movement": random_movement.KINDS,
    "logic": random_logic.KINDS,
    "convolutions": random_convolutions.KINDS,
    "arithmetic": random_arithmetic.KINDS,
    "recurrent": random_recurrent.KINDS,
    "wide": random_wide.KINDS,
}
EACH = 3


def device(core: str) -> Device:
    if core == "cortex-m55":
        return find_device("generic-m55")
    generic = find_device("generic-rv32")
    return replace(generic, options={**generic.options, "core": core})


def exact(kinds: dict[str, Callable[[RandomGraph], None]], core: str, seed: int, folder: Path) -> None:
    graph = RandomGraph(np.random.default_rng(seed))
    for operator in kinds.values():
        for _ in range(EACH):
            operator(graph)
    path = graph.write(folder / "random.tflite")
    with create_target(device(core)).load(path, InputSource(seed=seed)) as loaded:
        loaded.run(1)
        assert not any("not compared" in note for note in loaded.notes()), f"seed {seed}: {loaded.notes()}"
        assert loaded.faults() == [], f"seed {seed}"


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("family", FAMILIES)
def test_random_operators_are_exact(family: str, core: str, tmp_path: Path) -> None:
    # Another graph each time: a seed that fails is told.
    exact(FAMILIES[family], core, int(np.random.default_rng().integers(1 << 32)), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("core", ["cortex-m4", "cortex-m0+", "rv32imc", "cortex-m55"])
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_random_operators_are_exact_on_every_core(family: str, seed: int, core: str, tmp_path: Path) -> None:
    if core == "cortex-m55" and shutil.which(QEMU) is None:
        pytest.skip(f"needs {QEMU}")
    exact(FAMILIES[family], core, seed, tmp_path)
