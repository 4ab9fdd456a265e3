"""Environments of their own: made, repaired, renewed and removed, without a network."""

import shutil
import zipfile
from pathlib import Path

import pytest

from edgebench.errors import InputError, StorageError, UnavailableError
from edgebench.machine import environments
from edgebench.machine.environments import (
    RECIPES,
    Recipe,
    State,
    find_recipe,
    make,
    remove,
    require_interpreter,
    size_bytes,
    state,
)


def wheel(folder: Path, name: str, version: str) -> None:
    """The smallest package that pip installs."""
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{name}.py", f"VERSION = {version!r}\n")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """Two packages, of which the wheels lie in a folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    for name, version in (("first_part", "1.0"), ("second_part", "2.0"), ("second_part", "2.1")):
        wheel(wheels, name, version)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setattr(environments, "_LOCKS", tmp_path)
    (tmp_path / "parts.txt").write_text("# Pinned.\nsecond_part==2.0  # later\nfirst_part==1.0\n")
    found = Recipe(name="parts", purpose="a test", module="second_part", size_bytes=30 << 20, first=("first_part",))
    monkeypatch.setattr(environments, "RECIPES", {"parts": found})
    return found


def module_of(recipe: Recipe) -> Path:
    (path,) = recipe.folder.glob("lib/python*/site-packages/second_part.py")
    return path


def test_the_packages_of_litert_torch_are_all_pinned() -> None:
    recipe = RECIPES["litert-torch"]
    requirements = recipe.requirements()
    lines = [line for line in recipe.lock.read_text().splitlines() if line and not line.startswith("#")]
    assert len(requirements) == len(lines) == len({text.partition("==")[0].lower() for text in requirements})
    assert {"torch", "litert-torch"} <= {text.partition("==")[0] for text in requirements}
    assert "+" not in "".join(requirements)
    assert "@" not in "".join(requirements)


def test_what_is_not_there(recipe: Recipe) -> None:
    assert state(recipe) is State.MISSING
    with pytest.raises(UnavailableError, match="missing") as caught:
        require_interpreter("parts")
    assert "edgebench setup parts" in str(caught.value.remedy)
    with pytest.raises(InputError, match="does not exist"):
        remove(recipe)
    with pytest.raises(InputError, match="no environment 'others'") as unknown:
        find_recipe("others")
    assert "parts" in str(unknown.value.remedy)


def test_a_disk_without_room(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1 << 30, 1 << 30, 1 << 20))
    with pytest.raises(StorageError, match="31 MB, but only 1 MB are free"):
        make(recipe)


@pytest.mark.child
@pytest.mark.slow
def test_one_is_made_repaired_renewed_and_removed(recipe: Recipe, tmp_path: Path) -> None:
    told: list[str] = []
    make(recipe, told.append)
    assert state(recipe) is State.READY
    assert require_interpreter("parts").is_file()
    assert "VERSION = '2.0'" in module_of(recipe).read_text()
    assert [text for text in told if "of 2 packages" in text] != []
    assert size_bytes(recipe) > 1 << 20
    # Whole already: nothing happens.
    told.clear()
    make(recipe, told.append)
    assert told == []
    # A package that lost its files is found out, though pip takes it for installed.
    module_of(recipe).unlink()
    make(recipe)
    assert module_of(recipe).is_file()
    # Other versions are wanted: the environment is renewed.
    (tmp_path / "parts.txt").write_text("first_part==1.0\nsecond_part==2.1\n")
    assert state(recipe) is State.OUTDATED
    with pytest.raises(UnavailableError, match="outdated"):
        require_interpreter("parts")
    make(recipe)
    assert state(recipe) is State.READY
    assert "VERSION = '2.1'" in module_of(recipe).read_text()
    assert remove(recipe) > 1 << 20
    assert state(recipe) is State.MISSING


@pytest.mark.child
@pytest.mark.slow
def test_one_that_was_interrupted_goes_on(recipe: Recipe, tmp_path: Path) -> None:
    (tmp_path / "parts.txt").write_text("first_part==1.0\nsecond_part==3.0\n")
    with pytest.raises(UnavailableError, match=r"second_part==3\.0") as caught:
        make(recipe)
    assert "resumes where it stopped" in str(caught.value.remedy)
    assert state(recipe) is State.INCOMPLETE
    (installed,) = recipe.folder.glob("lib/python*/site-packages/first_part.py")
    before = installed.stat().st_mtime_ns
    wheel(tmp_path / "wheels", "second_part", "3.0")
    make(recipe)
    assert state(recipe) is State.READY
    assert installed.stat().st_mtime_ns == before


@pytest.mark.child
@pytest.mark.slow
def test_one_that_never_works_says_where_to_look(recipe: Recipe, tmp_path: Path) -> None:
    (tmp_path / "parts.txt").write_text("first_part==1.0\n")
    with pytest.raises(UnavailableError, match="second_part cannot be imported") as caught:
        make(recipe)
    assert "install.log" in str(caught.value.remedy)
    assert state(recipe) is State.INCOMPLETE
    assert (recipe.folder / "install.log").is_file()
