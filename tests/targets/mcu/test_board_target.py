"""The target of boards at a serial port: its device file, its firmware, and what it reports."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgebench.core.device import Device
from edgebench.core.model import InputSource, ModelFormat
from edgebench.errors import EdgebenchError, InputError, TargetUnavailableError, UnsupportedModelError
from edgebench.models.convert import quantise
from edgebench.models.tflite.quantised_graph import read_quantised_graph
from edgebench.models.zoo import export
from edgebench.store.devices import read_device
from edgebench.targets.base import Target
from edgebench.targets.mcu.generator import GeneratedModel, generate
from edgebench.targets.mcu.reference import reference_outputs
from edgebench.targets.registry import create_target
from edgebench.testing.target_contract import TargetContract
from tests.extras import needs_mcu
from tests.targets.mcu.boards import Firmware, running

pytestmark = [pytest.mark.child, needs_mcu]
FILE = """\
schema = "edgebench.device/1"
kind = "mcu"
target = "{target}"
description = "a board"
link = "{link}"
{keys}
[options]
core = "cortex-m4"
clock = "120MHz"
"""
EXTERNAL = 'port = "{port}"\nfirmware = "external"\nloop = "1s"\n'


def device(folder: Path, keys: str, link: str = "serial", target: str = "mcu") -> Device:
    path = folder / "board.toml"
    path.write_text(FILE.format(keys=keys, link=link, target=target))
    return read_device(path)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    export("tiny", ModelFormat.TFLITE, folder / "float.tflite")
    return quantise(folder / "float.tflite", folder / "int8.tflite", None, seed=0).path


class WithModel(Firmware):
    """Firmware that has the model, and computes with LiteRT's reference kernels."""

    model = "mine"
    decimals = 3

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.generated: GeneratedModel = generate(read_quantised_graph(path))
        self.input_bytes = self.generated.input_bytes

    def obey(self, verb: str, *words: str) -> list[str]:
        lines = super().obey(verb, *words)
        if verb == "db" and len(self.loaded) == self.input_bytes:
            (values,) = reference_outputs(self.path, [np.frombuffer(self.loaded, np.int8)])
            self.set_outputs(values)
        return lines

    def set_outputs(self, values: np.ndarray) -> None:
        (port,) = self.generated.outputs
        real = (values.astype(float) - port.zero_point) * port.scale
        self.results = ",".join(f"{value:.{self.decimals}f}" for value in real)


class Wrong(WithModel):
    def set_outputs(self, values: np.ndarray) -> None:
        super().set_outputs(np.bitwise_xor(values, 16))


class TestExternalBoard(TargetContract):
    @pytest.fixture
    def target(self, model: Path, tmp_path: Path) -> Iterator[Target]:
        with running(WithModel(model)) as path:
            yield create_target(device(tmp_path, EXTERNAL.format(port=path)))

    @pytest.fixture
    def model(self, model: Path) -> Path:
        return model


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ("", "'port' is missing"),
        ('port = "/dev/null"', "board and flash must say"),
        ('port = "/dev/null"\nboard = "mps2-an386"', "flash must say"),
        ('port = "/dev/null"\nfirmware = "external"\nflash = "openocd {elf}"', "neither built nor written"),
        ('port = "/dev/null"\nfirmware = "none"', "not one of built, external"),
        ('port = "/dev/null"\nfirmware = "external"\nbaud = "fast"', "not a whole number"),
        ('port = "/dev/null"\nfirmware = "external"\nloops = 0', "loops must be"),
        ('port = "/dev/null"\nfirmware = "external"\nloop = "10"', "no unit"),
        ('port = "/dev/null"\nfirmware = "external"\nloop = "0s"', "more than nothing"),
        ('port = "/dev/null"\nboard = "mps2-an386"\nflash = "openocd {elf}; id"', "need a shell"),
        ('port = "/dev/null"\nboard = "nowhere"\nflash = "ls {elf}"', "'nowhere' is not a board"),
        ('port = "/dev/null"\nboard = "mps2-an386"\nflash = "no-such-tool {elf}"', "not installed"),
        ('port = "/dev/nothing"\nfirmware = "external"', "no board is at /dev/nothing"),
    ],
)
def test_a_device_file_that_is_not_valid_says_why(keys: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(EdgebenchError, match=why) as caught:
        create_target(device(tmp_path, keys)).check()
    assert "board.toml" in str(caught.value.where)


@pytest.mark.parametrize(
    ("link", "target", "keys", "why"),
    [
        ("carrier pigeon", "mcu", "", "no link 'carrier pigeon'"),
        ("serial", "mcu", 'port = "/dev/null"\nbaut = 9600', "baut"),
        ("", "mcu", 'port = "/dev/null"', "port"),
    ],
)
def test_keys_belong_to_links(link: str, target: str, keys: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=why):
        device(tmp_path, keys, link, target)


def test_a_link_leads_only_to_what_has_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not reached over link") as caught:
        create_target(device(tmp_path, EXTERNAL.format(port="/dev/null"), target="onnxruntime"))
    assert "target mcu at link serial" in str(caught.value.remedy)


def test_a_board_with_firmware_of_its_own_is_timed_and_its_results_compared(model: Path, tmp_path: Path) -> None:
    firmware = WithModel(model)
    with running(firmware) as path:
        target = create_target(device(tmp_path, EXTERNAL.format(port=path)))
        with target.load(model, InputSource()) as loaded:
            sample = loaded.run(50)
            assert loaded.faults() == []
            assert any("rounded outputs" in note for note in loaded.notes())
            assert loaded.footprint.ram_bytes is None
            assert "mine" in loaded.method
    assert sample.latencies_s == pytest.approx([1e-3])
    assert sample.wall_s == pytest.approx(0.05)


def test_wrong_results_are_a_fault(model: Path, tmp_path: Path) -> None:
    with running(Wrong(model)) as path:
        target = create_target(device(tmp_path, EXTERNAL.format(port=path)))
        with target.load(model, InputSource()) as loaded:
            (fault,) = loaded.faults()
    assert "4 of 4 results differ" in fault


@pytest.mark.parametrize(
    ("answers", "digest", "key", "right"),
    [
        ("mine", None, "", True),
        ("mine", None, "mine", True),
        ("mine", None, "other", False),
        ("kws01", None, "", False),
        ("edgebench-01234567", None, "", False),
        ("mine", "0123456789abcdef", "", False),
    ],
)
def test_firmware_of_another_model_is_refused(
    answers: str, digest: str | None, key: str, right: bool, model: Path, tmp_path: Path
) -> None:
    firmware = WithModel(model)
    firmware.model, firmware.digest = answers, digest
    with running(firmware) as path:
        keys = EXTERNAL.format(port=path) + (f'model = "{key}"\n' if key else "")
        target = create_target(device(tmp_path, keys))
        if right:
            with target.load(model, InputSource()):
                return
        with pytest.raises(TargetUnavailableError, match=rf"another model: it says '{answers}'") as caught:
            target.load(model, InputSource()).__enter__()
    assert "export --to c" in str(caught.value.remedy)


def test_a_counter_that_stands_still_is_noticed(model: Path, tmp_path: Path) -> None:
    firmware = WithModel(model)
    firmware.inference_us = 0
    with running(firmware) as path:
        target = create_target(device(tmp_path, EXTERNAL.format(port=path)))
        with (
            target.load(model, InputSource()) as loaded,
            pytest.raises(TargetUnavailableError, match="counter did not move"),
        ):
            loaded.run(10)


def test_a_board_that_expects_other_inputs_is_refused(model: Path, tmp_path: Path) -> None:
    class Other(WithModel):
        def infer(self, times: int, warm_up: int) -> list[str]:
            return ["e-[Input has 192 bytes, expected 490]"]

    with running(Other(model)) as path:
        target = create_target(device(tmp_path, EXTERNAL.format(port=path)))
        with pytest.raises(UnsupportedModelError, match="expected 490"):
            target.load(model, InputSource()).__enter__()
