"""Pages as a browser reads them, without a browser."""

import json
import re
import sys
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from edgebench.core.run import Run
from edgebench.errors import InputError, MissingPackageError
from edgebench.reports.history import history
from edgebench.reports.html.drawing import LIGHT, NARROW, WIDE, chosen_chart, image
from edgebench.reports.html.figures import run_charts
from edgebench.reports.html.history import history_chart, history_page
from edgebench.reports.html.lookup_table import table_page
from edgebench.reports.html.node_data import node_data
from edgebench.reports.html.page import report_page
from edgebench.reports.html.runs import runs_page
from edgebench.reports.html.searches import prediction_charts
from edgebench.reports.profiles import report
from edgebench.store.locations import packaged_folder
from edgebench.store.tables import load_table
from tests.reports.made_runs import NASTY, crashed, measured, run, search_record, simulated

pytestmark = pytest.mark.heavy
pytest.importorskip("altair")
pytest.importorskip("vl_convert")

VOID = {"meta", "link", "br", "hr", "img", "input"}


class Document(HTMLParser):
    """Tags, attributes and texts of a page."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts.append((self.open[-1], data))

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def everything() -> Run:
    return run(
        measured(NASTY, NASTY, layers=20),
        measured(NASTY, "host", noise=0.5, layers=3, seed=2),
        crashed("broken", NASTY),
        simulated("tight", ram=64_000),
        simulated("fat", ram=80_000),
        label=NASTY,
        commit="ab" * 20,
        search=search_record(NASTY),
    )


@pytest.fixture(scope="module")
def page() -> Document:
    return Document(runs_page([everything()]))


def test_every_tag_is_closed_and_no_name_becomes_one(page: Document) -> None:
    assert page.open == []
    assert [attributes.get("type") for attributes in page.of("script")] == ["application/json", None]
    assert not page.of("img")
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    shown = [text for tag, text in page.texts if tag not in {"script", "style"}]
    assert any("<script>alert(1)</script>" in text for text in shown)
    assert not any("\x1b" in text or "\u202e" in text for text in shown)


def test_nothing_is_loaded_from_anywhere(page: Document) -> None:
    for tag, attributes in page.tags:
        assert "src" not in attributes, tag
        for name in ("href", "xlink:href", "action"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:")), (tag, value)
    style = "".join(text for tag, text in page.texts if tag == "style")
    assert "url(" not in style
    assert "@import" not in style
    (policy,) = [a["content"] for a in page.of("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    assert "default-src 'none'" in policy
    assert "unsafe-eval" not in policy


def test_the_rows_are_in_the_page_for_machines(page: Document) -> None:
    (rows,) = [text for tag, text in page.texts if tag == "script" and text.startswith("[")]
    assert next(row["model"] for row in json.loads(rows) if "model" in row) == NASTY


def test_ids_are_unique_and_what_is_referred_to_is_there(page: Document) -> None:
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in page.tags:
        for name in ("aria-labelledby", "aria-describedby"):
            assert set((attributes.get(name) or "").split()) <= set(ids)
        for value in attributes.values():
            assert set(re.findall(r"url\(#([^)]+)\)", value or "")) <= set(ids)


def test_tables_have_captions_scopes_and_buttons_that_sort(page: Document) -> None:
    assert len(page.of("caption")) == len(page.of("table")) > 5
    heads = page.of("th")
    assert all(head.get("scope") in {"col", "row"} for head in heads)
    sortable = [head for head in heads if "aria-sort" in head]
    assert len(sortable) == sum(button.get("type") == "button" for button in page.of("button")) - 1


def test_charts_are_told_in_words(page: Document) -> None:
    charts = [attributes for _, attributes in page.tags if attributes.get("class") == "chart"]
    assert len(charts) > 6
    words = {a["id"]: a for _, a in page.tags if a.get("class") == "vh" and "id" in a}
    for chart in charts:
        assert chart["role"] == "img"
        assert chart["aria-describedby"] in words
    text = " ".join(text for _, text in page.texts)
    assert "95 % interval" in text
    assert "the peak is" in text
    assert "1 of 2 fit" in text
    assert "0 of 1 finalists meet every limit" in text


def test_provenance_is_told_by_letter_and_word(page: Document) -> None:
    marks = [a["class"] for _, a in page.tags if (a.get("class") or "").startswith("p p")]
    assert {"p pm", "p px", "p pe"} <= set(marks)
    hidden = [text for tag, text in page.texts if tag == "span"]
    assert {"measured", "exact", "estimated"} <= set(hidden)


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_every_chart_is_valid_vega_lite(width: int) -> None:
    import altair as alt

    second = replace(everything(), name="20260101-000001-abcd", label="other")
    table = load_table(packaged_folder("results") / "tables/nucleo-l4r5zi/resnet.int8.json")
    found = history([run(measured(seed=number), number=number) for number in range(12)], "net", "host", "latency")
    charts = [*run_charts([everything(), second]), *prediction_charts(table), history_chart(found)]
    kinds = {chart.name.partition(":")[0] for chart in charts}
    assert kinds == {"front", "course", "latency", "layers", "memory", "predicted", "history"}
    for chart in charts:
        spec = chart.draw(LIGHT, width)
        alt.Chart.from_dict(dict(spec), validate=True) if "layer" not in spec and "facet" not in spec else (
            (alt.LayerChart if "layer" in spec else alt.FacetChart).from_dict(dict(spec), validate=True)
        )


def test_each_row_of_a_distribution_shows_its_own_run_only() -> None:
    first, second = run(measured(seconds=1e-4)), run(measured(seconds=2e-4), number=1)
    (chart,) = run_charts([first, second])
    text = image(chart, "svg").decode()
    medians = re.findall(r'aria-label="median (\d+) us', text)
    # A line and the band of its interval each.
    assert sorted(medians) == ["101", "101", "201", "201"]


def test_single_charts_come_in_every_form() -> None:
    charts = run_charts([everything()])
    assert image(charts[0], "svg").startswith(b"<svg")
    assert image(charts[0], "png").startswith(b"\x89PNG")
    assert image(charts[0], "pdf").startswith(b"%PDF")
    assert b"var(--" not in image(charts[0], "svg")
    assert chosen_chart(charts, "course").name == "course"
    assert chosen_chart(charts, "memory:fat").name == "memory:fat@board"
    with pytest.raises(InputError, match="no charts are called 'nothing'"):
        chosen_chart(charts, "nothing")
    with pytest.raises(InputError, match="called 'memory'"):
        chosen_chart(charts, "memory")
    with pytest.raises(InputError, match="nothing to draw"):
        chosen_chart([], None)


def test_a_limit_that_is_near_is_drawn_and_one_that_is_far_is_named() -> None:
    near, far = (run_charts([run(simulated(limit=limit))])[-1] for limit in (65_536, 1 << 20))
    assert "limit 64.0 KiB<" in image(near, "svg").decode()
    assert "times the peak" in image(far, "svg").decode()


def test_without_the_packages_a_page_says_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(MissingPackageError) as caught:
        runs_page([everything()])
    assert caught.value.remedy == "pip install 'edgebench[report]'"
    assert "<table>" in report_page(report([everything()]), "report"), "tables need no charts"


def test_tables_histories_and_other_reports_share_the_frame() -> None:
    table = load_table(packaged_folder("results") / "tables/nucleo-l4r5zi/resnet.int8.json")
    runs = [run(measured(NASTY, seed=number), number=number, label=NASTY) for number in range(3)]
    pages = [
        table_page(table),
        history_page(history(runs, NASTY, "host", "latency")),
        report_page(report([everything()]), NASTY),
        runs_page([run(label=NASTY)]),
    ]
    for text in pages:
        document = Document(text)
        assert document.open == []
        assert len(document.of("script")) == 2
        assert document.of("main")


def test_node_data_are_what_model_explorer_reads() -> None:
    document = json.loads(node_data([run(measured("net", layers=4))]))
    results = document["main"]["results"]
    assert results["net_0"]["value"] == pytest.approx(1e-4 / 4)
    assert len(results) == 4
    assert {stop["stop"] for stop in document["main"]["gradient"]} >= {0, 1}
    with pytest.raises(InputError, match="no profile has operators"):
        node_data([run(measured())])
    two = run(measured("a", layers=2), simulated("b"))
    with pytest.raises(InputError, match="several profiles"):
        node_data([two])
    assert json.loads(node_data([two], "layers:b@board"))["main"]["results"]["b_0"]["value"] == 2.5e5
