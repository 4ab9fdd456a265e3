"""JSON Schemas agree with the files that come with edgebench and with what it writes."""

import json
import tomllib
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator, ValidationError

from edgebench.core.baseline import Baseline, BaselineEntry, BaselineFigure
from edgebench.core.metric import Provenance
from edgebench.core.plan import MeasurementPlan
from edgebench.core.run import Run
from edgebench.flows.schema import SchemaOf, schema_of
from edgebench.reports.schema import report_schema
from edgebench.store.baselines import BaselineStore
from edgebench.store.runs import RunStore

ROOT = Path(__file__).parents[2]


def validator(schema: dict[str, object]) -> Draft202012Validator:
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@pytest.mark.parametrize(("what", "folder"), [(SchemaOf.DEVICE, "devices"), (SchemaOf.SPACE, "search_spaces")])
def test_files_that_come_with_edgebench_are_valid(what: SchemaOf, folder: str) -> None:
    check = validator(schema_of(what))
    paths = sorted((ROOT / folder).glob("*.toml"))
    assert len(paths) > 3
    for path in paths:
        check.validate(tomllib.loads(path.read_text()))


@pytest.mark.parametrize(
    "change",
    [
        {"colour": "red"},
        {"schema": "edgebench.device/9"},
        {"kind": "gpu"},
        {"options": {"colour": "red"}},
        {"options": {"threads": "two"}},
        {"memory": {"ram": "1KB"}},
    ],
)
def test_what_a_device_file_must_not_contain_is_found(change: dict[str, object]) -> None:
    check = validator(schema_of(SchemaOf.DEVICE))
    document = {"schema": "edgebench.device/1", "kind": "cpu", "target": "onnxruntime", "description": "mine"}
    check.validate(document)
    with pytest.raises(ValidationError):
        check.validate({**document, **change})


def test_boards_have_the_keys_of_their_links() -> None:
    check = validator(schema_of(SchemaOf.DEVICE))
    options = {"core": "cortex-m4", "clock": "120MHz"}
    board = {"schema": "edgebench.device/1", "kind": "mcu", "target": "mcu", "description": "mine", "options": options}
    check.validate({**board, "link": "serial", "port": "/dev/ttyACM0", "board": "b", "flash": "f {elf}", "loops": 3})
    check.validate({**board, "link": "adb", "binary": "benchmark_model", "serial": "A1"})
    for wrong in ({"link": "string"}, {"link": "serial", "baud": "fast"}, {"link": "serial", "firmware": "none"}):
        with pytest.raises(ValidationError):
            check.validate({**board, **wrong})


def test_tables_and_runs_are_valid(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    run = Run(name="r", started="2026-01-01T00:00:00", command=("edgebench",), edgebench="0", plan=MeasurementPlan())
    validator(schema_of(SchemaOf.RUN)).validate(json.loads(store.save(run).read_text()))
    table = json.loads((ROOT / "results/tables/nucleo-l4r5zi/dscnn.int8.json").read_text())
    schema = schema_of(SchemaOf.TABLE)
    # Committed by an older edgebench: all but the version is as it is written now.
    validator(schema).validate({**table, "schema": schema["properties"]["schema"]["const"]})


@pytest.mark.child
def test_the_report_of_a_command_is_valid(capsys: pytest.CaptureFixture[str]) -> None:
    from edgebench.cli.main import app

    with pytest.raises(SystemExit):
        app(args=["devices", "list", "--json"], prog_name="edgebench")
    document = json.loads(capsys.readouterr().out)
    validator(report_schema()).validate(document)
    assert document["command"] == "devices list"
    assert {row["device"] for row in document["rows"]} >= {"host", "fake"}


def test_baselines_are_valid(tmp_path: Path) -> None:
    figure = BaselineFigure(value=1.0, unit="s", provenance=Provenance.EXACT)
    entry = BaselineEntry(
        model="m",
        source="m.onnx",
        model_digest="ab",
        device="d",
        target="mcu",
        sampled=False,
        figures={"latency_s": figure},
        fallbacks={},
    )
    path = BaselineStore(tmp_path).save(Baseline(name="main", edgebench="0", entries=(entry,)))
    check = validator(schema_of(SchemaOf.BASELINE))
    document = json.loads(path.read_text())
    check.validate(document)
    with pytest.raises(ValidationError):
        check.validate({**document, "digest": None})
