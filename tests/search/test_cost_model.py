"""Predictions from tables: joined lookups against sums written out."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgebench.core.figure import Combination, figure_of
from edgebench.core.metric import Provenance
from edgebench.core.table import LookupTable, TableFigure, TableKey
from edgebench.errors import InputError
from edgebench.flows.spaces import open_space
from edgebench.search.cost_model import CostModel
from edgebench.search.costs import cost_model
from edgebench.search.lookup_sums import MAX_CHUNK
from edgebench.spaces.space import Term
from edgebench.store.spaces import space_names


def table(device: str, costs: dict[str, dict[str, float]], bases: dict[str, float]) -> LookupTable:
    return LookupTable(
        space="toy",
        key=TableKey(device=device, target="fake", dtype="int8"),
        figures={
            name: TableFigure(provenance=Provenance.MEASURED, method="a test", base=base)
            for name, base in bases.items()
        },
        entries=costs,
    )


def written_out(
    model: CostModel, tables: dict[str, LookupTable], keys: list[str], slots: list[Term], row: Any
) -> list[float]:
    found = []
    for name in model.names:
        figure, _, device = name.partition("@")
        numbers = [int(slot.blocks[tuple(int(row[column]) for column in slot.dimensions)]) for slot in slots]
        costs = [tables[device].entries[keys[number]][figure] for number in numbers if number >= 0]
        total = math.fsum(costs) if figure_of(figure).combines is Combination.SUM else max(costs, default=0.0)
        found.append(total + tables[device].figures[figure].base)
    return found


@st.composite
def toys(draw: st.DrawFn) -> tuple[list[int], list[Term], list[str], dict[str, LookupTable]]:
    """Slots that share dimensions in any way, blocks of any cost, empty slots, two devices with unlike figures."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=5))
    keys = [f"block {number}" for number in range(draw(st.integers(1, 6)))]
    slots = []
    for _ in range(draw(st.integers(1, 6))):
        columns = draw(st.lists(st.sampled_from(range(len(sizes))), unique=True, max_size=3))
        shape = tuple(sizes[column] for column in columns)
        slots.append(
            Term(slot="", dimensions=tuple(columns), blocks=random.integers(-1, len(keys), shape).astype(np.int32))
        )
    tables = {
        "one": table(
            "one",
            {key: {"latency_s": random.random(), "ram_bytes": 1e3 * random.random()} for key in keys},
            {"latency_s": 0.25, "ram_bytes": 7.0},
        ),
        "two": table("two", {key: {"energy_j": random.random() - 0.1} for key in keys}, {"energy_j": 0.0}),
    }
    return sizes, slots, keys, tables


@settings(max_examples=100, deadline=None)
@given(toys())
def test_every_combination_is_what_its_blocks_add_up_to(
    toy: tuple[list[int], list[Term], list[str], dict[str, LookupTable]],
) -> None:
    sizes, slots, keys, tables = toy
    model = CostModel(sizes, slots, keys, tables)
    rows = np.array(list(np.ndindex(*sizes)), dtype=np.int8)
    predicted = model.predict(rows)
    for row, figures in zip(rows, predicted, strict=True):
        assert figures == pytest.approx(written_out(model, tables, keys, slots, row))
    scanned = np.concatenate([figures for _, figures in model.scan()])
    assert scanned == pytest.approx(predicted)


@pytest.mark.parametrize("name", space_names())
def test_predicted_sizes_are_those_of_the_networks(name: str) -> None:
    """Exact for every space: parameters and multiply-accumulates of whole networks from their blocks."""
    space = open_space(name)
    model = cost_model(space, {})
    rows = space.sample(np.random.default_rng(5), 12)
    for row, figures in zip(rows, model.predict(rows), strict=True):
        network = space.network(tuple(map(int, row)))
        expected = {"macs@network": network.macs, "parameters@network": network.parameters}
        assert dict(zip(model.names, figures, strict=True)) == expected


def test_chunks_of_a_large_space_are_numbered_from_the_first_combination() -> None:
    space = open_space("mobile-fixed")
    model = cost_model(space, {})
    chunks = model.scan()
    next(chunks)
    start, figures = next(chunks)
    assert 0 < start == len(figures) <= MAX_CHUNK
    digits = [start // 9 ** (7 - position) % 9 for position in range(8)]
    sizes = [len(dimension.values) for dimension in space.dimensions]
    number, row = start, []
    for size in reversed(sizes):
        number, digit = divmod(number, size)
        row.insert(0, digit)
    assert len(digits) == 8
    assert model.predict(np.array([row], dtype=np.int8))[0] == pytest.approx(figures[0])


def test_a_table_that_lacks_blocks_is_refused_with_what_to_do() -> None:
    slots = [Term(slot="", dimensions=(0,), blocks=np.array([0, 1], dtype=np.int32))]
    half = table("one", {"a": {"latency_s": 1.0}}, {"latency_s": 0.0})
    with pytest.raises(InputError, match="lacks 1 of 2 blocks") as caught:
        CostModel([2], slots, ["a", "b"], {"one": half})
    assert "edgebench lut build toy -d one" in str(caught.value.remedy)
