"""A report made by hand, in every format: what people read, what machines read, and names that want to be more."""

import csv
import io
import json
import re
from io import StringIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from rich.console import Console

from edgebench.cli.faults import print_error
from edgebench.cli.render.data import render_csv, render_json
from edgebench.cli.render.html import render_fragment
from edgebench.cli.render.markdown import render_markdown
from edgebench.cli.render.terminal import render_terminal, render_text
from edgebench.core.metric import Metric, Provenance
from edgebench.errors import InputError
from edgebench.reports.codes import Code, Kind
from edgebench.reports.report import Column, Remark, Report, ReportTable, flat_record
from edgebench.reports.schema import report_schema
from edgebench.reports.visible import visible

HOSTILE = [
    "<script>alert(1)</script>",
    "=cmd()",
    "[red]x[/red]",
    "[bold]",
    "[/x]",
    "[link=http://x]y[/link]",
    "[@click=app.bell]y",
    "ends with \\",
    "\\[/]",
    "a|b",
    "`x`",
    "](http://x)",
    "{{x}}",
    ":smile:",
    "€ ü",
]


def latency(value: float, provenance: Provenance = Provenance.MEASURED) -> Metric:
    return Metric(value=value, unit="s", provenance=provenance, method="a test", low=0.9 * value, high=1.1 * value)


def made(name: str = "net", text: str = "it was disturbed") -> Report:
    row = {"model": name, "latency_s": latency(3.62), "count": 1234567, "absent": None}
    columns = (
        Column(key="model", title="model"),
        Column(key="latency_s", title="latency", interval=True),
        Column(key="count", title="count"),
        Column(key="absent", title="absent"),
    )
    return Report(
        tables=(ReportTable(title="Result", columns=columns, rows=(row,), caption="a caption"),),
        remarks=(
            Remark(kind=Kind.WARNING, code=Code.DISTURBED, subject=name, text=text, remedy="measure again"),
            Remark(kind=Kind.NOTE, code=Code.MODEL_NOTE, subject=name, text="a detail", detail=True),
        ),
        records=(flat_record(row),),
    )


def terminal(report: Report, width: int, *, colour: bool = False) -> str:
    out = StringIO()
    render_terminal(report, Console(file=out, width=width, force_terminal=colour, highlight=False, emoji=False))
    return out.getvalue()


@pytest.mark.parametrize("render", [render_text, render_markdown])
def test_people_see_units_intervals_provenance_and_remedies(render: object) -> None:
    shown = render(made())  # type: ignore[operator]
    for words in ("3.62 s ±10.0% m", "1,234,567", "a caption", "m measured", "measure again"):
        assert words in shown
    assert re.search(r"[ |]-[ |\n]", shown), "an absent figure is a dash"


@pytest.mark.parametrize("width", [80, 100, 200])
def test_figures_are_never_cut(width: int) -> None:
    shown = terminal(made(), width)
    assert "3.62 s ±10.0% m" in shown
    assert "1,234,567" in shown
    assert max(map(len, shown.splitlines())) <= width


def test_details_are_for_those_who_ask() -> None:
    assert "a detail" not in render_text(made().brief())
    assert "a detail" in render_text(made())
    assert "a detail" in render_json(made(), "profile")


def test_json_is_what_its_schema_says_and_flat() -> None:
    document = json.loads(render_json(made(), "profile"))
    Draft202012Validator(report_schema()).validate(document)
    (row,) = document["rows"]
    assert row["latency_s"] == 3.62
    assert (row["latency_s.low"], row["latency_s.high"]) == (pytest.approx(3.258), pytest.approx(3.982))
    assert row["latency_s.provenance"] == "measured"
    assert not any(isinstance(value, (dict, list)) for value in row.values())
    assert [remark["code"] for remark in document["remarks"]] == ["disturbed", "model-note"]


def test_csv_keeps_full_precision_and_evaluates_nothing() -> None:
    (row,) = csv.DictReader(io.StringIO(render_csv(made("=cmd()"))))
    assert float(row["latency_s"]) == 3.62
    assert row["model"] == "'=cmd()"


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_shown_as_they_are_and_mean_nothing(name: str) -> None:
    report = made(name, text=name)
    assert name in terminal(report, 200)
    assert "\x1b[31m" not in terminal(report, 200, colour=True).replace("\x1b[33m", "")
    assert "<script>" not in render_fragment(report)
    assert "<script>" not in render_markdown(report).replace("\\<script\\>", "")
    cells = render_markdown(report).splitlines()[4]
    assert len(re.findall(r"(?<!\\)\|", cells)) == 5, "one row has four cells whatever its name"
    assert json.loads(render_json(report, "profile"))["rows"][0]["model"] == name


@given(st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1, max_size=40))
@settings(max_examples=60, deadline=None)
def test_any_name_leaves_tables_whole(name: str) -> None:
    report = made(name, text=name)
    render_text(report)
    render_fragment(report)
    assert len(re.findall(r"(?<!\\)\|", render_markdown(report).splitlines()[4])) == 5
    (row,) = csv.DictReader(io.StringIO(render_csv(report)))
    shown = visible(name)
    assert row["model"].removeprefix("'") == shown.removeprefix("'") or row["model"] == shown


def test_an_empty_report_is_nothing_and_valid() -> None:
    empty = Report(tables=())
    assert render_text(empty).strip() == ""
    Draft202012Validator(report_schema()).validate(json.loads(render_json(empty, "profile")))
    assert render_csv(empty).strip() == ""


@pytest.mark.parametrize("name", [*HOSTILE, "\x1b[31mred\x1b]8;;http://x\x07", "a\x00b\rc", "\u202ereversed"])
@pytest.mark.parametrize("colour", [False, True])
def test_titles_captions_headings_and_remedies_are_printed_as_they_are(name: str, *, colour: bool) -> None:
    report = Report(
        tables=(ReportTable(title=name, columns=(Column(key="a", title=name),), rows=({"a": name},), caption=name),),
        remarks=(Remark(kind=Kind.NOTE, code=Code.MODEL_NOTE, subject=name, text=name, remedy=name),),
    )
    # Without the sequences of colours, everything is there once for each place, and nothing that a terminal obeys.
    found = re.sub(r"\x1b\[[\d;]*m", "", terminal(report, 400, colour=colour))
    assert found.count(visible(name)) == 7
    assert "\x1b" not in found
    assert "\x00" not in found
    assert visible(name) in render_text(report)
    render_markdown(report)


@pytest.mark.parametrize("name", [*HOSTILE, "\x1b[31mred"])
def test_errors_are_printed_as_they_are(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_error(InputError(name, where=name, remedy=name))
    assert capsys.readouterr().err == f"error: {visible(name)}: {visible(name)}\n  {visible(name)}\n"
