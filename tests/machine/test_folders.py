"""A user's own folders, by the XDG base directory specification."""

from pathlib import Path

import pytest

from edgebench.machine.folders import cache_folder, config_folder
from edgebench.store.devices import device_names, find_device

DEVICE = 'schema = "edgebench.device/1"\nkind = "cpu"\ntarget = "fake"\ndescription = "{}"\n'


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return tmp_path / "home"


def test_the_defaults_and_the_variables(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_folder("mcu") == home / ".cache/edgebench/mcu"
    assert config_folder("devices") == home / ".config/edgebench/devices"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert cache_folder("mcu") == tmp_path / "cache/edgebench/mcu"
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    assert cache_folder("mcu") == home / ".cache/edgebench/mcu"


def test_devices_of_a_user_are_found_in_every_project_and_a_project_wins(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    mine = home / ".config/edgebench/devices"
    mine.mkdir(parents=True)
    (mine / "my-board.toml").write_text(DEVICE.format("of the user"))
    assert "my-board" in device_names()
    assert find_device("my-board").description == "of the user"
    (project / "devices").mkdir()
    (project / "devices/my-board.toml").write_text(DEVICE.format("of the project"))
    assert find_device("my-board").description == "of the project"
