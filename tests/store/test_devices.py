import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgebench.core.device import DeviceKind
from edgebench.errors import InputError
from edgebench.store.device_copies import write_calibration, write_device_copy
from edgebench.store.devices import device_names, find_device, read_device, search_devices

VALID = """\
schema = "edgebench.device/1"
kind = "mcu"
target = "fake"
description = "A board"

[options]
noise = 0.5

[memory]
ram = "640KB"
flash = "2MB"
source = "data sheet"

[energy]
meter = "none"
active_power = "33mW"
supply = "board at 3.3 V"
relative_error = "10%"
source = "a paper"
"""


def written(folder: Path, text: str, name: str = "board.toml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_a_device_file_becomes_a_device_in_si_units(tmp_path: Path) -> None:
    device = read_device(written(tmp_path, VALID))
    assert (device.name, device.kind, device.target) == ("board", DeviceKind.MCU, "fake")
    assert device.memory is not None
    assert (device.memory.ram_bytes, device.memory.flash_bytes) == (640 * 1024, 2 * 1024**2)
    assert device.power is not None
    assert device.power.active_w == pytest.approx(0.033)


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ('kind = "mcu"', 'kind = "toaster"', "line 2, kind"),
        ("noise = 0.5", "noise = 0.5\n[memroy]", "line 8, memroy"),
        ('target = "fake"', "target = 3", "line 3, target"),
        ('target = "fake"', "", "target"),
        ('"640KB"', '"640ms"', "line 10, memory.ram"),
        ('source = "a paper"', "", "energy"),
        ('"edgebench.device/1"', '"edgebench.device/9"', "line 1, schema"),
        ("noise = 0.5", "noise = 0.5\nnoise = 0.6", "line 8"),
        ("[options]", "[options", "line 6"),
        ("noise = 0.5", "noise = 1979-05-27", "line 7, options.noise"),
    ],
)
def test_a_mistake_is_named_with_file_line_and_key(tmp_path: Path, old: str, new: str, place: str) -> None:
    path = written(tmp_path, VALID.replace(old, new))
    with pytest.raises(InputError) as caught:
        read_device(path)
    assert str(path) in str(caught.value)
    assert place in str(caught.value)


@pytest.mark.parametrize("digits", [20, 400, 5000])
def test_a_number_of_too_many_digits_is_a_mistake_like_any_other(digits: int, tmp_path: Path) -> None:
    path = written(tmp_path, VALID.replace("noise = 0.5", f"noise = {'9' * digits}"))
    with pytest.raises(InputError, match="too many digits"):
        read_device(path)


def test_unknown_names_get_suggestions() -> None:
    with pytest.raises(InputError) as caught:
        find_device("host-litrt")
    assert "host-litert" in str(caught.value.remedy)


def test_local_devices_win_over_packaged_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "devices").mkdir()
    written(tmp_path / "devices", VALID, "host.toml")
    monkeypatch.chdir(tmp_path)
    assert find_device("host").description == "A board"
    assert "host-litert" in device_names()


def test_every_packaged_device_is_valid_and_its_options_are_known() -> None:
    from edgebench.core.options import read_options
    from edgebench.targets.registry import target_type

    for name in device_names():
        device = find_device(name)
        read_options(device, target_type(device.target).options_type)


def test_a_new_device_is_a_readable_copy(tmp_path: Path) -> None:
    path = write_device_copy("mine", "host", tmp_path).path
    assert read_device(path).options == find_device("host").options
    with pytest.raises(InputError, match="exists already"):
        write_device_copy("mine", "host", tmp_path)
    with pytest.raises(InputError, match="not a valid device name"):
        write_device_copy("../evil", "host", tmp_path)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_mutated_files_are_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    text = VALID.encode()
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 20)))
    path = tmp_path / "board.toml"
    path.write_bytes(text[:start] + data.draw(st.binary(max_size=8)) + text[end:])
    try:
        read_device(path)
    except InputError as error:
        assert str(path) in str(error)


def test_an_option_under_its_old_name_is_understood(tmp_path: Path) -> None:
    path = tmp_path / "old.toml"
    path.write_text(
        'schema = "edgebench.device/1"\nkind = "npu"\ntarget = "ethos-u"\ndescription = "old"\n'
        '[options]\naccelerator = "ethos-u55-128"\noptimise = "Size"\n'
    )
    assert find_device(str(path)).options == {"accelerator": "ethos-u55-128", "optimization": "Size"}


def board(folder: Path, calibration: str, name: str = "board.toml", core: str = "cortex-m4") -> Path:
    text = (
        'schema = "edgebench.device/1"\nkind = "mcu"\ntarget = "mcu"\ndescription = "A board"\n'
        f'[options]\ncore = "{core}"\nclock = "80MHz"\n\n{calibration}'
    )
    return written(folder, text, name)


ENTRY = """\
[[calibration]]
compiler = "zig 0.17.1"
clock = "80MHz"
source = "measured here"
networks = [
  {name = "a", latency = "2ms", layers = 3, instructions = {convolution = 100000}, macs = {convolution = 40000}},
]
"""


def test_calibrations_are_read_with_their_core_and_units(tmp_path: Path) -> None:
    (entry,) = read_device(board(tmp_path, ENTRY)).calibrations
    assert (entry.compiler_name, entry.optimization, entry.clock_hz, entry.core) == ("zig", "O2", 80e6, "cortex-m4")
    assert entry.networks[0].latency_s == pytest.approx(2e-3)
    assert entry.networks[0].work.total == 100_000
    assert not entry.networks[0].interpreted


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('latency = "2ms"', 'latency = "2"', "latency of a"),
        ('latency = "2ms"', 'latency = "-2ms"', "latency of a"),
        ('latency = "2ms"', 'latency = "0ms"', "above 0"),
        ("convolution = 100000", "convolution = -1", "below 0"),
        ("convolution = 100000", "convolution = 0", "instructions"),
        ("convolution = 100000", "konvolution = 100000", "konvolution"),
        ('compiler = "zig 0.17.1"\n', "", "compiler"),
        ('compiler = "zig 0.17.1"', 'compilr = "zig 0.17.1"', "compilr"),
        ('clock = "80MHz"\nsource', 'clock = "0MHz"\nsource', "clock"),
    ],
)
def test_mistakes_in_calibrations_are_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in ENTRY
    path = board(tmp_path, ENTRY.replace(old, new, 1))
    with pytest.raises(InputError, match=message) as caught:
        read_device(path)
    assert str(path) in str(caught.value)


def test_a_copy_of_a_board_has_neither_its_calibration_nor_its_power_as_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = write_device_copy("my-m4", "nucleo-l4r5zi", tmp_path)
    copy, original = read_device(made.path), find_device("nucleo-l4r5zi")
    assert {entry.taken_from for entry in copy.calibrations} == {"nucleo-l4r5zi"}
    assert len(copy.calibrations) == len(original.calibrations)
    assert copy.memory == original.memory
    assert copy.power is not None
    assert original.power is not None
    assert copy.power.relative_error >= 0.5 > original.power.relative_error
    assert copy.power.source.startswith("taken from nucleo-l4r5zi")
    assert not {"networks", "Student"} & set(re.findall(r"\w+", made.path.read_text()))
    assert any("[[calibration]]" in line for line in made.to_fill_in)
    # The copy of a copy names the board that was measured.
    (tmp_path / "devices").mkdir()
    made.path.rename(tmp_path / "devices" / "my-m4.toml")
    monkeypatch.chdir(tmp_path)
    second = read_device(write_device_copy("another", "my-m4", tmp_path / "devices").path)
    assert {entry.taken_from for entry in second.calibrations} == {"nucleo-l4r5zi"}
    assert second.power is not None
    assert second.power.source.count("taken from") == 1


def test_a_calibration_taken_from_itself_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "devices").mkdir()
    board(tmp_path / "devices", '[[calibration]]\ntaken_from = "board"\n')
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="from the device itself"):
        find_device("board")


def test_a_calibration_is_written_for_its_compiler_and_the_rest_stays(tmp_path: Path) -> None:
    path = board(tmp_path, '# kept\n[memory]\nram = "1KB"\nsource = "sheet"\n\n' + ENTRY)
    device = read_device(path)
    (entry,) = device.calibrations
    gnu = replace(entry, compiler="arm-none-eabi-gcc 12.2.1")
    write_calibration(device, gnu)
    assert [item.compiler_name for item in read_device(path).calibrations] == ["zig", "arm-none-eabi-gcc"]
    slower = replace(entry, networks=(replace(entry.networks[0], latency_s=3e-3, runtime='a "quoted" one'),))
    write_calibration(read_device(path), slower)
    again = read_device(path)
    assert sorted(again.calibrations, key=lambda item: item.compiler) == [gnu, slower]
    assert again.memory == device.memory
    assert "# kept" in path.read_text()


def test_files_that_come_with_edgebench_are_not_changed() -> None:
    device = find_device("nucleo-l4r5zi")
    before = Path(device.origin).read_bytes()
    with pytest.raises(InputError, match="comes with edgebench"):
        write_calibration(device, device.calibrations[0])
    assert Path(device.origin).read_bytes() == before


def test_devices_are_found_by_core_vendor_and_words() -> None:
    from edgebench.targets.mcu.cores import CORES

    for core in CORES:
        device = find_device(core)
        assert device.name.startswith("generic-")
        assert device.options["core"] == core
    assert "nucleo-l4r5zi" in search_devices(["stm32"])
    assert search_devices(["cortex m33", "Nordic"]) == ["nrf5340-dk"]
    assert search_devices(["no such words"]) == []
