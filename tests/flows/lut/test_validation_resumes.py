"""A validation that was interrupted goes on; until it is complete the table is what it was."""

from pathlib import Path

import pytest

from edgebench.core.begun import BegunValidation
from edgebench.core.table import LookupTable
from edgebench.errors import StorageError
from edgebench.flows.lut.request import TableRequest
from edgebench.flows.lut.validate import validate_table
from edgebench.spaces.space import SearchSpace
from edgebench.store.begun import begun_validation
from edgebench.store.devices import find_device
from edgebench.store.tables import TableStore
from tests.flows.search.test_search import fake_table
from tests.small_space import open_twelve

pytestmark = [pytest.mark.child, pytest.mark.slow]


@pytest.fixture
def space(tmp_path: Path) -> SearchSpace:
    return open_twelve(tmp_path)


def validated(space: SearchSpace, store: TableStore, most: int, seed: int = 0) -> tuple[LookupTable | None, list[str]]:
    """The validated table, if it came so far, and what was measured; interrupted after so many networks."""
    request = TableRequest(space=space, device=find_device("fake"), dtype="float32")
    table = store.load("fake", space.name, "float32")
    assert table is not None
    kept = begun_validation(store.path("fake", space.name, "float32"))
    before = kept.load()
    known = set(before.found) if before else set()
    measured: list[str] = []

    def save(begun: BegunValidation) -> None:
        kept.save(begun)
        measured.extend(text for text in begun.found if text not in {*known, *measured})
        if len(measured) == most:
            raise KeyboardInterrupt

    try:
        found = validate_table(request, table, networks=4, seed=seed, begun=before, on_update=save)
    except KeyboardInterrupt:
        return None, measured
    return found, measured


def test_nothing_is_measured_twice(space: SearchSpace, tmp_path: Path) -> None:
    store = TableStore(tmp_path)
    path = store.save(fake_table(space))
    before = path.read_bytes()
    first, second = (validated(space, store, most) for most in (1, 2))
    assert first[0] is second[0] is None
    assert path.read_bytes() == before
    assert [table.space for table in TableStore(tmp_path).of_device("fake")] == [space.name], (
        "it is not taken for a table"
    )
    last, rest = validated(space, store, 99)
    assert last is not None
    architectures = last.validation["latency_s"].architectures
    assert sorted(architectures) == sorted([*first[1], *second[1], *rest])
    assert len(set(architectures)) == 4
    begun_validation(path).drop()
    whole, measured = validated(space, store, 99)
    assert whole is not None
    assert len(measured) == 4
    assert whole.validation["latency_s"].architectures == architectures
    assert whole.validation["latency_s"].predicted == last.validation["latency_s"].predicted


def test_another_validation_begins_again(space: SearchSpace, tmp_path: Path) -> None:
    store = TableStore(tmp_path)
    store.save(fake_table(space))
    validated(space, store, 2, seed=0)
    other, measured = validated(space, store, 99, seed=1)
    assert other is not None
    assert other.validation["latency_s"].seed == 1
    assert set(other.validation["latency_s"].architectures) >= set(measured)


def test_a_damaged_file_is_told(space: SearchSpace, tmp_path: Path) -> None:
    store = TableStore(tmp_path)
    path = store.save(fake_table(space))
    begun_validation(path).path.write_text("{")
    with pytest.raises(StorageError) as caught:
        validated(space, store, 1)
    assert caught.value.remedy
