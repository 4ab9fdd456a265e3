"""Names of models, tensors, layers, devices and labels, and reasons, are text in every output and nothing else."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console

from edgebench.cli import faults
from edgebench.cli.render.checks import render_annotations, render_junit, render_sarif
from edgebench.cli.render.data import render_csv, render_json
from edgebench.cli.render.html import render_fragment
from edgebench.cli.render.markdown import render_markdown
from edgebench.cli.render.terminal import render_terminal, render_text
from edgebench.core.metric import Metric, Provenance
from edgebench.core.model import ModelFormat, ModelInfo, TensorSpec
from edgebench.core.plan import MeasurementPlan
from edgebench.core.profile import Failure, LayerCost, Outcome, ProcessRun, Profile, Sample
from edgebench.core.run import Run
from edgebench.errors import EdgebenchError
from edgebench.reports.checks import Check, CheckResult
from edgebench.reports.codes import Code, Kind
from edgebench.reports.html.page import report_page
from edgebench.reports.profiles import report as profiles_report
from edgebench.reports.report import Column, Remark, Report, ReportTable, flat_record
from edgebench.reports.visible import visible
from edgebench.store.devices import find_device
from edgebench.workers.measuring.model_jobs import WriteProject, Written
from tests.adversarial.hostile_names import NAMES

PLAIN = "plain"
_JOINERS = "\u00ad\u200c\u200d"
each_name = pytest.mark.parametrize("name", NAMES, ids=[ascii(name)[1:30] for name in NAMES])


def made(name: str) -> Report:
    """A report in which everything that can be named is called so."""
    figure = Metric(value=1.5, unit="s", provenance=Provenance.MEASURED, method=name, low=1, high=2)
    row = {"model": name, "latency_s": figure, "note": name, f"of {name}": name}
    columns = tuple(Column(key=key, title=name if key == "note" else "title") for key in row)
    checks = tuple(
        Check(
            model=name, device=name, figure=name, result=result, code=Code.GATE_REGRESSED, text=name, remedy=name,
            source=name,
        )
        for result in CheckResult
    )  # fmt: skip
    return Report(
        tables=(ReportTable(title=name, columns=columns, rows=(row, row), caption=name),),
        remarks=(Remark(kind=Kind.WARNING, code=Code.DISTURBED, subject=name, text=name, remedy=name),),
        records=(flat_record(row),),
        checks=checks,
    )


def run_of(name: str) -> Run:
    """A run whose model, tensors, layers, device, label and failure are called so."""
    figure = Metric(value=1.5, unit="s", provenance=Provenance.MEASURED, method=name)
    model = ModelInfo(
        name=name, source=name, format=ModelFormat.ONNX, digest="0", size_bytes=1, caveats=(name,), notes=(name,),
        inputs=(TensorSpec(name=name, dtype="float32", shape=(1, 2)),), operators={name: 1},
    )  # fmt: skip
    profile = Profile(
        model=model,
        device=replace(find_device("fake"), name=name or "device", description=name),
        outcome=Outcome.WRONG_RESULTS,
        failure=Failure(message=name, remedy=name, operators=(name,)),
        processes=(ProcessRun(load_s=1, bursts=(Sample(latencies_s=(1.0, 2.0), wall_s=3, cpu_s=3),)),),
        metrics={name: figure},
        layers=(
            LayerCost(name=name, operator=name, share=1, placement=name, reason=name, metrics={"latency_s": figure}),
        ),
        versions={name: name},
        notes=(name,),
        latency_provenance=Provenance.MEASURED,
        method=name,
    )
    return Run(
        name="20260101-000000-aaaa", started="2026-01-01T00:00:00+00:00", command=("edgebench", name), edgebench="1",
        plan=MeasurementPlan(), machine={name: name}, seed=0, warnings=(name,), label=name, profiles=(profile,),
    )  # fmt: skip


def steers(text: str) -> list[str]:
    """Characters that move a cursor, ring, or change the direction of writing."""
    odd = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    return [ascii(one) for one in text if one not in "\n" + _JOINERS and unicodedata.category(one) in odd]


def commands(text: str) -> list[str]:
    """Lines that a log of CI obeys."""
    anywhere = re.compile(r"##(\[|vso\[|teamcity\[)")
    return [line for line in text.splitlines() if line.strip().startswith("::") or anywhere.search(line)]


class Structure(HTMLParser):
    """Tags and the names of their attributes, in order: what a page is, apart from what it says."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[object] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, [name for name, _ in attrs if name != "class"]))

    def handle_endtag(self, tag: str) -> None:
        self.found.append(tag)

    def handle_comment(self, data: str) -> None:
        self.found.append("comment")

    def handle_decl(self, decl: str) -> None:
        self.found.append(decl)


@each_name
@pytest.mark.parametrize("render", [made, lambda name: profiles_report([run_of(name)])], ids=["made", "profile"])
def test_terminals(name: str, render: Callable[[str], Report]) -> None:
    report = render(name)
    out = StringIO()
    render_terminal(report, Console(file=out, width=120, force_terminal=True, highlight=False, emoji=False))
    assert not steers(re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue()))
    # Colours are those of edgebench: as many as of any other name.
    text = render_text(report)
    assert not steers(text)
    assert not commands(text)
    assert not re.search(r"\x1b\]8", out.getvalue())
    shown = visible(name).strip()
    if len(shown) < 36:
        assert shown in text


@each_name
def test_errors(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    faults.print_error(EdgebenchError(name, where=name, remedy=name))
    said = capsys.readouterr().err
    assert not steers(said)
    assert not commands(said)
    assert len(said.splitlines()) == (2 if name else 1)


@each_name
def test_markdown(name: str) -> None:
    text = render_markdown(made(name))
    assert not steers(text)
    assert not commands(text)
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == 4
    assert {len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) for line in lines} == {5}
    assert len(text.splitlines()) <= len(render_markdown(made(PLAIN)).splitlines())
    for line in text.splitlines():
        bare = re.sub(r"\\[!-/:-@\[-`{-~]", "", line)
        # What is left is edgebench's own: a heading, the frame of a table, a remark.
        assert not re.search(r"[<>`\[\]#&~$*_|]", re.sub(r"^(### |- \*\*)|\*\*(?=:)|\|", "", bare)), line


@each_name
def test_csv(name: str) -> None:
    for report in (made(name), profiles_report([run_of(name)])):
        text = render_csv(report)
        rows = list(csv.reader(io.StringIO(text), strict=True))
        assert len(rows) == 1 + len(report.records)
        assert len({len(row) for row in rows}) == 1
        assert not steers(text)
        assert not commands(text)
        for row in rows:
            for cell in row:
                assert not re.match(r"\s*[=+\-@\uff1d]", cell) or re.fullmatch(r"-?[\d.e+-]+", cell), cell


@each_name
def test_json(name: str) -> None:
    text = render_json(made(name), "profile")
    assert text.isascii()
    assert not steers(text)
    assert not commands(text)
    assert json.loads(text)["rows"][0]["model"] == name


@each_name
def test_html(name: str) -> None:
    for page in (render_fragment, lambda report: report_page(report, "profile")):
        found, plain = page(made(name)), page(made(PLAIN))
        assert not name.strip() or Structure(found).found == Structure(plain).found
        assert steers(found) == steers(plain)
        assert found.count("<script") == plain.count("<script")


@each_name
def test_junit(name: str) -> None:
    def shape(text: str) -> list[tuple[str, list[str]]]:
        return [(item.tag, sorted(set(item.attrib) - {"file"})) for item in ElementTree.fromstring(text).iter()]

    text = render_junit(made(name), "gate")
    expected = render_junit(made(PLAIN), "gate")
    if name:
        assert shape(text) == shape(expected)
    assert not steers(text)
    assert not commands(text)


@each_name
def test_sarif(name: str) -> None:
    text = render_sarif(made(name), "gate")
    (run,) = json.loads(text)["runs"]
    assert len(run["results"]) == 2
    assert text.isascii()
    assert not commands(text)
    for result in run["results"]:
        assert not steers(result["message"]["text"])
        for location in result.get("locations", ()):
            assert re.fullmatch(r"[A-Za-z0-9._~/%-]+", location["physicalLocation"]["artifactLocation"]["uri"])


@each_name
def test_annotations(name: str) -> None:
    text = render_annotations(made(name))
    lines = text.splitlines()
    assert len(lines) == 2
    assert not steers(text)
    for line in lines:
        match = re.fullmatch(r"::(error|warning) ([^:]*)::(.*)", line)
        assert match, line
        assert {part.partition("=")[0] for part in match[2].split(",")} <= {"file", "title"}
        assert not re.search(r"%(?!0A|25|3A|2C)", line)


@pytest.mark.parametrize("name", NAMES[:-1], ids=[ascii(name)[1:30] for name in NAMES[:-1]])
def test_c(name: str, tmp_path: Path) -> None:
    """What a compiler sees is the same whatever tensors are called."""
    from edgebench.models.tflite.quantised_graph import read_quantised_graph
    from edgebench.models.zoo import export
    from edgebench.targets.mcu.generator import generate

    export("tiny", ModelFormat.TFLITE, tmp_path / "tiny.tflite")
    graph = read_quantised_graph(_int8(tmp_path))
    named = replace(
        graph, name=name, tensors=tuple(replace(tensor, name=name) for tensor in graph.tensors)
    )  # fmt: skip
    plain, hostile = generate(graph).files, generate(named).files
    assert set(plain) == set(hostile)
    for file, text in hostile.items():
        assert not steers(text)
        assert _code(text) == _code(plain[file]), file
        text.encode()


def _int8(folder: Path) -> Path:
    from edgebench.models.convert import quantise

    return quantise(folder / "tiny.tflite", folder / "int8.tflite", None, 0).path


def _code(text: str) -> str:
    """C as a compiler sees it: trigraphs and continued lines replaced, then without comments."""
    text = text.replace("??/", "\\").replace("\\\n", "")
    pattern = r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'"
    return re.sub(pattern, lambda match: " " if match[0][0] == "/" else match[0], text, flags=re.DOTALL)


@pytest.mark.child
@pytest.mark.skipif(shutil.which("gcc") is None, reason="there is no gcc")
def test_a_compiler_agrees(tmp_path: Path) -> None:
    from edgebench.targets.mcu.generator import _comment

    lines = [f"/* {_comment(name)} */ int number_{index};" for index, name in enumerate(NAMES)]
    (tmp_path / "names.c").write_text("\n".join(lines))
    done = subprocess.run(
        ["gcc", "-fsyntax-only", "-Wall", "-Werror", "-trigraphs", "names.c"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil", "a\0b", "link"])
def test_names_of_exported_files(name: str, tmp_path: Path) -> None:
    """What a child says it has written is copied to the user's folder under that name."""
    from edgebench.core.model import InputSource

    (tmp_path / "link").symlink_to("/etc/passwd")
    order = WriteProject(device=find_device("nucleo-l4r5zi"), model="m", inputs=InputSource(), folder=str(tmp_path))
    assert order.misfit(Written(files=("model.c", "kernels/conv.c"))) is None
    assert order.misfit(Written(files=("model.c", name))) == "files that are not in their folder"
