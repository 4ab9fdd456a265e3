"""Numbers that TOML has and nothing can be compared with."""

from pathlib import Path

import pytest

from edgebench.errors import InputError
from edgebench.store.devices import read_device
from edgebench.store.spaces import read_space
from edgebench.store.strategies import known_strategies
from edgebench.store.toml_files import read_toml

NUMBERS = ["nan", "inf", "-inf", "+nan", "1e999"]


@pytest.mark.parametrize("number", NUMBERS)
def test_the_file_the_line_and_the_key_are_named(tmp_path: Path, number: str) -> None:
    path = tmp_path / "thing.toml"
    path.write_text(f"a = 1\n[options]\n\nnoise = {number}\n")
    with pytest.raises(InputError) as caught:
        read_toml(path, "thing")
    assert caught.value.where == f"{path}, line 4, options.noise"
    assert caught.value.remedy


@pytest.mark.parametrize("text", ["a = [1.0, [2.0, {b = inf}]]\n", "[[a]]\nb = {c = [nan]}\n", "[a.b.c]\nd = nan\n"])
def test_they_are_found_at_any_depth(tmp_path: Path, text: str) -> None:
    path = tmp_path / "thing.toml"
    path.write_text(text)
    with pytest.raises(InputError, match="is not a number that can be used"):
        read_toml(path, "thing")


def test_every_kind_of_file_refuses_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    device, space, strategies = (tmp_path / f"{name}.toml" for name in ("device", "space", "strategies"))
    for path in (device, space, strategies):
        path.write_text('schema = "edgebench.thing/1"\nvalue = nan\n')
    for read in (lambda: read_device(device), lambda: read_space(space), known_strategies):
        with pytest.raises(InputError, match="nan is not a number"):
            read()
