"""Firmware of an exported model: the protocol of MLPerf Tiny on an emulated board."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgebench.core.model import ModelFormat
from edgebench.errors import InputError, UnsupportedModelError
from edgebench.models.convert import quantise
from edgebench.models.tflite.quantised_graph import read_quantised_graph
from edgebench.models.zoo import export
from edgebench.targets.mcu.board.dialogue import Dialogue, open_dialogue
from edgebench.targets.mcu.console.firmware import (
    SOURCES,
    InputForm,
    board_folder,
    input_form,
    model_digest,
    model_header,
    model_name,
)
from edgebench.targets.mcu.cores import CORES
from edgebench.targets.mcu.generator import GeneratedModel, generate
from edgebench.targets.mcu.ports import split_outputs
from edgebench.targets.mcu.project import project_files
from edgebench.targets.mcu.reference import reference_outputs
from edgebench.targets.mcu.toolchain import Toolchain
from tests.extras import needs_mcu
from tests.targets.mcu.boards import MACHINE, needs_qemu, qemu_board
from tests.targets.mcu.small_graphs import Operator, Tensor, write_graph

pytestmark = [pytest.mark.child, needs_mcu]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("console")


def network(name: str, folder: Path) -> tuple[Path, GeneratedModel]:
    export(name, ModelFormat.TFLITE, folder / f"{name}.float.tflite")
    path = quantise(folder / f"{name}.float.tflite", folder / f"{name}.tflite", None, seed=0).path
    return path, generate(read_quantised_graph(path))


def firmware(generated: GeneratedModel, folder: Path, compiler: str = "zig") -> Path:
    files = {**generated.files, "console_model.h": model_header(generated)}
    toolchain = Toolchain(CORES["cortex-m4"], compiler=compiler, optimization="O2")
    return toolchain.build_firmware(files, [SOURCES / "console.c"], board_folder(MACHINE, "device.toml"), folder)


def test_networks_of_the_benchmark_have_its_names(folder: Path) -> None:
    _, keywords = network("ds-cnn", folder)
    assert model_name(keywords) == "kws01"
    assert input_form("kws01") is InputForm.VALUES
    _, tiny = network("tiny", folder)
    assert model_name(tiny) == f"edgebench-{model_digest(tiny)[:8]}"
    assert model_digest(tiny) != model_digest(keywords)


def test_a_board_is_a_folder_with_one_linker_script(tmp_path: Path) -> None:
    device = str(tmp_path / "mine.toml")
    for board in ("nothing", "../..", "/"):
        with pytest.raises(InputError, match="not a board") as caught:
            board_folder(board, device)
        assert MACHINE in str(caught.value.remedy)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "flash.ld").touch()
    assert board_folder("mine", device) == tmp_path / "mine"


@pytest.fixture(scope="module")
def tiny(folder: Path) -> tuple[Path, GeneratedModel]:
    return network("tiny", folder)


@pytest.fixture
def board(tiny: tuple[Path, GeneratedModel], tmp_path: Path) -> Iterator[Dialogue]:
    with qemu_board(firmware(tiny[1], tmp_path)) as path:
        port, dialogue = open_dialogue(path, 115200, 10)
        with port:
            yield dialogue


@needs_qemu
@pytest.mark.slow
def test_outputs_on_a_board_are_those_of_litert(tiny: tuple[Path, GeneratedModel], board: Dialogue) -> None:
    path, generated = tiny
    assert board.identity() == (model_name(generated), model_digest(generated))
    random = np.random.default_rng(3)
    for times, warm_up in ((1, 0), (3, 2)):
        inputs = [port.random_values(random) for port in generated.inputs]
        board.load(b"".join(values.tobytes() for values in inputs))
        found = board.infer(times, warm_up, 30)
        expected = reference_outputs(path, inputs)
        outputs = split_outputs(np.frombuffer(board.outputs(), np.int8), generated.outputs)
        assert all(np.array_equal(*pair) for pair in zip(outputs, expected, strict=True))
        (port,) = generated.outputs
        real = (expected[0].astype(float) - port.zero_point) * port.scale
        assert np.allclose([float(text) for text in found.results], real, atol=port.scale / 10)
        assert found.seconds > 0


@needs_qemu
@pytest.mark.slow
def test_the_counter_of_the_board_counts_inferences(board: Dialogue, tiny: tuple[Path, GeneratedModel]) -> None:
    board.load(bytes(tiny[1].input_bytes))
    few, many = (board.infer(times, 1, 30).seconds for times in (10, 100))
    assert many == pytest.approx(10 * few, rel=0.01)


@needs_qemu
@pytest.mark.slow
def test_what_is_wrong_is_answered_with_an_error_and_the_console_goes_on(
    board: Dialogue, tiny: tuple[Path, GeneratedModel]
) -> None:
    size = tiny[1].input_bytes
    errors = {
        "nonsense": "Unknown command: nonsense",
        "db": "requires a subcommand",
        "db load 0": "must be >0",
        "db load x": "must be >0",
        "db load 99999999": "exceeds maximum",
        "infer 0": "iterations must be >0",
        "infer x": "iterations must be >0",
        "infer 1 x": "warmup must be >=0",
        "infer 1 0": f"Input has 0 bytes, expected {size}",
        "n" * 200: "Unknown command: " + "n" * 80,
    }
    for command, error in errors.items():
        (line,) = board.ask(command)
        assert line.startswith("e-[")
        assert error in line
    board.ask(f"db load {size}")
    for digits in ("0", "zz", "0g"):
        assert "hex digit" in board.ask(f"db {digits}")[0]
    with pytest.raises(UnsupportedModelError, match="exceeds maximum"):
        board.load(bytes(size + 1))
    assert board.ask("name") == ["m-name-dut-[edgebench]"]
    assert any("results" in line for line in board.ask("help"))


@needs_qemu
@pytest.mark.slow
def test_replies_are_what_the_public_runner_looks_for(board: Dialogue, tiny: tuple[Path, GeneratedModel]) -> None:
    # The expressions are those of its device_under_test.py and script.py.
    assert re.match(r"^m-(name)-dut-\[([^]]+)]$", board.ask("name")[0])
    assert all(re.match(r"^m-(model|profile)-\[([^]]+)]$", line) for line in board.ask("profile"))
    assert re.match(r"^m-lap-us-([0-9]+)$", board.ask("timestamp")[0])
    board.load(bytes(tiny[1].input_bytes))
    lines = board.ask("infer 2 1", 30)
    assert sum(bool(re.match(r"^m-lap-us-([0-9]+)$", line)) for line in lines) == 2
    (results,) = (match for line in lines if (match := re.match(r"^m-results-\[([^]]+)\]$", line)))
    assert len([float(value) for value in results[1].split(",")]) == 4
    assert board.ask("results") == [results[0]]


@needs_qemu
@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet8", "fc-autoencoder"])
def test_pictures_and_real_numbers_arrive_as_the_benchmark_sends_them(name: str, folder: Path, tmp_path: Path) -> None:
    path, generated = network(name, folder)
    (port,) = generated.inputs
    values = port.random_values(np.random.default_rng(5))
    form = input_form(model_name(generated))
    real = ((values.astype(np.float32) - port.zero_point) * np.float32(port.scale)).astype("<f4")
    sent = real.tobytes() if form is InputForm.REAL else (values.view(np.uint8) ^ 0x80).tobytes()
    with qemu_board(firmware(generated, tmp_path)) as at:
        link, dialogue = open_dialogue(at, 115200, 10)
        with link:
            dialogue.load(sent)
            found = dialogue.infer(1, 0, 60)
            outputs = np.frombuffer(dialogue.outputs(), np.int8)
    (expected,) = reference_outputs(path, [values])
    assert np.array_equal(outputs, expected)
    if form is InputForm.REAL:
        output = generated.outputs[0]
        rebuilt = (expected.astype(float) - output.zero_point) * output.scale
        assert float(found.results[0]) == pytest.approx(np.mean((rebuilt - real) ** 2), abs=1e-3)


@needs_qemu
@pytest.mark.slow
def test_several_outputs_of_several_types_come_one_after_the_other(tmp_path: Path) -> None:
    tensors = [Tensor(shape=(1, 4)), Tensor(shape=(1, 4)), Tensor(shape=(1, 4)), Tensor(shape=(1, 4))]
    operators = [Operator(kind="RELU", inputs=(0,), outputs=(2,)), Operator(kind="RELU", inputs=(1,), outputs=(3,))]
    path = write_graph(tmp_path / "two.tflite", tensors, operators, [0, 1], [2, 3])
    generated = generate(read_quantised_graph(path))
    random = np.random.default_rng(7)
    inputs = [port.random_values(random) for port in generated.inputs]
    with qemu_board(firmware(generated, tmp_path)) as at:
        link, dialogue = open_dialogue(at, 115200, 10)
        with link:
            dialogue.load(b"".join(values.tobytes() for values in inputs))
            found = dialogue.infer(1, 0, 30)
            assert dialogue.outputs() == b"".join(values.tobytes() for values in reference_outputs(path, inputs))
    assert len(found.results) == 8


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs arm-none-eabi-gcc")
def test_the_exported_project_builds_firmware(tiny: tuple[Path, GeneratedModel], tmp_path: Path) -> None:
    files = project_files(tiny[1], Toolchain(CORES["cortex-m4"], compiler="zig", optimization="O2"))
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    subprocess.run(
        ["make", "-C", str(tmp_path), "console.elf", "CC=arm-none-eabi-gcc"], check=True, capture_output=True
    )
    assert (tmp_path / "console.elf").read_bytes()[:4] == b"\x7fELF"
