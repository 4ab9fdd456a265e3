"""The tables that come with edgebench are what this code gives."""

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from edgebench.errors import NotComparableError, TargetUnavailableError
from edgebench.flows.lut.build import build_table
from edgebench.flows.lut.request import TableRequest
from edgebench.flows.spaces import open_space
from edgebench.store.devices import find_device
from edgebench.store.tables import load_table

TABLES = sorted((Path(__file__).parent.parent / "results" / "tables").glob("*/*.json"))
needs_emulator = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("ziglang", "unicorn", "elftools", "bakenn")), reason="needs edgebench[mcu]"
)


def test_there_is_a_table_of_every_space_for_two_devices() -> None:
    assert len(TABLES) == 10


@pytest.mark.child
@needs_emulator
@pytest.mark.slow
@pytest.mark.parametrize("path", TABLES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_blocks_measured_again_are_the_same(path: Path) -> None:
    table = load_table(path)
    space = open_space(table.space)
    assert set(table.entries) == {block.key for block in space.all_blocks}
    assert table.is_whole(space.digest)
    assert table.validation
    left_out = list(table.entries)[:: max(1, len(table.entries) // 3)]
    known = replace(table, entries={key: value for key, value in table.entries.items() if key not in left_out})
    request = TableRequest(space=space, device=find_device(table.key.device), dtype=table.key.dtype)
    try:
        again = build_table(request, known, on_update=lambda _: None)
    except (NotComparableError, TargetUnavailableError) as error:
        pytest.skip(f"other versions are installed: {error}")
    for key in left_out:
        assert again.entries[key] == pytest.approx(table.entries[key]), key
    assert {name: item.base for name, item in again.figures.items()} == {
        name: item.base for name, item in table.figures.items()
    }
