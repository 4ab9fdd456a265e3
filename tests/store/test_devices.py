from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgebench.core.device import DeviceKind
from edgebench.errors import InputError
from edgebench.store.devices import device_names, find_device, read_device, write_device_copy

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
    path = write_device_copy("mine", "host", tmp_path)
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
