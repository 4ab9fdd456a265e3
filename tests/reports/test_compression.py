"""A compression as tables, remarks, records and charts."""

from dataclasses import replace

import pytest

from edgebench.core.accuracy_limits import Share
from edgebench.core.budget import Budget, Limit
from edgebench.core.compression import (
    CompressionRecord,
    DeployedFile,
    StepDone,
    StrategyResult,
    StrategyState,
)
from edgebench.core.metric import Metric, Provenance
from edgebench.core.search import DeviceAccuracy
from edgebench.flows.compress.verdict import judged, recommend
from edgebench.reports.codes import Code, Kind
from edgebench.reports.compress import compression_report
from edgebench.reports.html.compressions import compression_charts
from edgebench.reports.html.drawing import LIGHT
from edgebench.store.codec import from_plain, to_plain

BUDGET = Budget(limits=(Limit(figure="latency_s", device="host", value=0.05),), max_accuracy_drop=0.02)


def strategy(name: str, latency: float) -> StrategyResult:
    share = Share(value=0.98, low=0.975, high=0.985)
    drop = Share(value=0.01, low=0.005, high=0.015)
    return StrategyResult(
        name=name,
        pipeline="prune(0.3) + int8",
        state=StrategyState.MEASURED,
        steps=(
            StepDone(text="prune(0.3)", done="removed", skipped=("conv_9: too narrow",), accuracy=0.9, macs=50),
            StepDone(text="int8", done="int8", accuracy=0.9, macs=50),
        ),
        files=(DeployedFile(device="host", path="a.onnx", form="int8", file_bytes=100, update_bytes=60),),
        accuracies=(
            DeviceAccuracy(
                device="host", file="a.onnx", runtime="r", accuracy=share, drop=drop, samples=900, most_frequent=0.1
            ),
        ),
        figures={
            "host": {"latency_s": Metric(value=latency, unit="s", provenance=Provenance.MEASURED, method="a clock")}
        },
    )


def record(*latencies: float) -> CompressionRecord:
    results = [judged(strategy(f"s{number}", value), BUDGET) for number, value in enumerate(latencies)]
    results.append(
        StrategyResult(name="bad", pipeline="tune", state=StrategyState.FAILED, reason="the loss became nan")
    )
    return CompressionRecord(
        study="st",
        model="m.onnx",
        digest="ab",
        task="digits",
        devices=("host",),
        budget=BUDGET,
        seed=0,
        macs=100,
        reference=Share(value=0.99, low=0.98, high=0.995),
        strategies=tuple(results),
        wanted=len(results),
        recommendation=recommend(results, BUDGET),
    )


def test_one_is_recommended_and_the_others_say_what_they_break() -> None:
    report = compression_report(record(0.02, 0.06))
    remarks = {remark.code: remark for remark in report.remarks}
    assert remarks[Code.RECOMMENDED].subject == "s0"
    assert "20%" in remarks[Code.STRATEGY_REJECTED].text
    assert "nan" in remarks[Code.STRATEGY_FAILED].text
    rows = {row["strategy"]: row for row in report.tables[0].rows}
    assert (rows["s0"]["meets"], rows["s1"]["meets"], rows["bad"]["meets"]) == ("yes", "no", "failed")
    assert [row["recommended"] for row in report.records] == [True, False, False]
    assert report.records[1]["latency_s@host.excess"] == pytest.approx(0.2)


def test_if_nothing_meets_the_limits_it_is_a_failure_with_what_binds() -> None:
    report = compression_report(record(0.2, 0.06))
    (failure,) = [remark for remark in report.remarks if remark.kind is Kind.FAILURE]
    assert failure.subject == "s1"
    assert "what binds: latency @ host exceeds its limit by 20%" in failure.text


def test_without_a_task_it_says_so() -> None:
    report = compression_report(replace(record(0.02), task=""))
    assert any(remark.code is Code.TASK and "add --task" in (remark.remedy or "") for remark in report.remarks)


def test_a_record_is_stored_as_it_is() -> None:
    found = record(0.02, 0.06)
    assert from_plain(CompressionRecord, to_plain(found), where="x") == found


@pytest.mark.heavy
def test_charts_show_every_strategy_against_the_limits_and_what_each_pass_gave() -> None:
    pytest.importorskip("altair")
    charts = compression_charts(record(0.02, 0.06))
    assert [chart.name for chart in charts] == ["strategies:latency_s@host", "passes"]
    assert "s1: 98.00%" in charts[0].text
    assert "prune(0.3): to 50%" in charts[1].text
    for chart in charts:
        assert chart.draw(LIGHT, 600)
