"""Rows of several runs can be told apart."""

from dataclasses import replace

from edgebench.core.certainty import missed_goal, undecided_latency
from edgebench.core.plan import MeasurementPlan
from edgebench.reports.codes import Code, Kind
from edgebench.reports.naming import run_names
from edgebench.reports.profiles import report
from edgebench.reports.runs import overview
from tests.reports.made_runs import measured, run, simulated


def test_one_run_needs_no_name_and_several_have_one_in_every_table() -> None:
    first = run(measured(), simulated(), label="before")
    second = run(measured(seed=1), simulated(), number=1, label="after", commit="ab" * 20)
    assert "run" not in {column.key for column in report([first]).tables[0].columns}
    for table in report([first, second]).tables:
        if {"model", "device"} <= {column.key for column in table.columns}:
            assert table.columns[0].key == "run"
            assert {row["run"] for row in table.rows} == {"before", "after @ababababa"}
        if table.title.startswith("Operators"):
            assert table.title.endswith(("(before)", "(after @ababababa)"))
    records = [record for record in report([first, second]).records if "layer" not in record]
    assert [(record["label"], record["revision"]) for record in records[::2]] == [
        ("before", None),
        ("after", "ababababa"),
    ]


def test_equal_labels_are_told_apart_by_the_names_of_runs() -> None:
    names = run_names([run(label="main"), run(label="main", number=1), run(number=2)])
    assert list(names.values()) == ["main 20260101-000000-abcd", "main 20260101-000001-abcd", "20260101-000002-abcd"]


def test_the_list_of_runs_tells_labels_and_revisions() -> None:
    (row,) = overview([run(measured(), label="x", commit="ab" * 20).summary]).records
    assert (row["label"], row["revision"]) == ("x", "ababababa")


def test_an_interval_of_a_hundred_times_the_goal_decides_nothing() -> None:
    quiet, restless = measured(noise=0.01), measured(noise=4.0, seed=5)
    plan = MeasurementPlan(goal=0.02)
    assert undecided_latency(quiet, plan) is None
    assert undecided_latency(simulated(), MeasurementPlan(goal=1e-6)) is None, "an error band is not an interval"
    assert undecided_latency(restless, plan) is not None
    assert undecided_latency(restless, MeasurementPlan(goal=10.0)) is None
    (remark,) = [item for item in report([run(restless)]).remarks if item.code is Code.UNDECIDED]
    assert remark.kind is Kind.FAILURE
    assert "times as wide as the goal" in remark.text


def test_a_strict_goal_that_is_missed_does_not_make_a_latency_unknown() -> None:
    known, strict = measured(noise=0.05, seed=3), MeasurementPlan(goal=1e-6)
    assert missed_goal(known, strict) is not None
    assert undecided_latency(known, strict) is None
    assert missed_goal(known, MeasurementPlan(goal=10.0)) is None
    assert missed_goal(simulated(), strict) is None, "an error band is not an interval"


def test_a_long_list_of_runs_shows_the_newest_and_says_so() -> None:
    found = overview([replace(run(number=0).summary, name=f"{number:04}") for number in range(1000)])
    (table,) = found.tables
    assert [row["run"] for row in table.rows] == [f"{number:04}" for number in range(800, 1000)]
    assert "newest 200 of 1,000" in table.caption
    assert len(found.records) == 1000
