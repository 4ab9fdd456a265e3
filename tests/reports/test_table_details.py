"""What a table rests on and where it is off, in the terminal and as a page."""

from dataclasses import replace

import numpy as np
import pytest

from edgebench.core.metric import Provenance
from edgebench.core.table import LookupTable, TableFigure, TableKey, block_group
from edgebench.flows.lut.correction import corrected, whole_networks
from edgebench.flows.spaces import open_space
from edgebench.reports.html.lookup_table import table_page
from edgebench.reports.table_details import basis_table, group_table
from edgebench.reports.tables import table_report
from edgebench.search.costs import cost_model

MOBILE = open_space("mobile")


@pytest.fixture(scope="module")
def table() -> LookupTable:
    """A table with two disturbed blocks, corrected by twenty whole networks that cost 3 % more than their blocks."""
    costs = {block.key: 1e-5 + 1e-10 * block.network().macs for block in MOBILE.all_blocks}
    plain = LookupTable(
        space="mobile",
        key=TableKey(
            device="board", target="fake", dtype="float32", machine="A processor", versions={"runtime": "1.2"}
        ),
        figures={"latency_s": TableFigure(provenance=Provenance.MEASURED, method="made up")},
        entries={key: {"latency_s": cost} for key, cost in costs.items()},
        complete=True,
        space_digest=MOBILE.digest,
        disturbed=tuple(sorted(costs)[:2]),
        when="2026-11-01",
        edgebench="0.1",
    )
    rows = whole_networks(MOBILE, 20)
    model = cost_model(MOBILE, {"board": plain})
    times = model.predict(rows)[:, model.names.index("latency_s@board")] * 1.03
    times *= np.random.default_rng(0).normal(1, 0.01, len(rows))
    return corrected(
        MOBILE,
        plain,
        {MOBILE.text(row): {"latency_s": float(time)} for row, time in zip(rows, times, strict=True)},
    )


def test_entries_that_were_disturbed_are_marked(table: LookupTable) -> None:
    report = table_report(table, MOBILE)
    marked = [record["block"] for record in report.records if record.get("disturbed")]
    assert marked == [block for block in table.entries if block in table.disturbed]
    assert sum(row.get("disturbed") == "yes" for row in report.tables[0].rows) == 2
    assert any("2 blocks were measured while the machine was disturbed" in remark.text for remark in report.remarks)
    calm = table_report(replace(table, disturbed=()), MOBILE)
    assert not any("disturbed" in column.key for column in calm.tables[0].columns)


def test_errors_by_group_are_those_of_the_validation_if_there_is_one(table: LookupTable) -> None:
    shown = group_table(table, MOBILE)
    groups = {block_group(block.key) for block in MOBILE.all_blocks}
    assert shown.rows
    assert {row["group"] for row in shown.rows} <= groups
    found = table.left_out["latency_s"]
    wrong = replace(found, predicted=tuple(1.5 * value for value in found.found))
    validated = group_table(replace(table, validation={"latency_s": wrong}), MOBILE)
    assert {row["bias"] for row in validated.rows} == {"+50.0%"}
    assert not group_table(table, None).rows
    assert not group_table(replace(table, left_out={}), MOBILE).rows


def test_what_it_rests_on_names_blocks_networks_and_processor(table: LookupTable) -> None:
    facts = {row["what"]: str(row["value"]) for row in basis_table(table).rows}
    assert facts["blocks"] == f"{len(table.entries)}, 2 of them while the machine was disturbed"
    assert facts["whole networks"].startswith("20, ")
    assert "corrections of" in facts["latency"]
    assert facts["processor"] == "A processor"
    assert facts["versions"] == "runtime 1.2"
    assert facts["written"] == "2026-11-01 by edgebench 0.1"


def test_the_page_shows_predictions_before_a_validation(table: LookupTable) -> None:
    page = table_page(table, MOBILE)
    assert "each predicted from the others" in page
    assert "What it rests on" in page
    assert "by kind and input of the blocks" in page
    assert "is unknown" not in page
    assert "is unknown" in table_page(replace(table, left_out={}, wholes={}), MOBILE)
