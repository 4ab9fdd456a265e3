"""From a list of latencies to the section of a device file."""

import shutil
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edgebench.cli.main import app
from edgebench.core.calibration import INTERPRETER
from edgebench.errors import InputError
from edgebench.flows.calibrate import calibrate, calibrate_from_board, write_fit
from edgebench.reports.calibration import calibration_report
from edgebench.reports.codes import Code
from edgebench.store.device_copies import write_device_copy
from edgebench.store.devices import find_device, read_device
from edgebench.targets.mcu.console.firmware import BOARDS
from tests.targets.mcu.boards import MACHINE, flashed_board, needs_qemu

needs_emulator = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("ziglang", "unicorn", "elftools", "bakenn")), reason="needs edgebench[mcu]"
)
TWO = "model,latency_ms\nzoo:ds-cnn,99.81\nzoo:fc-autoencoder,8.605\n"


def listed(folder: Path, text: str) -> Path:
    path = folder / "latencies.csv"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model,latency\nzoo:tiny,99.8\n", "line 2.*|99.8"),
        ("model,latency\nzoo:tiny,-1ms\n", "-1ms"),
        ("model,latency_ms\nzoo:tiny,0\n", "above 0"),
        ("model,latency_ms\nzoo:tiny,fast\n", "fast"),
        ("model,latency_ms\n,3\n", "no model"),
        ("model,latency_ms\n", "no network"),
        ("model,latency_ms\nzoo:tiny,1\nzoo:tiny,2\n", "once"),
        ("model,latency_ms,latency\nzoo:tiny,1,1ms\n", "columns"),
        ("network,ms\nzoo:tiny,1\n", "columns"),
        ("", "columns"),
        ("model,latency_ms,energy_mj\nzoo:tiny,1,-2\n", "-2"),
        ("model,latency_ms,energy\nzoo:tiny,1,2\n", "2"),
    ],
)
def test_a_list_that_is_not_valid_is_refused_before_anything_runs(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        calibrate(find_device("nucleo-l4r5zi"), listed(tmp_path, text))
    assert "latencies.csv" in str(caught.value.where)


def test_only_microcontrollers_are_calibrated(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a microcontroller"):
        calibrate(find_device("host"), listed(tmp_path, TWO))


@pytest.mark.child
@needs_emulator
def test_latencies_become_a_calibration_that_the_device_then_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_device_copy("mine", "nucleo-l4r5zi", tmp_path / "devices")
    device = find_device("mine")
    lines = "model,runtime,latency,energy_mj\nzoo:ds-cnn,TFLM,99.81ms,5.0\nzoo:tiny,,300us,\n"
    fit = calibrate(device, listed(tmp_path, lines))
    assert [network.runtime for network in fit.calibration.networks] == [INTERPRETER, ""]
    assert [network.measured_s for network in fit.networks] == pytest.approx([0.09981, 0.0003])
    assert all(network.left_out is not None for network in fit.networks)
    assert any("say little" in remark.text for remark in calibration_report(fit).remarks)
    again = read_device(write_fit(device, fit))
    (entry,) = again.calibrations
    assert entry.taken_from == ""
    assert entry.networks == fit.calibration.networks
    assert again.power is not None
    assert again.power.active_w == pytest.approx(5e-3 / 0.09981, rel=1e-3)
    assert again.power.relative_error == 0.5


@pytest.mark.child
@needs_emulator
def test_one_network_is_enough_for_a_wide_band(tmp_path: Path) -> None:
    fit = calibrate(find_device("nucleo-l4r5zi"), listed(tmp_path, "model,latency_ms\nzoo:tiny,0.3\n"))
    (network,) = fit.networks
    assert network.left_out is None
    assert fit.mean_error is None
    assert any("one network" in remark.text for remark in calibration_report(fit).remarks)


@pytest.mark.child
@needs_emulator
def test_an_outlier_is_named_and_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_device_copy("mine", "nucleo-l4r5zi", tmp_path / "devices")
    path = listed(tmp_path, "model,latency_ms\nzoo:ds-cnn,998.1\nzoo:tiny,0.3\nzoo:fc-autoencoder,8.605\n")
    before = (tmp_path / "devices" / "mine.toml").read_bytes()
    fit = calibrate(find_device("mine"), path)
    codes = {remark.code: remark.subject for remark in calibration_report(fit).remarks}
    assert codes[Code.CALIBRATION_OUTLIER] == "ds-cnn"
    with pytest.raises(InputError, match="ds-cnn"):
        write_fit(find_device("mine"), fit)
    assert (tmp_path / "devices" / "mine.toml").read_bytes() == before


@pytest.mark.child
@needs_emulator
def test_the_commands_write_a_device_and_calibrate_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    runner = CliRunner()
    made = runner.invoke(app, ["devices", "new", "mine", "--from", "cortex-m4"])
    assert made.exit_code == 0, made.output
    assert "fill in" in made.output
    assert "[options]" in made.output
    path = listed(tmp_path, TWO)
    shown = runner.invoke(app, ["devices", "calibrate", "mine", "--measurements", str(path)])
    assert shown.exit_code == 0, shown.output
    assert "[[calibration]]" in shown.output
    assert find_device("mine").calibrations == ()
    wrote = runner.invoke(app, ["devices", "calibrate", "mine", "--measurements", str(path), "--write"])
    assert wrote.exit_code == 0, wrote.output
    assert "written:" in wrote.output
    assert len(find_device("mine").calibrations[0].networks) == 2


def test_devices_are_listed_by_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    runner = CliRunner()
    found = runner.invoke(app, ["devices", "list", "--search", "nordic", "-f", "csv"])
    assert found.exit_code == 0, found.output
    assert "nrf5340-dk" in found.output
    assert "nucleo" not in found.output
    nothing = runner.invoke(app, ["devices", "--search", "no-such-word"])
    assert nothing.exit_code != 0


def test_latencies_come_from_one_source(tmp_path: Path) -> None:
    for arguments in (
        [],
        ["nucleo-l4r5zi"],
        ["nucleo-l4r5zi", "--measurements", str(listed(tmp_path, TWO)), "--from-board", "nucleo-l4r5zi"],
        ["nucleo-l4r5zi", "--measurements", str(listed(tmp_path, TWO)), "--model", "zoo:tiny"],
    ):
        result = CliRunner().invoke(app, ["devices", "calibrate", *arguments])
        assert isinstance(result.exception, InputError)
        assert "one source" in result.exception.what


def test_only_boards_at_a_port_are_measured() -> None:
    with pytest.raises(InputError, match="not a microcontroller at a serial port"):
        calibrate_from_board(find_device("nucleo-l4r5zi"), find_device("nucleo-l4r5zi"))


@pytest.mark.child
@pytest.mark.slow
@needs_emulator
@needs_qemu
def test_a_board_is_measured_and_calibrated_in_one_command(tmp_path: Path) -> None:
    ratios = (
        "[calibration]\nconvolution = 2.0\nconvolution_error = 0.1\nfully_connected = 2.0\n"
        'fully_connected_error = 0.1\ncompiler = "zig 0.17.1"\nsource = "a guess"\n'
    )
    with flashed_board(tmp_path) as path:
        path.write_text(path.read_text() + ratios)
        board = read_device(path)
        models = ["zoo:tiny", "zoo:ds-cnn", "zoo:fc-autoencoder"]
        fit = calibrate_from_board(board, board, models)
        # Every instruction takes 0.8 cycles of this board, whatever it is.
        assert [network.before for network in fit.networks] == pytest.approx([1.5] * 3, abs=0.1)
        assert all(abs(network.after) < 0.05 for network in fit.networks)
        assert all(network.left_out is not None and abs(network.left_out) < 0.15 for network in fit.networks)
        report = calibration_report(fit)
        assert any("before" in remark.text and "after" in remark.text for remark in report.remarks)
        assert {"error_before", "error_after"} <= set(report.records[0])
        path.write_text(path.read_text().replace(ratios, ""))
        again = read_device(write_fit(read_device(path), fit))
        assert [network.work.total for network in again.calibrations[0].networks] == [
            network.work.total for network in fit.calibration.networks
        ]
        assert again.reached == board.reached
        # A board whose memory is too small for a model is calibrated with the others.
        folder = tmp_path / "small"
        shutil.copytree(BOARDS / MACHINE, folder)
        script = (folder / "board.ld").read_text()
        (folder / "board.ld").write_text(script.replace("LENGTH = 4M  RAM", "LENGTH = 100K  RAM"))
        small = replace(board, reached={**board.reached, "board": "small"})
        fit = calibrate_from_board(board, small, ["zoo:tiny", "zoo:fc-autoencoder"])
        assert len(fit.networks) == 1
        assert "FLASH overflows by" in fit.left_behind[0]
