"""What each command shows, made of values and not of runs of it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from edgebench.cli.render.data import render_json
from edgebench.cli.render.terminal import render_text
from edgebench.core.budget import Budget, Limit
from edgebench.core.device_status import DeviceStatus
from edgebench.core.metric import Metric, Provenance
from edgebench.core.model import ModelFormat, ModelInfo, TensorSpec
from edgebench.core.search import (
    DeviceAccuracy,
    Finalist,
    Infeasibility,
    LimitCheck,
    LimitFact,
    Nearest,
    SearchRecord,
    Share,
    TrialResult,
)
from edgebench.core.support import DeviceSupport, LeftOperators, ModelSupport, Support, Verdict
from edgebench.core.table import LookupTable
from edgebench.errors import InputError
from edgebench.flows.spaces import open_space
from edgebench.reports.check import check_report, exit_code
from edgebench.reports.devices import devices_report
from edgebench.reports.report import Report
from edgebench.reports.schema import report_schema
from edgebench.reports.search import search_report
from edgebench.reports.spaces import architecture_report, sample_report, space_report, spaces_report
from edgebench.reports.tables import table_report, tables_report
from edgebench.reports.zoo import zoo_report
from edgebench.store.devices import find_device
from edgebench.store.tables import TableStore


def read(report: Report) -> str:
    """What a person reads; what a machine reads is valid."""
    Draft202012Validator(report_schema()).validate(json.loads(render_json(report, "some command")))
    return render_text(report.brief())


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> LookupTable:
    found = TableStore(tmp_path_factory.mktemp("results")).load("nucleo-l4r5zi", "dscnn", "int8")
    assert found is not None
    return found


def test_devices_are_ready_or_say_what_is_missing() -> None:
    host = find_device("host")
    shown = read(
        devices_report(
            [
                DeviceStatus(name="host", device=host, versions={"onnxruntime": "1.2.3"}),
                DeviceStatus(name="board", device=host, problem="no compiler", remedy="apt install a-compiler"),
                DeviceStatus(name="broken", device=None, problem="not TOML", remedy="mend it"),
            ]
        )
    )
    for words in ("host", "board", "no compiler", "apt install a-compiler", "broken", "not TOML"):
        assert words in shown


def test_built_in_networks_have_exact_counts() -> None:
    report = zoo_report()
    assert "zoo:ds-cnn" in read(report)
    (found,) = [row for row in report.records if row["network"] == "zoo:ds-cnn"]
    assert found["macs"] == 2_656_768


def test_spaces_say_how_large_they_are_and_which_are_broken() -> None:
    space = open_space("dscnn")
    shown = read(spaces_report({"dscnn": space, "broken": InputError("no family", remedy="name one")}))
    assert "dscnn" in shown
    assert "no family" in shown
    assert "broken" in shown
    assert space.name in read(space_report(space))
    report = sample_report(space, 5, seed=1)
    assert len(report.records) == 5
    first = str(report.records[0]["architecture"])
    assert "MACs" in read(architecture_report(space, first))


def test_a_table_states_its_error_and_what_it_rests_on(table: LookupTable) -> None:
    shown = read(table_report(table, open_space("dscnn")))
    assert "nucleo-l4r5zi" in shown
    assert str(len(table.entries)) in shown
    assert "%" in shown, "predictions have an error"
    assert "dscnn" in read(tables_report([table]))
    assert "not validated" in read(table_report(replace(table, validation={}), open_space("dscnn")))


def support(verdict: Verdict, **details: object) -> DeviceSupport:
    return DeviceSupport(
        device=find_device("nucleo-l4r5zi"), verdict=verdict, form="tflite, int8", support=Support(**details)
    )


def model(name: str, *devices: DeviceSupport, partial: bool = False) -> ModelSupport:
    info = ModelInfo(
        name=name, source=f"{name}.onnx", format=ModelFormat.ONNX, digest="", size_bytes=2048, macs=5000,
        macs_partial=partial, parameters=77, operators={"Conv": 2, "Erf": 1},
        inputs=(TensorSpec(name="x", dtype="float32", shape=(None, 3), dimensions=("batch", "")),),
    )  # fmt: skip
    return ModelSupport(source=info.source, model=info, devices=devices)


def test_a_check_says_what_is_in_the_way() -> None:
    left = (LeftOperators(operator="ERF", count=3, reason="there is no kernel for it"),)
    no = support(Verdict.NO, runs=False, left=left, reason="ERF has no kernel", remedy="use Tanh")
    shown = read(check_report([model("one", no, partial=True)]))
    for words in (
        "x [batch,3] float32",
        "at least 5,000",
        "77",
        "2 Conv, 1 Erf",
        "ERF",
        "there is no kernel",
        "use Tanh",
    ):
        assert words in shown
    whole = support(Verdict.WHOLE, at_least={"ram_bytes": 2048, "flash_bytes": 512})
    shown = read(check_report([model("fine", whole)]))
    assert "2.00 KiB" in shown
    assert "512 B" in shown
    damaged = ModelSupport(source="bad.onnx", failure="it is damaged", remedy="copy it again")
    shown = read(check_report([model("one", no), model("two", no), model("fine", whole), damaged]))
    for words in ("cannot be read", "it is damaged", "whole: nucleo-l4r5zi 1 of 4"):
        assert words in shown
    (line,) = [line for line in shown.splitlines() if line.startswith("ERF")]
    assert line.split()[:3] == ["ERF", "nucleo-l4r5zi", "2"]


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [
        ([Verdict.WHOLE, Verdict.PARTLY], 0),
        ([Verdict.WHOLE, Verdict.UNAVAILABLE], 3),
        ([Verdict.UNAVAILABLE, Verdict.NO], 2),
    ],
)
def test_a_check_ends_with_what_its_worst_verdict_says(verdicts: list[Verdict], code: int) -> None:
    assert exit_code([model("m", *map(support, verdicts))]) == code


def searched(**changes: object) -> SearchRecord:
    limit = Limit(figure="latency_s", device="host", value=0.05)
    latency = Metric(value=0.04, unit="s", provenance=Provenance.MEASURED, method="a test", low=0.039, high=0.041)
    share = Share(value=0.97, low=0.95, high=0.98)
    record = SearchRecord(
        study="s1", storage="a journal", space="mobile", space_size=1000, objectives=("accuracy",),
        budget=Budget(limits=(limit,)), margins=(1.02,), accuracy="validation accuracy after 6 epochs", task="digits",
        sampler="edgebench", seed=0, tables={"host": "float32, 20 blocks"}, intervals={"latency_s@host": (0.98, 1.02)},
        looked_at=1000, feasible=400, complete=True, trials=8,
        front=(TrialResult(number=5, architecture="0110", accuracy=0.981, figures={"latency_s@host": 0.0385}),),
        finalists=(
            Finalist(
                architecture="0110", trial=5, validation_accuracy=0.98,
                checks=(LimitCheck(limit=limit, predicted=0.0385, found=latency, holds=True),),
                accuracies=(DeviceAccuracy(device="host", file="n.onnx", runtime="ONNX Runtime", accuracy=share),),
            ),
        ),
    )  # fmt: skip
    return replace(record, **changes)


def test_a_search_shows_its_best_network_and_its_finalists_against_the_limits() -> None:
    shown = read(search_report(searched()))
    for words in ("0110", "98.10%", "38.5 ms", "40.0 ms", "50.0 ms", "97.00% (95.0% to 98.0%)", "ONNX Runtime", "yes"):
        assert words in shown


def test_a_search_that_finds_nothing_says_which_limit_binds() -> None:
    limit = Limit(figure="latency_s", device="host", value=0.001)
    why = Infeasibility(
        looked_at=1000, complete=True, limits=(LimitFact(limit=limit, least=0.02, needed=0.02),),
        nearest=(Nearest(architecture="0000", excess=(19.0,)),),
    )  # fmt: skip
    shown = read(search_report(searched(front=(), finalists=(), feasible=0, trials=0, infeasibility=why)))
    for words in ("1.00 ms", "20.0 ms", "0000"):
        assert words in shown


def test_reports_have_no_absolute_paths_of_this_machine(table: LookupTable) -> None:
    for report in (zoo_report(), table_report(table), search_report(searched())):
        assert str(Path.home()) not in render_text(report)
