"""Pages in headless Chromium: as a reader meets them, by hand and by ear, on a desk, on a telephone and on paper."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from edgebench.reports.history import history
from edgebench.reports.html.history import history_page
from edgebench.reports.html.lookup_table import table_page
from edgebench.reports.html.runs import runs_page
from edgebench.store.locations import packaged_folder
from edgebench.store.tables import load_table
from tests.reports.made_runs import NASTY, crashed, measured, run, search_record, simulated

pytestmark = [pytest.mark.slow, pytest.mark.child]
pytest.importorskip("altair")
pytest.importorskip("vl_convert")
playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
if CHROMIUM is None:
    pytest.skip("chromium is not installed", allow_module_level=True)


@dataclass(frozen=True)
class Visit:
    """An open page, and what went wrong on it."""

    page: Any
    problems: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as play:
        opened = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    whole = run(
        measured(NASTY, NASTY, layers=20),
        measured("net", "host", layers=3),
        measured("other", "host", seconds=2e-4, seed=1),
        crashed("broken"),
        simulated("tight", ram=64_000),
        simulated("fat", ram=80_000),
        label=NASTY,
        search=search_record(NASTY),
    )
    past = [run(measured(seed=number, seconds=1e-4 * (1 + number // 10)), number=number) for number in range(20)]
    texts = {
        "run": runs_page([whole]),
        "several": runs_page(past),
        "table": table_page(load_table(packaged_folder("results") / "tables/nucleo-l4r5zi/resnet.int8.json")),
        "history": history_page(history(past, "net", "host", "latency")),
    }
    for name, text in texts.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in texts}


def visit(browser: Any, path: Path, width: int = 1280, scheme: str = "light") -> Visit:
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    found = Visit(page=context.new_page())
    found.page.on("console", lambda message: found.problems.append(message.text))
    found.page.on("pageerror", lambda error: found.problems.append(str(error)))
    found.page.on("dialog", lambda dialog: found.problems.append(f"dialog {dialog.message}"))
    found.page.on("request", lambda request: found.requests.append(request.url))
    found.page.goto(path.as_uri())
    return found


PAGES = ["run", "several", "table", "history"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 380])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_shows_without_errors_requests_or_scrolling_sideways(
    browser: Any, pages: dict[str, Path], name: str, width: int, scheme: str
) -> None:
    found = visit(browser, pages[name], width, scheme)
    assert found.problems == []
    assert [url for url in found.requests if not url.startswith("data:")] == [pages[name].as_uri()]
    assert found.page.evaluate("document.documentElement.scrollWidth") <= width
    background = found.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")
    # Charts follow the scheme too.
    ink = found.page.evaluate("getComputedStyle(document.querySelector('.chart text')).fill")
    assert ink != background
    found.page.context.close()


@pytest.mark.parametrize("name", PAGES)
def test_one_drawing_of_each_chart_is_shown(browser: Any, pages: dict[str, Path], name: str) -> None:
    for width in (1280, 380):
        found = visit(browser, pages[name], width)
        shown = found.page.evaluate(
            "[...document.querySelectorAll('.chart')].map(c =>"
            " [...c.querySelectorAll('svg')].filter(s => s.getBoundingClientRect().width > 0).length)"
        )
        assert shown
        assert set(shown) == {1}
        found.page.context.close()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_prints(browser: Any, pages: dict[str, Path], name: str) -> None:
    found = visit(browser, pages[name], scheme="dark")
    found.page.emulate_media(media="print")
    assert found.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert found.page.pdf(format="A4").startswith(b"%PDF")
    assert found.problems == []
    found.page.context.close()


def test_a_table_is_sorted_by_keyboard_and_says_so(browser: Any, pages: dict[str, Path]) -> None:
    page = visit(browser, pages["run"]).page
    button = page.locator("#comparison th button", has_text="latency")
    head = button.locator("xpath=..")
    values = "[...document.querySelectorAll('#comparison tbody tr')].map(r => r.cells[2].dataset.v).map(Number)"
    button.focus()
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    ascending = page.evaluate(values)
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    descending = page.evaluate(values)
    known = [value for value in ascending if value == value]
    assert known == sorted(known)
    assert [value for value in descending if value == value] == known[::-1]
    assert ascending[-1] != ascending[-1], "what has no figure comes last"
    assert descending[-1] != descending[-1]
    page.context.close()


def test_filters_hide_rows_and_charts_and_say_how_many_are_left(browser: Any, pages: dict[str, Path]) -> None:
    page = visit(browser, pages["run"]).page
    rows = page.locator("#comparison tbody tr:visible")
    assert rows.count() == 6
    page.locator("select[data-filter=device]").select_option("board")
    assert rows.count() == 2
    assert page.locator("output").inner_text() == "2 of 6 rows"
    assert page.locator("#latency figure:visible").count() == 0
    page.locator("select[data-filter=model]").select_option("fat")
    assert rows.count() == 1
    page.locator("select[data-filter=device]").select_option("")
    page.locator("select[data-filter=model]").select_option(index=1)
    assert rows.count() == 1, "a name with markup filters like any other"
    page.context.close()


def test_marks_of_charts_are_named_beside_the_pointer(browser: Any, pages: dict[str, Path]) -> None:
    page = visit(browser, pages["history"]).page
    page.locator(".chart .wide [role=graphics-symbol][aria-label]").last.hover()
    assert "us" in page.locator("#tip").inner_text()
    page.context.close()


def test_a_reader_by_ear_meets_headings_tables_and_named_images(browser: Any, pages: dict[str, Path]) -> None:
    page = visit(browser, pages["run"]).page
    assert page.get_by_role("heading", level=1).count() == 1
    assert page.get_by_role("main").count() == 1
    assert page.get_by_role("table", name="Result").count() == 1
    images = page.get_by_role("img")
    assert images.count() > 5
    assert page.get_by_role("img", name="Course of the search").count() == 1
    assert page.get_by_role("columnheader", name="latency").count() >= 1
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.context.close()
