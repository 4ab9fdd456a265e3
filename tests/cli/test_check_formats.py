"""JUnit, SARIF and GitHub's annotations: what does not pass is seen, and nothing is injected."""

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebench.cli.output import Format, print_report, report_formats, write_reports
from edgebench.cli.render.checks import (
    MOST_ANNOTATIONS,
    add_to_summary,
    render_annotations,
    render_junit,
    render_sarif,
)
from edgebench.errors import InputError, StorageError
from edgebench.reports.checks import Check, CheckResult
from edgebench.reports.codes import Code
from edgebench.reports.report import Report, plain_table

BROKEN = Check(
    model="net",
    device="host",
    figure="latency",
    result=CheckResult.FAILED,
    code=Code.GATE_REGRESSED,
    text="latency regressed: +5.0%",
    remedy="edgebench baseline update main",
)
UNDECIDED = replace(
    BROKEN, figure="RAM", result=CheckResult.UNDECIDED, code=Code.GATE_NOT_MEASURED, text="not measured", remedy=None
)
FINE = replace(BROKEN, figure="flash", result=CheckResult.PASSED, code=Code.GATE_NOTE, text="flash passed", remedy=None)
ANY_TEXT = st.text(max_size=30)


def report(*checks: Check) -> Report:
    return Report(tables=(plain_table("Gate", [{"model": check.model} for check in checks]),), checks=checks)


def test_junit_counts_what_is_broken_and_what_is_undecided_apart() -> None:
    root = ElementTree.fromstring(render_junit(report(BROKEN, UNDECIDED, FINE), "gate"))
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("3", "1", "1")
    cases = {case.get("name"): [child.tag for child in case] for case in root.iter("testcase")}
    assert cases == {"latency on host": ["failure"], "RAM on host": ["error"], "flash on host": ["system-out"]}
    (failure,) = root.iter("failure")
    assert failure.get("message") == BROKEN.text
    assert "edgebench baseline update main" in (failure.text or "")


def test_sarif_has_a_result_for_all_that_did_not_pass() -> None:
    (run,) = json.loads(render_sarif(report(BROKEN, UNDECIDED, FINE), "gate"))["runs"]
    assert [result["ruleId"] for result in run["results"]] == ["gate-regressed", "gate-not-measured"]
    assert {rule["id"] for rule in run["tool"]["driver"]["rules"]} == {"gate-regressed", "gate-not-measured"}
    prints = [result["partialFingerprints"]["edgebench/v1"] for result in run["results"]]
    assert len(set(prints)) == 2


def test_the_place_is_relative_to_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".git").mkdir()
    folder = tmp_path / "sub dir"
    folder.mkdir()
    (folder / "net.onnx").touch()
    (folder / "main.json").touch()
    monkeypatch.chdir(folder)
    found = [
        replace(BROKEN, source="net.onnx"),
        replace(BROKEN, source="zoo:tiny", baseline="main.json"),
        replace(BROKEN, source="zoo:tiny"),
    ]
    (run,) = json.loads(render_sarif(report(*found), "gate"))["runs"]
    places = [
        result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] if "locations" in result else None
        for result in run["results"]
    ]
    assert places == ["sub%20dir/net.onnx", "sub%20dir/main.json", None]
    assert render_annotations(report(found[0])).startswith("::error file=sub dir/net.onnx,title=latency of net on host")


def test_annotations_say_how_many_more_there_are_and_put_what_is_broken_first() -> None:
    text = render_annotations(report(*[UNDECIDED] * MOST_ANNOTATIONS, BROKEN))
    lines = text.splitlines()
    assert len(lines) == MOST_ANNOTATIONS
    assert "latency regressed" in lines[0]
    assert "2 more" in lines[-1]
    assert render_annotations(report(FINE)) == "::notice title=edgebench::1 check passed\n"
    noisy = replace(UNDECIDED, code=Code.GATE_INCONCLUSIVE)
    assert render_annotations(report(noisy)).startswith("::warning ")


@given(ANY_TEXT, ANY_TEXT, ANY_TEXT, ANY_TEXT)
def test_whatever_names_there_are_nothing_is_injected(model: str, device: str, text: str, remedy: str) -> None:
    hostile = replace(BROKEN, model=model, device=device, text=text, remedy=remedy)
    root = ElementTree.fromstring(render_junit(report(hostile), "gate"))
    assert [element.tag for element in root.iter()] == ["testsuites", "testsuite", "testcase", "failure"]
    (line,) = render_annotations(report(hostile)).splitlines()
    assert line.startswith("::error title=")
    properties, _, _ = line.removeprefix("::error ").partition("::")
    assert properties.count(",") == 0
    assert not set(line) & set(map(chr, range(32)))
    json.loads(render_sarif(report(hostile), "gate"))


@pytest.mark.parametrize("text", ["a\n::error::b", "a\r::stop-commands::x", "%0A::add-mask::x", "\x1b[2J"])
def test_no_workflow_command_is_smuggled_in(text: str) -> None:
    found = replace(BROKEN, model=text, text=text, remedy=None)
    (line,) = render_annotations(report(found)).splitlines()
    assert line.startswith("::error title=")
    assert "\x1b" not in line
    # A percent sign of the text is one for the reader, too.
    assert line.count("%0A") == text.count("\n")
    assert line.count("%250A") == 2 * text.count("%0A")


def test_the_summary_of_a_step_is_added_to(tmp_path: Path) -> None:
    place = tmp_path / "summary.md"
    place.write_text("before\n")
    add_to_summary(report(BROKEN), {"GITHUB_STEP_SUMMARY": str(place)})
    assert place.read_text().startswith("before\n### Gate")
    add_to_summary(report(BROKEN), {})


def test_a_summary_that_cannot_be_written_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "none" / "summary.md"))
    with pytest.raises(StorageError, match="summary"):
        print_report(report(BROKEN), "gate", Format.GITHUB)


def test_files_have_the_format_of_their_suffix(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a.xml", "a.sarif", "a.md", "a.json", "a.csv", "a.txt")]
    write_reports(report(BROKEN), "gate", report_formats(files))
    assert all(file.stat().st_size for file in files)
    assert ElementTree.parse(files[0]).getroot().tag == "testsuites"


@pytest.mark.parametrize("name", ["a", "a.pdf", "none/a.xml"])
def test_a_file_whose_format_is_unknown_is_refused_before_anything_is_measured(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError) as refused:
        report_formats([tmp_path / name])
    assert refused.value.remedy


def test_a_report_that_judges_nothing_cannot_be_a_list_of_checks() -> None:
    with pytest.raises(InputError, match="judges nothing"):
        print_report(report(), "lut show", Format.JUNIT)
