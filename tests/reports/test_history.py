"""Histories of figures over runs that were made up."""

from dataclasses import replace

import pytest

from edgebench.core.profile import Profile
from edgebench.core.run import Run
from edgebench.errors import InputError
from edgebench.reports.codes import Code, Kind
from edgebench.reports.history import history, history_report
from tests.reports.made_runs import crashed, measured, run, simulated


def past(*seconds: float) -> list[Run]:
    return [
        run(measured(seconds=value, noise=0.004, seed=number), simulated(), number=number, commit=f"{number + 1:040x}")
        for number, value in enumerate(seconds)
    ]


STEP = [1e-4] * 8 + [1.1e-4] * 8


def test_a_step_is_marked_where_it_is_and_named_by_what_else_changed() -> None:
    runs = past(*STEP)
    newer = [
        replace(item, profiles=(replace(item.profiles[0], versions={"runtime": "2.0"}), item.profiles[1]))
        for item in runs[8:]
    ]
    found = history([*runs[:8], *newer], "net", "host", "latency")
    (change,) = found.changes
    assert change.index == 8
    assert change.ratio == pytest.approx(1.1, rel=0.02)
    report = history_report(found)
    (remark,) = report.remarks
    assert (remark.kind, remark.code) == (Kind.WARNING, Code.LEVEL_CHANGED)
    assert "runtime (1.0 to 2.0)" in remark.text
    assert report.records[8]["change"] == pytest.approx(0.1, abs=0.02)
    assert [record["revision"] for record in report.records] == [f"{number + 1:040x}" for number in range(16)]
    assert "+" in str(report.tables[0].rows[8]["change"])


def test_a_step_down_is_good_news() -> None:
    (remark,) = history_report(history(past(*STEP[::-1]), "net", "host", "latency")).remarks
    assert remark.kind is Kind.NOTE


def test_figures_that_repeat_exactly_change_with_every_difference() -> None:
    runs = [run(simulated(ram=ram), number=number) for number, ram in enumerate([5e4, 5e4, 5.1e4, 5e4])]
    found = history(runs, "net", "board", "ram")
    assert [(change.index, change.before, change.after) for change in found.changes] == [
        (2, 5e4, 5.1e4),
        (3, 5.1e4, 5e4),
    ]
    assert not history(runs, "net", "board", "flash_bytes").changes


def test_runs_on_another_machine_are_left_out_and_said_to_be() -> None:
    runs = past(*[1e-4] * 6)
    runs[2] = replace(runs[2], machine={"cpu": "another"})
    found = history(runs, "net", "host", "latency")
    assert (len(found.points), found.left_out) == (5, 1)
    assert any("left out: 1 of 6 runs" in remark.text for remark in history_report(found).remarks)
    assert len(history(runs, "net", "board", "ram").points) == 6, "figures of a simulator do not depend on the machine"


def test_a_model_goes_by_its_name_its_file_and_what_was_typed() -> None:
    profile = measured()
    deep = replace(profile, model=replace(profile.model, source="models/net.onnx"))
    for name in ("net", "net.onnx", "models/net.onnx"):
        assert len(history([run(deep)], name, "host", "latency").points) == 1


@pytest.mark.parametrize(
    ("profiles", "model", "metric", "words"),
    [
        ((), "net", "latency", "no run has figures of net on host"),
        ((measured("nets"),), "net", "latency", "no run has figures"),
        ((crashed("net"),), "net", "latency", "no run has figures"),
        ((measured(),), "net", "energy", "no run has 'energy_j'"),
    ],
)
def test_what_no_run_has_is_said(profiles: tuple[Profile, ...], model: str, metric: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        history([run(*profiles)], model, "host", metric)


def test_the_plot_spans_the_figures() -> None:
    rows = history_report(history(past(1e-4, 2e-4), "net", "host", "latency")).tables[0].rows
    assert [len(str(row["plot"])) for row in rows] == [1, 30]


def test_many_runs_show_the_newest_and_record_all() -> None:
    report = history_report(history(past(*[1e-4] * 45), "net", "host", "latency"))
    assert len(report.tables[0].rows) == 40
    assert len(report.records) == 45
    assert "5 more" in report.tables[0].caption
