"""What people and programs read of a gate and of a comparison, whatever names it holds."""

import json
import re
from dataclasses import replace

import pytest

from edgebench.cli.render.data import render_csv, render_json
from edgebench.cli.render.markdown import render_markdown
from edgebench.cli.render.terminal import render_text
from edgebench.core.metric import Metric, Provenance
from edgebench.gate.comparison import Ratio
from edgebench.gate.verdict import Finding, GateResult, LayerChange, Mode, Verdict
from edgebench.reports.codes import Code, Kind
from edgebench.reports.compare import compare_report
from edgebench.reports.gate import change_text, gate_report, sentence, summary, with_limits
from edgebench.reports.html.page import report_page
from edgebench.reports.report import Report, ReportTable


def metric(value: float, unit: str = "s") -> Metric:
    return Metric(value=value, unit=unit, provenance=Provenance.MEASURED, method="canned")


SLOWER = Finding(
    model="net",
    device="host",
    figure="latency_s",
    verdict=Verdict.REGRESSED,
    mode=Mode.PAIRED,
    before=metric(1e-3),
    after=metric(1.05e-3),
    change=0.0512,
    low=0.046,
    high=0.055,
    pairs=12,
    limit="latency 2%",
    layers=(LayerChange(name="conv", before=1e-4, after=1.5e-4, unit="s"),),
    ratios=(0.05, 0.051),
)
PASSED = replace(SLOWER, figure="flash_bytes", verdict=Verdict.PASSED, mode=Mode.STORED, pairs=0, layers=(), ratios=())
RESULT = GateResult(
    baseline="baseline main", findings=(SLOWER, PASSED), started="2026-01-01", update="edgebench baseline update main"
)


def test_the_answer_comes_first_and_says_what_to_do() -> None:
    report = gate_report(RESULT)
    assert [table.title for table in report.tables] == ["Gate: 1 regressed, 1 passed", "Layers that got slower"]
    (remark,) = report.remarks
    assert (remark.kind, remark.code, remark.subject) == (Kind.FAILURE, Code.GATE_REGRESSED, "net on host")
    assert remark.text == (
        "latency regressed: +5.12% [+4.60%, +5.50%] (limit latency 2%); 12 pairs of processes; "
        "slower: conv (100 us to 150 us)"
    )
    assert remark.remedy == "if it is worth it: edgebench baseline update main"
    text = render_text(report)
    assert "REGRESSED" in text
    assert "against baseline main" in text


def test_rows_for_programs_are_flat_and_complete() -> None:
    document = json.loads(render_json(gate_report(RESULT), "gate"))
    row = document["rows"][0]
    assert {key: row[key] for key in ("verdict", "mode", "before", "after", "change", "pairs", "log_ratios")} == {
        "verdict": "regressed",
        "mode": "paired",
        "before": 1e-3,
        "after": 1.05e-3,
        "change": 0.0512,
        "pairs": 12,
        "log_ratios": [0.05, 0.051],
    }
    assert row["layers"] == [{"layer": "conv", "before": 1e-4, "after": 1.5e-4, "unit": "s"}]


@pytest.mark.parametrize(
    ("verdict", "code"),
    [
        (Verdict.BOUND_BROKEN, Code.GATE_CEILING_BROKEN),
        (Verdict.INCONCLUSIVE, Code.GATE_INCONCLUSIVE),
        (Verdict.INCOMPARABLE, Code.GATE_INCOMPARABLE),
        (Verdict.NOT_MEASURED, Code.GATE_NOT_MEASURED),
        (Verdict.IMPROVED, Code.GATE_IMPROVED),
    ],
)
def test_each_verdict_has_its_code(verdict: Verdict, code: Code) -> None:
    report = gate_report(replace(RESULT, findings=(replace(SLOWER, verdict=verdict),)))
    assert [remark.code for remark in report.remarks] == [code]


def test_an_accuracy_changes_by_points() -> None:
    found = replace(PASSED, figure="accuracy", before=metric(0.9, "1"), after=metric(0.893, "1"))
    assert change_text(found) == "-0.70 points"


def test_a_broken_bound_says_the_value() -> None:
    found = replace(SLOWER, verdict=Verdict.BOUND_BROKEN, mode=Mode.BOUND, pairs=0, layers=(), limit="latency <= 1ms")
    assert sentence(found) == "latency breaks its limit: 1.05 ms (limit latency <= 1ms)"


def test_nothing_is_said_to_be_nothing() -> None:
    assert summary([]) == "nothing compared"
    assert gate_report(replace(RESULT, findings=())).tables == ()


def test_limits_stand_behind_the_answer() -> None:
    answer = Report(tables=(ReportTable(title="Result", columns=(), rows=({},)),))
    shown = with_limits(answer, [replace(PASSED, mode=Mode.BOUND)])
    assert [table.title for table in shown.tables] == ["Result", "Limits: 1 passed"]
    assert with_limits(answer, []) is answer


EVIL = [
    "<script>alert(1)</script>",
    "=cmd()",
    "[red]x[/red]",
    "a|b",
    "x\x1b[2Jy",
    "**bold**",
    "naïve ünïcode 日本",
    "]]>",
]


@pytest.mark.parametrize("name", EVIL)
def test_nothing_is_injected(name: str) -> None:
    layers = (LayerChange(name=name, before=1.0, after=2.0, unit="s"),)
    found = replace(SLOWER, model=name, device=name, reason=name, limit=name, layers=layers)
    report = gate_report(replace(RESULT, findings=(found,), baseline=name, notes=(name,)))
    compared = compare_report([Ratio(model=name, device=name, first=name, second=name, reason=name)])
    for shown in (report, compared):
        page = report_page(shown, "gate")
        assert "<script>alert" not in page
        assert not re.search(r"^=", render_csv(shown), re.MULTILINE)
        assert ",=cmd" not in render_csv(shown)
        assert "<script>" not in render_markdown(shown)
        text = render_text(shown)
        assert "\x1b" not in text
        if name == "[red]x[/red]":
            assert name in text


RATIO = Ratio(
    model="net",
    device="host",
    figure="latency_p5_s",
    first="one",
    second="two",
    before=metric(1e-3),
    after=metric(1.1e-3),
    change=0.1,
    low=0.08,
    high=0.12,
    significant=True,
)


def test_a_comparison_says_what_is_significant_and_how_far_to_trust_it() -> None:
    report = compare_report([RATIO, replace(RATIO, figure="flash_bytes", low=None, high=None, significant=False)])
    (table,) = report.tables
    assert [row["significant"] for row in table.rows] == ["yes", "no"]
    assert table.rows[0]["change"] == "+10.00% [+8.00%, +12.00%]"
    assert any("did not take turns" in remark.text for remark in report.remarks)
    assert not compare_report([replace(RATIO, paired=True)]).remarks


def test_what_cannot_be_compared_says_why_and_is_marked_if_forced() -> None:
    refused = compare_report([Ratio(model="net", device="host", first="one", second="two", reason="cpu a | b")])
    assert refused.tables == ()
    (remark,) = refused.remarks
    assert (remark.kind, remark.text) == (Kind.FAILURE, "two and one cannot be compared because of cpu a | b")
    forced = compare_report([replace(RATIO, reason="cpu a | b", forced=True)])
    assert forced.tables[0].rows[0]["note"] == "NOT COMPARABLE"
    assert {remark.kind for remark in forced.remarks} == {Kind.WARNING, Kind.NOTE}
