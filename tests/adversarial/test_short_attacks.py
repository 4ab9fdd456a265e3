"""The attacks that go on for as long as one likes, in small: ``mutations.py`` and ``kills.py`` are the commands."""

import tempfile
from pathlib import Path

import pytest

from tests.adversarial import kills, mutations

pytestmark = [pytest.mark.child, pytest.mark.slow]


def test_a_hundred_mutated_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    tally = mutations.attack(13, 0, list(mutations._MUTATE))
    assert sum(tally.files.values()) == 104
    assert tally.faults == {}
    assert list(tmp_path.iterdir()) == []


def test_a_dozen_kills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    tally = kills.attack(12, 0, ["profile", "lut build", "gate"])
    assert tally.faults == []
    assert sum(count for name, count in tally.kills.items() if "over" not in name) == 12
