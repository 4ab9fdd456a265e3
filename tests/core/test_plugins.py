import sys
from collections.abc import Callable
from importlib import invalidate_caches
from pathlib import Path

import pytest

from edgebench.core.plugins import load_plugin, plugin_names
from edgebench.errors import InputError, TargetUnavailableError

GROUP = "edgebench_tests.targets"
BUILTIN = {"fake": "fractions:Fraction", "broken": "no_such_module_anywhere:Thing"}
Install = Callable[[str, str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Lays out a distribution with one module and its entry points, as an installer would."""

    def add(distribution: str, entries: str, source: str) -> None:
        module = distribution.replace("-", "_")
        monkeypatch.delitem(sys.modules, module, raising=False)
        (tmp_path / f"{module}.py").write_text(source)
        info = tmp_path / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[{GROUP}]\n{entries}\n")
        invalidate_caches()

    monkeypatch.syspath_prepend(tmp_path)
    return add


def test_a_builtin_is_imported_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "fractions", raising=False)
    assert {"fake", "broken"} <= set(plugin_names(GROUP, BUILTIN))
    assert "fractions" not in sys.modules
    loaded = load_plugin(GROUP, "fake", BUILTIN)
    assert loaded is sys.modules["fractions"].Fraction


def test_a_distribution_adds_names(install: Install) -> None:
    install("board-farm", "zebra = board_farm:Zebra\nant = board_farm:Ant", "class Zebra: legs = 4\nAnt = 6")
    assert plugin_names(GROUP, BUILTIN) == ["fake", "broken", "ant", "zebra"]
    assert "board_farm" not in sys.modules
    assert load_plugin(GROUP, "zebra", BUILTIN).legs == 4  # type: ignore[attr-defined]
    assert load_plugin(GROUP, "ant", BUILTIN) == 6


def test_other_groups_are_not_seen(install: Install) -> None:
    install("board-farm", "zebra = board_farm:Zebra", "Zebra = 4")
    assert plugin_names("edgebench_tests.meters", {}) == []


def test_an_unknown_name_is_answered_with_the_nearest_and_all(install: Install) -> None:
    install("board-farm", "zebra = board_farm:Zebra", "Zebra = 4")
    with pytest.raises(InputError, match="there is no target 'zebar'") as caught:
        load_plugin(GROUP, "zebar", BUILTIN)
    assert caught.value.remedy == "did you mean 'zebra'? known: fake, broken, zebra"
    with pytest.raises(InputError) as caught:
        load_plugin(GROUP, "coffee", {})
    assert caught.value.remedy == "known: zebra"


def test_an_empty_group_says_that_nothing_is_known() -> None:
    with pytest.raises(InputError) as caught:
        load_plugin("edgebench_tests.spaces", "mobile", {})
    assert str(caught.value) == "there is no space 'mobile' (known: none)"


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("import no_such_module_anywhere", "ModuleNotFoundError"),
        ("raise RuntimeError('no licence\\nsecond line')", "RuntimeError: no licence"),
        ("import sys; sys.exit('bye')", "SystemExit: bye"),
        ("def", "SyntaxError"),
        ("", "AttributeError"),
    ],
)
def test_a_plugin_that_does_not_import_names_its_distribution(install: Install, source: str, error: str) -> None:
    install("board-farm", "zebra = board_farm:Zebra", source)
    with pytest.raises(TargetUnavailableError, match=f"'zebra' of board-farm cannot be loaded: {error}") as caught:
        load_plugin(GROUP, "zebra", BUILTIN)
    assert caught.value.where == "board_farm:Zebra"
    assert "\n" not in str(caught.value)


def test_a_malformed_entry_point_is_reported(install: Install) -> None:
    install("board-farm", "zebra = !!", "")
    with pytest.raises(TargetUnavailableError, match="'zebra' of board-farm cannot be loaded"):
        load_plugin(GROUP, "zebra", BUILTIN)


def test_a_builtin_that_does_not_import_is_reported_too() -> None:
    with pytest.raises(TargetUnavailableError, match="'broken' of edgebench cannot be loaded: ModuleNotFound"):
        load_plugin(GROUP, "broken", BUILTIN)


def test_a_builtin_name_cannot_be_taken_over(install: Install) -> None:
    install("board-farm", "fake = board_farm:Fake", "Fake = 'impostor'")
    assert load_plugin(GROUP, "fake", BUILTIN).__name__ == "Fraction"  # type: ignore[attr-defined]
    assert plugin_names(GROUP, BUILTIN) == ["fake", "broken"]
    assert "board_farm" not in sys.modules


def test_a_name_claimed_twice_is_refused(install: Install) -> None:
    install("board-farm", "zebra = board_farm:Zebra", "Zebra = 1")
    install("board-zoo", "zebra = board_zoo:Zebra", "Zebra = 2")
    assert plugin_names(GROUP, BUILTIN).count("zebra") == 1
    with pytest.raises(InputError, match="'zebra' is claimed by board-farm and board-zoo"):
        load_plugin(GROUP, "zebra", BUILTIN)
