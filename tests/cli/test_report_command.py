"""``edgebench report`` and ``history`` in every form, on runs that were made up."""

import csv
import io
import json
import sys
import webbrowser
from pathlib import Path

import pytest

from edgebench.cli.main import app
from edgebench.core.run import Run
from edgebench.errors import EdgebenchError, InputError, MissingPackageError
from edgebench.store.runs import RunStore
from tests.models_on_disk import write_onnx
from tests.reports.made_runs import NASTY, crashed, measured, run, simulated

charts = pytest.mark.heavy


def edgebench(*arguments: str) -> int:
    """The exit code; errors of edgebench are raised."""
    with pytest.raises((SystemExit, EdgebenchError)) as caught:
        app(args=list(arguments), prog_name="edgebench")
    if isinstance(caught.value, EdgebenchError):
        raise caught.value
    return int(caught.value.code or 0)


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def stored(folder: Path, *runs: Run) -> list[Run]:
    for item in runs:
        RunStore(folder / "results").save(item)
    return list(runs)


def test_two_runs_are_told_apart_by_their_labels(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stored(in_folder, run(measured(), label="before"), run(measured(seed=1), number=1, label="after"))
    assert edgebench("report", "before", "after") == 0
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines() if " host " in line] == ["before", "after"]


def test_a_run_in_which_everything_failed_is_not_the_newest(
    in_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stored(in_folder, run(measured(), label="good"), run(crashed(), number=1))
    assert edgebench("report", "--json") == 0
    assert [row["model"] for row in json.loads(capsys.readouterr().out)["rows"]] == ["net"]


@pytest.mark.parametrize("form", ["rich", "markdown"])
def test_names_steer_neither_terminals_nor_markdown(
    in_folder: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    runs = run(measured(NASTY, NASTY), label=NASTY), run(measured(NASTY, NASTY), number=1, label="[red]x[/]")
    stored(in_folder, *runs)
    assert edgebench("report", runs[0].name, runs[1].name, "--details", "-f", form) == 0
    out = capsys.readouterr().out
    assert not {"\x00", "\x1b", "\u202e"} & set(out)
    assert "[red]x[/]" in out.replace("\\", "")
    assert form == "rich" or "<script>" not in out.replace("\\<", "")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r\n=", "\v+"])
def test_no_cell_of_a_csv_file_is_a_formula(in_folder: Path, capsys: pytest.CaptureFixture[str], start: str) -> None:
    stored(in_folder, run(measured(f"{start}cmd()"), label=f"{start}cmd()"))
    assert edgebench("report", "-f", "csv") == 0
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out, newline=""))
    for text in (row["model"], row["label"]):
        assert text.endswith("cmd()")
        assert text[0] == "'" or text.lstrip()[0] not in "=+-@"


@charts
def test_a_page_and_charts_are_files(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("altair")
    pytest.importorskip("vl_convert")
    stored(in_folder, run(measured(layers=3), simulated()))
    assert edgebench("report", "-f", "html", "-o", "deep/page.html") == 0
    assert (in_folder / "deep/page.html").read_text().startswith("<!doctype html>")
    for form, start in (("svg", b"<svg"), ("png", b"\x89PNG"), ("pdf", b"%PDF")):
        assert edgebench("report", "-f", form, "--chart", "layers:net@host", "-o", f"chart.{form}") == 0
        assert (in_folder / f"chart.{form}").read_bytes().startswith(start)
    with pytest.raises(InputError, match="no charts are called 'x'"):
        edgebench("report", "-f", "svg", "--chart", "x")
    assert edgebench("runs", "show", "2026", "-f", "html") == 0
    assert "<!doctype html>" in capsys.readouterr().out


@charts
def test_open_writes_a_page_and_shows_it(in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("altair")
    pytest.importorskip("vl_convert")
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    (only,) = stored(in_folder, run(measured()))
    assert edgebench("report", "--open") == 0
    page = in_folder / "results/reports" / f"{only.name}.html"
    assert opened == [page.as_uri()]
    assert page.is_file()
    with pytest.raises(InputError, match="--open shows a page"):
        edgebench("report", "--open", "-f", "csv")


def test_without_its_packages_a_page_names_the_remedy(in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "altair", None)
    stored(in_folder, run(measured()))
    with pytest.raises(MissingPackageError) as caught:
        edgebench("report", "-f", "html")
    assert caught.value.remedy == "pip install 'edgebench[report]'"
    assert edgebench("runs", "list", "-f", "html") == 0, "a page of tables needs no charts"


def test_operators_leave_for_model_explorer(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stored(in_folder, run(measured(layers=2), simulated("other")))
    assert edgebench("report", "-f", "model-explorer", "--chart", "net@host") == 0
    assert set(json.loads(capsys.readouterr().out)["main"]["results"]) == {"net_0", "net_1"}


def test_a_history_is_a_table_and_rows(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stored(in_folder, *(run(simulated(ram=5e4 + 1000 * (number > 2)), number=number) for number in range(5)))
    assert edgebench("history", "net", "-d", "board", "--metric", "ram") == 0
    out = capsys.readouterr().out
    assert out.count("●") == 5
    assert "+2.0%" in out
    assert edgebench("history", "net", "-d", "board", "--metric", "ram", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["command"], len(document["rows"])) == ("history", 5)
    with pytest.raises(InputError, match="no run has figures of net on boar"):
        edgebench("history", "net", "-d", "boar")


@pytest.mark.parametrize("bad", ["x" * 101, "a\x1b[31mb"])
def test_a_label_fits_on_a_line(bad: str) -> None:
    with pytest.raises(InputError, match="--label"):
        edgebench("profile", "nothing.onnx", "-d", "fake", "--label", bad)


@pytest.mark.child
def test_a_profile_keeps_its_label(in_folder: Path) -> None:
    write_onnx(in_folder / "model.onnx")
    assert edgebench("profile", "model.onnx", "-d", "fake", "--label", "my  label") == 0
    (name,) = RunStore(in_folder / "results").names()
    assert RunStore(in_folder / "results").load("my label").name == name
