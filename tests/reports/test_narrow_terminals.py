"""Tables at any width: figures are whole, what a row is about and the verdict stay, what leaves is named."""

import re
from io import StringIO

import pytest
from rich.console import Console

from edgebench.cli.render.terminal import fitting, render_terminal, render_text
from edgebench.reports.profiles import report
from edgebench.reports.report import Report
from tests.reports.made_runs import measured, run, simulated

WIDTHS = (40, 60, 80, 120, 200)
_FIGURE = re.compile(r"\d+\.(?!\d)")
"""A number that was cut after its point."""


def shown(made: Report, width: int) -> str:
    text = StringIO()
    render_terminal(made, Console(file=text, width=width, highlight=False, emoji=False, force_terminal=False))
    return text.getvalue()


@pytest.fixture(scope="module")
def made() -> Report:
    return report([run(measured(), simulated(), label="before"), run(measured(seed=1), number=1, label="after")])


@pytest.mark.parametrize("width", WIDTHS)
def test_no_figure_is_cut(made: Report, width: int) -> None:
    whole = {word for word in render_text(made).split() if re.fullmatch(r"[\d,.]+", word)}
    text = shown(made, width)
    words = {word for line in text.splitlines() for word in line.split() if re.fullmatch(r"[\d,.]+", word)}
    assert words <= whole | {word for remark in made.remarks for word in remark.text.split()}
    assert not [line for line in text.splitlines() if _FIGURE.search(line) and "..." not in line and " m" in line[-3:]]


@pytest.mark.parametrize("width", WIDTHS)
def test_columns_that_leave_are_named_and_the_verdict_stays(made: Report, width: int) -> None:
    for table in made.tables:
        narrow, left_out = fitting(table, width)
        # One model alone may be named in the title.
        in_title = narrow.title != table.title
        gone = [title for title in left_out if title != "intervals"]
        assert len(narrow.columns) + len(gone) + in_title == len(table.columns)
        keys = {column.key for column in narrow.columns}
        for key in ("device", "fits", "outcome", *(() if in_title else ("model",))):
            assert key in keys or key not in {column.key for column in table.columns}
        if left_out:
            assert "too narrow for: " + ", ".join(left_out) in " ".join(shown(made, width).split())


def test_the_verdict_stands_before_the_figures(made: Report) -> None:
    (answer,) = [table for table in made.tables if table.title == "Result"]
    keys = [column.key for column in answer.columns]
    assert keys.index("fits") < keys.index("latency_s")


def test_a_file_has_every_column(made: Report) -> None:
    assert "too narrow" not in render_text(made)
