"""What files of a checkout name is run only if the user has allowed it."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebench.errors import InputError, StorageError
from edgebench.store.devices import described_device, device_names, find_device
from edgebench.store.spaces import find_space, space_names
from edgebench.store.trust import TRUST, allow, is_trusted, named_programs, require_typed
from tests.cli.test_cli import QUICK, edgebench
from tests.extras import needs_mcu

DEVICE = """\
schema = "edgebench.device/1"
kind = "{kind}"
target = "{target}"
description = "a device"
[options]
{options}
"""


def write_device(path: Path, options: str, kind: str = "mcu", target: str = "mcu") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(DEVICE.format(kind=kind, target=target, options=options))
    return path


@pytest.fixture(autouse=True)
def of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv(TRUST, raising=False)


def test_what_comes_with_edgebench_is_trusted() -> None:
    assert all(find_device(name) for name in device_names())
    assert all(find_space(name) for name in space_names())


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ({"options": {"compiler": "./evil"}}, ["options.compiler"]),
        ({"options": {"compiler": "evil"}}, ["options.compiler"]),
        ({"options": {"compiler": "arm-none-eabi-gcc"}}, []),
        ({"options": {"compiler": "zig"}}, []),
        ({"options": {"library": "libevil.so.1"}}, ["options.library"]),
        ({"options": {"library": "package:onnxruntime_qnn/lib.so"}}, []),
        ({"options": {"provider_options": {"backend_path": "/tmp/x", "level": "3"}}},
         ["options.provider_options.backend_path"]),
        ({"options": {"options": {"helper": "x.so"}}}, ["options.options.helper"]),
        ({"options": {"function": "evil:make", "choices": {"a": ["1"]}}}, ["options.function"]),
        ({"memory": {"flash": "2MB"}, "description": "a/b"}, []),
        ({"flash": "openocd -f x"}, ["flash"]),
    ],
)  # fmt: skip
def test_programs_are_recognised(content: dict[str, object], named: list[str]) -> None:
    assert list(named_programs(content)) == named


@given(st.recursive(st.text() | st.integers(), lambda inner: st.dictionaries(st.text(), inner, max_size=3)))
def test_any_content_can_be_looked_through(content: object) -> None:
    named_programs(content if isinstance(content, dict) else {"x": content})


def test_a_file_is_refused_until_it_is_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = write_device(tmp_path / "devices" / "host.toml", 'core = "cortex-m4"\nclock = "1MHz"\ncompiler = "./evil"')
    assert "stands in for" in described_device("host").notes[-1]
    for reference in ("host", "devices/host.toml", str(path)):
        with pytest.raises(InputError, match=r"options.compiler = './evil'") as caught:
            find_device(reference)
        assert "edgebench trust " in str(caught.value.remedy)
    assert allow(path, "device") == {"options.compiler": "./evil"}
    assert find_device("host").options["compiler"] == "./evil"
    # A change of what is run needs a new look; one of anything else does not.
    path.write_text(path.read_text().replace("a device", "my device"))
    assert find_device("host")
    (tmp_path / "evil").write_text("another program")
    with pytest.raises(InputError):
        find_device("host")
    other = write_device(tmp_path / "other.toml", 'core = "cortex-m4"\nclock = "1MHz"\ncompiler = "./evil"')
    assert not is_trusted(other, "device"), "another file is not allowed with it"


def test_a_flag_allows_it_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_device(tmp_path / "mine.toml", 'library = "x.so"', "npu", "litert-delegate")
    monkeypatch.setenv(TRUST, "1")
    assert find_device(str(path))
    require_typed("evil:make", "baseline", "gate")


def test_the_users_own_folder_is_trusted(tmp_path: Path) -> None:
    write_device(tmp_path / "config/edgebench/devices/mine.toml", 'library = "x.so"', "npu", "litert-delegate")
    assert find_device("mine")


def test_a_list_that_others_may_write_is_not_believed(tmp_path: Path) -> None:
    path = write_device(tmp_path / "mine.toml", 'library = "x.so"', "npu", "litert-delegate")
    allow(path, "device")
    kept = tmp_path / "config/edgebench/trusted.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    kept.chmod(0o666)
    with pytest.raises(StorageError, match="others may write"):
        find_device(str(path))


def test_functions_of_spaces_need_it_too(tmp_path: Path) -> None:
    space = tmp_path / "mine.toml"
    space.write_text(
        'schema = "edgebench.space/1"\nfamily = "function"\ndescription = "x"\n'
        '[options]\nfunction = "evil:make"\nchoices = {a = [1, 2]}\ninput = [4]\n'
    )
    with pytest.raises(InputError, match="evil:make"):
        find_space(str(space))


def test_names_of_code_in_baselines_and_studies_are_not_typed() -> None:
    for name in ("models/a.onnx", "zoo:tiny", "mnist5k"):
        require_typed(name, "baseline main", "edgebench gate")
    with pytest.raises(InputError, match="it names code to run: evil:make"):
        require_typed("evil:make", "baseline main", "edgebench gate evil:make")


@pytest.mark.child
@pytest.mark.slow
@needs_mcu
def test_a_checkout_runs_nothing(tmp_path: Path) -> None:
    """A shipped device replaced by one with a compiler, which ``edgebench devices`` used to start."""
    ran = tmp_path / "ran"
    program = tmp_path / "evil-gcc"
    program.write_text(f"#!/bin/sh\ntouch {ran}\n")
    program.chmod(0o755)
    options = f'core = "cortex-m4"\nclock = "1MHz"\ncompiler = "{program}"'
    write_device(tmp_path / "devices" / "nucleo-l4r5zi.toml", options)
    environment = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    listed = edgebench("devices", "--json", cwd=tmp_path, env=environment)
    (row,) = (row for row in json.loads(listed.stdout)["rows"] if row["device"] == "nucleo-l4r5zi")
    assert row["ready"] is False
    assert "you have not allowed it" in row["problem"]
    for arguments in (("profile", "zoo:tiny"), ("lut", "build", "dscnn"), ("check", "zoo:tiny")):
        done = edgebench(*arguments, "-d", "nucleo-l4r5zi", *(QUICK if "profile" in arguments else ()), cwd=tmp_path,
                         env=environment)  # fmt: skip
        assert done.returncode == 2, done.stdout + done.stderr
        assert "edgebench trust" in done.stderr
    assert not ran.exists()
    allowed = edgebench("trust", "devices/nucleo-l4r5zi.toml", cwd=tmp_path, env=environment)
    assert "options.compiler" in allowed.stdout
    said = edgebench("devices", cwd=tmp_path, env=environment)
    assert "stands in for" in said.stdout
    assert ran.exists(), "it is run once it is allowed"


def test_a_command_is_allowed_with_the_scripts_that_it_starts(tmp_path: Path) -> None:
    folder = tmp_path / "boards"
    folder.mkdir()
    script = folder / "flash.sh"
    script.write_text("st-flash")
    path = folder / "board.toml"
    path.write_text('flash = "./flash.sh --fast {elf}"\nlink = "serial"\n')
    allow(path, "device")
    assert is_trusted(path, "device")
    script.write_text("rm")
    assert not is_trusted(path, "device")
